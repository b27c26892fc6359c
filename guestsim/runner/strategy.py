"""From a scenario's `[search]` to strategies over executions."""

from __future__ import annotations

from guestsim.errors import InputError
from guestsim.explore import ScriptStep, Strategy, fair, pct, random_walk, script
from guestsim.scenario import MemoryModel, Scenario, Step
from guestsim.scenario import Strategy as StrategyName

__all__ = ["SAMPLED", "refuse_what_is_not_there", "sampled", "scripted"]

SAMPLED = frozenset({StrategyName.RANDOM, StrategyName.PCT})
"""Strategies that try some executions out of many."""

_THERE = SAMPLED | {StrategyName.SCRIPT}


def refuse_what_is_not_there(scenario: Scenario) -> None:
    """InputError for strategies and memory models that the format knows and this version lacks."""
    search = scenario.search
    if search.strategy not in _THERE:
        raise InputError(
            f"{scenario.name}: search.strategy: {search.strategy} is not available in this "
            "version; use script, random or pct"
        )
    if search.memory_model is not MemoryModel.SC:
        raise InputError(
            f"{scenario.name}: search.memory_model: {search.memory_model} is not available in "
            "this version; use sc"
        )


def scripted(scenario: Scenario) -> Strategy:
    """The scenario's script."""
    return script([_step(step) for step in scenario.search.script])


def sampled(scenario: Scenario, number: int, length: int) -> Strategy:
    """Execution `number` (from 0) of a sampled search. `length`: steps of a fair execution."""
    search = scenario.search
    if search.strategy is StrategyName.PCT:
        return pct(search.seed + number, search.depth, length)
    if search.strategy is StrategyName.RANDOM:
        return random_walk(search.seed + number)
    return fair


def _step(step: Step) -> ScriptStep:
    return ScriptStep(run=str(step.run), until=step.until, stage=step.stage, nth=step.nth)
