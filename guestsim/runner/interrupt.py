"""Ctrl-C, SIGTERM and SIGHUP as a request: what is under way ends soon, and says what it knows.

A KeyboardInterrupt can be raised anywhere, also inside a callback from Unicorn, where nobody can
catch it. So the first signal only leaves a note. After it, another Ctrl-C is a KeyboardInterrupt
again, and SIGTERM and SIGHUP end the process at once.
"""

from __future__ import annotations

import mmap
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from guestsim.errors import StoppedError

__all__ = [
    "INTERRUPTED",
    "Deadline",
    "Note",
    "by",
    "interrupted",
    "leave_it_to_the_parent",
    "listening",
    "raised",
    "requested",
]

INTERRUPTED = "interrupted"
"""Why a search is incomplete after Ctrl-C."""

_GRACE = 0.4
"""Seconds after the end of the time in which what was found is shown."""

_OTHERS = signal.SIGTERM, signal.SIGHUP


class Note:
    """Left once, and seen by this process and those that it forks from then on.

    One byte of shared memory, and no lock: a signal handler may leave it whatever it interrupts.
    """

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, 1)

    def set(self) -> None:
        """Leave the note."""
        self._page[0] = 1

    def is_set(self) -> bool:
        """Whether it was left."""
        return self._page[0] != 0


_note: Note | None = None
_by: signal.Signals | None = None


def requested() -> bool:
    """Whether somebody has asked to end."""
    return _note is not None and _note.is_set()


def interrupted() -> bool:
    """Whether somebody has asked since the last `listening` began."""
    return _by is not None


def by() -> str:
    """Who asked: " by SIGTERM"; nothing for Ctrl-C."""
    return "" if _by in (None, signal.SIGINT) else f" by {signal.Signals(_by).name}"


def raised() -> None:
    """From now on, SIGTERM and SIGHUP are a KeyboardInterrupt, as Ctrl-C is: what was opened is
    closed, and what was made is removed. For the main thread of a process."""

    def interrupt(number: int, _frame: Any) -> NoReturn:
        global _by  # noqa: PLW0603 (signals are the process's, and so is this)
        _by = signal.Signals(number)
        raise KeyboardInterrupt

    _handle(_OTHERS, interrupt)


@contextmanager
def listening(note: Note | None = None) -> Iterator[None]:
    """While the block runs, the first of these signals leaves `note`. For the main thread of a
    process. A StoppedError says that it was."""
    global _note, _by  # noqa: PLW0603
    outer, _by = _note, None
    note = _note = note or Note()

    def leave(number: int, _frame: Any) -> None:
        global _by  # noqa: PLW0603
        _by = signal.Signals(number)
        note.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _handle(_OTHERS, signal.SIG_DFL)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *_OTHERS)}
    signal.signal(signal.SIGINT, leave)
    _handle(_OTHERS, leave)
    try:
        yield
    except StoppedError:
        if note.is_set():
            raise StoppedError(INTERRUPTED) from None
        raise
    finally:
        _note = outer
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_it_to_the_parent() -> None:
    """In a forked process: signals that a terminal sends to all of us only leave the note, which
    the parent shares. SIGTERM ends this process if it is meant for it alone; where timeout(1) sends
    it to all of us, the parent has left the note."""

    def leave(number: int, _frame: Any) -> None:
        if _note is not None:
            _note.set()
        # The parent decides what a second one means, and kills us.
        signal.signal(number, signal.SIG_IGN)

    def leave_or_end(number: int, _frame: Any) -> None:
        last = time.perf_counter() + _GRACE
        while not requested() and time.perf_counter() < last:
            time.sleep(_GRACE / 40)
        signal.signal(number, signal.SIG_IGN if requested() else signal.SIG_DFL)
        if not requested():
            signal.raise_signal(number)

    signal.signal(signal.SIGINT, leave)
    _handle((signal.SIGHUP,), leave)
    _handle((signal.SIGTERM,), leave_or_end)


def _handle(numbers: tuple[signal.Signals, ...], handler: Any) -> None:
    for number in numbers:
        # Whoever ignores it for us (nohup) is obeyed.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


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
