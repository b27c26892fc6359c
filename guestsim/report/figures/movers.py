"""Who moves at each event, and how many stores wait in the store buffers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from guestsim.report.units import name_of
from guestsim.trace import Flag
from guestsim.trace.memory_model import DRAIN
from guestsim.trace.results import Run

__all__ = ["Buffer", "Turn", "actors_of", "buffer_name", "buffers_of", "turns_of"]


class Turn(NamedTuple):
    """One run of `Run.steps`: events `first` to `end` - 1 are of one mover."""

    mover: str
    """An actor, or its store buffer (`guest:drain`)."""
    actor: str
    drains: bool
    """Whether it is the store buffer."""
    steps: int
    first: int
    end: int
    """Equal to `first` where every step put a store into the buffer."""


def turns_of(run: Run) -> Iterator[Turn]:
    """The turns of `run`, in their order. ValueError where `run.began` does not fit `run.steps`."""
    ends = (*run.began, len(run.events))[1:]
    for (mover, steps), first, end in zip(run.steps, run.began, ends, strict=True):
        actor = mover.removesuffix(DRAIN)
        yield Turn(mover, actor, mover != actor, steps, first, end)


def actors_of(run: Run, names: Mapping[str, str]) -> tuple[str, ...]:
    """The actors of `names`, in their order, then others that the run has."""
    found = {event.actor for event in run.events}
    return (*names, *sorted(found - set(names)))


def buffer_name(actor: str, names: Mapping[str, str]) -> str:
    """How people call the store buffer of `actor`."""
    return f"{name_of(actor, names)}'s store buffer"


class Buffer(NamedTuple):
    """What went through the store buffer of one actor."""

    drained: tuple[int, ...]
    """The events that are stores which it let out."""
    waiting: tuple[tuple[int, int], ...]
    """(step, stores that wait behind that event), one for each change."""

    def out(self, first: int, end: int) -> int:
        """Stores that it let out in events `first` to `end` - 1."""
        return bisect_left(self.drained, end) - bisect_left(self.drained, first)

    def behind(self, step: int) -> int:
        """Stores that wait when event `step` is over."""
        at = bisect_right(self.waiting, step, key=lambda change: change[0])
        return self.waiting[at - 1][1] if at else 0


def buffers_of(run: Run) -> dict[str, Buffer]:
    """The store buffers that held something, by their actors.

    A trace does not say between which events of its actor's turn a store entered the buffer. It
    counts from the end of the turn, when somebody else may move.
    """
    drained: dict[str, list[int]] = {}
    waiting: dict[str, list[tuple[int, int]]] = {}
    now: dict[str, int] = {}
    for turn in turns_of(run):
        changes = waiting.setdefault(turn.actor, [])
        if turn.drains:
            for step in range(turn.first, turn.end):
                drained.setdefault(turn.actor, []).append(step)
                now[turn.actor] = now.get(turn.actor, 0) - 1
                _change(changes, step, now[turn.actor])
            continue
        events = run.events[turn.first : turn.end]
        # Both halves of an atomic are one step.
        performed = sum(not event.op.flags & Flag.LOCKED for event in events)
        if turn.steps > performed:
            now[turn.actor] = now.get(turn.actor, 0) + turn.steps - performed
            _change(changes, max(turn.end - 1, 0), now[turn.actor])
    return {
        actor: Buffer(tuple(drained.get(actor, ())), tuple(changes))
        for actor, changes in waiting.items()
        if changes
    }


def _change(changes: list[tuple[int, int]], step: int, count: int) -> None:
    """Of several changes behind one event, the last is what others can see."""
    if changes and changes[-1][0] == step:
        changes.pop()
    changes.append((step, count))
