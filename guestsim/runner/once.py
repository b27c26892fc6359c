"""One execution: `run` and `replay`, and schedules written and read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from guestsim import __version__
from guestsim.errors import InputError
from guestsim.explore import (
    Schedule,
    Strategy,
    execute,
    fair,
    load_schedule,
    replay,
    schedule_of,
)
from guestsim.explore import save_schedule as write_schedule
from guestsim.runner.setup import Setup, set_up
from guestsim.runner.strategy import SAMPLED, refuse_what_is_not_there, sampled, scripted
from guestsim.runner.watch import rule_observer
from guestsim.scenario import Scenario, load_one
from guestsim.scenario import Strategy as StrategyName
from guestsim.trace import Outcome
from guestsim.trace.results import Run

__all__ = ["replay_once", "run_once", "save_schedule", "scenario_of", "with_hints"]

_TELLING = ("wrong reply", "assert", "panic", "BUG")
"""Words in a console line that says why the guest gave up."""


def run_once(
    scenario: Scenario,
    setup: Setup,
    *,
    seed: int | None = None,
    outcome: Outcome | None = None,
) -> tuple[Run, int]:
    """One execution with its trace: the scenario's script, or one of its samples.

    `seed` picks a random execution by its seed. `outcome` tries the scenario's samples until one
    ends in it; InputError where none does. Gives the execution and its number among the samples.
    """
    refuse_what_is_not_there(scenario)
    search = scenario.search
    if search.strategy is StrategyName.SCRIPT:
        if seed is not None:
            raise InputError(f"{scenario.name}: --seed is for random and pct; this is a script")
        found = _execute(scripted(scenario), setup, search.max_ops)
        if outcome is not None and found.outcome is not outcome:
            raise InputError(f"{scenario.name}: the script ends {found.outcome}, not {outcome}")
        return found, 0
    assert search.strategy in SAMPLED
    plain = execute(fair, setup.actors, setup.memory, record=False)
    length = sum(count for _, count in plain.steps)
    numbers = (
        range(search.runs) if seed is None else range(seed - search.seed, seed - search.seed + 1)
    )
    for number in numbers:
        run = _execute(sampled(scenario, number, length), setup, search.max_ops)
        if outcome is None or run.outcome is outcome:
            return run, number
    raise InputError(f"{scenario.name}: none of {len(numbers)} executions ends {outcome}")


def replay_once(schedule: Schedule, setup: Setup, *, max_ops: int) -> Run:
    """The recorded execution again, exactly, or ReplayError."""
    return _execute(replay(schedule, setup.scheduled_images), setup, max_ops)


def scenario_of(path: Path, images: Mapping[str, Path]) -> tuple[Schedule, Scenario, Setup]:
    """Read a schedule file and set up the scenario that it names (relative to the file)."""
    schedule = load_schedule(path)
    if not schedule.scenario:
        raise InputError(f"{path}: scenario: it does not say which scenario it belongs to")
    scenario = load_one(path.parent / schedule.scenario)
    return schedule, scenario, set_up(scenario, images)


def save_schedule(
    run: Run, scenario: Scenario, setup: Setup, path: Path, *, number: int = 0
) -> None:
    """Write the schedule of `run`; it names the scenario relative to its own folder."""
    folder = path.resolve().parent
    variant = "" if scenario.variant is None else f"#{scenario.variant}"
    relative = os.path.relpath(scenario.path.resolve(), folder) + variant
    sampled_one = scenario.search.strategy in SAMPLED
    schedule = schedule_of(
        run,
        scenario=relative,
        images=setup.scheduled_images,
        strategy=str(scenario.search.strategy),
        seed=scenario.search.seed + number if sampled_one else None,
        title=scenario.title,
        guestsim=__version__,
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_schedule(schedule, path)
    except OSError as error:
        raise InputError(f"{path}: cannot write the schedule: {error.strerror}") from None


def with_hints(run: Run, setup: Setup) -> Run:
    """`run` with what the guest said on its console about its own failure."""
    if run.outcome not in (Outcome.CORRUPTED, Outcome.CRASHED):
        return run
    lines = [line.strip() for line in setup.guest.console.splitlines()]
    telling = tuple(line for line in lines if any(word in line for word in _TELLING))
    return msgspec.structs.replace(run, hints=telling)


def _execute(strategy: Strategy, setup: Setup, max_ops: int) -> Run:
    run = execute(
        strategy,
        setup.actors,
        setup.memory,
        rule_observer(),
        max_ops=max_ops,
    )
    return with_hints(run, setup)
