"""Timelines as printed: exact pages, and what holds for every page.

The pages are in golden/. After a change that is meant, write them anew with
`GUESTSIM_GOLDEN=write pytest tests/report`, and read the difference.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_traces import KEY, NAMES, SCENES, Tape, exchange, parties, torn_reset
from rich.cells import cell_len
from rich.console import Console

from guestsim.report.console import PIPE_WIDTH, make_console
from guestsim.report.timeline import Closing, Legend, render, timeline
from guestsim.trace import Outcome
from guestsim.trace.ops import End
from guestsim.trace.results import Run

GOLDEN = Path(__file__).parent / "golden"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def page(run: Run, width: int | None = None, encoding: str = "utf-8", *, full: bool = False) -> str:
    """What a pipe of this encoding gets."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    render(run, NAMES, make_console(file, width=width), full=full)
    file.flush()
    return raw.getvalue().decode(encoding)


def compare(name: str, actual: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("GUESTSIM_GOLDEN") == "write":
        path.write_text(actual, encoding="utf-8")
    assert actual == path.read_text(encoding="utf-8"), f"differs from {path.name}"


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", SCENES)
def test_pages(name: str, width: int) -> None:
    compare(f"{name}-{width}", page(SCENES[name](), width))


def test_page_in_ascii() -> None:
    actual = page(torn_reset(), encoding="ascii")
    compare("torn-reset-ascii", actual)
    assert actual.isascii()


def test_page_with_everything() -> None:
    compare("torn-reset-full", page(torn_reset(), full=True))


def test_a_pipe_is_plain_and_of_fixed_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert page(torn_reset()) == page(torn_reset(), PIPE_WIDTH)
    assert "\x1b" not in page(torn_reset())


def printed(file: io.StringIO, **how: int) -> str:
    render(torn_reset(), NAMES, make_console(file, **how))
    return file.getvalue()


def test_a_terminal_has_colours_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    # 36 and 35 are the colours of the two actors.
    assert "\x1b[36m" in printed(Terminal(), width=120)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = printed(Terminal(), width=120)
    assert "36m" not in plain
    assert "35m" not in plain


def test_a_terminal_keeps_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    assert make_console(Terminal()).width == 90


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_no_line_is_too_long(scene: Callable[[], Run], full: bool, encoding: str) -> None:
    run = scene()
    body, end = timeline(run, NAMES, full=full), Closing(run, NAMES)
    for width in (60, 80, 100, 120):
        file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
        make_console(file, width=width).print(body, Legend(NAMES), end, sep="\n")
        file.seek(0)
        for line in file.read().split("\n"):
            assert cell_len(line) <= width, f"{cell_len(line)} columns of {width}: {line!r}"
            assert line == line.rstrip()


@settings(max_examples=10, deadline=None)
@given(st.integers(40, 160))
def test_the_same_page_every_time(width: int) -> None:
    run = torn_reset()
    assert page(run, width) == page(run, width)


def test_the_torn_reset_fits_on_a_screen() -> None:
    for scene in ("torn-reset", "torn-reset-long"):
        lines = page(SCENES[scene](), 120).split("\n")
        table = [line for line in lines if line[:4].strip().isdigit()]
        assert len(table) <= 25, "\n".join(lines)


def test_a_guest_cannot_write_on_the_terminal() -> None:
    # Escape sequences in what the guest chose: a key, its console, a message.
    tape = Tape()
    exchange(tape, *parties(tape), "a\x1b[31m\nb\0")
    end = End(Outcome.CRASHED, "dies\x1b]0;title\x07")
    run = tape.run(Outcome.CRASHED, end, "guest", ("\x1b[2Jhello\r\n",))
    for text in (page(run, full=True), page(run)):
        assert "\x1b" not in text
        assert "\r" not in text
    assert "guest said: \\x1b[2Jhello\\r\\n" in page(run)


def test_without_a_trace_it_says_so() -> None:
    run = Tape().run(None, End(Outcome.HUNG, "budget"), "")
    assert page(run, 80) == (
        "no trace was recorded\n\ninconclusive: Cut short after 0 ops, so nothing is proved: "
        "budget.\n"
    )


def test_an_actor_without_a_name_has_a_column() -> None:
    tape = Tape()
    exchange(tape, *parties(tape), KEY)
    run = tape.run(None, End(Outcome.HUNG, "budget"), "")
    console = Console(file=io.StringIO(), width=120, record=True)
    console.print(timeline(run, {"guest": "hvmloader"}, full=True))
    assert console.export_text().split("\n")[0].split() == [
        *("step", "│", "hvmloader", "│", "daemon", "│", "where", "│"),
        *("req", "req", "rsp", "rsp"),
    ]
