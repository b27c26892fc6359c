"""The words for a daemon: scenario files say them, and `guestsim.daemon` does what they mean."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["HEARS_BADLY", "MISTAKES", "DaemonModel", "Mistake", "Wakes"]


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
    """What a daemon gets wrong. `MISTAKES` says which model can."""

    CLEARS_EARLY = "clears-early"
    """It stores `connection` = 0 before the zeroes of the indices."""
    LOOKS_LATE = "looks-late"
    """It loads a pair of indices, finds `connection` set, resets the ring, and goes on with the
    pair that it holds."""
    NO_SIGNAL = "no-signal"
    """It does not signal after the close."""
    NEVER_CLEARS = "never-clears"
    """It leaves `connection` at 1."""
    NEVER_CLOSES = "never-closes"
    """It offers reconnection, and never looks at `connection`."""

    MISSES_NOTIFY = "misses-notify"
    """It may take an event from the guest and sleep on, without a look at the ring."""
    WAKES_LATE = "wakes-late"
    """It looks at the ring when it is woken for the second time."""
    CLEARS_EVENTS = "clears-events"
    """When it has looked, it clears the event, and one that has come since is gone."""
    ONE_AT_A_TIME = "one-at-a-time"
    """It takes one request, and sleeps, though more wait."""

    FORGETS_HALF = "forgets-half"
    """A live update drops what it has taken of a request that is not whole."""

    DIES_IN_RESET = "dies-in-reset"
    """RESET_WATCHES with the id of an open transaction fails an assertion (Xen e88031d1fe)."""

    OVER_READS = "over-reads"
    """It computes with indices that it has not checked, and reads beyond the ring."""
    UNCHECKED = "unchecked"
    """It believes any indices, as far as their last ten bits go."""
    IGNORES_FULL = "ignores-full"
    """It takes a full ring for an empty one, by the last ten bits of the indices."""
    STOPS_AT_WRAP = "stops-at-wrap"
    """It copies up to the end of the ring, and no further."""
    OLD_OPCODE = "old-opcode"
    """It has RESET_WATCHES at 20 instead of 21."""
    WAITS_FOR_BODY = "waits-for-body"
    """Behind a header that announces no body it waits for one."""
    NEGATIVE_LENGTH = "negative-length"
    """It takes a length of 1 GiB and more for a negative one, fails, and tries again for ever."""


HEARS_BADLY = frozenset(
    {
        Mistake.MISSES_NOTIFY,
        Mistake.WAKES_LATE,
        Mistake.CLEARS_EVENTS,
        Mistake.ONE_AT_A_TIME,
    }
)
"""Those in taking events from the guest. With `Wakes.ANY` they do no harm."""

MISTAKES = {
    DaemonModel.XENSTORED: HEARS_BADLY
    | {Mistake.CLEARS_EARLY, Mistake.NEVER_CLOSES, Mistake.FORGETS_HALF, Mistake.DIES_IN_RESET},
    DaemonModel.OXENSTORED: frozenset(Mistake) - {Mistake.DIES_IN_RESET},
    DaemonModel.RFC_V2: frozenset[Mistake](),
}
"""Which mistakes a model can make."""
