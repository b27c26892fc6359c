"""A trace as the rows of a timeline: what is told in which order, beside which indices.

Pure data: how it looks is the business of `timeline`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from itertools import accumulate, groupby
from typing import NamedTuple

from guestsim.report.folds import Piece, Subject, pieces, study
from guestsim.report.marks import Mark
from guestsim.report.ring_history import GUEST, Indices
from guestsim.report.units import Role, name_of
from guestsim.trace import Event, Site
from guestsim.trace.results import Run
from guestsim.trace.text import escaped
from guestsim.trace.wire import RING_SIZE

__all__ = ["Row", "RowKind", "rows", "where"]


class RowKind(StrEnum):
    """What a row of the timeline is."""

    STAGE = "stage"
    SWITCH = "switch"
    OPS = "ops"
    FOLD = "fold"


class Row(NamedTuple):
    """A row of the timeline. OPS and FOLD rows stand for events, the others for none."""

    kind: RowKind
    actor: str
    """Empty for a FOLD of several actors, and for those of one a column too."""
    text: str
    first: int
    """Index of the first event; of the next one, for a row without events."""
    events: int
    """Events that the row stands for."""
    role: Role | None = None
    where: str = ""
    source: str = ""
    """The text of the source line, where it is known."""
    indices: Indices | None = None
    """After the row. None for a row without events."""
    changed: frozenset[str] = frozenset()
    """Indices that differ from the last row before this one that has some."""
    shown: frozenset[str] = frozenset()
    """Indices whose values are worth showing: the changed ones, and all in the first row."""
    impossible: tuple[str, ...] = ()
    """Rings whose prod - cons is more than they can hold."""
    marks: tuple[Mark, ...] = ()


def where(site: Site) -> str:
    """Source line and function of an op, the file without its folders."""
    if site.file and site.line:
        return f"{site.file.rsplit('/', 1)[-1]}:{site.line} {site.function}".rstrip()
    if site.function:
        return site.function
    return f"{site.pc:#x}" if site.pc else ""


def rows(
    run: Run,
    names: Mapping[str, str],
    *,
    full: bool = False,
    source: Callable[[Site], str] | None = None,
) -> tuple[Row, ...]:
    """The rows of the timeline of `run`.

    `names` says how actors are called, in the order of their columns. By default whole exchanges
    and stretches without anything of interest become one row each; `full` shows all of it. Every
    event is in exactly one row. `source` gives the text of a site's line, "" where it is not
    known. ValueError where `run.reasons` does not fit `run.steps`.
    """
    subject = study(run, names)
    found: list[Row] = []
    before = subject.now.initial
    reasons = _reasons(run)
    for piece in pieces(subject, full=full):
        found += _between(subject, piece, reasons)
        row = _row(subject, piece, before)
        if source is not None and piece.unit is not None:
            row = row._replace(source=escaped(source(piece.unit.site)))
        found.append(row)
        before = subject.now.after[piece.end - 1]
    return tuple(found)


def _reasons(run: Run) -> dict[int, str]:
    """Why each row of steps by one actor began, by the index of its first event.

    Counted in changes of actor: a step may be two events (both halves of an atomic).
    """
    if not run.reasons:
        return {}
    changes = [(actor, len(list(some))) for actor, some in groupby(run.events, _actor_of)]
    begins = accumulate((count for _, count in changes), initial=0)
    steps = groupby(zip(run.steps, run.reasons, strict=True), lambda step: step[0][0])
    firsts = [next(some)[1] for _, some in steps]
    return dict(zip(list(begins)[: len(changes)], firsts, strict=True))


def _actor_of(event: Event) -> str:
    return event.actor


def _between(subject: Subject, piece: Piece, reasons: Mapping[int, str]) -> Iterator[Row]:
    """The rows that stand before a piece: a new stage, another actor."""
    for step, stage in subject.stages.items():
        if piece.first <= step < piece.end:
            yield Row(RowKind.STAGE, GUEST, f"stage {escaped(stage)}", piece.first, 0)
    if piece.unit is None or not piece.first:
        return
    actor = piece.unit.actor
    if subject.run.events[piece.first - 1].actor != actor:
        reason = reasons.get(piece.first, "")
        why = f": {escaped(reason)}" if reason else ""
        text = f"→ {name_of(actor, subject.names)} moves{why}"
        yield Row(RowKind.SWITCH, actor, text, piece.first, 0)


def _row(subject: Subject, piece: Piece, before: Indices) -> Row:
    unit = piece.unit
    after = subject.now.after[piece.end - 1]
    actors = {event.actor for event in subject.run.events[piece.first : piece.end]}
    changed = frozenset(
        name for name in after._fields if getattr(after, name) != getattr(before, name)
    )
    return Row(
        kind=RowKind.FOLD if unit is None else RowKind.OPS,
        actor=actors.pop() if len(actors) == 1 else "",
        text=piece.text,
        first=piece.first,
        events=piece.end - piece.first,
        role=None if unit is None else unit.role,
        where="" if unit is None else where(unit.site),
        indices=after,
        changed=changed,
        shown=changed if piece.first else frozenset(after._fields),
        impossible=tuple(ring for ring in ("req", "rsp") if after.used(ring) > RING_SIZE),
        marks=tuple(mark for mark in subject.marks if piece.first <= mark.step < piece.end),
    )
