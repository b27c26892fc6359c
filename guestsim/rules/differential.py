"""What needs two executions: whether something that a guest must ignore changes what it does.

`unknown-features` (bits that the guest does not know) and half of `start-state` (unused bytes)
are sentences about two runs that differ in nothing else. Run both under the same schedule, for
example each side until it waits, and compare.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest

from guestsim.rules.page import GUEST
from guestsim.trace.ops import Event, Kind, Op
from guestsim.trace.shared import place

__all__ = ["same_behaviour"]


def same_behaviour(
    first: Iterable[Event], second: Iterable[Event], actor: str = GUEST
) -> str | None:
    """None where `actor` does the same ops in both traces, else one sentence with the first
    difference.

    Compared are the actor's own ops: kind, place, the value of what it stores or signals, and
    how it ends. What its loads return is not compared: that is what the two runs differ in. Nor
    is the other side, nor when each op happens.
    """
    ours = (event.op for event in first if event.actor == actor)
    theirs = (event.op for event in second if event.actor == actor)
    for number, (one, other) in enumerate(zip_longest(ours, theirs), start=1):
        if one is None or other is None or _act(one) != _act(other):
            return f"op {number} of {actor} differs: {_say(one)} against {_say(other)}"
    return None


def _act(op: Op) -> tuple[object, ...]:
    end = (op.end.outcome, op.end.message) if op.end else None
    return op.kind, op.address, op.size, op.value, op.flags, end


def _say(op: Op | None) -> str:
    if op is None:
        return "no further op"
    if op.kind is Kind.HALT:
        return f"halt ({op.end.outcome}: {op.end.message})" if op.end else "halt"
    what = f"{op.kind.name.lower()} {place(op.address, op.size)}"
    return f"{what} = {op.value:#x}" if op.kind is Kind.STORE else what
