"""The timeline of one execution: a table with a column per actor and the indices after each row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from guestsim.report.explain import sentence
from guestsim.report.layout import Layout, choose_layout
from guestsim.report.marks import MarkKind
from guestsim.report.ring_history import GUEST, Indices
from guestsim.report.rows import Row, RowKind, rows
from guestsim.report.text import asciify
from guestsim.report.units import Role, name_of, server_of
from guestsim.trace import Outcome, Site
from guestsim.trace.results import Run
from guestsim.trace.text import escaped

__all__ = ["Closing", "Legend", "Timeline", "render", "timeline"]

_ACTORS = ("cyan", "magenta", "green", "blue")
_MARKS = {MarkKind.TEAR: ("◀", "bold white on red"), MarkKind.VIOLATION: ("✗", "yellow")}
_OUTCOMES = {Outcome.CONNECTED: "bold green"}
_BAR = " │ "


class Timeline:
    """A timeline that fits the width it is printed at. ASCII only where the encoding asks it."""

    def __init__(self, found: Sequence[Row], names: Mapping[str, str]) -> None:
        self.rows = tuple(found)
        extra = sorted({row.actor for row in found} - {"", *names})
        self.actors = (*names, *extra)
        self.names = {actor: name_of(actor, names) for actor in self.actors}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """One `Text` per line."""
        layout = choose_layout(self.rows, self.names, options.max_width)
        printer = _Printer(console, options, layout, self.names)
        if not self.rows:
            yield from printer.line(Text("no trace was recorded", style="dim"))
            return
        yield from printer.header()
        for row in self.rows:
            yield from printer.row(row)


def timeline(
    run: Run,
    names: Mapping[str, str],
    *,
    full: bool = False,
    source: Callable[[Site], str] | None = None,
) -> RenderableType:
    """The timeline of `run`. `names`: what each actor is called, in the order of the columns.

    By default whole clean exchanges and dull stretches are one row each; `full` shows all ops.
    `source` gives the text of a site's line, or ""; it stands under the first op of the line.
    """
    return Timeline(rows(run, names, full=full, source=source), names)


def render(
    run: Run,
    names: Mapping[str, str],
    console: Console,
    *,
    full: bool = False,
    source: Callable[[Site], str] | None = None,
) -> None:
    """Print the timeline, what the guest said, and the sentence that explains the end."""
    if run.events:
        console.print(Legend(names))
        console.print()
    console.print(timeline(run, names, full=full, source=source))
    console.print()
    console.print(Closing(run, names, source))


class Legend:
    """How to read the table, for a reader who does not know the ring."""

    def __init__(self, names: Mapping[str, str]) -> None:
        guest = name_of(GUEST, names)
        self.text = (
            f"req carries requests from {guest} to {server_of(names)}, rsp the replies. prod "
            "counts the bytes put in, cons the bytes taken out; both only grow, until a reset. The "
            "four indices stand as each row leaves them; · is unchanged."
        )

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """One `Text` per line."""
        printer = _Printer(console, options, None, {})
        yield from printer.line(Text(self.text, style="dim"))


class Closing:
    """The outcome and its sentence, and the guest's own words where it left some."""

    def __init__(
        self, run: Run, names: Mapping[str, str], source: Callable[[Site], str] | None = None
    ) -> None:
        self.run = run
        self.source = escaped(source(run.end.site)) if source is not None else ""
        self.sentence = sentence(run, names)
        self.guest = name_of(GUEST, names)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The hints first, so that the sentence is the last thing read."""
        printer = _Printer(console, options, None, {})
        for hint in self.run.hints:
            text = Text.assemble((f"{self.guest} said: ", "dim"), escaped(hint))
            yield from printer.line(text, indent=2)
        outcome = self.run.outcome
        style = _OUTCOMES.get(outcome, "bold red") if outcome is not None else "bold yellow"
        text = Text.assemble((f"{outcome or 'inconclusive'}: ", style), self.sentence)
        yield from printer.line(text, indent=2)
        if self.source:
            yield from printer.line(_quoted(self.source), start=2, indent=2)


def _quoted(source: str) -> Text:
    """A source line, told apart from what guestsim says."""
    return Text(f"| {source}", style="dim italic")


class _Printer:
    """Turns rows into lines that are no wider than the page."""

    def __init__(
        self,
        console: Console,
        options: ConsoleOptions,
        layout: Layout | None,
        names: Mapping[str, str],
    ) -> None:
        self.console = console
        self.width = options.max_width
        self.ascii = options.ascii_only
        self.at = layout or Layout(0, (), 0, (), False)
        self.names = names
        self.seen: dict[str, str] = {}
        self.read: dict[str, str] = {}

    def style_of(self, actor: str) -> str:
        order = list(self.names)
        return _ACTORS[order.index(actor) % len(_ACTORS)] if actor in order else ""

    def spell(self, text: Text) -> Text:
        """`text` in the signs that the page can hold."""
        if not self.ascii or text.plain.isascii():
            return text
        plain = Text(style=text.style)
        for part in text.divide(sorted({edge for span in text.spans for edge in span[:2]})):
            plain.append(asciify(part.plain), part.spans[0].style if part.spans else "")
        return plain

    def wrap(self, text: Text, width: int) -> list[Text]:
        text = self.spell(text)
        if "\n" not in text.plain and text.cell_len <= width:
            return [text]
        lines = text.wrap(self.console, max(width, 1), overflow="fold")
        for line in lines:
            line.rstrip()
        return list(lines) or [Text()]

    def line(self, text: Text, *, start: int = 0, indent: int = 0) -> Iterator[Text]:
        """`text` from column `start` to the right edge; further lines are indented."""
        first, *rest = self.wrap(text, self.width - start - indent)
        yield Text(" " * start) + first
        for line in rest:
            yield Text(" " * (start + indent)) + line

    def cells(self, cells: Sequence[Text], *, bars: bool = True) -> Iterator[Text]:
        """A table line: step, actors, source and indices, each wrapped in its column."""
        widths = self.at.widths
        wrapped = [self.wrap(cell, width) for cell, width in zip(cells, widths, strict=True)]
        bar = self.spell(Text(_BAR, style="dim"))
        for at in range(max(len(lines) for lines in wrapped)):
            line = Text()
            for column, (lines, width) in enumerate(zip(wrapped, widths, strict=True)):
                if column:
                    line += bar if bars else Text("   ")
                cell = lines[at] if at < len(lines) else Text()
                line += cell
                line.append(" " * (width - cell_len(cell.plain)))
            line.rstrip()
            yield line

    def header(self) -> Iterator[Text]:
        cells = [Text("step".rjust(self.at.step), style="dim")]
        cells += [Text(name, style=f"bold {self.style_of(a)}") for a, name in self.names.items()]
        if self.at.where:
            cells.append(Text("where", style="dim"))
        if self.at.index_columns:
            cells.append(Text(self.at.heading, style="bold"))
        yield from self.cells(cells)
        rule = "─┼─".join("─" * width for width in self.at.widths)
        yield from self.line(Text(rule, style="dim"))

    def row(self, row: Row) -> Iterator[Text]:
        if row.kind is RowKind.STAGE:
            text = f"── {row.text} "
            yield from self.line(Text(text + "─" * (self.at.total - len(text)), style="bold"))
        elif row.kind is RowKind.SWITCH:
            style = f"bold {self.style_of(row.actor)}"
            yield from self.line(
                Text(row.text, style=style), start=self.at.start(row.actor, self.names), indent=2
            )
        else:
            yield from self.events(row)
            yield from self.remarks(row)

    def events(self, row: Row) -> Iterator[Text]:
        step = Text(str(row.first).rjust(self.at.step), style="dim")
        if row.kind is RowKind.FOLD:
            yield from self.fold(row, step)
            return
        texts = [self.words(row) if actor == row.actor else Text() for actor in self.names]
        cells = [step, *texts]
        if self.at.where:
            cells.append(Text(row.where, style="dim"))
        if self.at.index_columns:
            cells.append(self.counters(row))
        yield from self.cells(cells)
        if not self.at.index_columns and row.shown:
            yield from self.line(self.spelled(row), start=self.at.step + 3, indent=2)

    def fold(self, row: Row, step: Text) -> Iterator[Text]:
        """A fold speaks of all actors: its text runs over their columns."""
        at = self.at
        width = at.span
        if not at.index_columns:
            width = self.width - at.step - 3
        lines = self.wrap(Text(row.text, style="dim italic"), width)
        bar = self.spell(Text(_BAR, style="dim"))
        for number, line in enumerate(lines):
            out = (step if number == 0 else Text(" " * at.step)) + bar + line
            if number == 0 and at.index_columns:
                out.append(" " * (width - cell_len(line.plain)))
                out += bar + self.spell(self.counters(row))
            out.rstrip()
            yield out
        if not at.index_columns and row.shown:
            yield from self.line(self.spelled(row), start=at.step + 3, indent=2)

    def words(self, row: Row) -> Text:
        style = self.style_of(row.actor)
        if row.role in (Role.HALT, Role.GIVES_UP):
            style = "bold red" if row.role is Role.GIVES_UP else "bold"
        elif row.role is Role.INDEX:
            style = f"bold {style}"
        text = Text(row.text, style=style)
        if not self.at.where and row.where and self.seen.get(row.actor) != row.where:
            width = self.at.actors[list(self.names).index(row.actor)]
            last = self.wrap(Text(row.text), width)[-1]
            gap = width - cell_len(last.plain) - cell_len(row.where)
            text.append((" " * gap if gap > 1 else "\n") + row.where, style="dim")
        self.seen[row.actor] = row.where
        return text

    def counters(self, row: Row) -> Text:
        """The four indices: a dot where nothing changed."""
        text = Text()
        for name, width in zip(Indices._fields, self.at.index_columns, strict=True):
            value = str(getattr(row.indices, name)) if name in row.shown else "·"
            wrong = name[:3] in row.impossible
            new = name in row.changed and row.kind is RowKind.OPS
            style = "bold red" if wrong else "bold" if new else "dim"
            text.append(" " if text.plain else "")
            text.append(value.rjust(width), style=style)
        return text

    def spelled(self, row: Row) -> Text:
        """The indices that changed, where there is no room for their columns."""
        shown = (name for name in Indices._fields if name in row.shown)
        text = ", ".join(f"{name} {getattr(row.indices, name)}" for name in shown)
        return Text(text, style="bold red" if row.impossible else "bold")

    def remarks(self, row: Row) -> Iterator[Text]:
        start = self.at.step + 3
        if row.source and self.read.get(row.actor) != row.where:
            column = self.at.start(row.actor, self.names)
            yield from self.line(_quoted(row.source), start=column, indent=2)
        self.read[row.actor] = row.where
        for warning in row.warnings:
            yield from self.line(Text(f"! {warning}", style="red"), start=start, indent=2)
        for mark in row.marks:
            sign, style = _MARKS[mark.kind]
            yield from self.line(Text(f"{sign} {mark.text}", style=style), start=start, indent=2)
