"""What CI leaves to the heavy set has somebody there who stands for it."""

from __future__ import annotations

from _pytest.mark import ParameterSet
from shipped import SCENARIOS, SHIPPED, name_of, some_in_ci

from guestsim.scenario import Scenario

MUSEUM = SCENARIOS / "museum"
REAL = SCENARIOS / "real"


def in_ci(parameters: list[ParameterSet]) -> list[Scenario]:
    kept = [each.values[0] for each in parameters if not each.marks]
    return [scenario for scenario in kept if isinstance(scenario, Scenario)]


def test_none_is_lost() -> None:
    for few in (False, True):
        parameters = some_in_ci(SHIPPED, few=few)
        assert [each.id for each in parameters] == [name_of(scenario) for scenario in SHIPPED]


def test_each_file_and_each_memory_model_of_it_stays() -> None:
    def kinds(scenarios: list[Scenario], few: bool) -> set[tuple[object, object]]:
        return {
            (path.parent if few and path.is_relative_to(REAL) else path, model)
            for scenario in scenarios
            for path, model in [(scenario.path, scenario.search.memory_model)]
            if not path.is_relative_to(MUSEUM)
        }

    for few in (False, True):
        assert kinds(in_ci(some_in_ci(SHIPPED, few=few)), few) == kinds(SHIPPED, few)


def test_of_the_museum_one_case_stays_for_each_file_or_for_each_folder() -> None:
    of_files, of_folders = (
        [one.path for one in in_ci(some_in_ci(SHIPPED, few=few)) if one.path.is_relative_to(MUSEUM)]
        for few in (False, True)
    )
    assert len(of_files) == len(set(of_files)) > 4
    folders = {path.parent for path in of_files}
    assert sorted(folders) == sorted(path.parent for path in of_folders)
