"""What `guestsim check` prints: a line per scenario, what failed, and the count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from guestsim.report.text import asciify
from guestsim.trace.results import Result, Verdict
from guestsim.trace.text import escaped

__all__ = ["Summary", "closing_line", "summary"]

_STYLES = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.ERROR: "bold red",
    Verdict.SKIP: "cyan",
}
_GAP = "  "


def summary(results: Sequence[Result]) -> RenderableType:
    """The report of a check, in the order of `results`.

    Each scenario has one entry: verdict, name, title, outcomes found, and last the seconds; below
    it, what failed. Why scenarios were skipped, and what is to be said of the guests, stands below
    them all. The last line counts; a skipped one is never passed.
    """
    return Summary(results)


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


class Summary:
    """The entries and the closing line. ASCII only where the encoding asks it."""

    def __init__(self, results: Sequence[Result]) -> None:
        self.results = tuple(results)
        self.names = _names([result.scenario for result in results])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """One `Text` per line."""
        spell = asciify if options.ascii_only else str
        columns = [[spell(cell) for cell in _cells(*entry)] for entry in self._entries()]
        widths = [max((cell_len(row[at]) for row in columns), default=0) for at in range(5)]
        fixed = widths[0] + widths[4] + len(_GAP) * 4
        room = max(options.max_width - fixed, 12)
        widths[3] = min(widths[3], room // 3)
        widths[1] = min(widths[1], room * 9 // 20)
        widths[2] = min(widths[2], room - widths[1] - widths[3])
        for result, row in zip(self.results, columns, strict=True):
            styles = [_STYLES[result.verdict], "bold", "", "", "dim"]
            cells = [Text(text, style=style) for text, style in zip(row, styles, strict=True)]
            yield from _line(console, cells, widths)
            indent = widths[0] + len(_GAP)
            for sign, text, style in _remarks(result):
                remark = Text(spell(f"{sign} {text}"), style=style)
                for at, part in enumerate(_wrap(console, remark, options.max_width - indent - 2)):
                    yield Text(" " * (indent + (2 if at else 0))) + part
        skipped = ((f"{n} skipped: {why}", Verdict.SKIP) for why, n in self._skipped().items())
        notices = ((text, None) for text in self._notices())
        for said, verdict in (*skipped, *notices):
            style = "dim" if verdict is None else _STYLES[verdict]
            remark = Text(spell(f"· {said}"), style=style)
            for at, part in enumerate(_wrap(console, remark, options.max_width - 2)):
                yield Text("  " if at else "") + part
        if self.results:
            yield Text()
        bad = any(r.verdict in (Verdict.FAIL, Verdict.ERROR) for r in self.results)
        open_ = any(r.verdict is Verdict.INCONCLUSIVE for r in self.results)
        style = "bold red" if bad else "bold yellow" if open_ else "bold green"
        yield Text(closing_line(self.results), style=style)

    def _skipped(self) -> Counter[str]:
        """Why scenarios were skipped: once for all that have the same reason."""
        return Counter(
            escaped((result.error or "").removeprefix(f"{result.scenario}: "))
            for result in self.results
            if result.verdict is Verdict.SKIP
        )

    def _notices(self) -> Iterator[str]:
        """What is to be said of the guests: once, with the scenarios that it holds for."""
        about: dict[str, list[str]] = {}
        for result, name in self._entries():
            for notice in result.notices:
                about.setdefault(escaped(notice), []).append(name)
        for notice, (first, *more) in about.items():
            yield f"{first}{f' and {len(more)} more' if more else ''}: {notice}"

    def _entries(self) -> Iterator[tuple[Result, str]]:
        return zip(self.results, self.names, strict=True)


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
