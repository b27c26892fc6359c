"""Recording an actor: the real one runs only for an answer that its record does not have."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

from guestsim.errors import InternalError
from guestsim.record.record import END, Record
from guestsim.trace import Actor, Burst, Flag, Kind, Op
from guestsim.trace.ops import ANSWERED

__all__ = ["Recorder"]


class Recorder(Record):
    """The record of `actor`, which grows as answers are asked for.

    It begins where the actor starts, or with the burst `begin`. With `twice` every run of the actor
    is made a second time, and both must be alike. `size` is that of shared memory, in bytes: an op
    outside it is an `InternalError`, as is an actor that breaks the promises of
    `guestsim.trace.Actor`.
    """

    def __init__(
        self,
        actor: Actor,
        size: int,
        *,
        twice: bool = False,
        begin: Burst | None = None,
    ) -> None:
        super().__init__(actor.name)
        self.actor = actor
        self.live_runs = 0
        """How often the actor has run: starts and resumptions, the second ones of `twice` too."""
        self._size = size
        self._twice = twice
        self._points: dict[int, Any] = {}
        self._by_key: dict[Hashable, int] = {}
        self._consed: dict[tuple[Op, int], int] = {}
        self.first = self._add(self._run(None, 0) if begin is None else begin)

    def after(self, node: int, value: int) -> int:
        """The node after the answered op of `node` gave `value`."""
        answers = self.answers[node]
        assert answers is not None
        known = answers.get(value)
        if known is None:
            known = self._add(self._run(node, value))
            if self.ops[node].kind is Kind.RMW:
                self._check_locked(node, known)
            answers[value] = known
        return known

    def points(self) -> Iterable[tuple[int, Any]]:
        """(node, point) of every answered op: where the actor stood before the answer."""
        return self._points.items()

    def _run(self, node: int | None, value: int) -> Burst:
        self.live_runs += 1
        burst = self._run_once(node, value)
        if self._twice:
            self.live_runs += 1
            again = self._run_once(node, value)
            if burst.ops != again.ops or self._key(burst) != self._key(again):
                where = "its start" if node is None else f"{self.ops[node]!r} = {value}"
                raise InternalError(
                    f"{self.name} is not deterministic: two runs from {where} differ"
                )
        return burst

    def _run_once(self, node: int | None, value: int) -> Burst:
        if node is None:
            return self.actor.start()
        return self.actor.resume(self._points[node], value)

    def _key(self, burst: Burst) -> Hashable:
        return None if burst.point is None else self.actor.key(burst.point)

    def _add(self, burst: Burst) -> int:
        *ops, last = burst.ops
        for op in ops:
            if op.kind in ANSWERED or op.kind is Kind.HALT:
                raise InternalError(f"{self.name}: {op.kind.name} in the middle of a burst")
        if last.kind is Kind.HALT:
            node = self._cons(last, END)
        elif last.kind in ANSWERED:
            node = self._answered(last, burst.point)
        else:
            raise InternalError(f"{self.name}: a burst ends with an answered op or a HALT")
        for op in reversed(ops):
            node = self._cons(op, node)
        return node

    def _answered(self, op: Op, point: Any) -> int:
        if op.kind is Kind.CHOOSE and op.value < 2:
            raise InternalError(f"{self.name}: nothing to choose: {op!r}")
        key = self.actor.key(point)
        known = self._by_key.get(key)
        if known is not None:
            if self.ops[known] != op:
                raise InternalError(
                    f"{self.name}: two points with one key, but different ops: "
                    f"{self.ops[known]!r}, {op!r}"
                )
            return known
        node = self._by_key[key] = self._new(op, END, {})
        self._points[node] = point
        return node

    def _cons(self, op: Op, following: int) -> int:
        node = self._consed.get((op, following))
        if node is None:
            node = self._consed[op, following] = self._new(op, following, None)
        return node

    def _new(self, op: Op, following: int, answers: dict[int, int] | None) -> int:
        if op.address + op.size > self._size:
            raise InternalError(f"{self.name}: {op!r} is outside shared memory")
        self.ops.append(op)
        self.following.append(following)
        self.answers.append(answers)
        return len(self.ops) - 1

    def _check_locked(self, node: int, store: int) -> None:
        op, half = self.ops[node], self.ops[store]
        if not (
            half.kind is Kind.STORE
            and half.flags & Flag.LOCKED
            and (half.address, half.size) == (op.address, op.size)
        ):
            raise InternalError(f"{self.name}: an RMW without its store half: {half!r}")
