"""The blocks of random programs: each emits a few instructions by a maker, at random.

Every block leaves DF clear and ESP on the main stack.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from typing import Final

from code86 import (
    CPUID,
    DATA,
    PORT,
    RING,
    SHARED_INFO,
    mov_eax,
    mov_ecx,
    mov_edi,
    mov_edx,
    mov_esi,
    mov_esp,
    poke,
    u32,
)
from program_maker import (
    ANSWERS,
    AREAS,
    PAGE,
    SLOT_SIZE,
    SLOTS,
    STACKS,
    Maker,
    call_hypercall,
    change,
    function,
    immediate,
    immediate_store,
    modrm,
    sized,
)

__all__ = ["BLOCKS", "block"]


def block(maker: Maker, kind: str, rng: random.Random) -> None:
    """Emit one block."""
    if not maker.nested:
        maker.behind = maker.here
    maker.blocks.append((kind, maker.here))
    BLOCKS[kind](maker, rng)
    if not maker.nested and rng.random() < 0.3:
        maker.checkpoint(rng)


# -- private memory -------------------------------------------------------------------------------


def private_accesses(maker: Maker, rng: random.Random) -> None:
    """Stores, loads and read-modify-writes, wherever they may lie."""
    for _ in range(rng.randrange(1, 5)):
        size = rng.choice((1, 2, 4, 4))
        address = maker.private(rng, size)
        reg = rng.randrange(3)
        before, operand = maker.operand(rng, reg, address)
        maker.emit(before)
        if rng.random() < 0.5:
            maker.emit(bytes((0xB8 | reg,)), u32(rng.getrandbits(32)))
        form = rng.randrange(4)
        if form == 0:
            maker.emit(sized(0x88, size), operand)
        elif form == 1:
            maker.emit(b"\x31" + bytes((0xC0 | reg * 9,)), sized(0x8A, size), operand)
            maker.use(reg)
        elif form == 2:
            maker.emit(immediate_store(address, size, rng.getrandbits(32)))
        else:
            maker.emit(change(rng, address, size, private=True))


def private_string(maker: Maker, rng: random.Random) -> None:
    """rep stos, rep movs between private places, either way round."""
    size, count = rng.choice((1, 4)), rng.randrange(1, 9)
    target = maker.private(rng, size * count)
    setting, step = maker.rep(rng, count)
    maker.emit(setting, mov_edi(maker.first(target, count, size, step)))
    if rng.random() < 0.5:
        maker.emit(mov_eax(rng.getrandbits(32)), b"\xf3", sized(0xAA, size))
    else:
        source = rng.choice(AREAS) + rng.randrange(PAGE)
        maker.emit(mov_esi(maker.first(source, count, size, step)), b"\xf3", sized(0xA4, size))
    maker.emit(b"\xfc")


def private_by_value(maker: Maker, rng: random.Random) -> None:
    """A store whose address depends on an answer."""
    area = rng.choice(AREAS)
    maker.touched.append(area + 4 * rng.randrange(64))
    for slot in [slot for slot in maker.intact if area - 64 < slot < area + 1024]:
        del maker.intact[slot]
    maker.emit(b"\xa1", u32(maker.ring(rng, 4)), b"\x25", u32(0x3FF))
    maker.emit(mov_ecx(rng.getrandbits(32)), b"\x89\x88", u32(area))
    maker.use()


# -- the ring -------------------------------------------------------------------------------------


def ring_load(maker: Maker, rng: random.Random) -> None:
    """A load, by many instructions."""
    size = rng.choice((1, 2, 4, 4))
    address = maker.ring(rng, size)
    reg = rng.randrange(3)
    before, operand = maker.operand(rng, reg, address)
    maker.emit(before)
    form = rng.randrange(8)
    if form == 0:
        maker.emit(b"\x31" + bytes((0xC0 | reg * 9,)), sized(0x8A, size), operand)
    elif form == 1:
        maker.emit(b"\x0f", bytes((rng.choice((0xB6, 0xB7, 0xBE, 0xBF)),)), operand)
    elif form == 2:
        maker.emit(sized(0x3A, size), operand, b"\x0f\xb6" + bytes((0xC0 | reg * 9,)))
        maker.emit(b"\x72\x05", b"\x05", u32(rng.getrandbits(32)))
    elif form == 3:
        maker.emit(sized(0x84, size), operand, b"\x74\x05\x05", u32(rng.getrandbits(32)))
    elif form == 4:
        maker.emit(sized(rng.choice((0x02, 0x2A, 0x32, 0x22)), size), operand)
    elif form == 5:
        maker.emit(mov_esi(address), b"\xfc\x31\xc0", sized(0xAC, size))
    elif form == 6:
        maker.emit(b"\xff\x35", u32(address), bytes((0x58 | reg,)))
    else:
        maker.emit(sized(0x80, size), modrm(7, address), immediate(rng.choice(ANSWERS), size))
        maker.emit(b"\x75\x05\x05", u32(rng.getrandbits(32)))
    maker.use(reg)
    if rng.random() < 0.4:
        maker.emit(bytes((0x89, reg << 3 | 5)), u32(maker.private(rng)))


def ring_store(maker: Maker, rng: random.Random) -> None:
    """A store, by many instructions."""
    size = rng.choice((1, 2, 4, 4))
    address = maker.ring(rng, size)
    reg = rng.randrange(3)
    before, operand = maker.operand(rng, reg, address)
    maker.emit(before)
    form = rng.randrange(5)
    if form == 0:
        maker.emit(sized(0x88, size), operand)
    elif form == 1:
        maker.emit(immediate_store(address, size, rng.getrandbits(32)))
    elif form == 2:
        maker.emit(mov_edi(address), sized(0xAA, size))
    elif form == 3:
        maker.emit(b"\x50\x8f\x05", u32(min(address, RING + PAGE - 4)))
    else:
        maker.emit(mov_esp(min(address, RING + PAGE - 4) + 4), b"\x68", u32(rng.getrandbits(32)))
        maker.emit(mov_esp(DATA))


def ring_change(maker: Maker, rng: random.Random) -> None:
    """A read-modify-write, locked or not."""
    size = rng.choice((1, 2, 4, 4))
    maker.emit(change(rng, maker.ring(rng, size), size, private=False))
    maker.use()


def ring_string(maker: Maker, rng: random.Random) -> None:
    """String instructions from, to and within the ring, and to compare with it."""
    size, count = rng.choice((1, 1, 4)), rng.randrange(1, 7)
    target, source = (maker.ring(rng, size * count) for _ in range(2))
    setting, step = maker.rep(rng, count)
    form = rng.randrange(5)
    if form == 1:
        source = rng.choice(AREAS) + rng.randrange(PAGE)
    elif form == 2:
        target = maker.private(rng, size * count)
    elif form == 4:
        target = rng.choice(AREAS) + rng.randrange(PAGE)
        if rng.random() < 0.5:
            target, source = source, target
    maker.emit(setting, mov_edi(maker.first(target, count, size, step)))
    maker.emit(mov_esi(maker.first(source, count, size, step)))
    if form == 0:
        maker.emit(mov_eax(rng.getrandbits(32)))
    repeat = rng.choice((b"\xf3", b"\xf2")) if form == 4 else b"\xf3"
    maker.emit(repeat, sized((0xAA, 0xA4, 0xA4, 0xA4, 0xA6)[form], size), b"\xfc")
    maker.use(1)


def ring_edge(maker: Maker, rng: random.Random) -> None:
    """Accesses of which a part lies outside the ring page."""
    size = rng.choice((2, 4))
    inside = 1 if size == 2 else 2
    address = RING - inside if rng.random() < 0.5 else RING + PAGE - inside
    if rng.random() < 0.5:
        maker.emit(sized(0x88, size), modrm(0, address))
    else:
        maker.emit(b"\x31\xc0", sized(0x8A, size), modrm(0, address))
        maker.use()


def ring_words(maker: Maker, rng: random.Random) -> None:
    """One instruction that loads several words of the ring."""
    form = rng.randrange(3 if maker.fences else 4)
    if form == 0:
        maker.emit(mov_esp(RING + rng.randrange(0, PAGE - 32)), b"\x61", mov_esp(DATA))
        maker.use(rng.randrange(3))
    elif form == 1:
        maker.emit(mov_eax(rng.choice(ANSWERS)), b"\x62\x05", u32(maker.ring(rng, 8) & ~7))
    elif form == 2:
        maker.either_cmps = True
        maker.emit(mov_esi(maker.ring(rng, 4)), mov_edi(maker.ring(rng, 4)), b"\xfc\xa7")
        maker.emit(b"\x72\x05\x05", u32(rng.getrandbits(32)))
    else:
        maker.emit(b"\x0f\x01\x15", u32(maker.ring(rng, 8) & ~7))


def events(maker: Maker, rng: random.Random) -> None:
    """The event words of shared_info, and what beside them is private."""
    word = SHARED_INFO + rng.choice((0x800, 0x804, 0x880, 4))
    private = SHARED_INFO + 0x900 + 4 * rng.randrange(64)
    form = rng.randrange(4)
    if form == 0:
        maker.emit(b"\xa1", u32(word))
        maker.use()
    elif form == 1:
        maker.emit(poke(word, rng.getrandbits(32)))
    elif form == 2:
        maker.emit(change(rng, word, 4, private=False))
        maker.use()
    else:
        maker.emit(poke(private, rng.getrandbits(32)), b"\xa1", u32(private))
        maker.use()


# -- the rest of the machine ----------------------------------------------------------------------


def hypercalls(maker: Maker, rng: random.Random) -> None:
    """Signals, polls, and calls that are no ops."""
    at = DATA + 0x40
    form = rng.randrange(6)
    if form == 0:
        maker.emit(poke(at, PORT), call_hypercall(32, 4, at))
    elif form == 1:
        maker.emit(poke(at, PORT), call_hypercall(32, 9, at))
    elif form == 2:
        maker.emit(poke(at, at + 32), poke(at + 4, 1), poke(at + 8, 0), poke(at + 12, 0))
        maker.emit(poke(at + 32, PORT), call_hypercall(29, 3, at))
    else:
        maker.emit(call_hypercall(*rng.choice(((17, 0), (29, 0), (20, 5))), at))
    maker.use()


def ports(maker: Maker, rng: random.Random) -> None:
    """IN and OUT."""
    form = rng.randrange(5)
    if form == 0:
        maker.emit(b"\xb0", bytes((rng.randrange(0xE0), 0xE6, rng.choice((0x80, 0xE9)))))
    elif form == 1:
        maker.emit(b"\xe4", bytes((rng.choice((0x80, 0xE9, 0x60)),)))
    elif form == 2:
        maker.emit(mov_edx(0x3F8), rng.choice((b"\xee", b"\xec")))
    elif form == 3:
        maker.emit(mov_eax(rng.randrange(128)), b"\xe6\x70", mov_eax(rng.randrange(256)))
        maker.emit(b"\xe6\x71\xe4\x71")
    else:
        maker.emit(mov_edx(0xCF8), mov_eax(rng.getrandbits(32)), b"\xef\x31\xc0\xed")
    maker.use()


def fence(maker: Maker, rng: random.Random) -> None:
    """What orders memory, and what seems to."""
    form = rng.randrange(6)
    if form < 3:
        maker.emit(b"\x0f\xae" + bytes(((0xF0, 0xE8, 0xF8)[form],)))
    elif form == 3:
        maker.emit(b"\xf0\x83\x44\x24\xfc\x00")  # lock add dword [esp-4], 0
    elif form == 4:
        maker.emit(b"\x87\x05", u32(maker.private(rng)))
    else:
        maker.emit(mov_eax(0x40000000), CPUID)
    maker.use()


def clock(maker: Maker, rng: random.Random) -> None:
    """RDTSC."""
    maker.emit(b"\x0f\x31")
    maker.use(rng.choice((0, 2)))


def stack(maker: Maker, rng: random.Random) -> None:
    """Another stack for a while."""
    maker.emit(mov_esp(rng.choice(STACKS) - rng.choice((0, 0, 1, 2, 3, 7))))
    depth = 0
    maker.intact.clear()  # the stack may reach there
    for _ in range(rng.randrange(1, 6)):
        form = rng.randrange(5)
        if form == 0 or (depth == 0 and form == 2):
            maker.emit(b"\x68", u32(rng.getrandbits(32)))
            depth += 1
        elif form == 1:
            maker.emit(bytes((0x50 | rng.randrange(8),)))
            depth += 1
        elif form == 2:
            maker.emit(bytes((0x58 | rng.randrange(3),)))
            depth -= 1
        elif form == 3 and not maker.nested:
            maker.emit(b"\x60")
            depth += 8
        elif depth >= 8:
            maker.emit(b"\x61")
            depth -= 8
        else:
            maker.emit(b"\xff\x35", u32(rng.choice(AREAS) + rng.randrange(PAGE)))
            depth += 1
    maker.emit(b"\x89\xe0")
    maker.use()
    maker.use(rng.randrange(1, 3))
    maker.emit(mov_esp(DATA))


# -- code that is written while the guest runs ----------------------------------------------------


def written_code(maker: Maker, rng: random.Random) -> None:
    """Write a function, call it, perhaps change a byte of it and call it again."""
    if rng.random() < 0.4:
        maker.emit(b"\xeb", bytes((SLOT_SIZE,)))
        maker.pads.append(maker.here)
        maker.emit(b"\xcc" * SLOT_SIZE)
    if maker.intact and rng.random() < 0.3:
        call(maker, rng, rng.choice(list(maker.intact)))
        return
    slot = rng.choice((*SLOTS, *maker.pads, *maker.pads)) + rng.choice((0, 0, 1, 2, 3))
    body = function(rng, maker.ring(rng, 4))
    write_code(maker, rng, slot, body)
    call(maker, rng, slot)
    if rng.random() < 0.5:
        # The first instruction is mov eax, imm32: change what it loads.
        if rng.random() < 0.5:
            maker.emit(b"\xa1", u32(maker.ring(rng, 4)))
        else:
            maker.emit(mov_eax(rng.getrandbits(32)))
        at, size = rng.choice(((1, 4), (1, 1), (3, 2), (4, 1)))
        maker.emit(sized(0xA2, size), u32(slot + at))
        call(maker, rng, slot)


def write_code(maker: Maker, rng: random.Random, slot: int, body: bytes) -> None:
    """Put `body` at `slot`."""
    maker.spoil(slot, len(body))
    way = rng.randrange(7)
    if way == 0:
        for at, word in enumerate(struct.unpack(f"<{len(body) // 4}I", body)):
            maker.emit(poke(slot + 4 * at, word))
    elif way in (1, 2):
        size = way
        for at in range(0, len(body), size):
            value = int.from_bytes(body[at : at + size], "little")
            maker.emit(immediate_store(slot + at, size, value))
    elif way in (3, 4):
        size = 1 if way == 3 else 4
        maker.emit(b"\xeb", bytes((len(body),)))
        template = maker.here
        maker.emit(body)
        count = len(body) // size
        setting, step = maker.rep(rng, count)
        maker.emit(setting, mov_esi(maker.first(template, count, size, step)))
        maker.emit(mov_edi(maker.first(slot, count, size, step)), b"\xf3", sized(0xA4, size))
        maker.emit(b"\xfc")
    elif way == 5:
        maker.emit(mov_esp(slot + len(body)))
        for word in reversed(struct.unpack(f"<{len(body) // 4}I", body)):
            maker.emit(b"\x68", u32(word))
        maker.emit(mov_esp(DATA))
    else:
        # NOPs all over it first, by one instruction.
        maker.emit(mov_ecx(len(body) // 4), mov_edi(slot), mov_eax(0x90909090), b"\xf3\xab")
        for at, word in enumerate(struct.unpack(f"<{len(body) // 4}I", body)):
            maker.emit(poke(slot + 4 * at, word))
    maker.intact[slot] = len(body)


def call(maker: Maker, rng: random.Random, slot: int) -> None:
    """Call written code, and keep what it returns."""
    way = rng.randrange(3)
    if way == 0:
        maker.emit(mov_eax(slot), b"\xff\xd0")
    elif way == 1:
        maker.emit(b"\xe8", u32(slot - maker.here - 5))
    else:
        pointer = maker.private(rng)
        if slot not in maker.intact:
            pointer = DATA + 0x80  # it might have lain on the code
        maker.emit(poke(pointer, slot), b"\xff\x15", u32(pointer))
    maker.use()


def patch(maker: Maker, rng: random.Random) -> None:
    """Change an instruction that runs next, or soon."""
    gap = rng.choice((0, 0, 0, 1, 3, 20))
    if rng.random() < 0.5:
        maker.emit(b"\xa1", u32(maker.ring(rng, 4)))
        size = rng.choice((1, 2, 4))
        length = len(sized(0xA2, size)) + 4
        target = maker.here + length + gap
        maker.emit(sized(0xA2, size), u32(target + rng.randrange(1, 6 - size)))
    else:
        size = rng.choice((1, 2, 4))
        length = len(immediate_store(0, size, 0))
        target = maker.here + length + gap
        value = rng.getrandbits(32)
        maker.emit(immediate_store(target + rng.randrange(1, 6 - size), size, value))
    maker.emit(b"\x90" * gap, b"\xb9", u32(rng.getrandbits(32)))  # mov ecx, imm32
    maker.use(1)


# -- control flow ---------------------------------------------------------------------------------


def flags(maker: Maker, rng: random.Random) -> None:
    """Flags that live over accesses which change none."""
    maker.emit(mov_eax(rng.choice(ANSWERS)), mov_ecx(rng.choice(ANSWERS)))
    maker.emit(rng.choice((b"\x39\xc8", b"\x29\xc8", b"\x01\xc8", b"\x85\xc8", b"\x48")))
    for _ in range(rng.randrange(1, 3)):
        form = rng.randrange(5)
        if form == 0:
            maker.emit(b"\x8b\x0d", u32(maker.ring(rng, 4)))
        elif form == 1:
            maker.emit(b"\x89\x05", u32(maker.ring(rng, 4)))
        elif form == 2:
            maker.emit(b"\x89\x05", u32(maker.private(rng)))
        elif form == 3:
            maker.emit(b"\x87\x0d", u32(maker.ring(rng, 4)))
        else:
            maker.emit(mov_esi(maker.ring(rng, 4)), mov_edi(maker.private(rng)), b"\xa5")
    condition = rng.choice((b"\x72", b"\x73", b"\x74", b"\x75"))
    maker.emit(condition, b"\x06\x81\xc1", u32(rng.getrandbits(32)))  # add ecx, imm32
    maker.use(1)


def loop(maker: Maker, rng: random.Random) -> None:
    """A few blocks, two to four times. ebp counts: nothing else uses it."""
    if maker.nested:
        return
    maker.emit(b"\xbd", u32(rng.randrange(2, 5)))
    again = maker.here
    inner(maker, rng, ("private", "string", "ring-load", "ring-string", "patch", "flags"))
    maker.emit(b"\x4d\x74\x05\xe9", u32(again - maker.here - 8))


def branch(maker: Maker, rng: random.Random) -> None:
    """A few blocks that run or not, as an answer says."""
    if maker.nested:
        return
    maker.emit(b"\xa1", u32(maker.ring(rng, 4)), b"\x3d", u32(rng.choice(ANSWERS)))
    maker.emit(rng.choice((b"\x74", b"\x75", b"\x72")), b"\x05\xe9")
    at = len(maker.code)
    maker.emit(u32(0))
    inner(maker, rng, ("private", "ring-load", "ring-store", "ring-change", "ports", "stack"))
    maker.code[at : at + 4] = u32(len(maker.code) - at - 4)


def inner(maker: Maker, rng: random.Random, kinds: Sequence[str]) -> None:
    """Blocks within a block."""
    maker.nested += 1
    for _ in range(rng.randrange(1, 4)):
        block(maker, rng.choice(kinds), rng)
    maker.nested -= 1


BLOCKS: Final[dict[str, Callable[[Maker, random.Random], None]]] = {
    "private": private_accesses,
    "string": private_string,
    "by-value": private_by_value,
    "ring-load": ring_load,
    "ring-store": ring_store,
    "ring-change": ring_change,
    "ring-string": ring_string,
    "ring-edge": ring_edge,
    "ring-words": ring_words,
    "events": events,
    "hypercalls": hypercalls,
    "ports": ports,
    "fence": fence,
    "clock": clock,
    "stack": stack,
    "written-code": written_code,
    "patch": patch,
    "flags": flags,
    "loop": loop,
    "branch": branch,
}
