"""From a scenario's `[search]` to strategies over executions."""

from __future__ import annotations

from guestsim.errors import InputError
from guestsim.execute import (
    Execution,
    ScriptStep,
    Strategy,
    fair,
    pct,
    random_walk,
    script,
)
from guestsim.scenario import Scenario, Step
from guestsim.scenario import Strategy as StrategyName

__all__ = ["SAMPLED", "sampled", "scripted"]

SAMPLED = frozenset({StrategyName.RANDOM, StrategyName.PCT})
"""Strategies that try some executions out of many."""


def scripted(scenario: Scenario, *, to_end: bool = True) -> Strategy:
    """The scenario's script, and (`to_end`) on to the end of the execution."""
    try:
        follow = script([_step(step) for step in scenario.search.script], to_end=to_end)
    except InputError as error:
        raise _at_script(scenario, error) from None

    def run(execution: Execution) -> None:
        try:
            follow(execution)
        except InputError as error:
            raise _at_script(scenario, error) from None

    return run


def _at_script(scenario: Scenario, error: InputError) -> InputError:
    return InputError(f"{scenario.name}: search.script: {error}")


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
