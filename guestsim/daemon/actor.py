"""A daemon as an actor: a generator that yields one op before every shared access."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from typing import Any, Generic, NamedTuple, TypeVar

from guestsim.trace import Burst, Kind, Op
from guestsim.trace.ops import ANSWERED

__all__ = ["GeneratorActor", "Point", "Turn"]

S = TypeVar("S", bound=Hashable)

Turn = Callable[[S], Generator[Op, int, S]]
"""From a checkpoint to the next one: yields ops, is sent the values of those in `ANSWERED` (0 for
the others), returns the state that it has reached. A pure function of the state and the values."""


class Point(NamedTuple, Generic[S]):
    """Where a daemon stands: a checkpoint, and the values that it was given since."""

    state: S
    fed: tuple[int, ...]


class GeneratorActor(Generic[S]):
    """An actor made of turns.

    A point can be resumed any number of times. The generator that stands at the last point is
    kept, so that a run straight on replays nothing; going on from another point replays the
    values since its checkpoint, into a fresh generator.
    """

    def __init__(self, start: S, turn: Turn[S], name: str = "daemon") -> None:
        self._start = start
        self._turn = turn
        self._name = name
        self._at: Point[S] | None = None
        self._live: Generator[Op, int, S] | None = None

    @property
    def name(self) -> str:
        """`daemon`."""
        return self._name

    def start(self) -> Burst:
        """Begin afresh."""
        return self._collect(*self._begin(self._start))

    def resume(self, point: Any, value: int) -> Burst:
        """Go on from `point`, where the op that it waits for gave `value`."""
        live = self._live
        if point is not self._at or live is None:
            live = self._replay(point)
        self._at = self._live = None
        try:
            op = live.send(value)
        except StopIteration as end:
            return self._collect(*self._begin(end.value))
        return self._collect(Point(point.state, (*point.fed, value)), live, op)

    def stand_at(self, state: S) -> Burst:
        """Go on from this checkpoint."""
        return self._collect(*self._begin(state))

    def key(self, point: Any) -> Hashable:
        """The state and the values since: all that the future depends on."""
        key: Hashable = point
        return key

    def _replay(self, point: Point[S]) -> Generator[Op, int, S]:
        live = self._turn(point.state)
        fed = iter(point.fed)
        op = next(live)
        while True:
            if op.kind not in ANSWERED:
                op = live.send(0)
                continue
            value = next(fed, None)
            if value is None:
                return live
            op = live.send(value)

    def _begin(self, state: S) -> tuple[Point[S], Generator[Op, int, S], Op]:
        while True:
            live = self._turn(state)
            try:
                return Point(state, ()), live, next(live)
            except StopIteration as end:
                state = end.value

    def _collect(self, point: Point[S], live: Generator[Op, int, S], op: Op) -> Burst:
        ops = [op]
        while op.kind not in ANSWERED:
            if op.kind is Kind.HALT:
                return Burst(tuple(ops), None)
            try:
                op = live.send(0)
            except StopIteration as end:
                point, live, op = self._begin(end.value)
            ops.append(op)
        self._at, self._live = point, live
        return Burst(tuple(ops), point)
