"""When nothing will ever change again: exact, without clocks or bounds.

While shared memory keeps its value, what an actor does next depends on that memory and on its own
state, not on who moves when. So an actor that has come back to a state in which it has already
been since the last change goes round for ever, unless somebody else changes memory: it is in a
cycle of its states, here called a round. If that holds for everyone who is not blocked, nobody
will. So a hang is a deadlock (all are blocked) or a livelock (some go round).
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from guestsim.errors import InternalError
from guestsim.trace import Actor, Flag, Kind, Op, is_yield
from guestsim.trace.effects import result
from guestsim.trace.shared import field, place

__all__ = ["QUIET", "Round", "waits"]

_FIRST_ROUND = 32
"""Answers that an actor gets before its mark moves for the first time. Rounds of the known
daemons are about ten answers long, so most are recognised at their first end."""

QUIET = 16
"""Ops without change before anyone's rounds are watched: a key can cost as much as hashing a
guest."""

_PLACES = 6
"""How many values a message names."""


class Round:
    """Recognises that one actor has come back to an earlier state (Brent's algorithm).

    One earlier state, the mark, is kept; it moves on after 32, 64, 128… answers, so that it ends up
    in any cycle. Points are kept rather than keys: a key is only computed where the same op comes
    again.
    """

    __slots__ = ("_actor", "_age", "_epoch", "_key", "_limit", "_op", "_point")

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._epoch = -1
        self._age = 0
        self._limit = _FIRST_ROUND
        self._op: Op | None = None
        self._point: Any = None
        self._key: tuple[Hashable] | None = None

    def visit(self, op: Op, point: Any, epoch: int) -> bool:
        """Note that the actor performs `op` at `point`; whether it has been in this state before.

        `epoch` names the last change of shared memory: a mark from before it says nothing.
        """
        mark = self._op
        if mark is None or epoch != self._epoch:
            self._epoch = epoch
            self._limit = _FIRST_ROUND
            self._move(op, point)
            return False
        self._age += 1
        if op.address == mark.address and op.kind is mark.kind:
            if self._key is None:
                self._key = (self._actor.key(self._point),)
            if self._key == (self._actor.key(point),):
                return True
        if self._age == self._limit:
            self._limit *= 2
            self._move(op, point)
        return False

    def _move(self, op: Op, point: Any) -> None:
        self._age = 0
        self._op = op
        self._point = point
        self._key = None

    def explain(self, memory: bytearray) -> str:
        """One clause on what the actor does for ever, after `visit` has said that it does.

        Walks the round once more: an actor can be resumed from any of its points.
        """
        assert self._op is not None
        assert self._key is not None
        seen: dict[int, tuple[str, int]] = {}
        asleep = yields = False
        op, point = self._op, self._point
        for _ in range(self._age):
            value = result(memory, op)
            if is_yield(op):
                yields = True
            elif op.kind is Kind.WAIT:
                asleep = asleep or not (value or op.flags & Flag.POLL)
            elif field(op.address) not in ("req", "rsp"):
                seen.setdefault(op.address, (place(op.address, op.size), value))
            burst = self._actor.resume(point, value)
            op, point = burst.ops[-1], burst.point
        if self._key != (self._actor.key(point),):
            raise InternalError(f"{self._actor.name} is not deterministic: its round did not close")
        # By address: where in its round the mark lies is of no interest.
        values = [
            f"{name} = {value:#x}" if value > 0xFFFF else f"{name} = {value}"
            for _, (name, value) in sorted(seen.items())
        ]
        if len(values) > _PLACES:
            values[_PLACES:] = ["…"]
        verb, link = "spins", "on"
        if asleep or yields:
            verb, link = "sleeps" if asleep else "yields for ever", "with"
        return " ".join([self._actor.name, verb, *([link, ", ".join(values)] if values else [])])


def waits(name: str, op: Op) -> str:
    """One clause on an actor that is blocked in the WAIT `op`."""
    assert not op.flags & Flag.SPURIOUS
    return f"{name} waits for {place(op.address, op.size)}, which nobody will set"
