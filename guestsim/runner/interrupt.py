"""Ctrl-C and SIGTERM as a request: what is under way ends soon, and says what it knows.

A KeyboardInterrupt can be raised anywhere, also inside a callback from Unicorn, where nobody can
catch it. So the first signal only leaves a note; the second one does what it usually does.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from guestsim.errors import StoppedError

__all__ = ["INTERRUPTED", "Deadline", "Note", "listen", "listening", "requested"]

INTERRUPTED = "interrupted"
"""Why a search is incomplete after Ctrl-C."""


class Note(Protocol):
    """`threading.Event`, or `multiprocessing.Event` where several processes share it."""

    def set(self) -> None:
        """Leave the note."""

    def is_set(self) -> bool:
        """Whether it was left."""


_note: Note | None = None


_GRACE = 0.4
"""Seconds after the end of the time in which what was found is shown."""


def listen(note: Note, *, worker: bool = False) -> None:
    """From now on, Ctrl-C leaves `note`, and so does SIGTERM but in a `worker`, whose pool ends it
    by that. For the main thread of a process."""
    global _note  # noqa: PLW0603 (signals are the process's, and so is this)
    _note = note

    def leave(_signal: int, _frame: Any) -> None:
        note.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    signal.signal(signal.SIGINT, leave)
    signal.signal(signal.SIGTERM, signal.SIG_DFL if worker else leave)


@contextmanager
def listening() -> Iterator[None]:
    """`listen` as long as the block runs, for the main thread. A StoppedError says why."""
    global _note  # noqa: PLW0603 (see there)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = _note
    listen(threading.Event())
    try:
        yield
    except StoppedError:
        if requested():
            raise StoppedError(INTERRUPTED) from None
        raise
    finally:
        _note = before
        for number, handler in handlers.items():
            signal.signal(number, handler)


def requested() -> bool:
    """Whether somebody has asked to end."""
    return _note is not None and _note.is_set()


class Deadline:
    """When something under way has to end: after `seconds` (None: never), or after Ctrl-C."""

    def __init__(self, seconds: float | None = None) -> None:
        self._last = None if seconds is None else time.perf_counter() + seconds

    def over(self) -> bool:
        """Whether it should."""
        if requested():
            # Whatever the time was, now it is up; the first who looks says when.
            self._last = min(self._last or time.perf_counter(), time.perf_counter())
            return True
        return self._last is not None and time.perf_counter() >= self._last

    def late(self) -> bool:
        """Whether it must, at once: it should have a while ago."""
        if not self.over():
            return False
        assert self._last is not None
        return time.perf_counter() >= self._last + _GRACE

    @property
    def why(self) -> str:
        """Of one that is over, in one clause."""
        return INTERRUPTED if requested() else "stopped: the time is used up"
