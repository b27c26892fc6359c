"""The interface that everything which touches the shared pages fits: guests, daemons, processes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple, Protocol, runtime_checkable

from guestsim.trace.ops import Op

__all__ = ["Actor", "Burst", "Fenced", "set_fences"]


class Burst(NamedTuple):
    """What an actor does, of its own accord, up to the next op whose result it needs."""

    ops: tuple[Op, ...]
    """At least one. Only the last is of a kind in `ops.ANSWERED`, or a HALT. After an RMW's
    answer, the first op is its store half (STORE, flagged LOCKED)."""
    point: Any
    """Opaque: where to go on with the answer. None after a HALT."""


class Actor(Protocol):
    """A deterministic function of the values that its loads return, and of its CHOOSE's answers."""

    @property
    def name(self) -> str:
        """`guest` or `daemon`: unique in an execution."""

    def start(self) -> Burst:
        """Begin afresh: may be called again at any time, and gives the same burst."""

    def resume(self, point: Any, value: int) -> Burst:
        """Go on from `point`, where the op that it waits for gave `value`."""

    def key(self, point: Any) -> Hashable:
        """Identity of the state at `point`: equal keys mean equal futures."""


@runtime_checkable
class Fenced(Protocol):
    """An actor that can leave out what only orders its stores: under sc they are in order."""

    fences: bool
    """Whether it gives FENCE ops where its store buffer has to be empty."""


def set_fences(actors: Iterable[Actor], fences: bool) -> None:
    """Before `actors` start, under a memory model in which fences matter, or do not."""
    for actor in actors:
        if isinstance(actor, Fenced):
            actor.fences = fences
