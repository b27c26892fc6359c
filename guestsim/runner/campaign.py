"""Results of thousands of cases in a file, as they come, so that what is missing can be done later.

JSON Lines: one object with `key` and `result` (as in `check --json`) a line.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import msgspec

from guestsim.errors import InputError
from guestsim.files import MIB, read_file
from guestsim.runner.control import Options
from guestsim.runner.verdicts import key_of
from guestsim.scenario import Scenario
from guestsim.trace.results import Result, Verdict
from guestsim.trace.text import escaped

__all__ = ["Campaign"]

_MOST = 1024 * MIB
_DONE = frozenset({Verdict.PASS, Verdict.FAIL})


class _Line(msgspec.Struct, frozen=True):
    key: str
    result: Result


class Campaign:
    """What a file knows, and what is added to it."""

    def __init__(self, path: Path, options: Options) -> None:
        """InputError where the file is something else, or cannot be written."""
        self._options = options
        self._known: dict[str, Result] = {}
        whole = self._read(path) if path.exists() else 0
        try:
            self._file: BinaryIO = path.open("ab")
            self._file.truncate(whole)  # what was half written when it ended
        except OSError as error:
            raise InputError(f"{escaped(str(path))}: cannot be written: {error.strerror}") from None

    def known(self, scenario: Scenario) -> Result | None:
        """The scenario's result, if it has been judged already on the same everything."""
        key = key_of(scenario, self._options)
        found = None if key is None else self._known.get(key)
        return found and msgspec.structs.replace(found, scenario=scenario.name, cached=True)

    def add(self, scenario: Scenario, result: Result) -> None:
        """Write a result. One without a verdict is written, too, and done again next time."""
        line = _Line(key_of(scenario, self._options) or "", result)
        self._file.write(msgspec.json.encode(line) + b"\n")
        self._file.flush()

    def _read(self, path: Path) -> int:
        """How many of its bytes are whole lines."""
        content = read_file(path, _MOST)
        whole = content.rfind(b"\n") + 1
        for number, line in enumerate(content[:whole].splitlines(), 1):
            try:
                found = msgspec.json.decode(line, type=_Line)
            except ValueError:
                raise InputError(
                    f"{escaped(str(path))}: line {number}: no result of a check"
                ) from None
            if found.key and found.result.verdict in _DONE:
                self._known[found.key] = found.result
        return whole
