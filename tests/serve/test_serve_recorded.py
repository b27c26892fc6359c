"""The same requests as C xenstored was asked, and the same answers, message by message."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
from serving import hub, serving
from wire_session import play

RECORDED = Path(__file__).parent / "recorded"


@pytest.mark.parametrize("name", ["wire", "random"])
def test_the_answers_are_those_of_the_real_daemon(tmp_path: Path, name: str) -> None:
    real = (RECORDED / f"{name}.txt").read_text()
    with serving(hub(), tmp_path / "s"):
        ours = play(tmp_path / "s", real)
    lines = difflib.unified_diff(
        real.splitlines(), ours.splitlines(), "C xenstored", "guestsim serve", lineterm="", n=4
    )
    assert ours == real, "\n".join(line[:200] for line in lines)


def test_the_recordings_hold_answers() -> None:
    for name in ("wire", "random"):
        lines = (RECORDED / f"{name}.txt").read_text().splitlines()
        asked = [line for line in lines if line[1:4] == " > "]
        answered = [line for line in lines if line[1:4] == " < " and "WATCH_EVENT" not in line]
        assert len(asked) == len(answered) > 200
