"""For all tests."""

from __future__ import annotations

import os

import pytest

# A verdict of an earlier run would hide what a test breaks on purpose.
os.environ["GUESTSIM_CACHE"] = ""


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the person who runs the tests set for their terminal must not change a report."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS", "LINES", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
