"""The console that reports are printed on: the terminal as it is, or a plain and fixed page."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console

__all__ = ["PIPE_WIDTH", "make_console"]

PIPE_WIDTH = 120
"""Columns where there is no terminal, so that a redirected report is the same everywhere."""


def make_console(file: TextIO, *, width: int | None = None) -> Console:
    """A console on `file`. A terminal keeps its own width and colours (`NO_COLOR` is honoured);
    anything else gets no colour and `PIPE_WIDTH` columns. `width` overrides both."""
    probe = Console(file=file)
    if width is None and not probe.is_terminal:
        width = PIPE_WIDTH
    return Console(file=file, width=width, highlight=False, markup=False, emoji=False)
