"""Random guest programs in machine code, whose ops are known.

A program is a list of (kind of block, seed). Blocks store to private memory, beside and over code
that ran or will run, write code and call it, move the stack about, and between that touch the
ring. `reference86` runs the same bytes and says which ops there are for any list of answers. What
the program loads and keeps ends up in values that it stores to the ring, so that a wrong value, or
a private store that was lost, shows.

Blocks may do anything to private memory except to code that they cannot replace: what runs later.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from code86 import (
    BASE,
    CPUID,
    DATA,
    HYPERCALL_PAGE,
    PORT,
    RING,
    SET_UP,
    SHARED_INFO,
    map_shared_info,
    mov_eax,
    mov_ecx,
    mov_edi,
    mov_edx,
    mov_esi,
    mov_esp,
    poke,
    shutdown,
    u32,
)
from decode86 import text_of
from reference86 import RAM, Cpu

__all__ = ["ANSWERS", "KINDS", "Program", "build", "listing"]

PAGE: Final = 4096
ANSWERS: Final = (0, 1, 2, 5, 0x10, 0x7F, 0xFF, 0x8000, 0x12345678, 0xDEADBEEF, 0xFFFFFFFF)
"""What loads are mostly answered, and what programs compare with."""

_AREAS: Final = (0x11000, 0x1A0000, 0x1B0000, 0x24F000, 0x300000)
"""Private memory, two pages each; one lies on the edge of two pieces of the machine's RAM."""
_SLOTS: Final = (0x1C0100, 0x1C0FF3, 0x1D0801, 0x11FFA, 0x1A0A02, 0x24FFF1)
"""Places for written code: aligned and odd, in pages of their own and among data, over edges."""
_SLOT_SIZE: Final = 48
_STACKS: Final = (0x1A1FF0, 0x11F00, 0x250010, 0x302000, 0x1C0F82)
_TOTAL: Final = 0x1A0040
"""A running sum of all that was loaded."""
_RESULT: Final = RING + 3072
_FACTOR: Final = u32(0x01000193)


class Program(NamedTuple):
    """One guest."""

    code: bytes
    blocks: tuple[tuple[str, int], ...]
    """Name and address of each, in order."""
    either_cmps: bool
    """Whether it compares ring words with ring words: which is loaded first is not laid down."""

    def cpus(self, *, fences: bool = False) -> list[Cpu]:
        """Reference CPUs at its beginning, one for each behaviour that is right."""
        orders = (False, True) if self.either_cmps else (False,)
        return [
            Cpu(self.code, BASE, fences=fences, cmps_edi_first=edi_first) for edi_first in orders
        ]


def build(plan: Sequence[tuple[str, int]], *, fences: bool = False) -> Program:
    """The program of these blocks. With `fences` without instructions of which it is not laid down
    where among their own loads they order memory."""
    maker = _Maker(random.Random(f"{plan[:1]}"), fences=fences)
    for kind, seed in plan:
        maker.block(kind, random.Random(seed))
    return maker.finished()


def listing(program: Program, answers: Sequence[int], last: int = 40) -> str:
    """The instructions that ran last for these answers, with the names of their blocks."""
    (cpu, *_) = program.cpus()
    cpu.trace = []
    cpu.run()
    for answer in answers:
        if not cpu.halted:
            cpu.run(answer)
    lines = []
    ran = cpu.trace[-last:]
    if not cpu.halted:
        page = bytes(cpu.load(cpu.eip + at, 1) for at in range(15))
        ran.append((cpu.eip, page))
    for pc, window in ran:
        names = [name for name, at in program.blocks if at == pc]
        lines += [f"  -- {', '.join(names)}"] * bool(names) + [f"  {text_of(pc, window)}"]
    return "\n".join(lines)


def _modrm(reg: int, address: int) -> bytes:
    return bytes((reg << 3 | 5,)) + u32(address)


