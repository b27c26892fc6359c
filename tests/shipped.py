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
    "is_long",
    "kind_of",
    "name_of",
    "needs_binary",
    "skip_without",
    "some_in_ci",
]

SCENARIOS = Path(__file__).parent.parent / "scenarios"
SHIPPED = [scenario for path in find([SCENARIOS]) for scenario in load(path)]

LONG = 40
"""A boot with more requests is long."""


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


def is_long(scenario: Scenario) -> bool:
    """Whether each of these tests takes it many seconds."""
    if any(stage.type for stage in scenario.boot.stages):
        return True  # it boots up to a prompt
    requests = sum(len(stage.requests or ()) for stage in scenario.boot.stages)
    return requests > LONG or scenario.search.string_stores is StringOrder.ANY_ORDER


def kind_of(scenario: Scenario) -> tuple[object, ...]:
    """What makes it another kind of scenario: who takes part, and under which memory model."""
    return (
        scenario.daemon.model,
        scenario.daemon.mistake is not None,
        bool(scenario.others),
        scenario.search.memory_model,
        tuple(stage.name for stage in scenario.boot.stages if stage.is_path),
    )


def _representatives() -> Iterator[str]:
    seen: set[object] = set()
    for scenario in sorted(SHIPPED, key=lambda one: one.path != SCENARIOS / "torn-reset.toml"):
        kind = kind_of(scenario)
        if not is_long(scenario) and kind not in seen:
            seen.add(kind)
            yield name_of(scenario)


def some_in_ci(scenarios: Iterable[Scenario]) -> list[ParameterSet]:
    """All of them as parameters: of each kind the first one stays in CI (torn-reset's before all
    others), and those that it stands for are marked heavy."""
    chosen = set(_representatives())
    return [
        pytest.param(scenario, id=name, marks=() if name in chosen else pytest.mark.heavy)
        for scenario in scenarios
        for name in [name_of(scenario)]
    ]
