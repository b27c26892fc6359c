"""The execution as a Mermaid sequence diagram: short enough for a page of documentation.

Ops in a row of one actor are one note, requests and replies are arrows, folds stay folded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from guestsim.report.explain import sentence
from guestsim.report.figures.movers import actors_of
from guestsim.report.figures.wrapping import wrap
from guestsim.report.marks import MarkKind
from guestsim.report.ring_history import DAEMON, GUEST, Message, ring_history
from guestsim.report.rows import Row, RowKind, rows
from guestsim.report.units import Role, name_of
from guestsim.trace.results import Run
from guestsim.trace.text import escaped
from guestsim.trace.wire import WATCH_EVENT

__all__ = ["MOST_LINES", "sequence_diagram"]

MOST_LINES = 300
"""More are no figure any more."""
_MOST_SIGNS = 40_000
"""Mermaid refuses texts of more than 50,000."""
_WIDTH = 40
"""Columns of a note over one actor."""
_WIDE = 36
"""Columns of a note over all."""
_NEAR = (16, 8, 4, 2, 1, 0)
"""Statements around an interesting one that stay, in attempts."""
_MOST_OPS = 12
"""Lines of ops in one note."""
_SIGNS = {MarkKind.TEAR: "◀", MarkKind.VIOLATION: "✗"}
_UNSAFE = re.compile(r"[^\w \-→×…·◀✗.,/()\[\]=+'!?:|*]")
"""What may mean something to Mermaid, or to the page around it."""


class _Item(NamedTuple):
    """A statement of the diagram."""

    line: str
    events: int = 0
    """Events that it stands for."""
    kept: bool = False
    """Whether it says what nobody would want left out."""


def sequence_diagram(run: Run, names: Mapping[str, str], title: str = "") -> str:
    """`run` as the text of a Mermaid `sequenceDiagram` of fewer than `MOST_LINES` lines."""
    actors = actors_of(run, names)
    drawn = _Drawing(run, names, actors)
    head = ["sequenceDiagram"]
    head += [f"    participant a{at} as {_text(name_of(a, names))}" for at, a in enumerate(actors)]
    if title:  # a note: Mermaid's own title is cut where it is longer than the figure is wide
        head.append(f"    {drawn.note('', escaped(title))}")
    body = _short_enough(list(drawn.items()), MOST_LINES - len(head) - 2, drawn.over)
    outcome = f"{run.outcome or 'inconclusive'}: {sentence(run, names)}"
    lines = [*head, *(f"    {item.line}" for item in body), f"    {drawn.note('', outcome)}"]
    return "\n".join(lines) + "\n"


class _Drawing:
    """Turns the rows of the timeline into statements."""

    def __init__(self, run: Run, names: Mapping[str, str], actors: Sequence[str]) -> None:
        self.run = run
        self.names = names
        self.number = {actor: f"a{at}" for at, actor in enumerate(actors)}
        self.rows = rows(run, names)
        self.now = ring_history(run)
        ends = [f"a{at}" for at in sorted({0, len(actors) - 1})]
        self.over = ",".join(ends)
        servers = [DAEMON] if DAEMON in actors else [actor for actor in actors if actor != GUEST]
        self.server = servers[0] if len(servers) == 1 else ""

    def note(self, actor: str, *texts: str) -> str:
        """A note over `actor`, or over all."""
        width = _WIDTH if actor else _WIDE
        lines = "<br/>".join(_wrapped(text, width) for text in texts)
        return f"Note over {self.number.get(actor, self.over)}: {lines}"

    def items(self) -> Iterator[_Item]:
        """All statements but the last."""
        ops: list[Row] = []
        reason = ""
        for row in self.rows:
            fits = row.kind is RowKind.OPS and (not ops or ops[0].actor == row.actor)
            fits = fits and row.role is not Role.ACT
            if ops and (not fits or len(ops) == _MOST_OPS or ops[-1].marks):
                yield self._ops(ops, reason)
                yield from self._behind(ops)
                ops, reason = [], ""
            if row.role is Role.ACT and self.server:
                yield self._asked(row)
            elif row.kind is RowKind.OPS:
                ops.append(row)
            elif row.kind is RowKind.SWITCH:
                reason = row.text.removeprefix("→ ")
            elif row.kind is RowKind.STAGE:
                yield _Item(self.note("", row.text), kept=True)
            else:
                yield from self._fold(row)
        if ops:
            yield self._ops(ops, reason)
            yield from self._behind(ops)

    def _asked(self, row: Row) -> _Item:
        """Others ask the daemon, not over the ring."""
        line = f"{self.number[row.actor]}->>{self.number[self.server]}: {_text(row.text)}"
        return _Item(line, row.events, kept=True)

    def _ops(self, ops: Sequence[Row], reason: str) -> _Item:
        lines = [f"{row.first}: {row.text}" for row in ops]
        if reason:
            lines.insert(0, f"({reason})")
        return _Item(self.note(ops[0].actor, *lines), sum(row.events for row in ops))

    def _behind(self, ops: Sequence[Row]) -> Iterator[_Item]:
        """What is to be said of ops: the messages that they published, warnings, marks."""
        for message in self.now.messages_in(ops[0].first, ops[-1].first + ops[-1].events):
            yield from self._arrow(message)
        for row in ops:
            yield from self._marks(row)

    def _marks(self, row: Row) -> Iterator[_Item]:
        texts = [f"! {warning}" for warning in row.warnings]
        texts += [f"{_SIGNS[mark.kind]} {mark.text}" for mark in row.marks]
        if texts:
            yield _Item(self.note(row.actor, *texts), kept=True)

    def _fold(self, row: Row) -> Iterator[_Item]:
        """A fold of one request and its reply is two arrows, another one is a note."""
        here = self.now.messages_in(row.first, row.first + row.events)
        asked = [message for message in here if message.ring == "req"]
        if len(asked) == 1 and self.server:
            yield _Item(self.note(row.actor, f"{row.first}: {row.events} ops"), row.events)
            for message in here:
                yield from self._arrow(message)
        else:
            yield _Item(self.note(row.actor, f"{row.first}: {row.text}"), row.events)
        yield from self._marks(row)

    def _arrow(self, message: Message) -> Iterator[_Item]:
        if not self.server or GUEST not in self.number:
            return
        guest, server = self.number[GUEST], self.number[self.server]
        if message.ring == "req":
            yield _Item(f"{guest}->>{server}: {_text(message.title)}")
        else:
            watch = message.header.type == WATCH_EVENT
            text = message.title if watch else message.words
            yield _Item(f"{server}-->>{guest}: {_text(text)}")


def _short_enough(items: Sequence[_Item], most: int, over: str) -> list[_Item]:
    """At most `most` statements. Where there are more, what is far from anything of interest goes
    first, then nearer things, then the middle."""
    short = list(items)
    for near in _NEAR:
        if _fits(short, most):
            return short
        short = _folded(items, near, over)
    half = most // 2
    while not _fits(short, most):
        half -= 1
        short = [*items[:half], _left_out(items[half:-half], over), *items[-half:]]
    return short


def _fits(items: Sequence[_Item], most: int) -> bool:
    return len(items) <= most and sum(len(item.line) + 5 for item in items) <= _MOST_SIGNS


def _folded(items: Sequence[_Item], near: int, over: str) -> list[_Item]:
    """Without what is more than `near` statements away from all that is kept, and from the end."""
    kept = [at for at, item in enumerate(items) if item.kept] + [len(items) - 1]
    shown = {at + off for at in kept for off in range(-near, near + 1)}
    found: list[_Item] = []
    for stays, group in groupby(enumerate(items), key=lambda pair: pair[0] in shown):
        here = [item for _, item in group]
        found += here if stays or len(here) == 1 else [_left_out(here, over)]
    return found


def _left_out(items: Sequence[_Item], over: str) -> _Item:
    events = sum(item.events for item in items)
    text = f"{len(items)} notes and arrows of {events} ops were left out, to keep this short"
    return _Item(f"Note over {over}: {_wrapped(text, _WIDE)}", events)


def _wrapped(text: str, width: int) -> str:
    return "<br/>".join(_text(line.strip()) for line in wrap(text, width))


def _text(text: str) -> str:
    """`text` with character codes for what may mean something to Mermaid."""
    return _UNSAFE.sub(lambda found: f"#{ord(found[0])};", text)
