"""The words for a daemon: scenario files say them, and `guestsim.daemon` does what they mean."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["DaemonModel", "Mistake", "Wakes"]


class DaemonModel(StrEnum):
    """Which xenstored stands on the other side."""

    XENSTORED = "xenstored"
    OXENSTORED = "oxenstored"
    RFC_V2 = "rfc-v2"


class Wakes(StrEnum):
    """What ends the daemon's sleep."""

    ANY = "any"
    """Other domains' work, too, at any time."""
    EVENT = "event"
    """Only this guest's events."""


class Mistake(StrEnum):
    """What the daemon gets wrong in closing the ring."""

    CLEARS_EARLY = "clears-early"
    """It stores `connection` = 0 before the zeroes of the indices."""
    LOOKS_LATE = "looks-late"
    """It loads a pair of indices, finds `connection` set, resets the ring, and goes on with the
    pair that it holds."""
    NO_SIGNAL = "no-signal"
    """It does not signal after the close."""
    NEVER_CLEARS = "never-clears"
    """It leaves `connection` at 1."""
