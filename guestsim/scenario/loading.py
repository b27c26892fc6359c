"""From files to scenarios: finding them, reading them, and making one scenario of each variant."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from guestsim.errors import InputError
from guestsim.files import MIB, read_text
from guestsim.scenario.expanding import scenarios_of
from guestsim.scenario.matrix import MAX_CASES
from guestsim.scenario.models import Scenario
from guestsim.scenario.positions import DEEPEST, too_deep
from guestsim.scenario.problem import Problem, key_path
from guestsim.trace.spelling import hint
from guestsim.trace.text import escaped, printable, quoted

__all__ = ["find", "load", "load_one", "parse_toml", "read_toml"]

_POSITION = re.compile(r" \(at line (\d+), column (\d+)\)$")
_NO_SCENARIO = "pyproject.toml"
"""Lies where people keep scenarios, and is none."""
_SMALL = 16 << 10
"""Characters in which no key can be so deep that it takes long."""


def load(path: Path, most_cases: int = MAX_CASES) -> tuple[Scenario, ...]:
    """The scenarios of a file: one for each variant in the file's order, or one without variants;
    where there is a matrix, one for each case.

    `file.toml#name` gives the variant of that name alone, with all of its cases, or one case.
    InputError: one line with the file, the key and what is wrong.
    """
    file, wanted = _split(path)
    try:
        scenarios = scenarios_of(file, read_toml(file), most_cases)
    except Problem as problem:
        where = f"{key_path(problem.key)}: " if problem.key else ""
        raise _error(file, where + problem.message) from None
    if wanted is None:
        return scenarios
    for chosen in ("variant", "side"):
        found = tuple(each for each in scenarios if getattr(each, chosen) == wanted)
        if found:
            return found
    names = [scenario.variant for scenario in scenarios if scenario.variant is not None]
    there_are = f"; there are: {', '.join(names)}" if names else "; the file has no variants"
    near = hint(wanted, names) or there_are
    raise _error(file, f"no variant is called {quoted(wanted)}{near}")


def load_one(path: Path) -> Scenario:
    """The one scenario that `path` or `path#variant` names; InputError where the file has more."""
    scenarios = load(path)
    if len(scenarios) > 1:
        names = ", ".join(escaped(scenario.name) for scenario in scenarios)
        raise _error(path, f"holds {len(scenarios)} scenarios; name one of {names}")
    return scenarios[0]


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file, decoded; InputError, with the file and the line, where it is none."""
    return parse_toml(path, read_text(path, MIB))


def parse_toml(path: Path, text: str) -> dict[str, Any]:
    """The text of the file `path`, decoded; InputError as above."""
    if len(text) > _SMALL and (deep := too_deep(text)) is not None:
        where = f"line {deep.line}, column {deep.column}"
        raise _error(path, f"{where}: not a scenario: a key of more than {DEEPEST} names")
    return _parse(path, text)


def find(paths: Iterable[Path]) -> list[Path]:
    """The scenario files that `paths` mean: files as they are, folders searched for `*.toml`, in
    capitals as well.

    In the order of `paths`, those of a folder sorted, each file once. Inside a folder, hidden files
    and folders are passed over, and `pyproject.toml`. InputError: no paths, a path that is not
    there, or a folder without scenarios.
    """
    found: dict[tuple[Path, str | None], Path] = {}
    empty = True
    for path in paths:
        empty = False
        file, variant = _split(path)
        if not _is_folder(file):
            found.setdefault((_real(file), variant), path)
            continue
        inside = _inside(file)
        if not inside:
            raise _error(path, "no scenario (*.toml) in this folder")
        for scenario in inside:
            found.setdefault((_real(scenario), None), scenario)
    if empty:
        raise InputError("no scenario given: name a file or a folder")
    return list(found.values())


def _error(path: Path, message: str) -> InputError:
    # A long path is not cut: it is what the user must recognise.
    return InputError(f"{escaped(str(path))}: {message}")


def _split(path: Path) -> tuple[Path, str | None]:
    """A file, and the variant behind its "#"; a file whose own name has a "#" comes first."""
    name, hash_sign, variant = path.name.rpartition("#")
    if not hash_sign or not name or os.path.lexists(path):
        return path, None
    return path.with_name(name), variant


def _real(path: Path) -> Path:
    """Which file it is. Of links in a circle, which `load` refuses, the link itself."""
    return Path(os.path.realpath(path))


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except FileNotFoundError:
        raise _error(path, "no such file or folder") from None
    except OSError as error:
        raise _error(path, f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise _error(path, "not a possible file name") from None


def _is_folder(path: Path) -> bool:
    return stat.S_ISDIR(_stat(path).st_mode)


def _inside(folder: Path) -> list[Path]:
    def unreadable(error: OSError) -> None:
        raise _error(Path(error.filename), f"cannot be read: {error.strerror}")

    found: list[Path] = []
    for parent, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(parent, name)
            for name in files
            if name.lower().endswith(".toml") and not name.startswith(".") and name != _NO_SCENARIO
        ]
    return sorted(found)


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _error(path, _not_toml(str(error), text)) from None
    except RecursionError:
        raise _error(path, "not a scenario: nested too deeply") from None
    except ValueError:
        # Python refuses to convert integers of thousands of digits.
        raise _error(path, "not a scenario: an integer in it is huge") from None


def _not_toml(message: str, text: str) -> str:
    lines = text.split("\n")
    match = _POSITION.search(message)
    if match is None:
        line, column = len(lines), len(lines[-1]) + 1
        what = message.removesuffix(" (at end of document)")
        return f"line {line}, column {column}: not valid TOML: {printable(what)} (end of the file)"
    line, column = int(match.group(1)), int(match.group(2))
    what = printable(message[: match.start()])
    advice = '; a key with a "/" needs quotes' if lines[line - 1][column - 1 :][:1] == "/" else ""
    return f"line {line}, column {column}: not valid TOML: {what}{advice}"
