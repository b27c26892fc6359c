"""What a page holds: enough to play every execution of one scenario, and to judge it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from guestsim.record import Record
from guestsim.trace import Event, Outcome
from guestsim.trace.results import Certificate

__all__ = ["Begun", "Content", "Way"]


@dataclass(frozen=True)
class Way:
    """One execution from power on, to be shown on request."""

    title: str
    """`refused, the simplest way`, `the scenario's script`."""
    outcome: Outcome | None
    steps: tuple[tuple[str, int], ...]
    """As in a schedule."""
    choices: tuple[int, ...]
    sentence: str
    """How it ended, as the timeline says it."""


@dataclass(frozen=True)
class Begun:
    """What every execution does before the reader may decide: a script's part."""

    steps: tuple[tuple[str, int], ...] = ()
    choices: tuple[int, ...] = ()
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Content:
    """One scenario, ready to be played."""

    name: str
    """`torn-reset#every-sc`."""
    title: str
    story: str
    """What the scenario's file says about itself: the comment at its top."""
    scenario: str
    """Its file and variant as a schedule beside the page names it."""
    images: Mapping[str, str]
    """SHA-256 of each image of the boot chain, in its order."""
    labels: Mapping[str, str]
    """How people call the actors, in the order of their lanes."""
    memory_model: str
    store_buffer: int
    """Stores that a store buffer holds."""
    memory: bytes
    """Shared memory at power on."""
    unheeded: frozenset[str]
    """Fields of shared memory that change nothing of what the actors do."""
    records: Sequence[Record]
    """From where the reader may decide. Their sites have functions and lines, where known."""
    whole: bool
    """The records hold whatever can happen; else only what `ways` need."""
    why_not_whole: str = ""
    begun: Begun = Begun()
    ways: tuple[Way, ...] = ()
    expected: Mapping[str, str] = field(default_factory=dict)
    """Outcome -> always, sometimes, never."""
    found: tuple[Outcome, ...] = ()
    """The outcomes that the search found."""
    states: int = 0
    transitions: int = 0
    certificate: Certificate | None = None
    standings: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    """Actor -> node -> what it has set up there (watches, transactions), in lines."""
    sources: Mapping[tuple[str, str, int], str] = field(default_factory=dict)
    """(stage, file, line) -> text of the line."""
