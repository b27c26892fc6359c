"""Exceptions. The type says whose fault it is.

A guest that misbehaves is not here: that is an outcome of an execution
(`guestsim.trace.End`), not an error.
"""

from __future__ import annotations

import traceback
from pathlib import Path

__all__ = [
    "GuestsimError",
    "InputError",
    "InternalError",
    "MissingFileError",
    "MissingImageError",
    "NoMemoryError",
    "OutputError",
    "ReaderGoneError",
    "ReplayError",
    "StoppedError",
    "blame",
]


class GuestsimError(Exception):
    """Base of everything that guestsim raises on purpose. `str()` is one clear line."""


class InputError(GuestsimError):
    """The user's input is wrong: a scenario, an image, a schedule, an option. Exit status 2."""


class ReplayError(InputError):
    """A schedule does not fit what it is replayed against: other images, or another trace."""


class InternalError(GuestsimError):
    """guestsim itself is wrong, for example an actor that is not deterministic. Exit status 4."""


class NoMemoryError(InternalError):
    """The guest's memory was asked for where it has none. Who asks on the guest's behalf answers it
    with what hardware or Xen would do."""


class MissingFileError(InputError):
    """A file that was named is not there."""


class MissingImageError(InputError):
    """An image's file is not there. A scenario may say that it is then skipped."""


class StoppedError(GuestsimError):
    """Nobody waits any longer for what is under way: the time is used up, or Ctrl-C. That tells
    nothing about it. Exit status 3."""

    def __init__(self, why: str = "stopped: the time is used up") -> None:
        super().__init__(why)


class OutputError(GuestsimError):
    """Standard output cannot be written: the disk is full, or it is closed. Exit status 2."""


class ReaderGoneError(OutputError):
    """Nobody reads standard output any more (`| head -1`). We die of SIGPIPE, as others do."""


def blame(error: BaseException) -> str:
    """One line for an error of ours: what an `InternalError` says; of any other exception what it
    is, where it comes from, and whom to tell."""
    if isinstance(error, InternalError):
        return str(error)
    what = "".join(traceback.format_exception_only(error))
    ours = [
        f"{Path(frame.filename).name}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(Path(__file__).parent)
    ]
    where = f" at {ours[-1]}" if ours else ""
    return (
        f"a fault of guestsim: {' '.join(what.split())}{where}; "
        "please report it with the scenario and this line"
    )
