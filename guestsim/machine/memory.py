"""The guest's physical memory on the host: RAM that exists once touched.

RAM comes in pieces, one mmap each, so that a machine of any size costs what its guest uses.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable
from typing import NamedTuple, Protocol

from guestsim.errors import NoMemoryError

__all__ = ["CHUNK", "PAGE", "WIDEST", "Memory", "Piece", "Watcher", "host_memory"]

PAGE = 4096
CHUNK = 16 * PAGE
"""Low RAM is mapped in pieces of this many bytes, other RAM by the page."""
WIDEST = 8
"""Bytes of the widest access of which Unicorn tells."""


class Piece(NamedTuple):
    """Contiguous RAM."""

    base: int
    size: int
    host: mmap.mmap
    pointer: int
    """Address of `host` in this process."""


class Watcher(Protocol):
    """Whoever must know what changes memory besides the CPU that it belongs to."""

    def suspect(self, page: int) -> None:
        """`page` may have been written."""

    def suspect_all(self) -> None:
        """Any page may have been written."""


class Memory:
    """Physical memory. `is_ram` says where there is RAM; elsewhere there is nothing."""

    def __init__(self, is_ram: Callable[[int], bool], low: int) -> None:
        """`low`: bytes of RAM from address 0 on that stay RAM, and come in pieces of `CHUNK`."""
        self._is_ram = is_ram
        self._low = low
        self._pieces: dict[int, Piece] = {}
        self.watchers: list[Watcher] = []
        self.code: set[int] = set()
        """Pages from which any CPU has ever fetched: of others no watcher has to hear."""
        self.on_write: Callable[[int, int], None] | None = None
        """Called with (address, size) of each `write`."""
        self.written = False
        """Whether `write` or `clear` has been called since somebody cleared this."""

    def pieces(self) -> tuple[Piece, ...]:
        """Every piece so far, in the order of their first touch."""
        return tuple(self._pieces.values())

    def piece(self, address: int) -> Piece:
        """The piece that holds `address`, made now if it was not touched before."""
        base, size = self._place(address)
        known = self._pieces.get(base)
        if known is None:
            known = self._pieces[base] = Piece(base, size, *host_memory(size))
        return known

    def known_piece(self, address: int) -> Piece | None:
        """The piece that holds `address`; None where nobody has touched it."""
        return self._pieces.get(self._place(address)[0])

    def _place(self, address: int) -> tuple[int, int]:
        """The first address and the size of the piece that holds `address`."""
        chunk = address - address % CHUNK
        if chunk + CHUNK <= self._low:
            return chunk, CHUNK
        return address - address % PAGE, PAGE

    def read(self, address: int, size: int) -> bytes:
        """Bytes at a physical address."""
        piece = self._pieces.get(address - address % CHUNK)
        if piece is not None and address + size <= piece.base + CHUNK <= self._low:
            return piece.host[address - piece.base : address - piece.base + size]
        return b"".join(
            piece.host[first : first + length]
            for piece, first, length in self._spans(address, size)
        )

    def write(self, address: int, data: bytes) -> None:
        """Change bytes at a physical address."""
        self.written = True
        if self.on_write is not None:
            self.on_write(address, len(data))
        self.put_back(address, data)

    def put_back(self, address: int, data: bytes) -> None:
        """The same; does not count as `written`."""
        done = 0
        for piece, first, length in self._spans(address, len(data)):
            piece.host[first : first + length] = data[done : done + length]
            self.note(piece.base + first, piece.base + first + length)
            done += length

    def note(self, start: int, stop: int) -> None:
        """Whoever writes to host memory says so: what lies from `start` to `stop` may differ."""
        for page in range(start - start % PAGE, stop, PAGE):
            if page in self.code:
                for watcher in self.watchers:
                    watcher.suspect(page)

    def note_all(self) -> None:
        """The same of all RAM."""
        for watcher in self.watchers:
            watcher.suspect_all()

    def clear_range(self, start: int, stop: int) -> None:
        """Zeroes from `start` to `stop`, in low RAM; does not count as `written`."""
        piece = self._pieces.get(start - start % CHUNK)
        if piece is not None and start < stop <= piece.base + CHUNK <= self._low:
            ctypes.memset(piece.pointer + start - piece.base, 0, stop - start)
            self.note(start, stop)
            return
        while start < stop:
            piece = self.piece(start)
            length = min(stop, piece.base + piece.size) - start
            ctypes.memset(piece.pointer + start - piece.base, 0, length)
            self.note(start, start + length)
            start += length

    def _spans(self, address: int, size: int) -> list[tuple[Piece, int, int]]:
        spans = []
        while size > 0:
            if not self._is_ram(address):
                raise NoMemoryError(f"there is no RAM at {address:#x}")
            piece = self.piece(address)
            part = min(size, piece.base + piece.size - address)
            spans.append((piece, address - piece.base, part))
            address += part
            size -= part
        return spans

    def clear(self) -> None:
        """All zeroes, as at power on."""
        self.written = True
        for piece in self._pieces.values():
            piece.host[:] = bytes(piece.size)
        self.note_all()


def host_memory(size: int) -> tuple[mmap.mmap, int]:
    """Zeroed host memory, and its address. Unmapped when the last reference goes."""
    memory = mmap.mmap(-1, size)
    return memory, ctypes.addressof(ctypes.c_char.from_buffer(memory))
