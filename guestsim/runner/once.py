"""One execution: `run` and `replay`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from guestsim.errors import InconclusiveError, InputError
from guestsim.execute import (
    ENGINES,
    Execution,
    Schedule,
    Strategy,
    execute,
    fair,
    load_schedule,
    replay,
)
from guestsim.runner.control import Progress, Report
from guestsim.runner.interrupt import INTERRUPTED, requested
from guestsim.runner.searched import schedule_for_witness, search
from guestsim.runner.setup import Setup, set_up
from guestsim.runner.shrink import with_requests
from guestsim.runner.strategy import SAMPLED, sampled, scripted
from guestsim.runner.watch import rule_observer
from guestsim.runner.witnesses import schedule_for
from guestsim.scenario import Scenario, load_one
from guestsim.scenario import Strategy as StrategyName
from guestsim.trace import Outcome
from guestsim.trace.memory_model import MemoryModel
from guestsim.trace.results import Run

__all__ = ["execute_once", "hints_in", "replay_once", "run_once", "scenario_of"]

_WHY = re.compile(r"wrong reply|\b(assert|assertion|panic|bug)\b", re.IGNORECASE)
"""In a console line that says why the guest gave up: "*** HVMLoader bug at util.c:825"."""
_THAT = re.compile(r"\bcrashed\b", re.IGNORECASE)
"""In one that says no more than that it did: "*** HVMLoader crashed."."""


def run_once(
    scenario: Scenario,
    setup: Setup,
    *,
    seed: int | None = None,
    outcome: Outcome | None = None,
    progress: Progress | None = None,
) -> tuple[Run, Schedule]:
    """One execution with its trace, and its schedule (without the scenario's path).

    Of a script, its execution; of samples, the first, the one with `seed`, or the first that ends
    in `outcome`; of a search, the simplest way to `outcome`, by default to the worst that there is.
    InputError where there is none; InconclusiveError where it was interrupted before there was one.
    """
    search = scenario.search
    if seed is not None and search.strategy not in SAMPLED:
        raise InputError(
            f"{scenario.name}: --seed is for random and pct; this is {search.strategy}"
        )
    if search.strategy is StrategyName.SCRIPT:
        run = execute_once(scripted(scenario), setup, search.max_ops)
        if outcome is not None and run.outcome is not outcome:
            raise InputError(f"{scenario.name}: the script ends {run.outcome}, not {outcome}")
        return run, schedule_for(run, scenario, setup)
    if search.strategy not in SAMPLED:
        return _searched(scenario, setup, outcome, progress)
    plain = execute(fair, setup.actors, setup.memory, record=False)
    length = sum(count for _, count in plain.steps)
    first = 0 if seed is None else seed - search.seed
    numbers = range(first, first + (search.runs if seed is None else 1))
    for number in numbers:
        if requested():
            raise InconclusiveError(f"{scenario.name}: {INTERRUPTED} before it was found")
        if progress is not None:
            progress(Report(number - first, len(numbers)))
        run = execute_once(sampled(scenario, number, length), setup, search.max_ops)
        if outcome is None or run.outcome is outcome:
            return run, schedule_for(run, scenario, setup, number)
    raise InputError(f"{scenario.name}: none of {len(numbers)} executions ends {outcome}")


_WORST_FIRST = (
    Outcome.CORRUPTED,
    Outcome.REFUSED,
    Outcome.HUNG,
    Outcome.CRASHED,
    Outcome.CONNECTED,
)


def _searched(
    scenario: Scenario, setup: Setup, outcome: Outcome | None, progress: Progress | None
) -> tuple[Run, Schedule]:
    found = search(scenario, setup, progress=progress)
    there_are = [each for each in _WORST_FIRST if each in found.outcomes]
    if not there_are:
        why = INTERRUPTED if requested() else found.certificate.why_incomplete
        raise InconclusiveError(f"{scenario.name}: nothing was found yet: {why}")
    if outcome is None:
        outcome = there_are[0]
    if outcome not in there_are:
        why = found.certificate.why_incomplete
        cut = f", but the search is incomplete: {why}" if why else ""
        raise InputError(
            f"{scenario.name}: nothing ends {outcome}; found: {', '.join(there_are)}{cut}"
        )
    witness = found.outcomes[outcome]
    schedule = schedule_for_witness(witness, scenario, setup)
    # Once more, for the rules that it breaks; into a hang, and on until it shows.
    run = replay_once(
        schedule, setup, max_ops=scenario.search.max_ops, go_on=outcome is Outcome.HUNG
    )
    return (run if run.outcome is outcome else witness.run), schedule


def replay_once(schedule: Schedule, setup: Setup, *, max_ops: int, go_on: bool = False) -> Run:
    """The recorded execution again, exactly, or ReplayError.

    `go_on`: where the schedule stops before the execution does, everyone moves in turn to its end.
    """
    follow = replay(schedule, setup.scheduled_images)

    def strategy(execution: Execution) -> None:
        follow(execution)
        if go_on and execution.end is None:
            fair(execution, "the schedule stops here")

    return execute_once(strategy, setup, max_ops, memory_model=schedule.memory_model)


def scenario_of(path: Path, images: Mapping[str, Path]) -> tuple[Schedule, Scenario, Setup]:
    """Read a schedule file and set up the scenario that it names (relative to the file)."""
    schedule = load_schedule(path)
    if not schedule.scenario:
        raise InputError(f"{path}: scenario: it does not say which scenario it belongs to")
    scenario = load_one(path.parent / schedule.scenario)
    if schedule.requests:
        if len(schedule.requests) != len(scenario.boot.stages):
            raise InputError(
                f"{path}: requests: {len(schedule.requests)} lists for a chain of "
                f"{len(scenario.boot.stages)} images"
            )
        scenario = with_requests(scenario, schedule.requests)
    return schedule, scenario, set_up(scenario, images)


def execute_once(
    strategy: Strategy,
    setup: Setup,
    max_ops: int,
    *,
    record: bool = True,
    memory_model: str = MemoryModel.SC,
) -> Run:
    """One live execution of `setup`, with all rules, and with what the guest said on its console
    about its own failure. Without `record` it has no trace. A memory model that is none is left to
    `replay`, which refuses it."""
    run = execute(
        strategy,
        setup.actors,
        setup.memory,
        rule_observer(),
        record=record,
        max_ops=max_ops,
        engine=ENGINES.get(memory_model, Execution),
    )
    if run.outcome not in (Outcome.CORRUPTED, Outcome.CRASHED):
        return run
    return msgspec.structs.replace(run, hints=hints_in(setup.guest.console))


def hints_in(console: str) -> tuple[str, ...]:
    """The lines in which a guest says why it failed; where there are none, those that say that it
    did."""
    lines = [line.strip() for line in console.splitlines()]
    telling = [line for line in lines if _WHY.search(line)]
    return tuple(telling or [line for line in lines if _THAT.search(line)])
