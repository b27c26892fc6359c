"""The standard streams, where one is closed, full, or read by nobody any more.

Standard output is what a command is for: a failure to write it is an `OutputError`, and a command
that cannot say what it found ends. Nobody can be told where standard error fails: the exit status
still says it.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TextIO

from guestsim.errors import OutputError, ReaderGoneError

__all__ = ["prepare_streams"]


def prepare_streams() -> None:
    """Make `sys.stdin`, `sys.stdout` and `sys.stderr` so. Comes first: a file that is opened
    later must not get the number of a stream that is closed."""
    if sys.stdin is None:
        sys.stdin = open(_fill(0, os.O_RDONLY))  # noqa: SIM115 (as long as the process lives)
    if sys.stdout is None:
        _fill(1, os.O_RDONLY)  # a write to it fails, as it does where the number is free
    if sys.stderr is None:
        _fill(2, os.O_WRONLY)
    sys.stdout = _Output(*_of(1, sys.stdout), "backslashreplace")
    sys.stderr = _Complaints(*_of(2, sys.stderr), "backslashreplace", line_buffering=True)


def _fill(number: int, flags: int) -> int:
    null = os.open(os.devnull, flags)
    if null != number:
        os.dup2(null, number)
        os.close(null)
    return number


def _of(number: int, before: TextIO | None) -> tuple[io.BufferedWriter, str]:
    encoding = before.encoding if before is not None else "utf-8"
    return io.BufferedWriter(io.FileIO(number, "w", closefd=False)), encoding


class _Complaints(io.TextIOWrapper):
    """Standard error. Its failures cannot be told."""

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self._fail(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, _: OSError, /) -> None:
        # What is still buffered has to go somewhere.
        _fill(self.fileno(), os.O_WRONLY)


class _Output(_Complaints):
    """Standard output. Its first failure is told."""

    def _fail(self, error: OSError, /) -> None:
        super()._fail(error)
        if error.errno == errno.EPIPE:
            raise ReaderGoneError("standard output: nobody reads it any more") from None
        raise OutputError(f"standard output: cannot be written: {error.strerror}") from None
