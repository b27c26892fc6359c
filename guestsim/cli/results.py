"""Where the results of a check go: a report for people, JSON for machines, schedules."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from guestsim import __version__
from guestsim.errors import InputError
from guestsim.files import check_writable, is_special, write_file
from guestsim.report.as_json import check_json
from guestsim.trace.results import Result
from guestsim.trace.text import escaped

__all__ = ["Results"]

_STANDARD_OUTPUT = Path("-")


class Results:
    """`--json`: a file, `-`, or None."""

    def __init__(self, json: Path | None) -> None:
        self._json = json
        self._piped = json == _STANDARD_OUTPUT
        self.witnesses: Path | None = None
        """The folder beside the file, where it is one."""
        if json is not None and not self._piped and not is_special(json):
            self.witnesses = json.with_name(f"{json.stem}-witnesses")
        self.report: TextIO = sys.stderr if self._piped else sys.stdout
        """For people: where JSON is not."""

    def check(self, scenarios: Sequence[Path], witnesses: Path | None) -> None:
        """Before anything is run: InputError where something cannot be written, or would take the
        place of a scenario."""
        if witnesses is not None and not witnesses.is_dir():
            check_writable(witnesses)
        if self._json is None or self._piped:
            return
        check_writable(self._json)
        if any(
            path.exists() and self._json.exists() and path.samefile(self._json)
            for path in scenarios
        ):
            raise InputError(f"--json {escaped(str(self._json))}: is one of the scenarios")

    def write(self, results: Sequence[Result]) -> None:
        """The JSON, if it is wanted."""
        if self._json is None:
            return
        content = check_json(results, __version__)
        if self._piped:
            sys.stdout.write(content.decode())
        else:
            write_file(self._json, content)
