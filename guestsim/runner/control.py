"""A check, controlled from outside: what it is to do besides what the scenario says, and how it
reports meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from guestsim.errors import InputError
from guestsim.search import ExplorerName
from guestsim.trace import Outcome
from guestsim.trace.text import printable

__all__ = ["ExplorerName", "Options", "Progress", "Report", "budget_of", "images_of"]


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
    cache: Path | None = None
    """Folder of verdicts of earlier runs (`guestsim.runner.verdicts`)."""
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


_LONGEST = 18
"""Digits of a number that somebody can have meant."""


def budget_of(limits: Sequence[str] | None, unit: str) -> int | None:
    """`--budget` in seconds (unit "s": `30s`) or in states (unit "": `100000`), None where there is
    none; InputError where an option is neither."""
    found = None
    for limit in limits or ():
        number = limit.removesuffix("s")
        digits = number.isascii() and number.isdecimal() and len(number) <= _LONGEST
        if not (digits and int(number)):
            raise InputError(
                f"--budget {printable(limit)}: write seconds (30s) or states (100000), at most "
                f"{_LONGEST} digits"
            )
        if limit == number + unit:
            found = int(number)
    return found


def images_of(options: Sequence[str] | None) -> dict[str, Path]:
    """`--image`: the files by the stages' names; InputError where an option is none."""
    images = {}
    for option in options or ():
        name, equals, path = option.partition("=")
        if not (name and equals and path):
            raise InputError(f"--image {printable(option)}: write NAME=PATH")
        images[name] = Path(path)
    return images
