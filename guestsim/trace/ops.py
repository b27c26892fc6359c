"""What actors do at shared memory, and the record of it.

Everything here is an immutable value, kept out of the garbage collector's sight: none can be part
of a cycle, and a trace has many. Addresses are those of the shared address space
(`guestsim.trace.shared`), values are little-endian integers, sizes are bytes.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag, StrEnum

import msgspec

__all__ = [
    "MEANING",
    "NOBODY",
    "NOWHERE",
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


class Kind(IntEnum):
    """What an op does. Scheduling happens between ops and nowhere else."""

    LOAD = 0
    STORE = 1
    RMW = 2
    """The load half of an atomic read-modify-write. Its store half is the next op of the same
    actor, flagged `LOCKED`; nobody else moves between the two."""
    FENCE = 3
    SEND = 4
    """Signal the event channel: set the pending bits `value` at `address`."""
    UNMASK = 5
    """Clear the mask bit of the event channel whose pending bits are `value` at `address`."""
    WAIT = 6
    """Wait until any of the bits `value` at `address` is set. Its answer is 1, or 0 where it
    ended without an event (`SPURIOUS`). Without bits it is a yield: see `is_yield`."""
    HALT = 7
    """The actor never moves again; `end` says why."""
    CHOOSE = 8
    """What nobody can know beforehand: its answer is any of 0 to `value` - 1, of which there are
    at least two. Touches no memory, and does not wait for stores in a buffer. A search tries every
    answer; an execution takes 0 unless its schedule says otherwise."""
    ACT = 9
    """Somebody else asks the daemon something and is answered: who stands in `site.stage`. Touches
    no memory that is shared with the guest."""


ANSWERED = frozenset({Kind.LOAD, Kind.RMW, Kind.WAIT, Kind.CHOOSE})
"""Kinds whose result the actor needs before it can go on."""


class Flag(IntFlag):
    """Properties of an op."""

    NONE = 0
    LOCKED = 1
    """The store half of an `RMW`."""
    SPURIOUS = 2
    """A `WAIT` that may end at any time without an event (other domains' work wakes a daemon)."""
    CONSUME = 4
    """A `WAIT` that clears the bits which it waited for."""
    CHECK = 8
    """A `LOAD` of an index that the actor is about to check against its partner."""
    POLL = 16
    """A spurious `WAIT` that does not sleep: poll(0). It takes an event that is there."""
    STRING = 32
    """A `STORE` of the same string instruction (REP STOS, REP MOVS) as the op before it."""


class Site(msgspec.Struct, frozen=True, gc=False):
    """Where in an actor's program an op comes from."""

    stage: str = ""
    """The image's name in the boot chain, or the daemon model's name."""
    pc: int = 0
    """Address of the instruction, 0 where there is none (a daemon model)."""
    function: str = ""
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        if self.file and self.line:
            return f"{self.file}:{self.line} {self.function}".rstrip()
        if self.function:
            return self.function
        return f"{self.pc:#x}" if self.pc else self.stage


NOWHERE = Site()

MEANING = " | "
"""Between the meanings of a CHOOSE's answers, in its note."""

NOBODY = "nobody else asks"
"""What it means that a daemon was woken and serves none of those who could ask (`Kind.ACT`)."""


class Outcome(StrEnum):
    """How an execution can end, in the words of the design."""

    CONNECTED = "connected"
    REFUSED = "refused"
    CORRUPTED = "corrupted"
    HUNG = "hung"
    CRASHED = "crashed"


class Sample(msgspec.Struct, frozen=True, gc=False):
    """A value that an actor holds: what it once loaded from `place`."""

    place: str
    value: int


class End(msgspec.Struct, frozen=True, gc=False):
    """Why an actor never moves again."""

    outcome: Outcome | None
    """None where a budget ended the execution first: inconclusive."""
    message: str
    """One sentence for people, without the actor's name in front."""
    site: Site = NOWHERE
    samples: tuple[Sample, ...] = ()
    """The values that did not belong together, for a daemon that gives the ring up."""
    unanswered: tuple[str, ...] = ()
    """Requests whose answers a guest that ended well had not taken ("READ data/colour (id 3)")."""


class Op(msgspec.Struct, frozen=True, gc=False):
    """What an actor does next at a shared page or event channel."""

    kind: Kind
    address: int = 0
    size: int = 0
    value: int = 0
    """STORE: the value. SEND, UNMASK, WAIT: the bits. CHOOSE: how many answers there are.
    Otherwise 0."""
    site: Site = NOWHERE
    flags: Flag = Flag.NONE
    note: str = ""
    """What the op means to its actor ("READ hvmloader/bios"), for people; never judged. CHOOSE:
    what each answer means, with `MEANING` in between."""
    end: End | None = None
    """HALT only."""


def asks(who: str) -> str:
    """What it means that a daemon serves this one."""
    return f"{who} asks"


def meaning(event: Event) -> str:
    """What the answer of a CHOOSE means; "" where its note does not say."""
    meanings = event.op.note.split(MEANING)
    return meanings[event.value] if event.value < len(meanings) else ""


def is_yield(op: Op) -> bool:
    """Whether the actor gives its turn away and waits for nothing: a spurious `WAIT` without bits.
    It ends whenever the actor is moved again, and is at no place of shared memory."""
    return op.kind is Kind.WAIT and not op.value


class Event(msgspec.Struct, frozen=True, gc=False):
    """One performed op: a row of a trace."""

    actor: str
    op: Op
    value: int = 0
    """LOAD, RMW: the value loaded. STORE: the value stored. WAIT: 1 for an event, 0 for a
    spurious end. SEND: 1 if it set a bit that was clear. CHOOSE: the answer."""


class Violation(msgspec.Struct, frozen=True, gc=False):
    """One rule broken at one event."""

    rule: str
    section: str
    message: str
    """One sentence with the values involved."""
    step: int = -1
    """Index of the event in the trace, -1 where there is none."""
