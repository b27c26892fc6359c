"""For all tests."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import settings

pytest_plugins = ["browsing"]
"""Fixtures of `tests/page/browsing.py`."""

# How long an example takes says how busy the machine is: no reason to fail.
settings.register_profile("guestsim", deadline=None)
settings.load_profile("guestsim")

# A verdict of an earlier run would hide what a test breaks on purpose.
os.environ["GUESTSIM_CACHE"] = ""

# Who starts tests in the background of a script has SIGINT ignored, and so would every program that
# they start. With a handler here, those have the usual one.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the person who runs the tests set for their terminal must not change a report."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS", "LINES", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
