"""The guest's physical memory on the host: RAM that exists once touched, and its snapshots.

RAM comes in pieces, one mmap each, so that a machine of any size costs what its guest uses. A
snapshot is a tuple of immutable pages that share what did not change; taking one costs a copy and a
comparison of each piece (5 µs a 64 KiB piece), going back costs the pages that differ.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable
from typing import NamedTuple

from guestsim.errors import InternalError

__all__ = ["CHUNK", "PAGE", "Memory", "Piece", "Snapshot", "host_memory", "without"]

PAGE = 4096
CHUNK = 16 * PAGE
"""RAM is mapped in pieces of this many bytes, where all of it is RAM."""

Pages = tuple[bytes, ...]
Snapshot = tuple[tuple[int, Pages], ...]
"""(address, pages) of every piece that is not all zeroes, by address."""


class Piece(NamedTuple):
    """Contiguous RAM."""

    base: int
    size: int
    host: mmap.mmap
    pointer: int
    """Address of `host` in this process."""


class Memory:
    """Physical memory. `is_ram` says where there is RAM; elsewhere there is nothing."""

    def __init__(self, is_ram: Callable[[int], bool]) -> None:
        self._is_ram = is_ram
        self._pieces: dict[int, Piece] = {}
        self._known: dict[int, tuple[bytes, Pages]] = {}
        """What each piece held when it was last looked at."""

    def pieces(self) -> tuple[Piece, ...]:
        """Every piece so far, in the order of their first touch."""
        return tuple(self._pieces.values())

    def piece(self, address: int) -> Piece:
        """The piece that holds `address`, made now if it was not touched before."""
        page, chunk = address - address % PAGE, address - address % CHUNK
        for base in (chunk, page):
            known = self._pieces.get(base)
            if known is not None and address < base + known.size:
                return known
        whole = all(
            self._is_ram(part) and part not in self._pieces
            for part in range(chunk, chunk + CHUNK, PAGE)
        )
        base, size = (chunk, CHUNK) if whole else (page, PAGE)
        made = Piece(base, size, *host_memory(size))
        self._pieces[base] = made
        zero = bytes(size)
        self._known[base] = zero, _ZERO_PAGES[: size // PAGE]
        return made

    def read(self, address: int, size: int) -> bytes:
        """Bytes at a physical address."""
        return b"".join(
            piece.host[first : first + length]
            for piece, first, length in self._spans(address, size)
        )

    def write(self, address: int, data: bytes) -> None:
        """Change bytes at a physical address. Code that ran already is not translated anew."""
        done = 0
        for piece, first, length in self._spans(address, len(data)):
            piece.host[first : first + length] = data[done : done + length]
            done += length

    def _spans(self, address: int, size: int) -> list[tuple[Piece, int, int]]:
        spans = []
        while size > 0:
            if not self._is_ram(address):
                raise InternalError(f"there is no RAM at {address:#x}")
            piece = self.piece(address)
            part = min(size, piece.base + piece.size - address)
            spans.append((piece, address - piece.base, part))
            address += part
            size -= part
        return spans

    def clear(self) -> None:
        """All zeroes, as at power on."""
        for base, piece in self._pieces.items():
            zero = _ZERO_PAGES[: piece.size // PAGE]
            piece.host[:] = bytes(piece.size)
            self._known[base] = bytes(piece.size), zero

    def snapshot(self) -> Snapshot:
        """All of RAM as it is now."""
        known = self._known
        found = []
        for base, piece in self._pieces.items():
            data, pages = known[base]
            now = piece.host[:]
            if now != data:
                pages = tuple(
                    old if old == (page := now[at * PAGE : (at + 1) * PAGE]) else page
                    for at, old in enumerate(pages)
                )
                known[base] = now, pages
            if any(page is not _ZERO for page in pages):
                found.append((base, pages))
        found.sort()
        return tuple(found)

    def restore(self, snapshot: Snapshot) -> None:
        """Back to `snapshot`. RAM must be as it was at the last snapshot or restoration."""
        target = dict(snapshot)
        for base, piece in self._pieces.items():
            pages = self._known[base][1]
            wanted = target.get(base) or _ZERO_PAGES[: piece.size // PAGE]
            if wanted is pages:
                continue
            for at, (old, new) in enumerate(zip(pages, wanted, strict=True)):
                if old is not new:
                    piece.host[at * PAGE : (at + 1) * PAGE] = new
            self._known[base] = b"".join(wanted), wanted


def without(snapshot: Snapshot, start: int, end: int) -> Snapshot:
    """`snapshot` with zeroes from `start` to `end`."""
    return tuple(
        (base, tuple(_without(page, base + at * PAGE, start, end) for at, page in enumerate(pages)))
        if base < end and start < base + len(pages) * PAGE
        else (base, pages)
        for base, pages in snapshot
    )


def _without(page: bytes, address: int, start: int, end: int) -> bytes:
    first, last = max(start - address, 0), min(end - address, PAGE)
    if first >= last or page is _ZERO:
        return page
    return page[:first] + bytes(last - first) + page[last:]


def host_memory(size: int) -> tuple[mmap.mmap, int]:
    """Zeroed host memory, and its address. Unmapped when the last reference goes."""
    memory = mmap.mmap(-1, size)
    return memory, ctypes.addressof(ctypes.c_char.from_buffer(memory))


_ZERO = bytes(PAGE)
_ZERO_PAGES: Pages = (_ZERO,) * (CHUNK // PAGE)
