"""What of a trace is shown, and what is folded away: events become the pieces that are rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from guestsim.report.exchanges import Exchange, find_exchanges
from guestsim.report.marks import Mark, find_marks
from guestsim.report.ring_history import GUEST, RingHistory, ring_history, touched
from guestsim.report.tear import find_resets, find_tear
from guestsim.report.units import Role, Unit, name_of, units
from guestsim.trace import NOBODY, Event, Flag, Kind, Op, meaning, shared
from guestsim.trace.results import Run

__all__ = ["Piece", "Subject", "pieces", "study"]

_CONTEXT = 2
"""Rows shown before and after an interesting one, unless it moves data."""
_ALONE = (Role.FILL, Role.DATA, Role.ACT)
"""What goes on around a wipe, or around what others ask, teaches nothing."""
_TAIL = 6
"""Last rows that are always shown."""
_LEAST_FOLD = 3
"""Fewer rows than this are not worth folding."""
_MOST_EXCHANGES = 4
"""More exchanges in a row than this become one."""


class Piece(NamedTuple):
    """Neighbouring events that become one row."""

    first: int
    end: int
    unit: Unit | None
    """None for a fold."""
    text: str


class Subject(NamedTuple):
    """A run, and what was found out about it."""

    run: Run
    names: Mapping[str, str]
    now: RingHistory
    marks: tuple[Mark, ...]
    stages: Mapping[int, str]
    """Step of the first event of each stage of the guest, and the stage's name."""
    interesting: frozenset[int]
    """Steps that nobody would want folded away."""
    turns: frozenset[int]
    """Steps at which somebody else begins to move."""


def study(run: Run, names: Mapping[str, str], turns: frozenset[int]) -> Subject:
    """Find out about `run` what its rows will need. `turns`: where somebody else begins to move."""
    now = ring_history(run)
    marks = find_marks(run, now, names)
    return Subject(run, names, now, marks, _stages(run), _interesting(run, now, marks), turns)


def pieces(subject: Subject, *, full: bool) -> list[Piece]:
    """Cut the events into pieces; every event is in exactly one. Without `full`, fold."""
    run, names = subject.run, subject.names
    exchanges = () if full else find_exchanges(run, subject.now, subject.interesting)
    bounds = {edge for exchange in exchanges for edge in (exchange.first, exchange.end)}
    marked = {mark.step for mark in subject.marks}
    stops = subject.turns | marked | bounds | set(subject.stages)
    cut = [Piece(unit.first, unit.end, unit, unit.text) for unit in units(run.events, names, stops)]
    if full:
        return cut
    return _Folder(subject, _join(subject, cut, stops), exchanges).fold()


def _stages(run: Run) -> dict[int, str]:
    """Step of the first event of each stage of the guest, and the stage's name."""
    found = {}
    stage = ""
    for step, event in enumerate(run.events):
        if event.actor == GUEST and event.op.site.stage not in ("", stage):
            stage = event.op.site.stage
            found[step] = stage
    return found


def _interesting(run: Run, now: RingHistory, marks: Iterable[Mark]) -> frozenset[int]:
    """Steps that nobody would want folded away."""
    found = {mark.step for mark in marks if 0 <= mark.step < len(run.events)}
    for reset in find_resets(run, now):
        found.add(reset.begin)
        found.update(step for step, _ in reset.stores)
    tear = find_tear(run, now)
    if tear is not None:
        found.add(_wake_up(run, tear.actor, tear.held.step))
    connection: dict[str, int] = {}
    for step, event in enumerate(run.events):
        op = event.op
        if op.kind is Kind.HALT or op.kind is Kind.ACT or _chosen(event):
            found.add(step)
        elif op.kind in (Kind.LOAD, Kind.STORE):
            field = shared.field(op.address)
            if field == "connection":
                if op.kind is Kind.STORE or connection.get(event.actor, 0) != event.value:
                    found.add(step)
                connection[event.actor] = event.value
            elif field == "error" and op.kind is Kind.STORE:
                found.add(step)
    halves = {step - 1 for step in found if run.events[step].op.flags & Flag.LOCKED}
    return frozenset(found | halves)


def _chosen(event: Event) -> bool:
    """Whether it is an answer that tells something: not the usual order, and not that nobody
    asked."""
    return event.op.kind is Kind.CHOOSE and event.value > 0 and meaning(event) != NOBODY


def _wake_up(run: Run, actor: str, step: int) -> int:
    """The last sleep of `actor` before `step`, at whose end its present work began; else `step`."""
    own = (s for s in range(step, -1, -1) if run.events[s].actor == actor)
    return next((s for s in own if _sleeps(run.events[s].op)), step)


def _sleeps(op: Op) -> bool:
    return op.kind is Kind.WAIT and not op.flags & Flag.POLL


