"""Self-check: the record of a search against live executions on random schedules.

Two loads in one instruction, or a point's key that misses some state, would make a record lie. So
compare it with what freshly started actors do: the same ops, the same values.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, zip_longest

from guestsim.errors import InternalError
from guestsim.execute.execution import Execution
from guestsim.execute.strategies import random_walk
from guestsim.execute.tso import DRAIN, TsoExecution
from guestsim.record.recorded_execution import RecordedExecution
from guestsim.search.search import Search
from guestsim.trace import Actor, Event

__all__ = ["MAX_OPS", "validate"]

MAX_OPS = 20_000
"""Ops after which a random execution is cut short."""


def validate(search: Search, actors: Sequence[Actor], seeds: Sequence[int]) -> int:
    """Compare one random live execution for each seed with the record of `search`, under its
    memory model; how many events were compared. InternalError at the first difference.

    `actors` may be those that the search has recorded.
    """
    compared = 0
    for seed in seeds:
        execution = _execution(search, actors)
        execution.start()
        recorded: list[Event] = []
        for name, is_drain, events in search.begun():
            mover = execution.index(name + DRAIN if is_drain else name)
            assert mover is not None
            execution.step(mover)
            recorded += events
        begun, chosen = execution.steps, len(execution.choices)
        execution.max_ops = execution.performed + MAX_OPS
        random_walk(seed)(execution)
        recorded += _recorded(search, execution, begun, chosen)
        for number, (live, known) in enumerate(zip_longest(execution.events, recorded), 1):
            if live != known:
                raise InternalError(
                    f"the record differs from a live execution (random schedule {seed}) at event "
                    f"{number}: live {live!r}, on the record {known!r}"
                )
        compared += len(recorded)
    return compared


def _execution(search: Search, actors: Sequence[Actor]) -> Execution:
    if search.world.tso:
        return TsoExecution(actors, search.memory, bound=search.store_buffer)
    return Execution(actors, search.memory)


def _recorded(search: Search, execution: Execution, begun: int, chosen: int) -> list[Event]:
    """What the record makes of the execution's steps but for the first `begun`, which have made
    `chosen` choices."""
    player = RecordedExecution(
        search.records,
        search.first_memory,
        tso=search.world.tso,
        choices=execution.choices[chosen:],
    )
    count = len(search.records)
    movers = {name: number for number, name in enumerate(execution.names)}
    events: list[Event] = []
    moves = (movers[name] for name, steps in execution.result().steps for _ in range(steps))
    for mover in islice(moves, begun, None):
        if mover >= count:
            events.append(player.drained(mover - count))
            player.drain(mover - count)
        else:
            events += player.events(mover)
            player.step(mover)
    return events
