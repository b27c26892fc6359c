"""What stages hand over, and what they have learnt by then: how many different ones there were.

The segments of the stage and of those before it are left out: code, variables and stack are dead
once a stage has jumped to the reset vector, and how its stack was used depends on who came first.
What is left is what stages put elsewhere for those after them: tables, strings, a next one's code.
What a stage keeps to itself, or prints, is nowhere in there: so its answers are compared as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from guestsim.machine.image import Segment
from guestsim.machine.learnt import Lesson
from guestsim.machine.memory import PAGE, Memory
from guestsim.machine.messages import Said

__all__ = ["Handover", "Handovers", "Place", "difference"]

_ZERO = bytes(PAGE)

Pages = dict[int, bytes]
"""Address of a page -> its bytes; without those that are zero."""


class Handover(NamedTuple):
    """What one stage has left in RAM, once or more often."""

    stage: str
    pages: Pages


class Place(NamedTuple):
    """Where in a stage's doing an answer came."""

    stage: str
    before: tuple[Said, ...]
    request: Said


_MOST = 2
"""Different ones of a stage, or of a place, that are kept: enough to see that there is more than
one."""


class Handovers:
    """The different ones of a guest's executions, in the order of their first time."""

    def __init__(self) -> None:
        self.seen: list[Handover] = []
        """Two of each stage at most."""
        self.learnt: dict[Place, list[Lesson]] = {}
        """Two of each place at most."""

    def take(self, stage: str, memory: Memory, dead: Iterable[Segment]) -> None:
        """`stage` hands over now; of no concern is what lies in the segments `dead`."""
        if sum(each.stage == stage for each in self.seen) == _MOST:
            return
        now = Handover(stage, _left(memory, dead))
        if now not in self.seen:
            self.seen.append(now)

    def learn(self, stage: str, lesson: Lesson) -> None:
        """`stage` took an answer."""
        place = Place(stage, lesson.before, lesson.request)
        lessons = self.learnt.setdefault(place, [])
        if len(lessons) < _MOST and lesson not in lessons:
            lessons.append(lesson)


def _left(memory: Memory, dead: Iterable[Segment]) -> Pages:
    pages: Pages = {}
    for piece in memory.pieces():
        for at in range(0, piece.size, PAGE):
            page = piece.host[at : at + PAGE]
            if page != _ZERO:
                pages[piece.base + at] = page
    for segment in dead:
        start, stop = segment.address, segment.address + segment.size
        for first in range(start - start % PAGE, stop, PAGE):
            if first in pages:
                page = pages.pop(first)
                low, high = max(start - first, 0), min(stop - first, PAGE)
                page = page[:low] + bytes(high - low) + page[high:]
                if page != _ZERO:
                    pages[first] = page
    return pages


def difference(one: Pages, other: Pages) -> tuple[int, int, int]:
    """(first address, last address, how many) of the bytes that differ. ValueError if none do."""
    differ = [
        first + at
        for first in sorted(one.keys() | other.keys())
        if one.get(first) != other.get(first)
        for at, (a, b) in enumerate(
            zip(one.get(first, _ZERO), other.get(first, _ZERO), strict=True)
        )
        if a != b
    ]
    if not differ:
        raise ValueError("they are equal")
    return differ[0], differ[-1], len(differ)
