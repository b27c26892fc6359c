"""What `guestsim mutants` prints."""

from __future__ import annotations

import io

import pytest

from guestsim.report.console import make_console
from guestsim.report.mutants import mutants_report, score_line
from guestsim.trace.results import Mutant

MUTANTS = (
    Mutant("scenarios/mutants/no-signal.toml", "no → signal", True, ("hung", "signal")),
    Mutant("scenarios/mutants/two.toml#late", "looks\x1blate", False, ("hung was expected", "so")),
)


def lines(mutants: tuple[Mutant, ...], encoding: str = "utf-8", width: int = 100) -> list[str]:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    make_console(file, width=width).print(mutants_report(mutants))
    file.flush()
    return [line.rstrip() for line in raw.getvalue().decode(encoding).splitlines()]


def test_a_line_for_each_and_the_score_last() -> None:
    assert [line.split() for line in lines(MUTANTS)] == [
        ["mutant", "what", "it", "gets", "wrong", "by"],
        ["no-signal", "no", "→", "signal", "caught", "hung,", "signal"],
        [r"two#late", r"looks\x1blate", r"missed", r"hung", r"was", r"expected;", r"so"],
        [],
        ["1", "of", "2", "caught"],
    ]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_the_score(count: int) -> None:
    caught = tuple(Mutant(f"{at}.toml", "t", at < count, ()) for at in range(2))
    assert score_line(caught) == f"{count} of 2 caught"


def test_ascii_where_the_encoding_asks_it() -> None:
    assert "no -> signal" in "\n".join(lines(MUTANTS, "ascii"))


def test_it_fits_into_a_narrow_terminal() -> None:
    assert max(map(len, lines(MUTANTS, width=60))) <= 60
