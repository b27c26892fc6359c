"""One execution: `run` and `replay`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from guestsim.errors import InputError, StoppedError
from guestsim.execute import (
    Execution,
    Schedule,
    execute,
    fair,
    load_schedule,
    replay,
)
from guestsim.runner.control import Progress, Report
from guestsim.runner.executions import SAMPLED, execute_once, sampled, scripted
from guestsim.runner.interrupt import INTERRUPTED, requested
from guestsim.runner.searched import search
from guestsim.runner.setup import Setup, set_up
from guestsim.runner.shrink import check_lists, with_requests
from guestsim.runner.witnesses import schedule_for, schedule_for_witness
from guestsim.scenario import Scenario, load_one
from guestsim.scenario import Strategy as StrategyName
from guestsim.trace import Outcome
from guestsim.trace.results import Run
from guestsim.trace.text import escaped

__all__ = ["replay_once", "run_once", "scenario_of"]


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
    InputError where there is none.
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
    plain = execute(fair, setup.actors, setup.memory, record=False, should_stop=requested)
    length = sum(count for _, count in plain.steps)
    first = 0 if seed is None else seed - search.seed
    numbers = range(first, first + (search.runs if seed is None else 1))
    for number in numbers:
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
    if requested() or not found.outcomes:
        raise StoppedError(found.certificate.why_incomplete or INTERRUPTED)
    there_are = [each for each in _WORST_FIRST if each in found.outcomes]
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
        check_lists(scenario, f"{escaped(str(path))}: ")
    return schedule, scenario, set_up(scenario, images)
