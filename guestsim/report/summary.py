"""What `guestsim check` prints: a line per scenario as it comes, what failed, and the count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from guestsim.report.bulk import bulk_lines
from guestsim.report.text import asciify
from guestsim.trace.results import Result, Verdict
from guestsim.trace.text import escaped

__all__ = ["Page", "closing_line"]

_STYLES = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.ERROR: "bold red",
    Verdict.SKIP: "cyan",
}
_GAP = "  "
_VERDICT = max(len(verdict) for verdict in Verdict)
_SECONDS = len("1234.56 s")
_FOUND = len("connected, refused, corrupted, hung, crashed (complete)")


def closing_line(results: Sequence[Result]) -> str:
    """`9 passed, 1 failed, 1 skipped, 0 inconclusive`; errors are named where there are any."""
    count = Counter(result.verdict for result in results)
    words = {
        Verdict.PASS: "passed",
        Verdict.FAIL: "failed",
        Verdict.SKIP: "skipped",
        Verdict.INCONCLUSIVE: "inconclusive",
    }
    text = ", ".join(f"{count[verdict]} {word}" for verdict, word in words.items())
    errors = count[Verdict.ERROR]
    return f"{text}, {errors} error{'s' if errors > 1 else ''}" if errors else text


class Page:
    """Printed from top to bottom while the results come. ASCII only where the encoding asks it.

    `scenarios`: name and title of each, in the order in which their results will come. They give
    the widths of the columns, which stay as they are whatever comes.
    """

    def __init__(self, scenarios: Sequence[tuple[str, str]]) -> None:
        self._names = _names([name for name, _ in scenarios])
        self._titles = [escaped(title) for _, title in scenarios]
        self._results: list[Result] = []

    def entry(self, result: Result) -> RenderableType:
        """The entry of the next scenario: verdict, name, title, outcomes found, and last the
        seconds; below it, what failed."""
        name = self._names[len(self._results)]
        self._results.append(result)
        return _Lines(partial(self._entry, result, name))

    def ending(self) -> RenderableType:
        """Below all entries: why scenarios were skipped, what is to be said of the guests, and the
        count."""
        return _Lines(self._ending)

    def _entry(self, result: Result, name: str, paper: _Paper) -> _Texts:
        row = [paper.spell(cell) for cell in _cells(result, name)]
        widths = self._widths(paper)
        styles = [_STYLES[result.verdict], "bold", "", "", "dim"]
        cells = [Text(text, style=style) for text, style in zip(row, styles, strict=True)]
        yield from _line(paper.console, cells, widths)
        indent = widths[0] + len(_GAP)
        for sign, text, style in _remarks(result):
            remark = Text(paper.spell(f"{sign} {text}"), style=style)
            for at, part in enumerate(_wrap(paper.console, remark, paper.width - indent - 2)):
                yield Text(" " * (indent + (2 if at else 0))) + part

    def _widths(self, paper: _Paper) -> list[int]:
        room = max(paper.width - _VERDICT - _SECONDS - len(_GAP) * 4, 12)
        name, title = (
            max((cell_len(paper.spell(cell)) for cell in cells), default=0)
            for cells in (self._names, self._titles)
        )
        name = min(name, room * 9 // 20)
        title = min(title, room - name - room // 3)
        return [_VERDICT, name, title, min(room - name - title, _FOUND), _SECONDS]

    def _ending(self, paper: _Paper) -> _Texts:
        skipped = ((f"{n} skipped: {why}", Verdict.SKIP) for why, n in self._skipped().items())
        notices = ((text, None) for text in self._notices())
        for said, verdict in (*skipped, *notices):
            style = "dim" if verdict is None else _STYLES[verdict]
            remark = Text(paper.spell(f"· {said}"), style=style)
            for at, part in enumerate(_wrap(paper.console, remark, paper.width - 2)):
                yield Text("  " if at else "") + part
        if self._results:
            yield Text()
        bad = any(r.verdict in (Verdict.FAIL, Verdict.ERROR) for r in self._results)
        open_ = any(r.verdict is Verdict.INCONCLUSIVE for r in self._results)
        style = "bold red" if bad else "bold yellow" if open_ else "bold green"
        yield Text(closing_line(self._results), style=style)

    def _skipped(self) -> Counter[str]:
        """Why scenarios were skipped: once for all that have the same reason."""
        return Counter(
            escaped((result.error or "").removeprefix(f"{result.scenario}: "))
            for result in self._results
            if result.verdict is Verdict.SKIP
        )

    def _notices(self) -> Iterator[str]:
        """What is to be said of the guests: once, with the scenarios that it holds for."""
        about: dict[str, list[str]] = {}
        for result, name in zip(self._results, self._names, strict=False):
            for notice in result.notices:
                about.setdefault(escaped(notice), []).append(name)
        for notice, (first, *more) in about.items():
            yield f"{first}{f' and {len(more)} more' if more else ''}: {notice}"


_Texts = Iterator[Text]


class _Paper(NamedTuple):
    """What is printed on."""

    console: Console
    width: int
    spell: Callable[[str], str]


class _Lines:
    """Something printed line by line."""

    def __init__(self, lines: Callable[[_Paper], _Texts]) -> None:
        self._lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        spell = asciify if options.ascii_only else str
        yield from self._lines(_Paper(console, options.max_width, spell))


def _names(paths: Sequence[str]) -> list[str]:
    """What tells scenarios apart: `FILE#VARIANT` below their common folder, without `.toml`."""
    split = [path.replace("\\", "/").split("/") for path in paths]
    common = 0
    while split and all(len(parts) > common + 1 for parts in split):
        if len({parts[common] for parts in split}) > 1:
            break
        common += 1
    short = ("/".join(parts[common:]) for parts in split)
    return [escaped(name.removesuffix(".toml").replace(".toml#", "#")) for name in short]


def _cells(result: Result, name: str) -> list[str]:
    found = ", ".join(outcome for outcome, finding in result.outcomes.items() if finding.found)
    seconds = f"{result.search.seconds:.2f} s" if result.search is not None else ""
    if result.cached:
        seconds = "cached"
    executions = result.search.executions if result.search is not None else None
    if found and executions is not None and executions > 1:
        found += f" ({executions} runs)"
    elif found and result.search is not None and result.search.complete:
        certificate = result.search.certificate
        begins = certificate.begins_after if certificate is not None else 0
        found += f" (complete from op {begins} on)" if begins else " (complete)"
    return [result.verdict.value, name, escaped(result.title), found, seconds]


def _remarks(result: Result) -> Iterator[tuple[str, str, str]]:
    """(sign, text, style) of the lines under an entry."""
    for failure in result.failures:
        yield "✗", escaped(failure), "red"
    if result.error is not None and result.verdict is not Verdict.SKIP:
        yield "✗", escaped(result.error), "red"
    if result.verdict is Verdict.INCONCLUSIVE and not (result.failures or result.error):
        yield "·", "the search was cut short: it proves nothing", "yellow"
    if result.search is not None:
        yield from (("·", line, "yellow") for line in bulk_lines(result.search))
    loose = [name for name, rule in result.rules.items() if rule.expected is None and not rule.kept]
    if loose:
        yield "·", f"broken, but not judged: {', '.join(map(escaped, loose))}", "dim"


def _line(console: Console, cells: Sequence[Text], widths: Sequence[int]) -> Iterator[Text]:
    wrapped = [_wrap(console, cell, width) for cell, width in zip(cells, widths, strict=True)]
    for at in range(max(len(lines) for lines in wrapped)):
        line = Text()
        for column, (lines, width) in enumerate(zip(wrapped, widths, strict=True)):
            cell = lines[at] if at < len(lines) else Text()
            pad = " " * (width - cell_len(cell.plain))
            line += Text(_GAP if column else "")
            line = line + Text(pad) + cell if column == len(widths) - 1 else line + cell + pad
        line.rstrip()
        yield line


def _wrap(console: Console, text: Text, width: int) -> list[Text]:
    lines = list(text.wrap(console, max(width, 1), overflow="fold"))
    for line in lines:
        line.rstrip()
    return lines or [Text()]
