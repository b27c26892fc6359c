"""Everything that is wrong with a scenario file, each with its place, without running it.

The loader stops at the first mistake. So what is wrong is taken out of the document, and the loader
asked again, until it finds no more: what it says here is what it would say anyway.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from guestsim.errors import InputError
from guestsim.files import MIB, read_text
from guestsim.scenario.expanding import scenarios_of
from guestsim.scenario.expectations import Frequency
from guestsim.scenario.loading import parse_toml
from guestsim.scenario.matrix import MAX_CASES
from guestsim.scenario.models import Scenario, Strategy
from guestsim.scenario.positions import Position, Positions
from guestsim.scenario.problem import Key, Problem, key_path
from guestsim.trace.daemons import DaemonModel
from guestsim.trace.spelling import hint
from guestsim.trace.text import escaped, quoted

__all__ = ["Finding", "lint"]

_MOST: int = 100
"""Mistakes of one file that anybody wants to read."""
_PLACE = re.compile(r"line (\d+)(?:, column (\d+))?: ")
_ONE_BY_ONE = frozenset({Strategy.RANDOM, Strategy.PCT})
_GUESTS = ("req_prod", "rsp_cons")
"""Indices that no xenstored ever stores."""


Said = tuple[Key, str]
Look = Callable[[Scenario], Iterator[Said]]


class Finding(NamedTuple):
    """Something to be said about a file."""

    path: Path
    position: Position
    message: str
    is_error: bool
    """Or else it can be run, but hardly means what it says."""

    def __str__(self) -> str:
        kind = "" if self.is_error else "warning: "
        line, column = self.position
        return f"{escaped(str(self.path))}:{line}:{column}: {kind}{self.message}"


def lint(
    path: Path,
    most_cases: int = MAX_CASES,
    images: Collection[str] = (),
    tags: Collection[str] = (),
) -> list[Finding]:
    """Mistakes in the order of the file; where there are none, what looks like one. An InputError
    where it cannot be read.

    `images`: the built-in ones, where they are known; `tags`: those that several files have.
    """
    text = read_text(path, MIB)
    try:
        document = parse_toml(path, text)
    except InputError as error:
        return [_not_toml(path, str(error))]
    positions = Positions(text)
    found = [
        Finding(path, positions.of(key), f"{key_path(key)}: {message}" if key else message, True)
        for key, message in _mistakes(path, document, most_cases)
    ]
    if not found:
        scenarios = scenarios_of(path, document, most_cases)
        said = [(each, True) for each in _in_each(scenarios, document, _unknown_images(images))]
        if not said:
            doubts = (_unproved, _never_come, _odd_tags(tags))
            said = [(each, False) for each in _in_each(scenarios, document, *doubts)]
        found = [
            Finding(path, positions.of(key), f"{key_path(key)}: {message}", is_error)
            for (key, message), is_error in dict.fromkeys(said)
        ]
    return sorted(found, key=lambda each: each.position)


def _not_toml(path: Path, message: str) -> Finding:
    match = _PLACE.search(message)
    if match is None:
        return Finding(path, Position(1, 1), message.partition(": ")[2], True)
    position = Position(int(match[1]), int(match[2] or 1))
    return Finding(path, position, message[match.end() :], True)


def _mistakes(path: Path, document: dict[str, Any], most_cases: int) -> Iterator[tuple[Key, str]]:
    left = copy.deepcopy(document)
    gone: list[Key] = []
    for _ in range(_MOST):
        try:
            scenarios_of(path, left, most_cases)
        except Problem as problem:
            key = _as_written(problem.key, gone)
            if any(_misses(key, each) for each in gone):
                return
            if problem.message.startswith("missing") and any(key[:-1] == at[:-1] for at in gone):
                return  # it was there, misspelt
            yield key, problem.message
            if not _take_out(left, problem.key):
                return
            gone.append(key)
        else:
            return


def _misses(key: Key, gone: Key) -> bool:
    """Whether what is wrong at `key` may be that `gone` was taken out: of that table, or of what a
    case of the matrix adds to it."""
    return key == gone[: len(key)] or (key[-1] == "expect" and "expect" in gone)


def _take_out(document: Any, key: Key) -> bool:
    """Whether it was there."""
    for part in key[:-1]:
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            return False
    try:
        del document[key[-1]]
    except (KeyError, IndexError, TypeError):
        return False
    return True


def _as_written(key: Key, gone: list[Key]) -> Key:
    """The key in the file as it was, before entries of its lists were taken out."""
    written: Key = ()
    for part in key:
        if isinstance(part, int):
            for index in sorted(each[-1] for each in gone if each[:-1] == written):
                part += isinstance(index, int) and index <= part  # noqa: PLW2901
        written = (*written, part)
    return written


def _in_each(
    scenarios: tuple[Scenario, ...], document: dict[str, Any], *looks: Look
) -> Iterator[Said]:
    """What is to be said of the scenarios, with keys as they stand in the file: in the variant, if
    it says that itself."""
    names = [variant["name"] for variant in document.get("variant", [])]
    for scenario in scenarios:
        for look in looks:
            for key, message in look(scenario):
                side: Key = ()
                if scenario.side is not None:
                    index = names.index(scenario.side)
                    own = document["variant"][index].get(key[0], {})
                    if isinstance(own, list) or (len(key) > 1 and key[1] in own):
                        side = ("variant", index)
                yield (*side, *key), message


def _unknown_images(known: Collection[str]) -> Look:
    def look(scenario: Scenario) -> Iterator[Said]:
        for index, (entry, stage) in enumerate(
            zip(scenario.boot.chain, scenario.boot.stages, strict=True)
        ):
            if known and not stage.is_path and stage.image not in known:
                key: Key = ("boot", "chain", index, *(() if isinstance(entry, str) else ("image",)))
                near = hint(stage.image, known) or f"; there are: {', '.join(known)}"
                yield key, f"no built-in image is called {quoted(stage.image)}{near}"

    return look


def _odd_tags(others: Collection[str]) -> Look:
    def look(scenario: Scenario) -> Iterator[Said]:
        for index, tag in enumerate(scenario.tags):
            near = "" if tag in others else hint(tag, others)
            if near:
                yield ("tags", index), f"no other file has the tag {quoted(tag)}{near}"

    return look


def _unproved(scenario: Scenario) -> Iterator[Said]:
    """What samples cannot show."""
    strategy = scenario.search.strategy
    if strategy not in _ONE_BY_ONE:
        return
    for outcome, often in scenario.expect.outcomes.items():
        if often is not Frequency.SOMETIMES:
            yield (
                ("expect", outcome),
                f'"{often}" is not proved by {strategy}, which tries {scenario.search.runs} '
                "executions; exhaustive would",
            )


def _never_come(scenario: Scenario) -> Iterator[Said]:
    """Steps of a script that wait for what does not happen."""
    if scenario.daemon.model is DaemonModel.OXENSTORED:
        return  # which stores all four indices at once, when it empties a ring
    for index, step in enumerate(scenario.search.script):
        words = (step.until or "").split()
        if step.run == "daemon" and words[:1] == ["store"] and words[1] in _GUESTS:
            yield (
                ("search", "script", index, "until"),
                f"{scenario.daemon.model} never stores {words[1]}: the step does not end",
            )
