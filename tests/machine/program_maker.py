"""What random programs are made of: places in memory, encodings, and a maker that emits code."""

from __future__ import annotations

import random
import struct
from typing import Final, NamedTuple

from code86 import (
    BASE,
    DATA,
    HYPERCALL_PAGE,
    RING,
    SET_UP,
    map_shared_info,
    mov_eax,
    mov_ecx,
    mov_esi,
    mov_esp,
    shutdown,
    u32,
)
from reference86 import RAM, Cpu

PAGE: Final = 4096
ANSWERS: Final = (0, 1, 2, 5, 0x10, 0x7F, 0xFF, 0x8000, 0x12345678, 0xDEADBEEF, 0xFFFFFFFF)
"""What loads are mostly answered, and what programs compare with."""

AREAS: Final = (0x11000, 0x1A0000, 0x1B0000, 0x24F000, 0x300000)
"""Private memory, two pages each; one lies on the edge of two pieces of the machine's RAM."""
SLOTS: Final = (0x1C0100, 0x1C0FF3, 0x1D0801, 0x11FFA, 0x1A0A02, 0x24FFF1)
"""Places for written code: aligned and odd, in pages of their own and among data, over edges."""
SLOT_SIZE: Final = 48
STACKS: Final = (0x1A1FF0, 0x11F00, 0x250010, 0x302000, 0x1C0F82)
TOTAL: Final = 0x1A0040
"""A running sum of all that was loaded."""
RESULT: Final = RING + 3072
FACTOR: Final = u32(0x01000193)


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


class Maker:
    """Emits code, and knows which of it, and of private memory, may still be used."""

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

    def emit(self, *code: bytes) -> None:
        """Append instructions."""
        for each in code:
            self.code += each

    def use(self, register: int = 0) -> None:
        """total = total * factor + register; ebx is lost."""
        self.emit(b"\x8b\x1d", u32(TOTAL), b"\x69\xdb", FACTOR, bytes((0x01, 0xC3 | register << 3)))
        self.emit(b"\x89\x1d", u32(TOTAL))

    def checkpoint(self, rng: random.Random) -> None:
        """Show what was summed, and one private word."""
        self.emit(b"\xa1", u32(TOTAL))
        if self.touched:
            address = rng.choice(self.touched[-8:])
            self.emit(b"\x69\xc0", FACTOR, b"\x03\x05", u32(address))
        self.emit(b"\xa3", u32(RESULT + 4 * rng.randrange(200)))

    def private(self, rng: random.Random, size: int = 4) -> int:
        """An address for private data: `size` bytes from there may be written."""
        draw = rng.random()
        if draw < 0.55:
            address = rng.choice(AREAS) + rng.randrange(2 * PAGE - size)
        elif draw < 0.75:
            address = rng.choice(AREAS) + PAGE - rng.randrange(1, 4)
        elif draw < 0.9 or not self.pads:
            room = self.behind - BASE
            back = rng.choice((size, size + rng.randrange(16), size + rng.randrange(512)))
            address = self.behind - back if back <= room else rng.choice(AREAS) + 1
        else:
            address = rng.choice(self.pads) + rng.randrange(SLOT_SIZE - size)
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
            return b"", modrm(reg, address)
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
        self.emit(b"\xa1", u32(TOTAL))
        for address in self.touched[-24:]:
            self.emit(b"\x69\xc0", FACTOR, b"\x03\x05", u32(address))
        self.emit(b"\xa3", u32(RESULT - 4), shutdown(0))
        assert max(AREAS) < RAM
        return Program(bytes(self.code), tuple(self.blocks), self.either_cmps)


# -- encodings ------------------------------------------------------------------------------------


def modrm(reg: int, address: int) -> bytes:
    return bytes((reg << 3 | 5,)) + u32(address)


def sized(code: int, size: int) -> bytes:
    """The opcode's form for 1, 2 or 4 bytes, given that for one byte."""
    return (b"\x66" if size == 2 else b"") + bytes((code | (size > 1),))


def immediate(value: int, size: int) -> bytes:
    return (value & (1 << 8 * size) - 1).to_bytes(size, "little")


def immediate_store(address: int, size: int, value: int) -> bytes:
    """mov [address], imm."""
    return sized(0xC6, size) + modrm(0, address) + immediate(value, size)


def call_hypercall(number: int, command: int, argument: int) -> bytes:
    """As code86's, by other instructions."""
    entry = mov_eax(HYPERCALL_PAGE + 32 * number)
    return b"\xbb" + u32(command) + mov_ecx(argument) + entry + b"\xff\xd0"


def change(rng: random.Random, address: int, size: int, *, private: bool) -> bytes:
    """A read-modify-write of memory, with what it needs in registers. eax is what it leaves."""
    lock = b"\xf0" if rng.random() < (0.2 if private else 0.6) else b""
    setting = mov_eax(rng.choice(ANSWERS)) + mov_ecx(rng.getrandbits(32))
    operand = modrm(1, address)  # ecx or cl
    forms = (
        sized(rng.choice((0x00, 0x08, 0x20, 0x28, 0x30)), size) + operand,
        sized(0xFE, size) + modrm(rng.randrange(2), address),
        sized(0xF6, size) + modrm(rng.choice((2, 3)), address),
        with_0f(0xB0, size) + operand,
        with_0f(0xC0, size) + operand,
        sized(0x86, size) + operand,
        sized(0x80, size)
        + modrm(rng.choice((0, 1, 4, 5, 6)), address)
        + immediate(rng.getrandbits(32), size),
    )
    if size > 1 and rng.random() < 0.2:
        small = b"\x66" if size == 2 else b""
        bit = bytes((rng.randrange(8 * size),))
        return setting + lock + small + b"\x0f\xba" + modrm(rng.choice((5, 6, 7)), address) + bit
    return setting + lock + rng.choice(forms)


def with_0f(code: int, size: int) -> bytes:
    return (b"\x66" if size == 2 else b"") + b"\x0f" + bytes((code | (size > 1),))


def function(rng: random.Random, ring: int) -> bytes:
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
                b"\x01\x05" + u32(TOTAL),
                b"\x41\x01\xc8",  # inc ecx; add eax, ecx
            )
        )
    return body.ljust(len(body) + -(len(body) + 1) % 4, b"\x90") + b"\xc3"
