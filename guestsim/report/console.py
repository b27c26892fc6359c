"""The console that reports are printed on: the terminal as it is, or a plain and fixed page.

Everything that guestsim prints comes through here, and so nothing of what users, files and guests
say can reach a terminal as a command: what does not print is spelled out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from guestsim.trace.text import escaped

__all__ = ["PIPE_WIDTH", "SafeConsole", "make_console"]

PIPE_WIDTH = 120
"""Columns where there is no terminal, so that a redirected report is the same everywhere."""


class SafeConsole(Console):
    """Prints text only: control characters, and what its encoding does not have, as escapes."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """As rich does. Colours and the cursor are no text: rich adds them afterwards."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(self.spell(segment.text), segment.style)

    def spell(self, text: str) -> str:
        """`text` as it can be printed here."""
        if not text.replace("\n", "").isprintable():
            text = "\n".join(map(escaped, text.split("\n")))
        return text.encode(self.encoding, "backslashreplace").decode(self.encoding)


def make_console(file: TextIO, *, width: int | None = None) -> SafeConsole:
    """A console on `file`. A terminal keeps its own width and colours (`NO_COLOR` and `FORCE_COLOR`
    are honoured); anything else gets `PIPE_WIDTH` columns. `width` overrides both."""
    if width is None and not file.isatty():
        width = PIPE_WIDTH
    return SafeConsole(file=file, width=width, highlight=False, markup=False, emoji=False)
