"""Ctrl-C as a request: what is under way ends soon, and says what it knows.

A KeyboardInterrupt can be raised anywhere, also inside a callback from Unicorn, where nobody can
catch it. So the first Ctrl-C only leaves a note; the second one is a KeyboardInterrupt again.
"""

from __future__ import annotations

import signal
from typing import Any, Protocol

__all__ = ["INTERRUPTED", "Note", "listen", "requested"]

INTERRUPTED = "interrupted"
"""Why a search is incomplete after Ctrl-C."""


class Note(Protocol):
    """`threading.Event`, or `multiprocessing.Event` where several processes share it."""

    def set(self) -> None:
        """Leave the note."""

    def is_set(self) -> bool:
        """Whether it was left."""


_note: Note | None = None


def listen(note: Note) -> None:
    """From now on, Ctrl-C leaves `note`. For the main thread of a process."""
    global _note  # noqa: PLW0603 (signals are the process's, and so is this)
    _note = note

    def leave(_signal: int, _frame: Any) -> None:
        note.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, leave)


def requested() -> bool:
    """Whether somebody has asked to end."""
    return _note is not None and _note.is_set()
