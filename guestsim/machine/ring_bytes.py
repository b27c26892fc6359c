"""Bytes of one of the ring's buffers that a guest has in hand: stored and not yet published, or
loaded and not yet given back.

An immutable value, canonical: the same bytes at the same places are equal, in whatever order and
sizes they came. Places are offsets in the buffer, 0 to 1023; a run goes on at 0 after 1023.
"""

from __future__ import annotations

from collections.abc import Mapping

from guestsim.trace.wire import RING_SIZE

__all__ = ["NONE", "Held", "back_from", "cut", "put"]

Held = tuple[tuple[int, bytes], ...]
"""Runs of neighbouring bytes, (place of the first, bytes), by place."""

NONE: Held = ()


def put(held: Held, place: int, data: bytes) -> Held:
    """`held` with `data` (at most a whole buffer) at `place`, in the stead of what was there."""
    if not held and len(data) < RING_SIZE:
        return ((place, data),)
    if len(held) == 1:  # nearly always: a copy that goes on
        start, have = held[0]
        total = len(have) + len(data)
        if (start + len(have)) % RING_SIZE == place and total < RING_SIZE:
            return ((start, have + data),)
    cells = _cells(held)
    cells.update(((place + index) % RING_SIZE, byte) for index, byte in enumerate(data))
    return _runs(cells)


def cut(held: Held, place: int, count: int) -> tuple[bytes, bytes | None, Held]:
    """Take the `count` bytes from `place` on: (the bytes, which of them are known, what is left).

    Which are known: a nonzero byte for each that is, or None where all are. An unknown byte is 0.
    """
    if len(held) == 1:
        start, have = held[0]
        if start == place and len(have) >= count:
            rest = have[count:]
            return have[:count], None, (((start + count) % RING_SIZE, rest),) if rest else NONE
    if not held:
        return bytes(count), bytes(count), NONE
    cells = _cells(held)
    places = [(place + index) % RING_SIZE for index in range(count)]
    known = bytes(at in cells for at in places)
    data = bytes(cells.pop(at, 0) for at in places)
    return data, None if all(known) else known, _runs(cells)


def back_from(held: Held, place: int) -> int:
    """How many bytes are in hand without a gap up to `place`, that one not included."""
    cells = _cells(held)
    count = 0
    while count < len(cells) and (place - count - 1) % RING_SIZE in cells:
        count += 1
    return count


def _cells(held: Held) -> dict[int, int]:
    return {
        (start + index) % RING_SIZE: byte for start, data in held for index, byte in enumerate(data)
    }


def _runs(cells: Mapping[int, int]) -> Held:
    if len(cells) == RING_SIZE:
        return ((0, bytes(cells[place] for place in range(RING_SIZE))),)
    found = []
    for first in sorted(place for place in cells if (place - 1) % RING_SIZE not in cells):
        data = bytearray()
        while (at := (first + len(data)) % RING_SIZE) in cells:
            data.append(cells[at])
        found.append((first, bytes(data)))
    return tuple(found)
