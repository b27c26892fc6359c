"""A person presses Enter: lines of standard input, of which only the number matters."""

from __future__ import annotations

import asyncio
import os
import sys

from guestsim.errors import InputError

__all__ = ["Enter"]


class Enter:
    """Waits for it in `loop`. InputError where nobody could press it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lines = 0
        self._news = asyncio.Event()
        self.ended = False
        """Nobody will press it any more."""
        try:
            self._file = sys.stdin.fileno()
            loop.add_reader(self._file, self._read)
        except (OSError, ValueError):
            loop.close()
            raise InputError(
                "--socket: Enter is read from standard input, which is no terminal or pipe here"
            ) from None

    def close(self) -> None:
        """Listen no more."""
        self._loop.remove_reader(self._file)

    async def pressed(self) -> None:
        """Wait for a line, or the end of the input."""
        while not (self._lines or self.ended):
            self._news.clear()
            await self._news.wait()
        self._lines -= not self.ended

    def _read(self) -> None:
        data = os.read(self._file, 4096)
        self._lines += data.count(b"\n")
        if not data:
            self.ended = True
            self._loop.remove_reader(self._file)
        self._news.set()
