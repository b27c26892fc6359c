"""Where schedules of witnesses are written, and how they name their scenario."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from guestsim.errors import InputError
from guestsim.execute import Schedule
from guestsim.execute import save_schedule as write
from guestsim.scenario import Scenario

__all__ = ["save_schedule", "witness_path"]


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
        path.parent.mkdir(parents=True, exist_ok=True)
        write(msgspec.structs.replace(schedule, scenario=relative), path)
    except OSError as error:
        raise InputError(f"{path}: cannot write the schedule: {error.strerror}") from None
