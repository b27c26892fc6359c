"""How the daemons' compiled code copies bytes: which accesses, in which order.

Both Debian binaries (xenstored and oxenstored 4.17) have `memcpy` expanded in line by GCC, with
the same code: read from their disassembly. Under 8 bytes: the first and the last piece of 4, or
one byte and then the last 2. From 8 on: the first 8, the last 8, then `rep movsq` over all that
lies between the first multiple of 8 in the destination and the end, which copies most bytes a
second time. So a byte of the ring can be read twice, at two moments.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import cache, lru_cache

from guestsim.trace import Kind, Op, Site

__all__ = ["copy_in", "copy_out", "pieces"]


@lru_cache(maxsize=512)
def pieces(length: int, alignment: int) -> tuple[tuple[int, int], ...]:
    """(offset, size) of each access that copies `length` bytes to a destination whose address
    is `alignment` modulo 8."""
    if length == 0:
        return ()
    if length < 4:
        return ((0, 1), (length - 2, 2)) if length & 2 else ((0, 1),)
    if length < 8:
        return ((0, 4), (length - 4, 4))
    skip = 8 - alignment % 8
    middle = tuple((skip + 8 * index, 8) for index in range((length - skip) // 8))
    return ((0, 8), (length - 8, 8), *middle)


@cache
def _load(address: int, size: int, site: Site) -> Op:
    return Op(Kind.LOAD, address, size, site=site)


def copy_in(address: int, length: int, alignment: int, site: Site) -> Generator[Op, int, bytes]:
    """Read `length` bytes at `address` into a buffer with that alignment."""
    buffer = bytearray(length)
    for offset, size in pieces(length, alignment):
        value = yield _load(address + offset, size, site)
        buffer[offset : offset + size] = value.to_bytes(size, "little")
    return bytes(buffer)


def copy_out(address: int, data: bytes, site: Site) -> Generator[Op, int, None]:
    """Write `data` to `address`."""
    for offset, size in pieces(len(data), address % 8):
        value = int.from_bytes(data[offset : offset + size], "little")
        yield Op(Kind.STORE, address + offset, size, value, site)
