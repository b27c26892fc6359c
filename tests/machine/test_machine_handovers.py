"""What stages hand over: which memory counts, and how many different ones are told apart."""

from __future__ import annotations

import pytest

from guestsim.abi.xs_wire import XsdSockmsgType
from guestsim.machine.handovers import Handovers, Place, difference
from guestsim.machine.image import Segment
from guestsim.machine.learnt import Lesson
from guestsim.machine.memory import CHUNK, PAGE, Memory
from guestsim.machine.messages import Said

LOW = 2 * CHUNK
OWN = Segment(PAGE + 100, b"", PAGE)
"""Ends in the middle of a page, as it begins."""


def left(**bytes_at: int) -> list[dict[int, bytes]]:
    """The pages that are handed over where memory has these bytes (`a_ADDRESS=VALUE`)."""
    memory = Memory(lambda address: address < LOW, LOW)
    for name, value in bytes_at.items():
        memory.write(int(name[2:]), bytes([value]))
    handovers = Handovers()
    handovers.take("firmware", memory, [OWN])
    return [handover.pages for handover in handovers.seen]


def test_the_stages_own_segments_do_not_count() -> None:
    assert left(**{f"a_{OWN.address}": 1, f"a_{OWN.address + OWN.size - 1}": 2}) == [{}]
    for address in (OWN.address - 1, OWN.address + OWN.size):
        (pages,) = left(**{f"a_{address}": 3, f"a_{OWN.address}": 1})
        assert {first: page[address % PAGE] for first, page in pages.items()} == {
            address - address % PAGE: 3
        }
        assert pages == left(**{f"a_{address}": 3})[0]


def test_pages_of_zeroes_and_pages_that_nobody_touched_are_the_same() -> None:
    assert left(a_5=0) == left() == [{}]


def test_two_of_each_stage_are_kept() -> None:
    memory = Memory(lambda address: address < LOW, LOW)
    handovers = Handovers()
    for value in (1, 1, 2, 3):
        memory.write(0, bytes([value]))
        handovers.take("firmware", memory, [])
        handovers.take("kernel", memory, [])
    found = [(each.stage, each.pages[0][0]) for each in handovers.seen]
    assert found == [("firmware", 1), ("kernel", 1), ("firmware", 2), ("kernel", 2)]


def test_two_answers_of_each_place_are_kept() -> None:
    handovers = Handovers()
    request = Said(XsdSockmsgType.XS_READ, False, b"a\0")
    lessons = [
        Lesson((), request, Said(XsdSockmsgType.XS_READ, False, text))
        for text in (b"1", b"1", b"2", b"3")
    ]
    for lesson in lessons:
        handovers.learn("firmware", lesson)
        handovers.learn("kernel", lesson)
    handovers.learn("kernel", lessons[0]._replace(before=(request,)))
    assert handovers.learnt == {
        Place("firmware", (), request): [lessons[0], lessons[2]],
        Place("kernel", (), request): [lessons[0], lessons[2]],
        Place("kernel", (request,), request): [lessons[0]._replace(before=(request,))],
    }


def test_where_two_differ() -> None:
    page = bytes(PAGE)
    one, other = {0: b"\1" + page[1:], PAGE: b"\5" + page[1:]}, {PAGE: b"\5\6" + page[2:]}
    assert difference(one, other) == (0, PAGE + 1, 2)
    assert difference(other, one) == (0, PAGE + 1, 2)
    with pytest.raises(ValueError, match="equal"):
        difference(one, one)