def _sized(code: int, size: int) -> bytes:
    """The opcode's form for 1, 2 or 4 bytes, given that for one byte."""
    return (b"\x66" if size == 2 else b"") + bytes((code | (size > 1),))


class _Maker:
    """Emits code. Every block leaves DF clear and ESP on the main stack."""

    def __init__(self, rng: random.Random, *, fences: bool) -> None:
        filler = rng.choice((0, 0, 3000, 3800, 3980))
        self.code = bytearray(b"\xe9" + u32(filler) + b"\xcc" * filler if filler else b"")
        self.code += SET_UP + map_shared_info() + mov_esp(DATA)
        self.start = len(self.code)
        self.fences = fences
        self.behind = BASE + self.start
        """Up to here code has run and never runs again."""
        self.intact: dict[int, int] = {}
        """Code that was written and may be called again: address, length."""
        self.pads: list[int] = []
        self.touched: list[int] = []
        self.blocks: list[tuple[str, int]] = []
        self.nested = 0
        self.either_cmps = False

    # -- what blocks are made of ----------------------------------------------------------------

    @property
    def here(self) -> int:
        """Where the next instruction will be."""
        return BASE + len(self.code)

    def block(self, kind: str, rng: random.Random) -> None:
        """Emit one block."""
        if not self.nested:
            self.behind = self.here
        self.blocks.append((kind, self.here))
        _BLOCKS[kind](self, rng)
        if not self.nested and rng.random() < 0.3:
            self.checkpoint(rng)

    def emit(self, *code: bytes) -> None:
        """Append instructions."""
        for each in code:
            self.code += each

    def use(self, register: int = 0) -> None:
        """total = total * factor + register; ebx is lost."""
        self.emit(
            b"\x8b\x1d", u32(_TOTAL), b"\x69\xdb", _FACTOR, bytes((0x01, 0xC3 | register << 3))
        )
        self.emit(b"\x89\x1d", u32(_TOTAL))

    def checkpoint(self, rng: random.Random) -> None:
        """Show what was summed, and one private word."""
        self.emit(b"\xa1", u32(_TOTAL))
        if self.touched:
            address = rng.choice(self.touched[-8:])
            self.emit(b"\x69\xc0", _FACTOR, b"\x03\x05", u32(address))
        self.emit(b"\xa3", u32(_RESULT + 4 * rng.randrange(200)))

    def private(self, rng: random.Random, size: int = 4) -> int:
        """An address for private data: `size` bytes from there may be written."""
        draw = rng.random()
        if draw < 0.55:
            address = rng.choice(_AREAS) + rng.randrange(2 * PAGE - size)
        elif draw < 0.75:
            address = rng.choice(_AREAS) + PAGE - rng.randrange(1, 4)
        elif draw < 0.9 or not self.pads:
            room = self.behind - BASE
            back = rng.choice((size, size + rng.randrange(16), size + rng.randrange(512)))
            address = self.behind - back if back <= room else rng.choice(_AREAS) + 1
        else:
            address = rng.choice(self.pads) + rng.randrange(_SLOT_SIZE - size)
        self.spoil(address, size)
        return address

    def spoil(self, address: int, size: int) -> None:
        """Private memory changes: written code there is gone."""
        self.touched.append(address)
        for slot, length in list(self.intact.items()):
            if slot < address + size and address < slot + length:
                del self.intact[slot]

    def ring(self, rng: random.Random, size: int) -> int:
        """An address for `size` bytes within the ring page."""
        if rng.random() < 0.5:
            return RING + 2048 + 4 * rng.randrange(8)
        return RING + rng.choice((rng.randrange(PAGE - size), 1024 - 1, PAGE - size))

    def operand(self, rng: random.Random, reg: int, address: int) -> tuple[bytes, bytes]:
        """(code before, ModRM and what follows): absolute, or over esi."""
        if rng.random() < 0.6:
            return b"", _modrm(reg, address)
        off = rng.randrange(-128, 128)
        return mov_esi(address - off), bytes((0x46 | reg << 3,)) + struct.pack("<b", off)

    def rep(self, rng: random.Random, count: int) -> tuple[bytes, int]:
        """(code that sets ecx and DF, 1 or -1)."""
        down = rng.random() < 0.4
        return mov_ecx(count) + (b"\xfd" if down else b"\xfc"), -1 if down else 1

    def first(self, low: int, count: int, size: int, step: int) -> int:
        """Where a string instruction begins that covers `count` elements from `low` on."""
        return low if step > 0 else low + (count - 1) * size

    def finished(self) -> Program:
        """End: show everything, power off."""
        self.blocks.append(("end", self.here))
        self.emit(b"\xa1", u32(_TOTAL))
        for address in self.touched[-24:]:
            self.emit(b"\x69\xc0", _FACTOR, b"\x03\x05", u32(address))
        self.emit(b"\xa3", u32(_RESULT - 4), shutdown(0))
        assert max(_AREAS) < RAM
        return Program(bytes(self.code), tuple(self.blocks), self.either_cmps)

    # -- private memory -------------------------------------------------------------------------

    def private_accesses(self, rng: random.Random) -> None:
        """Stores, loads and read-modify-writes, wherever they may lie."""
        for _ in range(rng.randrange(1, 5)):
            size = rng.choice((1, 2, 4, 4))
            address = self.private(rng, size)
            reg = rng.randrange(3)
            before, operand = self.operand(rng, reg, address)
            self.emit(before)
            if rng.random() < 0.5:
                self.emit(bytes((0xB8 | reg,)), u32(rng.getrandbits(32)))
            form = rng.randrange(4)
            if form == 0:
                self.emit(_sized(0x88, size), operand)
            elif form == 1:
                self.emit(b"\x31" + bytes((0xC0 | reg * 9,)), _sized(0x8A, size), operand)
                self.use(reg)
            elif form == 2:
                self.emit(_immediate_store(address, size, rng.getrandbits(32)))
            else:
                self.emit(_change(rng, address, size, private=True))

    def private_string(self, rng: random.Random) -> None:
        """rep stos, rep movs between private places, either way round."""
        size, count = rng.choice((1, 4)), rng.randrange(1, 9)
        target = self.private(rng, size * count)
        setting, step = self.rep(rng, count)
        self.emit(setting, mov_edi(self.first(target, count, size, step)))
        if rng.random() < 0.5:
            self.emit(mov_eax(rng.getrandbits(32)), b"\xf3", _sized(0xAA, size))
        else:
            source = rng.choice(_AREAS) + rng.randrange(PAGE)
            self.emit(mov_esi(self.first(source, count, size, step)), b"\xf3", _sized(0xA4, size))
        self.emit(b"\xfc")

    def private_by_value(self, rng: random.Random) -> None:
        """A store whose address depends on an answer."""
        area = rng.choice(_AREAS)
        self.touched.append(area + 4 * rng.randrange(64))
        for slot in [slot for slot in self.intact if area - 64 < slot < area + 1024]:
            del self.intact[slot]
        self.emit(b"\xa1", u32(self.ring(rng, 4)), b"\x25", u32(0x3FF))
        self.emit(mov_ecx(rng.getrandbits(32)), b"\x89\x88", u32(area))
        self.use()

    # -- the ring -------------------------------------------------------------------------------

    def ring_load(self, rng: random.Random) -> None:
        """A load, by many instructions."""
        size = rng.choice((1, 2, 4, 4))
        address = self.ring(rng, size)
        reg = rng.randrange(3)
        before, operand = self.operand(rng, reg, address)
        self.emit(before)
        form = rng.randrange(8)
        if form == 0:
            self.emit(b"\x31" + bytes((0xC0 | reg * 9,)), _sized(0x8A, size), operand)
        elif form == 1:
            self.emit(b"\x0f", bytes((rng.choice((0xB6, 0xB7, 0xBE, 0xBF)),)), operand)
        elif form == 2:
            self.emit(_sized(0x3A, size), operand, b"\x0f\xb6" + bytes((0xC0 | reg * 9,)))
            self.emit(b"\x72\x05", b"\x05", u32(rng.getrandbits(32)))
        elif form == 3:
            self.emit(_sized(0x84, size), operand, b"\x74\x05\x05", u32(rng.getrandbits(32)))
        elif form == 4:
            self.emit(_sized(rng.choice((0x02, 0x2A, 0x32, 0x22)), size), operand)
        elif form == 5:
            self.emit(mov_esi(address), b"\xfc\x31\xc0", _sized(0xAC, size))
        elif form == 6:
            self.emit(b"\xff\x35", u32(address), bytes((0x58 | reg,)))
        else:
            self.emit(_sized(0x80, size), _modrm(7, address), _immediate(rng.choice(ANSWERS), size))
            self.emit(b"\x75\x05\x05", u32(rng.getrandbits(32)))
        self.use(reg)
        if rng.random() < 0.4:
            self.emit(bytes((0x89, reg << 3 | 5)), u32(self.private(rng)))

    def ring_store(self, rng: random.Random) -> None:
        """A store, by many instructions."""
        size = rng.choice((1, 2, 4, 4))
        address = self.ring(rng, size)
        reg = rng.randrange(3)
        before, operand = self.operand(rng, reg, address)
        self.emit(before)
        form = rng.randrange(5)
        if form == 0:
            self.emit(_sized(0x88, size), operand)
        elif form == 1:
            self.emit(_immediate_store(address, size, rng.getrandbits(32)))
        elif form == 2:
            self.emit(mov_edi(address), _sized(0xAA, size))
        elif form == 3:
            self.emit(b"\x50\x8f\x05", u32(min(address, RING + PAGE - 4)))
        else:
            self.emit(mov_esp(min(address, RING + PAGE - 4) + 4), b"\x68", u32(rng.getrandbits(32)))
            self.emit(mov_esp(DATA))

    def ring_change(self, rng: random.Random) -> None:
        """A read-modify-write, locked or not."""
        size = rng.choice((1, 2, 4, 4))
        self.emit(_change(rng, self.ring(rng, size), size, private=False))
        self.use()

    def ring_string(self, rng: random.Random) -> None:
        """String instructions from, to and within the ring, and to compare with it."""
        size, count = rng.choice((1, 1, 4)), rng.randrange(1, 7)
        target, source = (self.ring(rng, size * count) for _ in range(2))
        setting, step = self.rep(rng, count)
        form = rng.randrange(5)
        if form == 1:
            source = rng.choice(_AREAS) + rng.randrange(PAGE)
        elif form == 2:
            target = self.private(rng, size * count)
        elif form == 4:
            target = rng.choice(_AREAS) + rng.randrange(PAGE)
            if rng.random() < 0.5:
                target, source = source, target
        self.emit(setting, mov_edi(self.first(target, count, size, step)))
        self.emit(mov_esi(self.first(source, count, size, step)))
        if form == 0:
            self.emit(mov_eax(rng.getrandbits(32)))
        repeat = rng.choice((b"\xf3", b"\xf2")) if form == 4 else b"\xf3"
        self.emit(repeat, _sized((0xAA, 0xA4, 0xA4, 0xA4, 0xA6)[form], size), b"\xfc")
        self.use(1)

    def ring_edge(self, rng: random.Random) -> None:
        """Accesses of which a part lies outside the ring page."""
        size = rng.choice((2, 4))
        inside = 1 if size == 2 else 2
        address = RING - inside if rng.random() < 0.5 else RING + PAGE - inside
        if rng.random() < 0.5:
            self.emit(_sized(0x88, size), _modrm(0, address))
        else:
            self.emit(b"\x31\xc0", _sized(0x8A, size), _modrm(0, address))
            self.use()

    def ring_words(self, rng: random.Random) -> None:
        """One instruction that loads several words of the ring."""
        form = rng.randrange(3 if self.fences else 4)
        if form == 0:
            self.emit(mov_esp(RING + rng.randrange(0, PAGE - 32)), b"\x61", mov_esp(DATA))
            self.use(rng.randrange(3))
        elif form == 1:
            self.emit(mov_eax(rng.choice(ANSWERS)), b"\x62\x05", u32(self.ring(rng, 8) & ~7))
        elif form == 2:
            self.either_cmps = True
            self.emit(mov_esi(self.ring(rng, 4)), mov_edi(self.ring(rng, 4)), b"\xfc\xa7")
            self.emit(b"\x72\x05\x05", u32(rng.getrandbits(32)))
        else:
            self.emit(b"\x0f\x01\x15", u32(self.ring(rng, 8) & ~7))

    def events(self, rng: random.Random) -> None:
        """The event words of shared_info, and what beside them is private."""
        word = SHARED_INFO + rng.choice((0x800, 0x804, 0x880, 4))
        private = SHARED_INFO + 0x900 + 4 * rng.randrange(64)
        form = rng.randrange(4)
        if form == 0:
            self.emit(b"\xa1", u32(word))
            self.use()
        elif form == 1:
            self.emit(poke(word, rng.getrandbits(32)))
        elif form == 2:
            self.emit(_change(rng, word, 4, private=False))
            self.use()
        else:
            self.emit(poke(private, rng.getrandbits(32)), b"\xa1", u32(private))
            self.use()

    # -- the rest of the machine ----------------------------------------------------------------

    def hypercalls(self, rng: random.Random) -> None:
        """Signals, polls, and calls that are no ops."""
        at = DATA + 0x40
        form = rng.randrange(6)
        if form == 0:
            self.emit(poke(at, PORT), _call_hypercall(32, 4, at))
        elif form == 1:
            self.emit(poke(at, PORT), _call_hypercall(32, 9, at))
        elif form == 2:
            self.emit(poke(at, at + 32), poke(at + 4, 1), poke(at + 8, 0), poke(at + 12, 0))
            self.emit(poke(at + 32, PORT), _call_hypercall(29, 3, at))
        else:
            self.emit(_call_hypercall(*rng.choice(((17, 0), (29, 0), (20, 5))), at))
        self.use()

    def ports(self, rng: random.Random) -> None:
        """IN and OUT."""
        form = rng.randrange(5)
        if form == 0:
            self.emit(b"\xb0", bytes((rng.randrange(0xE0), 0xE6, rng.choice((0x80, 0xE9)))))
        elif form == 1:
            self.emit(b"\xe4", bytes((rng.choice((0x80, 0xE9, 0x60)),)))
        elif form == 2:
            self.emit(mov_edx(0x3F8), rng.choice((b"\xee", b"\xec")))
        elif form == 3:
            self.emit(mov_eax(rng.randrange(128)), b"\xe6\x70", mov_eax(rng.randrange(256)))
            self.emit(b"\xe6\x71\xe4\x71")
        else:
            self.emit(mov_edx(0xCF8), mov_eax(rng.getrandbits(32)), b"\xef\x31\xc0\xed")
        self.use()

    def fence(self, rng: random.Random) -> None:
        """What orders memory, and what seems to."""
        form = rng.randrange(6)
        if form < 3:
            self.emit(b"\x0f\xae" + bytes(((0xF0, 0xE8, 0xF8)[form],)))
        elif form == 3:
            self.emit(b"\xf0\x83\x44\x24\xfc\x00")  # lock add dword [esp-4], 0
        elif form == 4:
            self.emit(b"\x87\x05", u32(self.private(rng)))
        else:
            self.emit(mov_eax(0x40000000), CPUID)
        self.use()

    def clock(self, rng: random.Random) -> None:
        """RDTSC."""
        self.emit(b"\x0f\x31")
        self.use(rng.choice((0, 2)))

    def stack(self, rng: random.Random) -> None:
        """Another stack for a while."""
        self.emit(mov_esp(rng.choice(_STACKS) - rng.choice((0, 0, 1, 2, 3, 7))))
        depth = 0
        self.intact.clear()  # the stack may reach there
        for _ in range(rng.randrange(1, 6)):
            form = rng.randrange(5)
            if form == 0 or (depth == 0 and form == 2):
                self.emit(b"\x68", u32(rng.getrandbits(32)))
                depth += 1
            elif form == 1:
                self.emit(bytes((0x50 | rng.randrange(8),)))
                depth += 1
            elif form == 2:
                self.emit(bytes((0x58 | rng.randrange(3),)))
                depth -= 1
            elif form == 3 and not self.nested:
                self.emit(b"\x60")
                depth += 8
            elif depth >= 8:
                self.emit(b"\x61")
                depth -= 8
            else:
                self.emit(b"\xff\x35", u32(rng.choice(_AREAS) + rng.randrange(PAGE)))
                depth += 1
        self.emit(b"\x89\xe0")
        self.use()
        self.use(rng.randrange(1, 3))
        self.emit(mov_esp(DATA))

    # -- code that is written while the guest runs ----------------------------------------------

    def written_code(self, rng: random.Random) -> None:
        """Write a function, call it, perhaps change a byte of it and call it again."""
        if rng.random() < 0.4:
            self.emit(b"\xeb", bytes((_SLOT_SIZE,)))
            self.pads.append(self.here)
            self.emit(b"\xcc" * _SLOT_SIZE)
        if self.intact and rng.random() < 0.3:
            self.call(rng, rng.choice(list(self.intact)))
            return
        slot = rng.choice((*_SLOTS, *self.pads, *self.pads)) + rng.choice((0, 0, 1, 2, 3))
        body = _function(rng, self.ring(rng, 4))
        self.write_code(rng, slot, body)
        self.call(rng, slot)
        if rng.random() < 0.5:
            # The first instruction is mov eax, imm32: change what it loads.
            if rng.random() < 0.5:
                self.emit(b"\xa1", u32(self.ring(rng, 4)))
            else:
                self.emit(mov_eax(rng.getrandbits(32)))
            at, size = rng.choice(((1, 4), (1, 1), (3, 2), (4, 1)))
            self.emit(_sized(0xA2, size), u32(slot + at))
            self.call(rng, slot)

    def write_code(self, rng: random.Random, slot: int, body: bytes) -> None:
        """Put `body` at `slot`."""
        self.spoil(slot, len(body))
        way = rng.randrange(7)
        if way == 0:
            for at, word in enumerate(struct.unpack(f"<{len(body) // 4}I", body)):
                self.emit(poke(slot + 4 * at, word))
        elif way in (1, 2):
            size = way
            for at in range(0, len(body), size):
                value = int.from_bytes(body[at : at + size], "little")
                self.emit(_immediate_store(slot + at, size, value))
        elif way in (3, 4):
            size = 1 if way == 3 else 4
            self.emit(b"\xeb", bytes((len(body),)))
            template = self.here
            self.emit(body)
            count = len(body) // size
            setting, step = self.rep(rng, count)
            self.emit(setting, mov_esi(self.first(template, count, size, step)))
            self.emit(mov_edi(self.first(slot, count, size, step)), b"\xf3", _sized(0xA4, size))
            self.emit(b"\xfc")
        elif way == 5:
            self.emit(mov_esp(slot + len(body)))
            for word in reversed(struct.unpack(f"<{len(body) // 4}I", body)):
                self.emit(b"\x68", u32(word))
            self.emit(mov_esp(DATA))
        else:
            # NOPs all over it first, by one instruction.
            self.emit(mov_ecx(len(body) // 4), mov_edi(slot), mov_eax(0x90909090), b"\xf3\xab")
            for at, word in enumerate(struct.unpack(f"<{len(body) // 4}I", body)):
                self.emit(poke(slot + 4 * at, word))
        self.intact[slot] = len(body)

    def call(self, rng: random.Random, slot: int) -> None:
        """Call written code, and keep what it returns."""
        way = rng.randrange(3)
        if way == 0:
            self.emit(mov_eax(slot), b"\xff\xd0")
        elif way == 1:
            self.emit(b"\xe8", u32(slot - self.here - 5))
        else:
            pointer = self.private(rng)
            if slot not in self.intact:
                pointer = DATA + 0x80  # it might have lain on the code
            self.emit(poke(pointer, slot), b"\xff\x15", u32(pointer))
        self.use()

    def patch(self, rng: random.Random) -> None:
        """Change an instruction that runs next, or soon."""
        gap = rng.choice((0, 0, 0, 1, 3, 20))
        if rng.random() < 0.5:
            self.emit(b"\xa1", u32(self.ring(rng, 4)))
            size = rng.choice((1, 2, 4))
            length = len(_sized(0xA2, size)) + 4
            target = self.here + length + gap
            self.emit(_sized(0xA2, size), u32(target + rng.randrange(1, 6 - size)))
        else:
            size = rng.choice((1, 2, 4))
            length = len(_immediate_store(0, size, 0))
            target = self.here + length + gap
            value = rng.getrandbits(32)
            self.emit(_immediate_store(target + rng.randrange(1, 6 - size), size, value))
        self.emit(b"\x90" * gap, b"\xb9", u32(rng.getrandbits(32)))  # mov ecx, imm32
        self.use(1)

    # -- control flow ---------------------------------------------------------------------------

    def flags(self, rng: random.Random) -> None:
        """Flags that live over accesses which change none."""
        self.emit(mov_eax(rng.choice(ANSWERS)), mov_ecx(rng.choice(ANSWERS)))
        self.emit(rng.choice((b"\x39\xc8", b"\x29\xc8", b"\x01\xc8", b"\x85\xc8", b"\x48")))
        for _ in range(rng.randrange(1, 3)):
            form = rng.randrange(5)
            if form == 0:
                self.emit(b"\x8b\x0d", u32(self.ring(rng, 4)))
            elif form == 1:
                self.emit(b"\x89\x05", u32(self.ring(rng, 4)))
            elif form == 2:
                self.emit(b"\x89\x05", u32(self.private(rng)))
            elif form == 3:
                self.emit(b"\x87\x0d", u32(self.ring(rng, 4)))
            else:
                self.emit(mov_esi(self.ring(rng, 4)), mov_edi(self.private(rng)), b"\xa5")
        condition = rng.choice((b"\x72", b"\x73", b"\x74", b"\x75"))
        self.emit(condition, b"\x06\x81\xc1", u32(rng.getrandbits(32)))  # add ecx, imm32
        self.use(1)

    def loop(self, rng: random.Random) -> None:
        """A few blocks, two to four times. ebp counts: nothing else uses it."""
        if self.nested:
            return
        self.emit(b"\xbd", u32(rng.randrange(2, 5)))
        again = self.here
        self.inner(rng, ("private", "string", "ring-load", "ring-string", "patch", "flags"))
        self.emit(b"\x4d\x74\x05\xe9", u32(again - self.here - 8))

    def branch(self, rng: random.Random) -> None:
        """A few blocks that run or not, as an answer says."""
        if self.nested:
            return
        self.emit(b"\xa1", u32(self.ring(rng, 4)), b"\x3d", u32(rng.choice(ANSWERS)))
        self.emit(rng.choice((b"\x74", b"\x75", b"\x72")), b"\x05\xe9")
        at = len(self.code)
        self.emit(u32(0))
        self.inner(rng, ("private", "ring-load", "ring-store", "ring-change", "ports", "stack"))
        self.code[at : at + 4] = u32(len(self.code) - at - 4)

    def inner(self, rng: random.Random, kinds: Sequence[str]) -> None:
        """Blocks within a block."""
        self.nested += 1
        for _ in range(rng.randrange(1, 4)):
            self.block(rng.choice(kinds), rng)
        self.nested -= 1


def _immediate(value: int, size: int) -> bytes:
    return (value & (1 << 8 * size) - 1).to_bytes(size, "little")


def _immediate_store(address: int, size: int, value: int) -> bytes:
    """mov [address], imm."""
    return _sized(0xC6, size) + _modrm(0, address) + _immediate(value, size)


def _call_hypercall(number: int, command: int, argument: int) -> bytes:
    """As code86's, by other instructions."""
    entry = mov_eax(HYPERCALL_PAGE + 32 * number)
    return b"\xbb" + u32(command) + mov_ecx(argument) + entry + b"\xff\xd0"


def _change(rng: random.Random, address: int, size: int, *, private: bool) -> bytes:
    """A read-modify-write of memory, with what it needs in registers. eax is what it leaves."""
    lock = b"\xf0" if rng.random() < (0.2 if private else 0.6) else b""
    setting = mov_eax(rng.choice(ANSWERS)) + mov_ecx(rng.getrandbits(32))
    operand = _modrm(1, address)  # ecx or cl
    forms = (
        _sized(rng.choice((0x00, 0x08, 0x20, 0x28, 0x30)), size) + operand,
        _sized(0xFE, size) + _modrm(rng.randrange(2), address),
        _sized(0xF6, size) + _modrm(rng.choice((2, 3)), address),
        _with_0f(0xB0, size) + operand,
        _with_0f(0xC0, size) + operand,
        _sized(0x86, size) + operand,
        _sized(0x80, size)
        + _modrm(rng.choice((0, 1, 4, 5, 6)), address)
        + _immediate(rng.getrandbits(32), size),
    )
    if size > 1 and rng.random() < 0.2:
        small = b"\x66" if size == 2 else b""
        bit = bytes((rng.randrange(8 * size),))
        return setting + lock + small + b"\x0f\xba" + _modrm(rng.choice((5, 6, 7)), address) + bit
    return setting + lock + rng.choice(forms)


def _with_0f(code: int, size: int) -> bytes:
    return (b"\x66" if size == 2 else b"") + b"\x0f" + bytes((code | (size > 1),))


def _function(rng: random.Random, ring: int) -> bytes:
    """A few instructions and RET; the first is mov eax, imm32. A multiple of four bytes, at most
    40."""
    body = mov_eax(rng.getrandbits(32))
    for _ in range(rng.randrange(4)):
        body += rng.choice(
            (
                b"\x05" + u32(rng.getrandbits(32)),  # add eax, imm32
                b"\x35" + u32(rng.getrandbits(32)),  # xor eax, imm32
                b"\xa3" + u32(ring),
                b"\x03\x05" + u32(ring),
                b"\x01\x05" + u32(_TOTAL),
                b"\x41\x01\xc8",  # inc ecx; add eax, ecx
            )
        )
    return body.ljust(len(body) + -(len(body) + 1) % 4, b"\x90") + b"\xc3"


_BLOCKS: Final[dict[str, Callable[[_Maker, random.Random], None]]] = {
    "private": _Maker.private_accesses,
    "string": _Maker.private_string,
    "by-value": _Maker.private_by_value,
    "ring-load": _Maker.ring_load,
    "ring-store": _Maker.ring_store,
    "ring-change": _Maker.ring_change,
    "ring-string": _Maker.ring_string,
    "ring-edge": _Maker.ring_edge,
    "ring-words": _Maker.ring_words,
    "events": _Maker.events,
    "hypercalls": _Maker.hypercalls,
    "ports": _Maker.ports,
    "fence": _Maker.fence,
    "clock": _Maker.clock,
    "stack": _Maker.stack,
    "written-code": _Maker.written_code,
    "patch": _Maker.patch,
    "flags": _Maker.flags,
    "loop": _Maker.loop,
    "branch": _Maker.branch,
}
KINDS: Final = tuple(_BLOCKS)
