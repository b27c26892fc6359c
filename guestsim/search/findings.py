"""A whole search, from actors to findings: outcomes, broken rules, witnesses, and the certificate
that says how far the findings go."""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping, Sequence

import msgspec

from guestsim.errors import StoppedError
from guestsim.record import Recorder
from guestsim.search.problem import Crowd, Problem, Progress
from guestsim.search.search import ExplorerName, Search
from guestsim.search.validate import validate
from guestsim.search.witness import Witness, witness_of
from guestsim.trace import Outcome
from guestsim.trace.results import Certificate

__all__ = ["Findings", "explore"]


class Findings(msgspec.Struct, frozen=True):
    """What a search found."""

    outcomes: dict[Outcome, Witness]
    """Each outcome that is reachable, the cheapest first, with a witness replayed live."""
    violations: dict[str, Witness]
    """Each rule that can be broken; the witness's `violation` says how."""
    states: int
    """Stored."""
    transitions: int
    """Between stored states, and ends."""
    certificate: Certificate
    records: tuple[Recorder, ...]
    """Of the actors, from where the search begins: all that it needed of them."""
    crowds: tuple[Crowd, ...]
    """Where each actor stands in the states of a search that was ended early, or before all of its
    witnesses were replayed; else none."""


def explore(
    problem: Problem,
    *,
    explorer: ExplorerName = ExplorerName.COMPILED,
    images: Mapping[str, str] | None = None,
    validate_seeds: Sequence[int] = (),
    should_stop: Callable[[], bool] | None = None,
    give_up: Callable[[], bool] | None = None,
    progress: Progress | None = None,
) -> Findings:
    """Search, and replay a witness for everything found with the same actors, started afresh.

    `images` (name -> SHA-256) are for the certificate, `validate_seeds` for
    `guestsim.search.validate.validate`. InternalError where a self-check fails: then nothing that
    was found can be trusted. `should_stop` ends the search, and `give_up` what comes after it: what
    has no witness by then is not among the findings, and the search is incomplete. StoppedError
    where an actor stops before the search has begun.
    """
    search = Search(problem, explorer=explorer, should_stop=should_stop, progress=progress)
    search.give_up = give_up
    search.run()
    cheapest = sorted(search.outcomes.items(), key=lambda item: item[1].cost)
    outcomes: dict[Outcome, Witness] = {}
    violations: dict[str, Witness] = {}
    compared = 0
    ended_early = search.ended_early
    try:
        for outcome, seen in cheapest:
            outcomes[outcome] = witness_of(search, seen, outcome=outcome)
        for rule, (_, seen) in search.violations.items():
            violations[rule] = witness_of(search, seen, rule=rule)
        compared = validate(search, validate_seeds)
    except StoppedError as error:
        search.why_incomplete = search.why_incomplete or str(error)
        ended_early = True
    counts = search.explorer
    return Findings(
        outcomes,
        violations,
        counts.states,
        counts.transitions,
        _certificate(search, images or {}, compared),
        search.records,
        tuple(counts.crowd(actor) for actor in range(counts.count)) if ended_early else (),
    )


def _certificate(search: Search, images: Mapping[str, str], compared_events: int) -> Certificate:
    problem, explorer = search.problem, search.explorer
    return Certificate(
        complete=search.complete,
        why_incomplete=search.why_incomplete,
        begins_after=0 if problem.prefix is None else len(problem.prefix.events),
        memory_images=explorer.memories,
        live_runs=sum(record.live_runs for record in search.records),
        compared_events=compared_events,
        preemption_bound=problem.limits.preemptions,
        store_buffer=problem.store_buffer if problem.tso else None,
        store_buffer_full=explorer.buffer_was_full,
        images=dict(images),
        search_bytes=explorer.peak_bytes,
        peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )
