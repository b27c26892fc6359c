"""What CI leaves to the heavy set has somebody there who stands for it."""

from __future__ import annotations

from _pytest.mark import ParameterSet
from shipped import SHIPPED, is_long, kind_of, name_of, some_in_ci

from guestsim.scenario import Scenario


def in_ci(parameters: list[ParameterSet]) -> list[Scenario]:
    kept = [each.values[0] for each in parameters if not each.marks]
    return [scenario for scenario in kept if isinstance(scenario, Scenario)]


def test_none_is_lost() -> None:
    assert [each.id for each in some_in_ci(SHIPPED)] == [name_of(scenario) for scenario in SHIPPED]


def test_each_kind_stays() -> None:
    kept = in_ci(some_in_ci(SHIPPED))
    quick = [one for one in SHIPPED if not is_long(one)]
    assert {kind_of(one) for one in kept} == {kind_of(one) for one in quick}
    assert 20 < len(kept) < 50
