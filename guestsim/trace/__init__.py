"""The shared vocabulary: ops, places in shared memory, actors, and the record of an execution."""

from guestsim.trace.actor import Actor, Burst
from guestsim.trace.ops import (
    MEANING,
    NOBODY,
    NOWHERE,
    End,
    Event,
    Flag,
    Kind,
    Op,
    Outcome,
    Sample,
    Site,
    Violation,
    asks,
    is_yield,
    meaning,
)

__all__ = [
    "MEANING",
    "NOBODY",
    "NOWHERE",
    "Actor",
    "Burst",
    "End",
    "Event",
    "Flag",
    "Kind",
    "Op",
    "Outcome",
    "Sample",
    "Site",
    "Violation",
    "asks",
    "is_yield",
    "meaning",
]
