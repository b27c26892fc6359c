"""Bytes of a ring that a guest has in hand: a sparse buffer without a beginning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guestsim.machine.ring_bytes import NONE, Held, back_from, cut, put


@pytest.mark.parametrize("step", [1, 512, 1024])
def test_a_whole_buffer_in_hand_has_no_beginning(step: int) -> None:
    held: Held = NONE
    for at in range(500, 1524, step):
        held = put(held, at % 1024, bytes(step))
    assert held == ((0, bytes(1024)),)


pieces = st.lists(st.tuples(st.integers(0, 1023), st.binary(min_size=1, max_size=12)), max_size=8)


@given(pieces, st.integers(0, 1023), st.integers(0, 1024), st.booleans())
def test_bytes_in_hand_are_those_of_a_table(
    stores: list[tuple[int, bytes]], place: int, count: int, near_the_end: bool
) -> None:
    held: Held = NONE
    cells: dict[int, int] = {}
    for anywhere, data in stores:
        first = 1012 + anywhere % 12 if near_the_end else anywhere
        held = put(held, first, data)
        cells.update(((first + index) % 1024, byte) for index, byte in enumerate(data))
    direct = NONE
    for at in sorted(cells, reverse=True):
        direct = put(direct, at, bytes([cells[at]]))
    assert held == direct, "canonical"
    places = [(place + index) % 1024 for index in range(count)]
    data, known, rest = cut(held, place, count)
    assert data == bytes(cells.get(at, 0) for at in places)
    assert (known or b"\1" * count) == bytes(at in cells for at in places)
    again, unknown, _ = cut(rest, place, count)
    assert (again, unknown or b"") == (bytes(count), bytes(count))
    back = back_from(held, place)
    assert all((place - 1 - index) % 1024 in cells for index in range(back))
    assert back == len(cells) or (place - 1 - back) % 1024 not in cells
