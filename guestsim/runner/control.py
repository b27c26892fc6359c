"""A check, controlled from outside: what it is to do besides what the scenario says, and how it
reports meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from guestsim.search import ExplorerName
from guestsim.trace import Outcome

__all__ = ["ExplorerName", "Options", "Progress", "Report"]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a check. Can be sent to another process."""

    images: dict[str, Path] = {}
    """ELF files that replace stages by name; names that a scenario does not have are ignored."""
    witnesses: Path | None = None
    """Folder for the schedule of the first execution that shows each outcome."""
    seconds: float | None = None
    """Budget of a search or of samples; then it is incomplete."""
    states: int | None = None
    """The same in stored states."""
    explorer: ExplorerName = ExplorerName.COMPILED
    """Who explores a search's states."""
    twice: bool = False
    """Run every actor twice for each value, and compare."""
    validate: int = 0
    """How many random executions to compare with the record."""
    traceback: bool = False
    """Print the traceback of a fault of ours."""


class Report(msgspec.Struct, frozen=True):
    """How far a check has come."""

    done: int
    """Executions, or stored states."""
    total: int | None
    """Of executions; None where nobody knows."""
    detail: str = ""
    outcomes: tuple[Outcome, ...] = ()
    """Found so far."""


Progress = Callable[[Report], None]
