"""The timeline as a picture: a lane for each actor, time downwards, as SVG 1.1 text.

What is in it and where it is folded is as in the text timeline (`guestsim.report.rows`). No
scripts, no links, no fonts of its own; colours follow the reader's preference for light or dark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from guestsim.report.explain import sentence
from guestsim.report.figures.movers import actors_of, buffers_of
from guestsim.report.figures.svg_layout import GAP, LINE, SMALL, Columns
from guestsim.report.figures.svg_style import LANE_COLOURS, STYLE
from guestsim.report.figures.wrapping import wrap
from guestsim.report.marks import MarkKind
from guestsim.report.ring_history import GUEST, Indices
from guestsim.report.rows import Row, RowKind, rows
from guestsim.report.timeline import Legend
from guestsim.report.units import Role, name_of
from guestsim.trace import Outcome
from guestsim.trace.results import Run
from guestsim.trace.text import escaped

__all__ = ["picture"]

_MARKS = {MarkKind.TEAR: ("◀", "tear"), MarkKind.VIOLATION: ("✗", "broken")}
_PAD = 6
"""Between a box and its text."""


def picture(run: Run, names: Mapping[str, str], title: str = "", *, full: bool = False) -> str:
    """`run` as an SVG document. `full`: every op, as in the timeline of `--all`."""
    found = rows(run, names, full=full)
    page = _Page(run, names, found)
    page.heading(title, names)
    for row in found:
        page.row(row)
    page.close_lanes()
    page.closing(run, names)
    return page.document(title or "one execution")


class _Page:
    """Draws from the top to the bottom."""

    def __init__(self, run: Run, names: Mapping[str, str], found: Sequence[Row]) -> None:
        self.actors = actors_of(run, names)
        self.movers = {event.actor for event in run.events}
        self.names = [name_of(actor, names) for actor in self.actors]
        self.buffers = buffers_of(run)
        self.at = Columns(found, self.actors, [a for a in self.actors if a in self.buffers])
        self.parts: list[str] = []
        self.y = 0
        self.top = 0
        self.mover = ""
        self.end = ""

    # -- the page ---------------------------------------------------------------------------------

    def heading(self, title: str, names: Mapping[str, str]) -> None:
        """Title, how to read it, and the names over the lanes."""
        self.y = GAP * 2
        for line in wrap(escaped(title), self.at.signs(self.at.inner, 15)) if title else ():
            self.y += 20
            self.text(self.at.left, self.y, line, "title")
        self.y += GAP
        self.paragraph(Legend(names).text, "dim")
        self.y += LINE * (2 if self.at.buffers else 1) + GAP * 2
        self.text(self.at.step_end, self.y, "step", "dim end")
        for number, name in enumerate(self.names):
            self.text(self.at.middle(number), self.y, name, f"name mid a{number % LANE_COLOURS}")
        for actor in self.at.buffers:
            x = self.at.buffer(actor)
            self.text(x, self.y - LINE, f"{self.names[self.actors.index(actor)]}'s", "dim mid")
            self.text(x, self.y, "store buffer", "dim mid")
        for name in Indices._fields:
            self.text(self.at.index(name), self.y, name, "name end")
        self.y += GAP
        self.top = self.y
        if not self.at.rows:
            self.y += LINE
            self.text(self.at.left, self.y, "no trace was recorded", "dim")

    def close_lanes(self) -> None:
        """The lines of the lanes, behind all that was drawn on them."""
        lines = [
            f'<line class="lane l{number % LANE_COLOURS}" x1="{x}" y1="{self.top}" x2="{x}" '
            f'y2="{self.y}"/>'
            for number in range(len(self.actors))
            for x in (self.at.middle(number),)
        ]
        self.parts = [*lines, *self.parts]

    def closing(self, run: Run, names: Mapping[str, str]) -> None:
        """What the guest said, how it ended, and why."""
        self.y += GAP * 2
        for hint in run.hints:
            self.paragraph(f"{name_of(GUEST, names)} said: {escaped(hint)}", "dim")
        self.y += GAP if run.hints else 0
        good = run.outcome is Outcome.CONNECTED
        style = "good" if good else "bad" if run.outcome is not None else "open"
        self.end = f"{run.outcome or 'inconclusive'}: {sentence(run, names)}"
        lines = wrap(self.end, self.at.signs(self.at.inner - 2 * GAP, 13))
        height = len(lines) * (LINE + 2) + 2 * _PAD
        self.rect(self.at.left, self.y, self.at.inner, height, f"end-{style}")
        for line in lines:
            self.y += LINE + 2
            self.text(self.at.left + GAP, self.y, line, f"verdict {style}")
        self.y += 2 * _PAD

    def document(self, title: str) -> str:
        """All of it."""
        width, height = self.at.width, self.y + GAP * 2
        head = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<svg xmlns="http://www.w3.org/2000/svg" version="1.1" xml:space="preserve" '
            f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        )
        return "\n".join(
            [
                head,
                f"<title>{_xml(title)}</title>",
                f"<desc>{_xml(self.end)}</desc>",
                f'<style type="text/css">{STYLE}</style>',
                f'<rect class="page" x="0" y="0" width="{width}" height="{height}"/>',
                *self.parts,
                "</svg>\n",
            ]
        )

    # -- rows -------------------------------------------------------------------------------------

    def row(self, row: Row) -> None:
        """One row of the timeline, and what is to be said of it."""
        if row.kind is RowKind.STAGE:
            self.stage(row)
        elif row.kind is RowKind.SWITCH:
            self.switch(row)
        else:
            self.box(row)
            for warning in row.warnings:
                self.remark(f"! {warning}", "warning")
            for mark in row.marks:
                sign, style = _MARKS[mark.kind]
                self.remark(f"{sign} {mark.text}", style)

    def stage(self, row: Row) -> None:
        """A line over the whole width, and the stage's name."""
        self.y += LINE + GAP
        self.text(self.at.left, self.y, row.text, "stage")
        start = self.at.left + self.at.wide(row.text) + GAP
        y = self.y - SMALL // 2
        self.line(start, y, self.at.left + self.at.inner, y, "boundary")
        self.y += GAP

    def switch(self, row: Row) -> None:
        """An arrow from the lane of who moved to that of who moves now, and why."""
        new = self.actors.index(row.actor)
        old = self.actors.index(self.mover) if self.mover else new
        words = row.text.removeprefix("→ ")
        middle = (self.at.middle(old) + self.at.middle(new)) // 2
        for line in wrap(words, self.at.signs(self.at.all_lanes()[1], SMALL)):
            self.y += LINE
            self.text(middle, self.y, line, "why mid")
        if old != new:
            self.y += GAP
            start, end = self.at.middle(old), self.at.middle(new)
            back = -7 if end > start else 7
            self.line(start, self.y, end + back, self.y, "arrow")
            self.parts.append(f'<path class="head" d="M {end} {self.y} l {back} -4 l 0 8 z"/>')
        self.y += GAP
        self.mover = row.actor

    def box(self, row: Row) -> None:
        """Ops as one box: in the lane of their actor, or over all lanes."""
        if row.actor:
            number = self.actors.index(row.actor)
            x, width = self.at.lane(number)
            colour = f"a{number % LANE_COLOURS}"
            # Others ask while the daemon moves.
            self.mover = row.actor if row.actor in self.movers else self.mover
        else:
            number, x, width = 0, *self.at.all_lanes()
            colour = "both"
        fold = row.kind is RowKind.FOLD
        lines = wrap(row.text, self.at.signs(width - 2 * _PAD - 4))
        where = wrap(row.where, self.at.signs(width - 2 * _PAD - 4, SMALL)) if row.where else []
        last = self.at.wide(lines[-1]) + self.at.wide(row.where, SMALL) + 3 * _PAD
        beside = len(where) == 1 and last <= width
        height = (len(lines) + (0 if beside else len(where))) * LINE + _PAD
        top = self.y + 3
        kind = "fold" if fold else "box"
        hint = f"step {row.first}" + (f" to {row.first + row.events - 1}" if row.events > 1 else "")
        self.parts.append(f"<g><title>{_xml(hint)}</title>")
        worst = next((_MARKS[mark.kind][1] for mark in row.marks), "")
        self.rect(x, top, width, height, f"{kind} f-{colour} {worst and 'b-' + worst}".strip())
        if not fold:
            self.rect(x, top, 4, height, f"edge e-{colour}")
        style = _style(row.role, colour) if not fold else "folded"
        y = top
        for line in lines:
            y += LINE
            self.text(x + _PAD + 4, y - 2, line, style)
        if where:
            for line in where:
                y += 0 if beside else LINE
                self.text(x + width - _PAD, y - 2, line, "where end")
        self.parts.append("</g>")
        first = top + LINE - 2
        self.text(self.at.step_end, first, str(row.first), "dim end")
        self.stores(row, first)
        self.indices(row, first)
        self.y = top + height

    def stores(self, row: Row, y: int) -> None:
        """What came out of the store buffers in this row, and what waits in them behind it."""
        for actor in self.at.buffers:
            buffer = self.buffers[actor]
            out = buffer.out(row.first, row.first + row.events)
            waits = buffer.behind(row.first + row.events - 1)
            words = [f"{out} out"] if out else []
            words += [f"{waits} wait" if waits > 1 else "1 waits"] if waits else []
            if words:
                x, width = self.at.buffer_lane(actor)
                self.rect(x, y + 2 - LINE, width, LINE + _PAD, "held")
                self.text(self.at.buffer(actor), y, ", ".join(words), "store mid")

    def indices(self, row: Row, y: int) -> None:
        """The four values behind the row: a dot where nothing changed."""
        for name in Indices._fields:
            shown = name in row.shown
            wrong = name[:3] in row.impossible
            style = "impossible" if wrong else "new" if name in row.changed else "dim"
            value = str(getattr(row.indices, name)) if shown else "·"
            self.text(self.at.index(name), y, value, f"{style} end")

    def remark(self, text: str, style: str) -> None:
        """A line of its own under a row, over the lanes."""
        x, width = self.at.all_lanes()
        lines = wrap(text, self.at.signs(width - 2 * _PAD - 4))
        height = len(lines) * LINE + _PAD
        self.y += 3
        self.rect(x, self.y, width, height, f"remark r-{style}")
        for line in lines:
            self.y += LINE
            self.text(x + _PAD + 4, self.y - 2, line, f"t-{style}")
        self.y += _PAD

    # -- elements ---------------------------------------------------------------------------------

    def paragraph(self, text: str, style: str) -> None:
        """Lines over the whole width."""
        for line in wrap(text, self.at.signs(self.at.inner)):
            self.y += LINE
            self.text(self.at.left, self.y, line, style)

    def text(self, x: float, y: float, text: str, style: str) -> None:
        """One line of text."""
        self.parts.append(f'<text class="{style}" x="{x}" y="{y}">{_xml(text)}</text>')

    def rect(self, x: float, y: float, width: float, height: float, style: str) -> None:
        """A rectangle."""
        self.parts.append(
            f'<rect class="{style}" x="{x}" y="{y}" width="{width}" height="{height}"/>'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        """A straight line."""
        self.parts.append(f'<line class="{style}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>')


def _style(role: Role | None, colour: str) -> str:
    if role is Role.GIVES_UP:
        return "impossible"
    if role in (Role.HALT, Role.INDEX):
        return f"bold t-{colour}"
    return f"t-{colour}"


def _xml(text: str) -> str:
    """Any text as character data: what XML cannot hold is spelled out."""
    return escape(escaped(text))
