"""Self-check: the records of a search against live executions.

Two loads in one instruction, or a point's key that misses some state, would make a record lie. So
compare it with what freshly started actors do: the same ops, the same values.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from guestsim.errors import InternalError
from guestsim.execute.execution import Execution, Observer
from guestsim.execute.strategies import random_walk
from guestsim.execute.tso import TsoExecution
from guestsim.record import RecordedExecution
from guestsim.search.search import Search
from guestsim.trace import Event, Kind
from guestsim.trace.memory_model import DRAIN

__all__ = ["MAX_OPS", "compare", "live_execution", "validate"]

MAX_OPS = 20_000
"""Ops after which a random execution is cut short."""


def live_execution(search: Search, observe: Observer | None = None) -> Execution:
    """A fresh execution of what `search` searches, under its memory model."""
    problem = search.problem
    execution: Execution
    if problem.tso:
        execution = TsoExecution(
            problem.actors, problem.memory, observe, bound=problem.store_buffer
        )
    else:
        execution = Execution(problem.actors, problem.memory, observe)
    execution.should_stop = search.give_up
    return execution


def validate(search: Search, seeds: Sequence[int]) -> int:
    """Compare one random live execution for each seed with the records of `search`; how many
    events were compared. InternalError at the first difference."""
    compared = 0
    for seed in seeds:
        execution = live_execution(search)
        execution.start()
        for name, is_drain, _ in search.problem.begun():
            mover = execution.index(name + DRAIN if is_drain else name)
            assert mover is not None
            execution.step(mover)
        execution.max_ops = execution.performed + MAX_OPS
        random_walk(seed)(execution)
        compared += compare(search, execution, f"random schedule {seed}")
    return compared


def compare(search: Search, execution: Execution, what: str) -> int:
    """Hold a live execution, which begins as the search does, against the records: how many events
    it has. InternalError at the first difference."""
    problem, movers = search.problem, execution.names
    recorded = RecordedExecution(search.records, problem.first_memory, tso=problem.tso)
    prefix = iter(problem.begun())
    count = len(search.records)
    events: list[Event] = []
    new: tuple[Event, ...] | None
    choices = iter(execution.choices)
    for name, steps in execution.result().steps:
        mover = movers.index(name)
        for _ in range(steps):
            before = next(prefix, None)
            if before is not None:
                new = before[2]
                for event in new:
                    if event.op.kind is Kind.CHOOSE:
                        next(choices)
            elif mover >= count:
                new = recorded.drain(mover - count)
            else:
                chooses = recorded.op(mover).kind is Kind.CHOOSE
                new = recorded.step(mover, next(choices) if chooses else 0)
            if new is None:
                raise InternalError(f"{name} cannot move on its record as it did live ({what})")
            events += new
    for number, (live, known) in enumerate(zip_longest(execution.events, events), 1):
        if live != known:
            raise InternalError(
                f"the record differs from a live execution ({what}) at event {number}: live "
                f"{live!r}, on the record {known!r}"
            )
    return len(events)
