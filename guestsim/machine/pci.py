"""PCI configuration space by mechanism 1: the address port 0xcf8, the data ports 0xcfc to 0xcff.

Source: PCI Local Bus Specification 3.0, sections 3.2.2.3.2 and 6.2. Identity and class are wired.
A base address register keeps the bits above its size, so that a guest that writes all ones reads
its size back. All other registers are plain memory.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

from guestsim.machine.profile import Bar, BarKind, PciFunction

__all__ = ["ConfigurationSpaces", "Contents"]

_SIZE: Final = 256
_BARS: Final = 0x10
_ROM: Final = 0x30
_PIN: Final = 0x3D
_WIRED: Final = (range(4), range(0x08, 0x0C), range(0x0E, 0x0F), range(_BARS, 0x34))
"""Bytes that no write changes, but for the base address registers in them."""

Contents = tuple[tuple[int, bytes], ...]
"""(devfn, registers) of every function."""


class ConfigurationSpaces:
    """The registers of every function on bus 0. There are no other buses."""

    def __init__(self, functions: Iterable[PciFunction]) -> None:
        self._registers: dict[int, bytes] = {}
        self._writable: dict[int, bytes] = {}
        """For each bit, whether a write changes it."""
        for function in functions:
            self._registers[function.devfn] = _registers(function)
            self._writable[function.devfn] = _writable(function)

    def contents(self) -> Contents:
        """All registers."""
        return tuple(self._registers.items())

    def restore(self, contents: Contents) -> None:
        """Back to what `contents` gave."""
        self._registers = dict(contents)

    def read(self, address: int, offset: int, size: int) -> int:
        """`size` bytes at a data port, `offset` bytes from 0xcfc; ones where nothing answers.
        `address` is what the address port holds."""
        registers = self._registers.get(_devfn(address))
        if registers is None:
            return (1 << 8 * size) - 1
        first = (address & 0xFC) + offset
        return int.from_bytes(registers[first : first + size], "little")

    def write(self, address: int, offset: int, size: int, value: int) -> None:
        """Write to a data port."""
        devfn = _devfn(address)
        registers = self._registers.get(devfn)
        if registers is None:
            return
        first = (address & 0xFC) + offset
        last = first + size
        mask = int.from_bytes(self._writable[devfn][first:last], "little")
        old = int.from_bytes(registers[first:last], "little")
        new = (old & ~mask | value & mask) & (1 << 8 * size) - 1
        self._registers[devfn] = registers[:first] + new.to_bytes(size, "little") + registers[last:]


def _devfn(address: int) -> int:
    """The function that an address means, -1 for none on bus 0."""
    return address >> 8 & 0xFF if address >> 31 and not address >> 16 & 0xFF else -1


def _registers(function: PciFunction) -> bytes:
    space = bytearray(_SIZE)
    struct.pack_into("<HH", space, 0, function.vendor, function.device)
    struct.pack_into("<I", space, 8, function.class_code << 8 | function.revision)
    for bar in function.bars:
        struct.pack_into("<I", space, _BARS + 4 * bar.number, bar.kind.value)
    space[_PIN] = function.pin
    return bytes(space)


def _writable(function: PciFunction) -> bytes:
    mask = bytearray(b"\xff" * _SIZE)
    for wired in _WIRED:
        mask[wired.start : wired.stop] = bytes(len(wired))
    for bar in function.bars:
        for number, word in enumerate(_bar_words(bar)):
            struct.pack_into("<I", mask, _BARS + 4 * (bar.number + number), word)
    if function.rom:
        struct.pack_into("<I", mask, _ROM, -function.rom & 0xFFFFFFFF | 1)  # bit 0: enabled
    return bytes(mask)


def _bar_words(bar: Bar) -> tuple[int, ...]:
    bits = -bar.size & (1 << 64) - 1
    if bar.kind is BarKind.MEMORY_64:
        return bits & 0xFFFFFFFF, bits >> 32
    return (bits & 0xFFFFFFFF,)
