"""The guests that signal too little: how often they do, and that they say what they cannot do."""

from __future__ import annotations

from pathlib import Path

import pytest

from guestsim.errors import InputError
from guestsim.runner import run_once, set_up
from guestsim.scenario import load_one
from guestsim.trace import Kind, Outcome

TEXT = """
title = "terse"
[boot]
chain = [{ image = "%s", requests = %s }]
[ring]
req_index = 1000
rsp_index = 1000
[search]
strategy = "random"
runs = 1
[expect]
connected = "always"
"""

LINES = ("read device/vbd/51712/backend", "watch data/x", "read device/vbd/51712/state")


def written(folder: Path, image: str, *lines: str) -> Path:
    path = folder / "s.toml"
    path.write_text(TEXT % (image, list(lines)))
    return path


@pytest.mark.parametrize(("image", "signals"), [("quiet", 3), ("mute", 0)])
def test_how_often_they_signal(image: str, signals: int, tmp_path: Path) -> None:
    """Over the end of both buffers, and with the event of the watch in between."""
    scenario = load_one(written(tmp_path, image, *LINES))
    run, _ = run_once(scenario, set_up(scenario))
    assert run.outcome is Outcome.CONNECTED
    sent = [e for e in run.events if e.actor == "guest" and e.op.kind is Kind.SEND]
    assert len(sent) == signals


def test_an_error_is_not_passed_over(tmp_path: Path) -> None:
    scenario = load_one(written(tmp_path, "quiet", "read data/none"))
    run, _ = run_once(scenario, set_up(scenario))
    assert run.outcome is Outcome.CRASHED


@pytest.mark.parametrize("line", ["write data/x=1", "read data/x=1", "watch data/x t", "send a"])
def test_what_they_do_not_know_is_refused(line: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"requests\[1\]: quiet knows read KEY and watch KEY only"):
        load_one(written(tmp_path, "quiet", "read a", line))
