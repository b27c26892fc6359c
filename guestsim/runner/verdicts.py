"""Verdicts kept from earlier runs.

A verdict belongs to everything that it depends on, as values: what the scenario means, the bytes of
its images, the program's own code, the libraries that run the guest, the options that say how it is
found out. Only what was found out to its end is kept; a search that was cut short is not. An entry
carries the certificate, and the schedules of its witnesses if they were wanted. What is not exactly
an entry is none.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

import msgspec

from guestsim import __version__
from guestsim.errors import InputError
from guestsim.execute.schedule import parse_schedule
from guestsim.files import MIB, read_file, write_file
from guestsim.machine.images import find_image
from guestsim.runner.control import Options
from guestsim.runner.executions import SAMPLED
from guestsim.runner.witnesses import save_schedule, witness_path
from guestsim.scenario import Scenario, Strategy
from guestsim.search.library import LIBRARY as EXPLORER
from guestsim.trace.results import Result, Verdict

__all__ = ["default_folder", "keep", "kept", "key_of", "program_digest"]

_PROGRAM = Path(__file__).parents[1]
_MEANING = ("title", "boot", "platform", "store", "ring", "daemon", "others", "search", "expect")
_MOST = 64 * MIB
_LIBRARIES = ("unicorn", "capstone", "pyelftools", "msgspec")


class _Entry(msgspec.Struct, frozen=True):
    key: str
    result: Result
    schedules: dict[str, str] | None
    """By outcome or rule; None where nobody wanted them."""


def default_folder() -> Path | None:
    """Where `check` keeps verdicts: GUESTSIM_CACHE, nowhere if that is empty; else as the XDG Base
    Directory Specification has it."""
    own = os.environ.get("GUESTSIM_CACHE")
    if own is not None:
        return Path(own) if own else None
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "guestsim", "verdicts")


def key_of(scenario: Scenario, options: Options) -> str | None:
    """What the scenario's verdict belongs to; None where an image cannot be read."""
    try:
        images = list(map(_digest, _images(scenario, options)))
    except InputError:
        return None
    meaning = {name: getattr(scenario, name) for name in _MEANING}
    how = options.twice, options.validate, str(options.explorer)
    whole = [program_digest(), images, msgspec.to_builtins(meaning), how]
    return _digest(msgspec.json.encode(whole))


def kept(folder: Path, key: str, scenario: Scenario, options: Options) -> Result | None:
    """The verdict of an earlier run; its schedules are written as if it had been this one."""
    try:
        content = read_file(folder / key[:2] / f"{key}.json", _MOST)
        digest, _, body = content.partition(b"\n")
        if digest.decode() != _digest(body):
            return None
        entry = msgspec.json.decode(body, type=_Entry)
    except (InputError, ValueError):
        return None
    if entry.key != key or (options.witnesses is not None and entry.schedules is None):
        return None
    result = msgspec.structs.replace(entry.result, scenario=scenario.name, cached=True)
    return _with_witnesses(result, entry.schedules or {}, scenario, options.witnesses)


def keep(folder: Path, key: str, scenario: Scenario, result: Result, options: Options) -> None:
    """Keep a verdict, if it is one for ever."""
    if not _is_final(scenario, result):
        return
    schedules = None
    if options.witnesses is not None:
        files = {
            **{name: finding.witness for name, finding in result.outcomes.items()},
            **{name: rule.witness for name, rule in result.rules.items()},
        }
        schedules = {
            name: read_file(Path(path), _MOST).decode() for name, path in files.items() if path
        }
    body = msgspec.json.encode(_Entry(key, result, schedules))
    path = folder / key[:2] / f"{key}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, _digest(body).encode() + b"\n" + body)
    except (InputError, OSError):
        return  # it costs the time once more, and nothing else


def _is_final(scenario: Scenario, result: Result) -> bool:
    if result.verdict not in (Verdict.PASS, Verdict.FAIL) or result.search is None:
        return False
    if scenario.search.strategy in SAMPLED:
        return result.search.executions == scenario.search.runs
    return result.search.complete or scenario.search.strategy is Strategy.SCRIPT


def _with_witnesses(
    result: Result, schedules: dict[str, str], scenario: Scenario, folder: Path | None
) -> Result:
    paths: dict[str, str] = {}
    for what, text in schedules.items() if folder is not None else ():
        assert folder is not None
        path = witness_path(folder, scenario, what)
        save_schedule(parse_schedule(text, str(path)), scenario, path)
        paths[what] = str(path)
    replace = msgspec.structs.replace
    return replace(
        result,
        outcomes={
            name: replace(finding, witness=paths.get(name))
            for name, finding in result.outcomes.items()
        },
        rules={name: replace(rule, witness=paths.get(name)) for name, rule in result.rules.items()},
    )


def _images(scenario: Scenario, options: Options) -> Iterator[bytes]:
    """The files, as `guestsim.runner.setup` finds them."""
    others = dict(options.images)
    for stage in scenario.boot.stages:
        other = others.pop(stage.name, None)
        yield read_file(other or scenario.image_path(stage) or find_image(stage.name), _MOST)


@cache
def program_digest() -> str:
    """Of everything of guestsim's that runs, and of what runs it."""
    digest = hashlib.sha256()
    versions = [__version__, sys.version, *map(version, _LIBRARIES)]
    digest.update(msgspec.json.encode(versions))
    files = sorted(_PROGRAM.rglob("*.py"))
    for path in [*files, *([EXPLORER] if EXPLORER.exists() else [])]:
        digest.update(os.path.relpath(path, _PROGRAM).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
