"""Why a search that was ended early is large, in a line for each thing that makes it so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from guestsim.trace.results import Bulk, BulkPlace, SearchStats
from guestsim.trace.text import escaped

__all__ = ["bulk_lines"]

_LEAST = 10
"""Percent: what is less is left out."""
_MOST = 3
"""Places in a line."""


def bulk_lines(search: SearchStats) -> Iterator[str]:
    """Of each actor where it stands in most states; whose stores wait in buffers; and what made the
    actors run. Nothing where the search was not ended early. Shares are of what there was by then,
    rounded down."""
    bulk, states = search.bulk, search.states
    if bulk is None or not states:
        return
    so_far = f"of {states:,} states so far, "
    for actor in dict.fromkeys(place.actor for place in bulk.places):
        own = (place for place in bulk.places if place.actor == actor)
        shares = [(_percent(place.states, states), place) for place in own]
        if said := _said(shares, "in"):
            yield f"{so_far}the {escaped(actor)} stands {said}"
            so_far = ""
    yield from _buffers(bulk, states)
    if not bulk.runs:
        return
    shares = [(_percent(place.runs, bulk.runs), place) for place in bulk.places]
    shares.sort(key=lambda each: -each[1].runs)
    if said := _said(shares, "", owner=True):
        yield f"actors ran {bulk.runs:,} times for values not seen before: {said}"


def _said(shares: Iterable[tuple[int, BulkPlace]], word: str, *, owner: bool = False) -> str:
    """`in 76% at store rsp[0..1023] (reset-poison, reset.c:10 reset_poison), in 12% at …`."""
    parts = []
    for percent, place in [each for each in shares if each[0] >= _LEAST][:_MOST]:
        who = f" {escaped(place.actor)}" if owner else ""
        near = ", ".join(escaped(part) for part in (place.stage, place.where) if part)
        parts.append(f"{word} {percent}%{who} at {place.op}{f' ({near})' if near else ''}".strip())
    return ", ".join(parts)


def _buffers(bulk: Bulk, states: int) -> Iterator[str]:
    for actor, count in bulk.buffered.items():
        percent = _percent(count, states)
        if percent >= _LEAST:
            yield f"the {escaped(actor)}'s store buffer holds stores in {percent}%"


def _percent(part: int, whole: int) -> int:
    return 100 * part // whole
