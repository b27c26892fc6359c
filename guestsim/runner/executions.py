"""A scenario's live executions: by which strategy, under all rules, and what the guest said."""

from __future__ import annotations

import re

import msgspec

from guestsim.errors import InputError
from guestsim.execute import (
    ENGINES,
    Execution,
    Observer,
    ScriptStep,
    Strategy,
    execute,
    fair,
    pct,
    random_walk,
    script,
)
from guestsim.rules import ALL, Monitor, Watch
from guestsim.runner.setup import Setup
from guestsim.scenario import Scenario, Step, lanes
from guestsim.scenario import Strategy as StrategyName
from guestsim.trace import Outcome
from guestsim.trace.memory_model import MemoryModel
from guestsim.trace.results import Run

__all__ = ["SAMPLED", "execute_once", "hints_in", "rule_observer", "sampled", "scripted"]

SAMPLED = frozenset({StrategyName.RANDOM, StrategyName.PCT})
"""Strategies that try some executions out of many."""


def scripted(scenario: Scenario, *, to_end: bool = True) -> Strategy:
    """The scenario's script, and (`to_end`) on to the end of the execution."""
    try:
        steps = [_step(step) for step in scenario.search.script]
        follow = script(steps, to_end=to_end, lanes=dict.fromkeys(lanes(scenario.others), "daemon"))
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


_MONITOR = Monitor(ALL)


def rule_observer() -> Observer:
    """A fresh observer of all rules, for one execution."""
    return Watch(_MONITOR).see


_WHY = re.compile(r"wrong reply|\b(assert|assertion|panic|bug)\b", re.IGNORECASE)
"""In a console line that says why the guest gave up: "*** HVMLoader bug at util.c:825"."""
_THAT = re.compile(r"\bcrashed\b", re.IGNORECASE)
"""In one that says no more than that it did: "*** HVMLoader crashed."."""


def execute_once(
    strategy: Strategy,
    setup: Setup,
    max_ops: int,
    *,
    record: bool = True,
    memory_model: str = MemoryModel.SC,
) -> Run:
    """One live execution of `setup`, with all rules, and with what the guest said on its console
    about its own failure. Without `record` it has no trace. A memory model that is none is left to
    `replay`, which refuses it."""
    run = execute(
        strategy,
        setup.actors,
        setup.memory,
        rule_observer(),
        record=record,
        max_ops=max_ops,
        engine=ENGINES.get(memory_model, Execution),
        should_stop=setup.guest.should_stop,
    )
    if run.outcome not in (Outcome.CORRUPTED, Outcome.CRASHED):
        return run
    return msgspec.structs.replace(run, hints=hints_in(setup.guest.console))


def hints_in(console: str) -> tuple[str, ...]:
    """The lines in which a guest says why it failed; where there are none, those that say that it
    did."""
    lines = [line.strip() for line in console.splitlines()]
    telling = [line for line in lines if _WHY.search(line)]
    return tuple(telling or [line for line in lines if _THAT.search(line)])
