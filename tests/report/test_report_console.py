"""What is printed is text, whatever somebody wrote into a file."""

from __future__ import annotations

import io

import pytest
from rich.text import Text

from guestsim.report.console import make_console
from guestsim.report.progress import live_progress
from guestsim.runner.control import Report


def printed(text: str, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="")
    make_console(file).print(Text(text))
    file.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("é → plain", "é → plain"),
        ("two\nlines", "two\nlines"),
        ("\x1b]0;owned\x07\x1b[2J", "\\x1b]0;owned\\x1b[2J"),  # rich itself drops a bell
        ("\x9b31m", "\\x9b31m"),
        ("\x7f", "\\x7f"),
        ("\u202eabc\u2066", "\\u202eabc\\u2066"),
        ("\udcff", "\\udcff"),
    ],
)
def test_what_does_not_print_is_spelled_out(text: str, shown: str) -> None:
    assert printed(text) == f"{shown}\n"


def test_so_is_what_the_encoding_does_not_have() -> None:
    assert printed("é →", "ascii") == "\\xe9 \\u2192\n"


def test_colours_are_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    file = io.StringIO()
    make_console(file).print(Text("bold", style="bold"))
    assert file.getvalue() == "\x1b[1mbold\x1b[0m\n"


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"])
def test_no_cursor_is_moved_on_a_pipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str
) -> None:
    monkeypatch.setenv(variable, "1")
    with live_progress(["[bold]name"]) as shown:
        shown.report(0, Report(1, None))
        shown.complain("a complaint \x1b[2J")
        shown.done(0)
    assert capsys.readouterr().err == "a complaint \\x1b[2J\n"
