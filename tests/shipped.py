"""The scenarios that ship, for tests that could go through all of them.

There are more than CI has time for, and their number grows. `guestsim check scenarios/` searches
each of them there in any case; such a test takes some in CI, and the others in the heavy set.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from guestsim.scenario import Scenario, StringOrder, find, load

__all__ = [
    "BINARIES",
    "SCENARIOS",
    "SHIPPED",
    "name_of",
    "needs_binary",
    "skip_without",
    "some_in_ci",
]

SCENARIOS = Path(__file__).parent.parent / "scenarios"
SHIPPED = [scenario for path in find([SCENARIOS]) for scenario in load(path)]

LONG = 40
"""Requests. A boot with more takes each of these tests many seconds."""


def name_of(scenario: Scenario) -> str:
    """FILE or FILE#NAME, below scenarios/."""
    file = scenario.path.relative_to(SCENARIOS).as_posix()
    return file if scenario.variant is None else f"{file}#{scenario.variant}"


def _variable(stage: str) -> str:
    return f"GUESTSIM_{stage.upper().replace('-', '_')}"


BINARIES = {
    stage: Path(path)
    for stage in ("hvmloader", "grub", "grub-halt")
    if (path := os.environ.get(_variable(stage)))
}
"""Debian's, as far as they are here, by the name of the stage that runs them."""


def needs_binary(scenario: Scenario) -> bool:
    """Whether it boots one of Debian's binaries, which are not everywhere."""
    return any(stage.is_path for stage in scenario.boot.stages)


def skip_without(scenario: Scenario) -> None:
    """Skip the test where it is of a scenario that boots a binary which is not here."""
    for stage in scenario.boot.stages:
        if stage.is_path and stage.name not in BINARIES:
            pytest.skip(f"{_variable(stage.name)} names no {stage.name}")


def _is_long(scenario: Scenario) -> bool:
    requests = sum(len(stage.requests or ()) for stage in scenario.boot.stages)
    return requests > LONG or scenario.search.string_stores is StringOrder.ANY_ORDER


def _representatives(*, few: bool) -> Iterator[str]:
    seen: set[object] = set()
    for scenario in SHIPPED:
        path = scenario.path
        key: object = (path, scenario.search.memory_model)
        if path.is_relative_to(SCENARIOS / "museum"):
            key = path.parent if few else path
        elif few and path.is_relative_to(SCENARIOS / "real"):
            key = (path.parent, scenario.search.memory_model)
        if not _is_long(scenario) and key not in seen:
            seen.add(key)
            yield name_of(scenario)


def some_in_ci(scenarios: Iterable[Scenario], *, few: bool = False) -> list[ParameterSet]:
    """All of them as parameters, those that represent no others marked heavy.

    Of each file, the first case under each memory model stays in CI. Of the museum, which grows
    most, the first case of each file stays. With `few`, a folder of the museum, or of the real
    hvmloader, counts as one file.
    """
    chosen = set(_representatives(few=few))
    return [
        pytest.param(scenario, id=name, marks=() if name in chosen else pytest.mark.heavy)
        for scenario in scenarios
        for name in [name_of(scenario)]
    ]
