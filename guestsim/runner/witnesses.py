"""Schedules of executions: made, named after what they witness, and written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from guestsim import __version__
from guestsim.errors import InputError
from guestsim.execute import Schedule, Segment, schedule_of
from guestsim.execute import save_schedule as write
from guestsim.execute.digest import digests
from guestsim.runner.executions import SAMPLED
from guestsim.runner.setup import Setup
from guestsim.scenario import Scenario
from guestsim.search import Witness
from guestsim.trace.results import Run

__all__ = ["save_schedule", "schedule_for", "schedule_for_witness", "witness_path", "write_witness"]


def schedule_for(run: Run, scenario: Scenario, setup: Setup, number: int = 0) -> Schedule:
    """The schedule of `run`, which is sample `number` where the scenario is sampled; without the
    scenario's path."""
    sampled_one = scenario.search.strategy in SAMPLED
    return schedule_of(
        run,
        scenario="",
        images=setup.scheduled_images,
        strategy=str(scenario.search.strategy),
        seed=scenario.search.seed + number if sampled_one else None,
        title=scenario.title,
        guestsim=__version__,
    )


def schedule_for_witness(witness: Witness, scenario: Scenario, setup: Setup) -> Schedule:
    """The schedule of a witness, without the scenario's path."""
    return Schedule(
        guestsim=__version__,
        title=scenario.title,
        scenario="",
        images=setup.scheduled_images,
        memory_model=str(scenario.search.memory_model),
        strategy=str(scenario.search.strategy),
        outcome=witness.run.outcome,
        steps=tuple(Segment(name, count) for name, count in witness.run.steps),
        digests=digests(witness.run),
        choices=witness.run.choices,
    )


def write_witness(
    folder: Path | None, scenario: Scenario, what: str, schedule: Callable[[], Schedule]
) -> str | None:
    """Write the schedule that shows `what` (an outcome or a rule); its path, None where there is no
    folder to write to."""
    if folder is None:
        return None
    path = witness_path(folder, scenario, what)
    save_schedule(schedule(), scenario, path)
    return str(path)


def witness_path(folder: Path, scenario: Scenario, what: str) -> Path:
    """The file for the witness of `what` (an outcome or a rule)."""
    path = scenario.path.resolve()
    parts = (path.parent.name, path.stem, *filter(None, (scenario.variant,)))
    stem = "-".join(parts)
    return folder / f"{stem}-{what}.schedule.json"


def save_schedule(schedule: Schedule, scenario: Scenario, path: Path) -> None:
    """Write the schedule file, its folder as well; InputError where that cannot be. It names the
    scenario relative to its own folder."""
    variant = "" if scenario.variant is None else f"#{scenario.variant}"
    relative = os.path.relpath(scenario.path.resolve(), path.resolve().parent) + variant
    try:
        relative.encode()
    except UnicodeEncodeError:
        what = "the name of its scenario is not UTF-8"
        raise InputError(f"{path}: cannot write the schedule: {what}") from None
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot write the schedule: {error.strerror}") from None
    write(msgspec.structs.replace(schedule, scenario=relative), path)
