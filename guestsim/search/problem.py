"""What is to be searched, within which limits, and how an explorer says what it has seen."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from guestsim.errors import InternalError
from guestsim.record import Record
from guestsim.search.prefix import Prefix, PrefixMove
from guestsim.trace import Actor, End, Event, Kind, Op, Outcome, Violation
from guestsim.trace.memory_model import STORE_BUFFER, MemoryModel
from guestsim.trace.shared import field

__all__ = [
    "NO_MOVE",
    "Crowd",
    "Explorer",
    "Limits",
    "Move",
    "Poll",
    "Problem",
    "Progress",
    "RuleSet",
    "Sighting",
]

Progress = Callable[[int, int, tuple[Outcome, ...]], None]
"""Called now and then with states stored, turns that wait to be taken, outcomes so far."""

Poll = Callable[[int, int], bool]
"""Called now and then with states stored and turns that wait; true: stop here."""


class RuleSet(NamedTuple):
    """One rule of the protocol, or some that share a history, as a search needs to know them."""

    initial: Hashable
    """The history at the start."""
    step: Callable[[Any, bytes | bytearray, Event], tuple[Any, Iterable[Violation]]]
    """(history, memory before the event, event) -> (history, rules that the event breaks). Pure,
    and depends on nothing but the history, the event, and the fields of memory in `looks`."""
    concerned: Callable[[Event], bool]
    """Whether `step` needs to see such an event. Must not depend on values."""
    looks: Callable[[Event], frozenset[str]]
    """Fields (`guestsim.trace.shared.field`) that `step` looks at in memory for such an event. Must
    not depend on values."""
    seen: Callable[[Op], Op]
    """The op as the rules see it: without what they are not told."""


class Limits(msgspec.Struct, frozen=True):
    """Where a search stops, incomplete."""

    preemptions: int | None = None
    """Explore only what needs at most so many."""
    states: int | None = None
    """Stored states."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Actors on one shared memory, and what is asked about them."""

    actors: Sequence[Actor]
    """Run to record them; nothing else may run them meanwhile."""
    memory: bytes
    """Shared memory at the start."""
    prefix: Prefix | None = None
    """What every execution does before the search begins."""
    unheeded: frozenset[str] = frozenset()
    """Fields of events on which nobody's behaviour depends: no part of a state. InternalError
    where somebody does heed one."""
    model: MemoryModel = MemoryModel.SC
    store_buffer: int = STORE_BUFFER
    rules: Sequence[RuleSet] = ()
    limits: Limits = Limits()
    twice: bool = False
    """Run every actor a second time for each answer, and compare."""

    @property
    def tso(self) -> bool:
        """Whether stores wait in buffers."""
        return self.model is MemoryModel.TSO

    def begun(self) -> Iterable[PrefixMove]:
        """What every execution does before the search begins, under its memory model."""
        if self.prefix is None:
            return ()
        return self.prefix.moves(self.store_buffer if self.tso else None)

    @property
    def first_memory(self) -> bytes:
        """Shared memory where the search begins."""
        return self.memory if self.prefix is None else self.prefix.memory


class Sighting(NamedTuple):
    """The first time that something was seen: at a move from the explorer's stop `stop`."""

    stop: int
    """-1: before the search begins."""
    mover: int
    """Number of the actor; behind them all, of the store buffers. -1: no move, the stop itself."""
    answer: int
    """To the actor's CHOOSE; 0 where it stands at none."""
    preemptions: int
    """The fewest that what was seen needs. -1 for a hang, of which they are not counted."""
    switches: int
    """The fewest with so few preemptions."""

    @property
    def cost(self) -> tuple[int, int]:
        """For sorting: the simplest first, a hang last."""
        return (sys.maxsize, 0) if self.preemptions < 0 else (self.preemptions, self.switches)


Move = tuple[int, int]
"""One move on the way to a sighting: the mover, and its answer to a CHOOSE."""

NO_MOVE = Sighting(-1, -1, 0, -1, -1)


class Crowd(NamedTuple):
    """Where one actor stands in the stored states."""

    nodes: dict[int, int]
    """Of its record -> in how many states it stands there. At other nodes it stands in none."""
    buffered: int
    """States in which its store buffer is not empty."""


class Explorer(ABC):
    """Explores a problem. Counts are of what was stored so far, and exact."""

    def __init__(self, problem: Problem, records: tuple[Record, ...]) -> None:
        self.problem = problem
        self.records = records
        self.count = len(records)
        """Actors."""
        self.outcomes: dict[Outcome, Sighting] = {}
        """How executions can end; `hung` only after `classify`."""
        self.violations: dict[str, tuple[Violation, Sighting]] = {}
        """The first violation of each rule that can be broken."""
        self.cut_short: str | None = None
        """Why an execution ended without an outcome, if one did."""
        self.states = self.transitions = 0
        self.memories = self.histories = 0
        """Distinct contents of shared memory among the states; distinct histories of the rules."""
        self.buffer_was_full = False
        """A store had to wait because its buffer was full."""
        self.peak_bytes = 0
        """The most that the explorer's tables took; 0 where nobody has counted."""

    @abstractmethod
    def run(self, poll: Poll) -> str | None:
        """Explore; why that was cut short, None where all is done (but for a bound)."""

    @abstractmethod
    def is_bounded(self) -> bool:
        """After `run`: whether a bound on preemptions has left something out."""

    @abstractmethod
    def classify(self, poll: Poll) -> bool:
        """After `run`: find what never ends, and the rules broken by waiting for ever. False where
        that was cut short."""

    @abstractmethod
    def path(self, sighting: Sighting) -> list[Move]:
        """The moves on the way there, the sighting's included."""

    @abstractmethod
    def crowd(self, actor: int) -> Crowd:
        """Where the actor stands in the states that are stored so far."""

    def is_unheeded(self, op: Op) -> bool:
        """Whether the op is at an event that nobody heeds."""
        if not op.size or field(op.address) not in self.problem.unheeded:
            return False
        if op.kind not in (Kind.SEND, Kind.WAIT):
            raise InternalError(f"somebody heeds {field(op.address)}: {op!r}")
        return True

    def after(self, actor: int, node: int, value: int) -> int:
        """The actor's node after `node` gave `value`: where that is an event that nobody heeds, the
        same for both."""
        record, op = self.records[actor], self.records[actor].ops[node]
        then = record.after(node, value)
        if self.is_unheeded(op) and record.after(node, 1 - value) != then:
            raise InternalError(f"{record.name} heeds {field(op.address)}")
        return then

    def end_of(self, op: Op) -> End:
        """Of a HALT."""
        if op.end is None:
            raise InternalError(f"a HALT without an end: {op!r}")
        return op.end
