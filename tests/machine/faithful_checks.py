"""What a guest does, in words, for a list of answers or in a whole search."""

from __future__ import annotations

from collections.abc import Sequence

from code86 import (
    RING,
    shutdown,
)

from guestsim.errors import InternalError
from guestsim.machine.guest import Guest
from guestsim.search import Problem, explore
from guestsim.trace import Actor, Op, shared

REQ_CONS, REQ_PROD, RSP_CONS, RSP_PROD = (RING + 2048 + 4 * at for at in range(4))
UNUSED = RING + 0xF00
MASK = 0xFFFFFFFF
POWER_OFF = shutdown(0)


def followed(machine: Guest, answers: Sequence[int]) -> list[Op]:
    """All ops up to the end, or up to the load after the last answer."""
    burst = machine.start()
    ops = list(burst.ops)
    for answer in answers:
        if burst.point is None:
            break
        burst = machine.resume(burst.point, answer)
        ops += burst.ops
    return ops


def brief(ops: Sequence[Op]) -> list[str]:
    return [
        f"{op.kind.name} {op.address:#x}/{op.size} {op.value:#x}"
        if op.end is None
        else f"HALT {op.end.outcome}"
        for op in ops
    ]


def outcomes_of(machine: Guest, *others: Actor) -> set[str]:
    machine.keep_states = True
    actors = (machine, *others)
    found = explore(Problem(actors=actors, memory=bytes(shared.SHARED_SIZE)))
    assert found.certificate.complete
    return {str(outcome) for outcome in found.outcomes}


def verdict(machine: Guest, *others: Actor) -> set[str]:
    """Outcomes of a whole search; nothing but `InternalError` where guestsim says that it failed:
    no verdict is better than a wrong one."""
    try:
        return outcomes_of(machine, *others)
    except InternalError:
        return {"InternalError"}
