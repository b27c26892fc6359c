"""Random guest programs that stop at nothing: privileged instructions, hypercalls with any
arguments, tables and stacks anywhere. What they do is not known; only that it ends.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from code86 import (
    BASE,
    DATA,
    HAND_OVER,
    HLT,
    HYPERCALL_PAGE,
    RING,
    SET_UP,
    SHARED_INFO,
    SPIN,
    WRMSR,
    guest,
    hypercall,
    map_shared_info,
    mov_eax,
    mov_ebx,
    mov_ecx,
    mov_edi,
    mov_edx,
    mov_esi,
    mov_esp,
    poke,
    shutdown,
    u32,
)

from guestsim.machine.profile import Profile

__all__ = ["play", "program"]


def _codes(text: str) -> tuple[bytes, ...]:
    return tuple(map(bytes.fromhex, text.split()))


_ARGUMENT, _TABLE, _POINTER, _PAGES = DATA + 0x100, DATA + 0x200, DATA + 0x300, 0x1A0000
_APIC_LOW, _APIC_HIGH = 0xFEE00300, 0xFEE00310
_ADDRESSES = (
    0, 4, 0xFFF, BASE, BASE + 0x40, DATA, DATA + 0xFFD, RING - 4, RING, RING + 0x800, RING + 0xFFE,
    SHARED_INFO, HYPERCALL_PAGE, 0x3FFFFFFC, 0xF0000000, _APIC_LOW, RING - 0x1002, 0xFEFFF000,
    0xFF000000, 0xFFFFFFFC, 0xFFFFFFFF, 0x9F800, 0x80000000, 0xA0000,
)  # fmt: skip
_WORDS = (
    0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 0x7FF0, 0xFFFF, 0xFFFFFFFF, RING >> 12, SHARED_INFO >> 12,
    0xFEFFF, 0x100,
)  # fmt: skip
_NUMBERS = (12, 12, 12, 17, 18, 24, 24, 29, 29, 32, 34)
_PORTS = (0x80, 0xE9, 0xCF8, 0xCFC, 0xCFE, 0x70, 0x71, 0xB004, 0xE1, 0xE0, 0xE2, 0xFFFF)
_REGISTERS = (mov_eax, mov_ecx, mov_edx, mov_ebx, mov_esp, mov_esi, mov_edi)
_INSTRUCTIONS = _codes("""
    0f0117 0f011f 0f0110 0f0118 0f0138 0f0130 0f0120 0f0000 0f0008 0f00d0 0f00d8 0f01c1 0f01d9
    0f22c0 0f22d8 0f22e0 0f20c0 0f20e0 0f23c0 0f23f8 0f21c0 0f09 0f08 0f06 0faa 0f32 0f30 0fa2 0f31
    fa fb f4 cc cd80 ce cf cb c3 ca0400 c20400 9d 9c 60 61 55 c9 c8ffff1f c8000000 62 9b f0 f3 67
    8ed8 8ec0 8ed0 8ee0 8ee8 8ec8 8cc8 06 07 0e 1e 1f 16 17 0fa1 0fa9 c50f c407 0fb20f
    ee ef ec ed 66ef 66ed 6c 6d 6e 6f f36c f36e f3a4 f3a5 f3aa f3ab f3a6 f2ae a4 a5 a7 aa ab ad ae
    ff10 ff18 ff28 ffd0 ffe0 8b00 8b03 8b06 8900 8903 8907 8701 f087 0108 f00108 f00fb110
    0fc708 f00fc708 0fc70f d9ee dd00 dd18 0f28c1 0f1000 0f1100 0fae00 0fae08 f30f7f00 0f6f00 0fe700
    0f0b 0f05 0f34 0f35 0f07 0f2208 d7 d400 27 37 e0fe e3fe ebfe eb00 66f4 f7f1 f7f9 e8fbffffff
    """)
_WITH_ADDRESS = _codes("""
    a0 a1 a2 a3 66a1 8f05 ff35 66ff35 ff25 ff15 ff2d ff1d 0f0115 0f011d 0f0105 0fae05 0fae0d
    f00fc70d dd1d dd05 0f1105 f00105 8705 d935 dd35
    """)
_REPEATED = _codes("f3a4 f3a5 f3aa f3ab f3a6 f2ae f36c f36f f3ad")
_READ_CR0, _WRITE_CR0 = b"\x0f\x20\xc0", b"\x0f\x22\xc0"
_MODES = (
    b"\xea" + u32(0) + b"\x08\0",
    b"\x9a" + u32(BASE) + b"\x08\0",
    HAND_OVER,
    _READ_CR0 + b"\x83\xe0\xfe" + _WRITE_CR0,  # real mode
    _READ_CR0 + b"\x0d\0\0\0\x80" + _WRITE_CR0,  # paging
    b"\x0f\x20\xe0\x83\xc8\x20\x0f\x22\xe0",  # PAE
    mov_ecx(0xC0000080) + mov_eax(0x100) + mov_edx(0) + WRMSR,  # long mode
)


def _address(chance: random.Random) -> int:
    return chance.choice(_ADDRESSES) if chance.random() < 0.85 else chance.getrandbits(32)


def _word(chance: random.Random) -> int:
    which = chance.random()
    if which < 0.4:
        return _address(chance)
    return chance.choice(_WORDS) if which < 0.9 else chance.getrandbits(32)


def _words(at: int, *values: int) -> bytes:
    return b"".join(poke(at + 4 * number, value) for number, value in enumerate(values))


def _hypercall(chance: random.Random) -> bytes:
    before = _words(_ARGUMENT, *(_word(chance) for _ in range(chance.randrange(6))))
    number = chance.choice((*_NUMBERS, chance.randrange(128)))
    second = _ARGUMENT if chance.random() < 0.75 else _address(chance)
    first = chance.randrange(16) if chance.random() < 0.85 else _word(chance)
    third = _word(chance) if chance.random() < 0.5 else _ARGUMENT
    return before + hypercall(number, first, second, third)


def _hypercall_page(chance: random.Random) -> bytes:
    high = chance.choice((0, 0, 0, 1, 0xFFFFFFFF))
    return mov_ecx(0x40000000) + mov_eax(_address(chance)) + mov_edx(high) + WRMSR


def _table(chance: random.Random) -> bytes:
    """LGDT or LIDT."""
    at = chance.choice((_TABLE, _address(chance)))
    code = _words(_POINTER, _word(chance) & 0xFFFF | (at & 0xFFFF) << 16, at >> 16)
    if chance.random() < 0.6:
        kind = 0x00CF9B00 | chance.choice((0, 0, 0x80, 0x6000))
        odd = chance.getrandbits(32), chance.getrandbits(32)
        code += _words(_TABLE, 0, 0, 0xFFFF, kind, 0xFFFF, 0x00CF9300, *odd)
    return code + chance.choice((b"\x0f\x01\x15", b"\x0f\x01\x1d")) + u32(_POINTER)


def _paging(chance: random.Random) -> bytes:
    rights = chance.choice((0x83, 0x83, 0x81, 0x80, 0x3, 0x87))
    code = b"".join(
        poke(_PAGES + 4 * at, at << 22 | rights)
        for at in sorted({0, chance.randrange(1024), 0x3FB, 0x3C0})
    )
    code += mov_eax(_PAGES if chance.random() < 0.8 else _address(chance)) + b"\x0f\x22\xd8"
    return code + b"\x0f\x20\xe0\x83\xc8\x10\x0f\x22\xe0" + _MODES[4]


def _startup(chance: random.Random) -> bytes:
    """INIT and STARTUP."""
    vector = chance.choice((0, 9, 0x10, 0xA0, 0xFF))
    code = poke(_APIC_HIGH, chance.choice((0x02000000, 0x01000000, 0)))
    return code + poke(_APIC_LOW, 0x4500) + poke(_APIC_LOW, 0x4600 | vector)


def _vcpu(chance: random.Random) -> bytes:
    mode = 2 if chance.random() < 0.8 else _word(chance)
    code = _words(_ARGUMENT, mode, *(_word(chance) for _ in range(12)))
    where = chance.choice((_ARGUMENT, _ARGUMENT, _address(chance)))
    code += hypercall(24, 0, chance.choice((0, 1, 1, 1, 2, 99)), where)
    command, number = chance.choice((1, 1, 2, 3)), chance.choice((1, 1, 0, 5))
    return code + hypercall(24, command, number, _address(chance))


def _string(chance: random.Random) -> bytes:
    count = chance.choice((1, 2, 16, 1024, 0x1001, 0xFFFFFFFF))
    code = mov_edi(_address(chance)) + mov_esi(_address(chance)) + mov_ecx(count)
    return code + chance.choice(_REPEATED)


def _port(chance: random.Random) -> bytes:
    code = mov_edx(chance.choice((*_PORTS, chance.randrange(1 << 16)))) + mov_eax(_word(chance))
    return code + chance.choice((b"\xee", b"\xef", b"\x66\xef", b"\xec", b"\xed", b"\x66\xed"))


def _part(chance: random.Random) -> bytes:
    kinds = (
        _hypercall,
        _hypercall,
        _hypercall,
        _hypercall_page,
        _table,
        _paging,
        _startup,
        _vcpu,
        _string,
        _port,
        lambda _: chance.choice(_REGISTERS)(_word(chance)),
        lambda _: chance.choice(_REGISTERS)(_word(chance)),
        lambda _: chance.choice(_INSTRUCTIONS),
        lambda _: chance.choice(_INSTRUCTIONS),
        lambda _: chance.choice(_INSTRUCTIONS),
        lambda _: chance.choice(_WITH_ADDRESS) + u32(_address(chance)),
        lambda _: chance.choice(_WITH_ADDRESS) + u32(_address(chance)),
        lambda _: chance.choice(_MODES),
        lambda _: chance.randbytes(chance.randrange(1, 12)),
    )
    return chance.choice(kinds)(chance)


def program(chance: random.Random) -> bytes:
    """Some parts, and an end."""
    code = SET_UP if chance.random() < 0.8 else b""
    if chance.random() < 0.4:
        code += map_shared_info()
    for _ in range(chance.randrange(1, 9)):
        code += _part(chance)
    return code + chance.choice((SPIN, HLT, shutdown(0), b""))


def play(seed: int, folder: Path, budget: int = 100_000) -> None:
    """Make the program of this seed, and let it run with random answers; now and then it goes back
    to where it was."""
    chance = random.Random(seed)
    stages = [program(chance) for _ in range(1 if chance.random() < 0.8 else 2)]
    profile = Profile(vcpus=chance.choice((1, 2)))
    machine = guest(folder, *stages, budget=budget, profile=profile)
    machine.keep_states = chance.random() < 0.7
    machine.fences = chance.random() < 0.4
    machine.mark_strings = chance.random() < 0.2
    burst = machine.start()
    points: list[Any] = []
    while burst.point is not None and len(points) < 30:
        machine.key(burst.point)
        points.append(burst.point)
        point = chance.choice(points) if chance.random() < 0.2 else burst.point
        burst = machine.resume(point, chance.choice((0, 1, chance.getrandbits(8))))
