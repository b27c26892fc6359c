"""A whole search, from actors to findings: outcomes, broken rules, witnesses, and the certificate
data that say how far the findings go."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import msgspec

from guestsim.search.model import Rules
from guestsim.search.options import Limits, Progress, Reductions
from guestsim.search.prefix import Beginning
from guestsim.search.search import Search
from guestsim.search.validate import validate
from guestsim.search.witness import Witness, witness_of
from guestsim.trace import Actor, Outcome
from guestsim.trace.memory_model import STORE_BUFFER, MemoryModel

__all__ = ["Certificate", "Found", "explore"]


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What was searched and how. Counts are exact unless they say otherwise."""

    complete: bool
    """Every interleaving was explored. Otherwise what was not found may be there."""
    why_incomplete: str | None
    begins_after: int
    """Ops that come before the search, always in the same order; 0: it begins at the start."""
    memory_model: MemoryModel
    store_buffer: int | None
    """Stores that a store buffer holds; None under sc."""
    hit_store_buffer: bool
    """A store had to wait because its buffer was full: longer delays were not tried."""
    reductions: Reductions
    preemptions: int | None
    """The bound, None where there was none."""
    states: int
    """Stored."""
    transitions: int
    """Between stored states; each may be many ops."""
    memories: int
    """Distinct contents of shared memory among the stored states."""
    histories: int
    """Distinct histories of the rules."""
    nodes: tuple[int, ...]
    """For each actor: distinct points of its program that were recorded."""
    live_runs: tuple[int, ...]
    """For each actor: how often it ran, starts and resumptions."""
    compared_events: int
    """Events of random live executions that were compared with the record."""
    peak_bytes: int
    """Roughly what the search kept in memory, actors aside."""


class Found(msgspec.Struct, frozen=True):
    """What a search found."""

    outcomes: dict[Outcome, Witness]
    """Each outcome that is reachable, the cheapest first, with a witness replayed live."""
    violations: dict[str, Witness]
    """Each rule that can be broken; the witness's `violation` says how."""
    certificate: Certificate


def explore(
    actors: Sequence[Actor],
    memory: bytes,
    *,
    begin: Beginning | None = None,
    unheeded: Collection[str] = (),
    model: MemoryModel = MemoryModel.SC,
    rules: Rules | None = None,
    reductions: Reductions | None = None,
    limits: Limits | None = None,
    store_buffer: int = STORE_BUFFER,
    twice: bool = False,
    validate_seeds: Sequence[int] = (),
    should_stop: Callable[[], bool] | None = None,
    progress: Progress | None = None,
) -> Found:
    """Search, and replay a witness for everything found with the same actors, started afresh.

    Parameters as for `guestsim.search.search.Search`; `validate_seeds` as for
    `guestsim.search.validate.validate`. InternalError where a self-check fails: then nothing
    that was found can be trusted.
    """
    search = Search(
        actors,
        memory,
        begin=begin,
        unheeded=unheeded,
        model=model,
        rules=rules,
        reductions=reductions,
        limits=limits,
        store_buffer=store_buffer,
        twice=twice,
        should_stop=should_stop,
        progress=progress,
    )
    search.run()
    outcomes = {
        outcome: witness_of(search, seen, actors, outcome=outcome)
        for outcome, seen in search.outcomes.items()
    }
    violations = {
        rule: witness_of(search, seen, actors, rule=rule)
        for rule, (_, seen) in search.violations.items()
    }
    compared = validate(search, actors, validate_seeds)
    return Found(outcomes, violations, certificate_of(search, compared))


def certificate_of(search: Search, compared_events: int = 0) -> Certificate:
    """The certificate of a search that has run."""
    graph, world = search.graph, search.world
    mask = world.parts.mask
    return Certificate(
        complete=search.complete,
        why_incomplete=search.why_incomplete,
        begins_after=0 if search.begin is None else len(search.begin.events),
        memory_model=search.model,
        store_buffer=search.store_buffer if world.tso else None,
        hit_store_buffer=world.hit_bound,
        reductions=search.reductions,
        preemptions=search.limits.preemptions,
        states=len(graph.keys),
        transitions=graph.transitions,
        memories=len({key & mask for key in graph.keys}),
        histories=0 if world.judge is None else len(world.judge),
        nodes=tuple(len(record.ops) for record in search.records),
        live_runs=tuple(record.live_runs for record in search.records),
        compared_events=compared_events,
        peak_bytes=graph.bytes_used + world.bytes_used + search.closure.bytes_used,
    )