def _join(subject: Subject, cut: Sequence[Piece], stops: frozenset[int]) -> list[Piece]:
    """Put a fence on the row before it, and two looks at the indices on one row."""
    joined: list[Piece] = []
    marked = frozenset(mark.step for mark in subject.marks)
    for piece in cut:
        last = joined[-1] if joined else None
        if (
            piece.unit is None
            or last is None
            or last.unit is None
            or piece.first in stops
            or last.unit.lane != piece.unit.lane
            or last.unit.site.stage != piece.unit.site.stage
        ):
            joined.append(piece)
        elif piece.unit.role is Role.FENCE:
            joined[-1] = last._replace(end=piece.end, text=f"{last.text}, {piece.text}")
        elif last.first not in marked and _pair(subject.run, last, piece):
            text = f"{last.text}, {piece.text.removeprefix('load ')}"
            joined[-1] = last._replace(end=piece.end, text=text)
        else:
            joined.append(piece)
    return joined


def _pair(run: Run, last: Piece, piece: Piece) -> bool:
    """Two plain loads of the two indices of one ring."""
    if last.end - last.first != 1 or piece.end - piece.first != 1:
        return False
    pair = [run.events[last.first], run.events[piece.first]]
    names = [touched(event.op) for event in pair]
    loads = all(event.op.kind is Kind.LOAD and not event.op.note for event in pair)
    return (
        loads
        and all(len(name) == 1 for name in names)
        and names[0] != names[1]
        and names[0][0][:3] == names[1][0][:3]
    )


class _Folder:
    """Replaces exchanges by one row each, and dull stretches between what is shown by another."""

    def __init__(
        self, subject: Subject, cut: Sequence[Piece], exchanges: Sequence[Exchange]
    ) -> None:
        self.subject = subject
        self.cut = cut
        self.exchanges = {exchange.first: exchange for exchange in exchanges}
        self.shown = _shown(cut, exchanges, subject.interesting)
        self.result: list[Piece] = []
        self.dull: list[Piece] = []
        self.group: list[Exchange] = []

    def fold(self) -> list[Piece]:
        """All pieces, in the order of the trace."""
        inside = 0
        for at, piece in enumerate(self.cut):
            if piece.first < inside:
                continue
            if piece.first in self.exchanges:
                inside = self._exchange(self.exchanges[piece.first])
                continue
            self._flush_group()
            if piece.first in self.subject.stages:
                self._flush_dull()
            if at in self.shown:
                self._flush_dull()
                self.result.append(piece)
            else:
                self.dull.append(piece)
        self._flush_dull()
        self._flush_group()
        return self.result

    def _exchange(self, exchange: Exchange) -> int:
        self._flush_dull()
        last = self.group[-1].end if self.group else exchange.end
        if any(last <= step < exchange.end for step in self.subject.stages):
            self._flush_group()
        self.group.append(exchange)
        return exchange.end

    def _flush_dull(self) -> None:
        if len(self.dull) < _LEAST_FOLD:
            self.result += self.dull
        else:
            first, end = self.dull[0].first, self.dull[-1].end
            text = f"{self._who(first, end)}: {_dull_words(self.subject.now, first, end)}"
            self.result.append(Piece(first, end, None, text))
        self.dull.clear()

    def _flush_group(self) -> None:
        group = self.group
        whole = [self._exchange_piece(exchange) for exchange in group]
        if len(group) > _MOST_EXCHANGES:
            first, end = group[1].first, group[-2].end
            text = f"{len(group) - 2} more requests, each answered, {_ops(end - first)}"
            whole[1:-1] = [Piece(first, end, None, text)]
        self.result += whole
        group.clear()

    def _exchange_piece(self, exchange: Exchange) -> Piece:
        guest = name_of(GUEST, self.subject.names)
        text = f"{guest}: {exchange.title}, {_ops(exchange.end - exchange.first)}"
        return Piece(exchange.first, exchange.end, None, text)

    def _who(self, first: int, end: int) -> str:
        actors = {event.actor for event in self.subject.run.events[first:end]}
        names = self.subject.names
        order = [*names, *sorted(actors - set(names))]
        return " and ".join(name_of(actor, names) for actor in order if actor in actors)


def _shown(
    cut: Sequence[Piece], exchanges: Iterable[Exchange], interesting: frozenset[int]
) -> frozenset[int]:
    """Positions of the pieces that are shown: interesting ones, wipes, their context, the tail."""
    folded = {step for exchange in exchanges for step in range(exchange.first, exchange.end)}
    shown: set[int] = set()
    for at, piece in enumerate(cut):
        role = None if piece.unit is None else piece.unit.role
        if role is Role.FILL or any(s in interesting for s in range(piece.first, piece.end)):
            around = 0 if role in _ALONE else _CONTEXT
            shown.update(range(at - around, at + around + 1))
    shown.update(range(len(cut) - _TAIL, len(cut)))
    return frozenset(at for at in shown if 0 <= at < len(cut) and cut[at].first not in folded)


def _ops(count: int) -> str:
    return f"{count} ops folded"


def _dull_words(now: RingHistory, first: int, end: int) -> str:
    here = now.messages_in(first, end)
    titles = [message.title for message in here if message.ring == "req"]
    if titles:
        more = f" and {len(titles) - 1} more" if len(titles) > 1 else ""
        return f"{titles[0]}{more}, {_ops(end - first)}"
    moved = now.before(first) != now.after[end - 1]
    return _ops(end - first) if moved else f"{_ops(end - first)}, no index moved"
