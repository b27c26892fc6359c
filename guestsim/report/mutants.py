"""What `guestsim mutants` prints: a line per mutant, and the score."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from guestsim.report.text import asciify
from guestsim.trace.results import Mutant
from guestsim.trace.text import escaped

__all__ = ["mutants_report", "score_line"]


def mutants_report(mutants: Sequence[Mutant]) -> RenderableType:
    """Mutant, what it gets wrong, caught or missed, and by what or why; last the score."""
    return _Report(mutants)


def score_line(mutants: Sequence[Mutant]) -> str:
    """`6 of 6 caught`."""
    return f"{sum(mutant.caught for mutant in mutants)} of {len(mutants)} caught"


class _Report:
    """ASCII only where the encoding asks it."""

    def __init__(self, mutants: Sequence[Mutant]) -> None:
        self.mutants = tuple(mutants)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        spell = asciify if options.ascii_only else str
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
        table.add_column("mutant", no_wrap=True, style="bold")
        table.add_column("what it gets wrong")
        table.add_column("", no_wrap=True)
        table.add_column("by")
        for mutant in self.mutants:
            verdict = Text("caught", "green") if mutant.caught else Text("missed", "bold red")
            separator = ", " if mutant.caught else "; "
            table.add_row(
                Text(spell(_name(mutant.scenario))),
                Text(spell(escaped(mutant.title))),
                verdict,
                Text(spell(escaped(separator.join(mutant.by)))),
            )
        yield table
        yield Text()
        caught = all(mutant.caught for mutant in self.mutants)
        yield Text(score_line(self.mutants), style="bold green" if caught else "bold red")


def _name(scenario: str) -> str:
    """`FILE` or `FILE#VARIANT`, without folder and `.toml`."""
    return escaped(scenario.replace("\\", "/").rpartition("/")[2].replace(".toml", "", 1))
