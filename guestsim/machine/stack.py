"""Where an image keeps its stack: what lies there below the stack pointer is dead.

In 32-bit code that handles interrupts on its own stack, an interrupt may overwrite everything below
the stack pointer at any moment; so no code relies on it. (i386 has no red zone: System V ABI,
Intel386 supplement.) Later stages of a boot chain do not read memory that nobody gave them.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from typing import Protocol

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

__all__ = ["BLOCK", "HVMLOADER_STACK_SIZE", "dead_part", "stack_of"]

BLOCK = 512
"""Bytes of a block of RAM, as snapshots look at it. Of a stack that begins inside one, that one is
never dead: something else may lie there."""

HVMLOADER_STACK_SIZE = 0x4000
"""tools/firmware/hvmloader/hvmloader.c: what its entry code reserves below `stack_top`."""

_HVMLOADER_ENTRY = re.compile(
    rb"\xfc\xfa\x0f\x01\x15.{4}"  # cld; cli; lgdt
    rb".{,32}?\xbc(.{4})\x89\xe5"  # mov $stack_top, %esp; mov %esp, %ebp
    rb"\x89\x1d.{4}\xe8",  # mov %ebx, hvm_start_info; call main
    re.DOTALL,
)
"""Every hvmloader begins like this, and a stripped one has no other mark of its stack."""


class Loaded(Protocol):
    """A segment: `guestsim.machine.image.Segment`."""

    @property
    def address(self) -> int:
        """Physical."""

    @property
    def data(self) -> bytes:
        """What the file holds of it."""

    @property
    def size(self) -> int:
        """In memory, bytes."""


def stack_of(elf: ELFFile, entry: int, segments: Sequence[Loaded]) -> range:
    """The addresses of the stack on which the image runs; empty where that is not known for sure.

    Known are an object called `stack` in the image's own symbols, and hvmloader's stack.
    """
    return _by_symbol(elf) or _of_hvmloader(entry, segments)


def dead_part(stack: range, stack_pointer: int) -> range:
    """What of `stack` lies below the stack pointer, by whole blocks at its beginning."""
    if not stack or not stack.start <= stack_pointer <= stack.stop:
        return range(0)
    first = -(-stack.start // BLOCK) * BLOCK
    return range(first, max(first, stack_pointer))


def _by_symbol(elf: ELFFile) -> range:
    table = elf.get_section_by_name(".symtab")
    if isinstance(table, SymbolTableSection):
        for symbol in table.get_symbol_by_name("stack") or ():
            if symbol["st_size"]:
                start = symbol["st_value"]
                return range(start, start + symbol["st_size"])
    return range(0)


def _of_hvmloader(entry: int, segments: Sequence[Loaded]) -> range:
    for segment in segments:
        if segment.address <= entry < segment.address + len(segment.data):
            found = _HVMLOADER_ENTRY.match(segment.data, entry - segment.address)
            if found:
                top = struct.unpack("<I", found[1])[0]
                stack = range(top - HVMLOADER_STACK_SIZE, top)
                return stack if _is_zeroed(stack, segments) else range(0)
    return range(0)


def _is_zeroed(stack: range, segments: Sequence[Loaded]) -> bool:
    """Whether it lies in what a segment has beyond its bytes in the file, as a stack does."""
    return any(
        segment.address + len(segment.data) <= stack.start
        and stack.stop <= segment.address + segment.size
        for segment in segments
    )
