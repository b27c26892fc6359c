"""Scenario files for the tests of this folder. All paths are relative to the working folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from guestsim.errors import InputError
from guestsim.scenario import load

LEAST = """\
title = "t"
boot.chain = ["reset-poison", "frontend"]
expect.connected = "always"
"""
"""The least that is a scenario. Dotted keys, so that a test can go on at the top level."""


def write(text: str, name: str = "x.toml") -> Path:
    """Write a file, and the folders that it needs."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def complaint(text: str) -> str:
    """The one line that loading `text` as x.toml fails with."""
    with pytest.raises(InputError) as caught:
        load(write(text))
    return str(caught.value)
