"""The shared vocabulary: ops, places in shared memory, actors, and the record of an execution."""

from guestsim.trace.actor import Actor, Burst
from guestsim.trace.ops import (
    MEANING,
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
    is_yield,
)

__all__ = [
    "MEANING",
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
    "is_yield",
]
