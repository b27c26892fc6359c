"""The tables of matrices: a row for each chain of images, a column for each case."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from guestsim.report.text import asciify
from guestsim.scenario import Scenario
from guestsim.trace.results import Result, Verdict
from guestsim.trace.text import escaped

__all__ = ["Matrices"]

_CHAIN = "boot.chain"
_MODEL = "search.memory_model"
_STYLES = {Verdict.PASS: "green", Verdict.SKIP: "cyan", Verdict.INCONCLUSIVE: "yellow"}


class Matrices:
    """One table for each side of a file that varies more than its memory model."""

    def __init__(self, judged: Sequence[tuple[Scenario, Result]]) -> None:
        self._sides: dict[tuple[str, str | None], list[tuple[Scenario, Result]]] = {}
        for scenario, result in judged:
            if any(key != _MODEL for key, _ in scenario.varied):
                side = str(scenario.path), scenario.side
                self._sides.setdefault(side, []).append((scenario, result))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Cases as columns while they fit; else as rows."""
        spell: Callable[[str], str] = asciify if options.ascii_only else str
        for (path, side), judged in self._sides.items():
            yield Text()
            yield Text(spell(escaped(path if side is None else f"{path}#{side}")), style="bold")
            cells = {(_row(each), _column(each)): result for each, result in judged}
            rows = list(dict.fromkeys(row for row, _ in cells))
            columns = list(dict.fromkeys(column for _, column in cells))
            width = max(map(len, rows)) + sum(len(column) + 2 for column in columns)
            across = width + 2 <= options.max_width
            yield (
                _table(cells, rows, columns, spell)
                if across
                else _table(
                    {(column, row): result for (row, column), result in cells.items()},
                    columns,
                    rows,
                    spell,
                )
            )


def _table(
    cells: dict[tuple[str, str], Result],
    rows: list[str],
    columns: list[str],
    spell: Callable[[str], str],
) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("")
    for column in columns:
        table.add_column(Text(spell(escaped(column))))
    for row in rows:
        table.add_row(Text(spell(escaped(row))), *_marks(cells, row, columns))
    return table


def _marks(cells: dict[tuple[str, str], Result], row: str, columns: list[str]) -> Iterator[Text]:
    for column in columns:
        result = cells.get((row, column))
        verdict = None if result is None else result.verdict
        style = "" if verdict is None else _STYLES.get(verdict, "bold red")
        yield Text("" if verdict is None else str(verdict), style=style)


def _row(scenario: Scenario) -> str:
    return " + ".join(stage.name for stage in scenario.boot.stages)


def _column(scenario: Scenario) -> str:
    """The case, without the chain, which is the row."""
    return "-".join(word for key, word in scenario.varied if key != _CHAIN)
