"""A trace as the rows of a timeline: what is told in which order, beside which indices.

Pure data: how it looks is the business of `timeline`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from guestsim.report.folds import Piece, Subject, pieces, study
from guestsim.report.marks import Mark
from guestsim.report.ring_history import GUEST, Indices
from guestsim.report.text import signed
from guestsim.report.units import Role, name_of
from guestsim.trace import Site
from guestsim.trace.memory_model import DRAIN
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
    """In whose lane it stands: an actor, or who asks it. Empty for a FOLD of several actors."""
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
    warnings: tuple[str, ...] = ()
    """A clause on each ring that became impossible in this row, or is it in another way."""
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
    known. ValueError where `run.reasons` or `run.began` does not fit `run.steps`.
    """
    turns = tuple(_turns(run, names))
    subject = study(run, names, frozenset(turn.first for turn in turns))
    found: list[Row] = []
    before, strange = subject.now.initial, tuple[str, ...]()
    for piece in pieces(subject, full=full):
        found += _between(subject, piece, turns)
        row = _row(subject, piece, before)
        row = row._replace(warnings=_warnings(row, strange))
        if source is not None and piece.unit is not None:
            row = row._replace(source=escaped(source(piece.unit.site)))
        found.append(row)
        before, strange = subject.now.after[piece.end - 1], row.impossible
    found += (_switch(turn) for turn in turns if turn.first == len(run.events))
    return tuple(found)


class _Turn(NamedTuple):
    """Somebody else moves from here on."""

    first: int
    """Index of the first event, if there is one before the next turn."""
    actor: str
    text: str


def _turns(run: Run, names: Mapping[str, str]) -> Iterator[_Turn]:
    """Where the actor who moves is another, in their order. A store buffer that drains while it is
    its actor's turn is nothing new."""
    turn = shown = ""
    ends = (*run.began, len(run.events))[1:]
    for (mover, _), first, end, reason in zip(run.steps, run.began, ends, run.reasons, strict=True):
        actor = mover.removesuffix(DRAIN)
        drains = mover != actor
        turn = turn if drains else actor
        now = mover if drains and actor != turn else turn
        if now != shown and shown:
            name = name_of(actor, names)
            what = f"{name}'s store buffer drains" if now == mover != actor else f"{name} moves"
            if first == end:
                what += ", into its store buffer"
            why = f": {escaped(reason)}" if reason and not drains else ""
            yield _Turn(first, actor, f"→ {what}{why}")
        shown = now


def _between(subject: Subject, piece: Piece, turns: Iterable[_Turn]) -> Iterator[Row]:
    """The rows that stand before a piece: a new stage, another actor."""
    for step, stage in subject.stages.items():
        if piece.first <= step < piece.end:
            yield Row(RowKind.STAGE, GUEST, f"stage {escaped(stage)}", piece.first, 0)
    if piece.unit is not None:
        yield from (_switch(turn) for turn in turns if turn.first == piece.first)


def _switch(turn: _Turn) -> Row:
    return Row(RowKind.SWITCH, turn.actor, turn.text, turn.first, 0)


def _row(subject: Subject, piece: Piece, before: Indices) -> Row:
    unit = piece.unit
    after = subject.now.after[piece.end - 1]
    events = subject.run.events[piece.first : piece.end]
    lanes = {event.actor for event in events} if unit is None else {unit.lane}
    changed = frozenset(
        name for name in after._fields if getattr(after, name) != getattr(before, name)
    )
    return Row(
        kind=RowKind.FOLD if unit is None else RowKind.OPS,
        actor=lanes.pop() if len(lanes) == 1 else "",
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


def _warnings(row: Row, strange: tuple[str, ...]) -> tuple[str, ...]:
    """What to say of the rings that are impossible. `strange`: those of the row before."""
    if row.indices is None:
        return ()
    return tuple(
        f"{ring}_prod - {ring}_cons is {signed(row.indices.used(ring))} now: no ring holds that"
        for ring in row.impossible
        if ring not in strange or {f"{ring}_cons", f"{ring}_prod"} & row.changed
    )
