"""What running a scenario gives: one execution, or a judged search. Rendered by `report`."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from guestsim.trace.ops import End, Event, Outcome, Violation

__all__ = [
    "Bulk",
    "BulkPlace",
    "Certificate",
    "Fault",
    "Finding",
    "Mutant",
    "Result",
    "RuleFinding",
    "Run",
    "SearchStats",
    "Verdict",
]


class Run(msgspec.Struct, frozen=True):
    """One execution and how it ended."""

    outcome: Outcome | None
    """None where a budget ended it first: inconclusive, never a verdict."""
    end: End
    """Why. For a hang or a budget, `actor` is empty and the message says who waits for what."""
    actor: str
    """Who ended it."""
    initial: bytes
    """Shared memory before the first event (`shared.SHARED_SIZE` bytes)."""
    events: tuple[Event, ...]
    """The trace; empty where it was not recorded."""
    steps: tuple[tuple[str, int], ...]
    """The schedule, run-length encoded: actor, number of steps. No two neighbours are of the same
    actor. A step is one op; an RMW and its store half are one step, and two events."""
    violations: tuple[Violation, ...] = ()
    """The first violation of each rule that was broken, in order of step."""
    reasons: tuple[str, ...] = ()
    """Why each run of `steps` began ("guest waits", "script step 2"), as many as steps."""
    hints: tuple[str, ...] = ()
    """What the guest itself said about its failure (console lines), for people."""
    choices: tuple[int, ...] = ()
    """The answers of all CHOOSE ops, in their order."""
    began: tuple[int, ...] = ()
    """How many events there were when each run of `steps` began, as many as steps. Under tso a step
    may be no event: a store that enters the buffer."""


class Verdict(StrEnum):
    """The judgement on one scenario."""

    PASS = "pass"  # noqa: S105 (a verdict, not a password)
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    SKIP = "skip"


class Fault(StrEnum):
    """Whose fault an error is."""

    INPUT = "input"
    GUESTSIM = "guestsim"


class Certificate(msgspec.Struct, frozen=True):
    """What a search covered: enough to judge what its verdict is worth."""

    complete: bool
    why_incomplete: str | None
    """One clause; None where every interleaving was explored."""
    begins_after: int
    """Ops that a script puts before the search: what they could do in another order was not tried.
    0 where the search begins at the start."""
    memory_images: int
    """Distinct contents of shared memory."""
    live_runs: int
    """How often a real actor had to run; all else came from the record."""
    compared_events: int
    """Events of random live executions that were compared with the record (`--validate`)."""
    preemption_bound: int | None
    store_buffer: int | None
    """tso: stores that a buffer may hold."""
    store_buffer_full: bool
    """tso: whether the bound was ever reached, so that larger buffers might show more."""
    images: dict[str, str]
    """SHA-256 of each image of the boot chain."""
    search_bytes: int
    """What the search's own tables take."""
    peak_bytes: int
    """Largest memory of the whole process so far."""


class BulkPlace(msgspec.Struct, frozen=True):
    """What one actor does at one place of its program, and how much of a search that is."""

    actor: str
    op: str
    """What it is about to do there: `store rsp[0..1023]`, `load req_prod`, `wait`."""
    stage: str
    """The image's name in the boot chain, or the daemon model's name."""
    where: str
    """Line and function, as far as they are known."""
    points: int
    """Nodes of its record at which it does that."""
    states: int
    """Stored states in which it stands at one of them."""
    runs: int
    """Answers that it was given there: for each, it had to run."""


class Bulk(msgspec.Struct, frozen=True):
    """What there was by then in a search that was ended before it was done: why it is large."""

    places: tuple[BulkPlace, ...]
    """Of each actor, those with the most states, and those with the most runs."""
    buffered: dict[str, int]
    """tso: of each actor, the states in which its store buffer is not empty."""
    runs: int
    """Of all actors at all places."""


class SearchStats(msgspec.Struct, frozen=True):
    """How the verdict was reached. A count that a strategy does not have is None."""

    strategy: str
    memory_model: str
    complete: bool
    states: int | None
    transitions: int | None
    executions: int | None
    seconds: float
    certificate: Certificate | None = None
    """Of a search over interleavings; None for scripts and samples."""
    string_stores: str = "in-order"
    """`any-order` where the stores of one string instruction came in other orders as well."""
    bulk: Bulk | None = None
    """Of a search that a budget, the time, too little memory or an interrupt ended; else None."""


class Finding(msgspec.Struct, frozen=True):
    """One outcome: what was expected, and whether it was found."""

    expected: str | None
    """always, sometimes, never, or None where the scenario does not say."""
    found: bool
    witness: str | None
    """Path of the schedule file that shows it, None where none was written."""


class RuleFinding(msgspec.Struct, frozen=True):
    """One rule: kept or broken."""

    expected: str | None
    """kept, broken, or None: reported, not judged."""
    kept: bool
    witness: str | None
    message: str | None = None
    """The first violation, in one sentence."""


class Result(msgspec.Struct, frozen=True):
    """One scenario, judged: an entry of `check --json`."""

    scenario: str
    title: str
    verdict: Verdict
    search: SearchStats | None
    outcomes: dict[str, Finding]
    rules: dict[str, RuleFinding]
    error: str | None
    failures: tuple[str, ...] = ()
    """Which expectations failed, one sentence each."""
    notices: tuple[str, ...] = ()
    """What the guest asked for and the machine does not provide, and stages that did nothing: one
    clause each."""
    fault: Fault | None = None
    """Of an error: whose it is."""
    cached: bool = False
    """It was found out in an earlier run, on the same everything."""


class Mutant(msgspec.Struct, frozen=True):
    """A scenario of something wrong on purpose, and whether that was noticed."""

    scenario: str
    title: str
    """What it gets wrong."""
    caught: bool
    by: tuple[str, ...]
    """If caught, the outcomes and broken rules that it expects, all of them found; else why not,
    one sentence each."""
