"""The text of source lines under the rows of a timeline."""

from __future__ import annotations

import io

from report_traces import NAMES, crashed, torn_reset

from guestsim.report.console import make_console
from guestsim.report.rows import RowKind, rows
from guestsim.report.timeline import render
from guestsim.trace.results import Run


def page(run: Run, *, text: str | None) -> list[str]:
    file = io.StringIO()
    source = None if text is None else lambda site: text if site.file else ""
    render(run, NAMES, make_console(file), full=True, source=source)
    return file.getvalue().splitlines()


def test_each_line_is_quoted_once_under_its_first_op() -> None:
    run = torn_reset()
    lines = page(run, text="rings->req_prod = 0;")
    quoted = [line for line in lines if "| rings->req_prod = 0;" in line]
    assert [line for line in lines if line not in quoted] == page(run, text=None)
    at: dict[str, str] = {}
    expected = 0
    for row in rows(run, NAMES, full=True):
        if row.kind is RowKind.OPS:
            expected += ":" in row.where and at.get(row.actor) != row.where
            at[row.actor] = row.where
    assert 0 < len(quoted) == expected


def test_what_is_not_known_leaves_no_trace() -> None:
    assert page(torn_reset(), text="") == page(torn_reset(), text=None)


def test_the_line_at_which_it_ended_comes_last() -> None:
    run = crashed()
    file = io.StringIO()
    render(run, NAMES, make_console(file), source=lambda site: f"line {site.line}")
    assert file.getvalue().rstrip().splitlines()[-1] == f"  | line {run.end.site.line}"


def test_control_characters_of_a_source_are_not_printed() -> None:
    assert any("\\x1b[2J" in line for line in page(torn_reset(), text="\x1b[2J"))
