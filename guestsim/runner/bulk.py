"""Why a search that was ended early is large: where its actors stand in its states, and for what
they had to run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from guestsim.record import Record
from guestsim.report.rows import where
from guestsim.runner.symbolize import Symbolizer
from guestsim.search import Crowd, Findings
from guestsim.trace import Kind, Op, is_yield, shared
from guestsim.trace.results import Bulk, BulkPlace

__all__ = ["bulk_of"]

_MOST = 5
"""Places of an actor, by states and by runs."""


@dataclass
class _Sum:
    """Of all nodes at one place."""

    first: int
    """The lowest address."""
    end: int
    """Behind the highest."""
    points: int = 0
    states: int = 0
    runs: int = 0


def bulk_of(found: Findings, symbols: Symbolizer) -> Bulk:
    """Of a search with `crowds`: of each actor, the places with the most states, and with the most
    runs."""
    places: list[BulkPlace] = []
    buffered: dict[str, int] = {}
    runs = 0
    for record, crowd in zip(found.records, found.crowds, strict=True):
        known = places_of(record, crowd, symbols)
        shown = {*_most(known, "states"), *_most(known, "runs")}
        runs += sum(place.runs for place in known)
        places += (place for place in known if place in shown)
        if found.certificate.store_buffer is not None:
            buffered[record.name] = crowd.buffered
    return Bulk(tuple(places), buffered, runs)


def places_of(record: Record, crowd: Crowd, symbols: Symbolizer) -> list[BulkPlace]:
    """All places of an actor, those with the most states first, then as the record has them."""
    sums: dict[tuple[str, str, str, str], _Sum] = {}
    for node, op in enumerate(record.ops):
        field = shared.field(op.address) if op.size else ""
        key = _verb(op), field, op.site.stage, where(symbols.site(op.site))
        end = op.address + op.size
        place = sums.setdefault(key, _Sum(op.address, end))
        place.first, place.end = min(place.first, op.address), max(place.end, end)
        place.points += 1
        place.states += crowd.nodes.get(node, 0)
        place.runs += len(record.answers[node] or ())
    places = [
        BulkPlace(
            actor=record.name,
            op=f"{verb} {shared.place(each.first, each.end - each.first)}" if field else verb,
            stage=stage,
            where=line,
            points=each.points,
            states=each.states,
            runs=each.runs,
        )
        for (verb, field, stage, line), each in sums.items()
    ]
    return sorted(places, key=lambda place: -place.states)


def _most(places: Sequence[BulkPlace], count: str) -> list[BulkPlace]:
    """The few with the most of that, and some."""
    some = [place for place in places if getattr(place, count)]
    return sorted(some, key=lambda place: -getattr(place, count))[:_MOST]


def _verb(op: Op) -> str:
    """As a script spells it, and how a HALT ends."""
    if op.kind is Kind.HALT and op.end is not None:
        return f"halt {op.end.outcome or ''}".rstrip()
    return "yield" if is_yield(op) else op.kind.name.lower()
