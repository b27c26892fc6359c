"""The same requests as real daemons were asked, and the same answers, message by message."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
from serving import recorded, serving
from wire_session import play

from guestsim.serve import new_hub

SESSIONS = {"wire": 200, "random": 200, "control": 60, "oxenstored": 300, "oxenstored-random": 600}
"""And how many requests there are at least."""


@pytest.mark.parametrize("name", SESSIONS)
def test_the_answers_are_those_of_the_real_daemon(tmp_path: Path, name: str) -> None:
    model, real = recorded(name)
    with serving(new_hub(model=model), tmp_path / "s"):
        ours = play(tmp_path / "s", real)
    lines = difflib.unified_diff(
        real.splitlines(), ours.splitlines(), model, "guestsim serve", lineterm="", n=4
    )
    assert ours == real, "\n".join(line[:200] for line in lines)


@pytest.mark.parametrize("name", SESSIONS)
def test_the_recordings_hold_answers(name: str) -> None:
    lines = recorded(name)[1].splitlines()
    asked = [line for line in lines if line[1:4] == " > "]
    answered = [line for line in lines if line[1:4] == " < " and "WATCH_EVENT" not in line]
    assert len(asked) == len(answered) > SESSIONS[name]
