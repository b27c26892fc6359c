"""Mutants: scenarios of something wrong on purpose, each of which guestsim must notice."""

from __future__ import annotations

from collections.abc import Sequence

from guestsim.errors import InputError
from guestsim.scenario import Frequency, Judgement, Scenario
from guestsim.trace import Outcome
from guestsim.trace.results import Mutant, Result, Verdict

__all__ = ["refuse_what_is_no_mutant", "score"]


def refuse_what_is_no_mutant(scenarios: Sequence[Scenario]) -> None:
    """InputError for a scenario that passes where nothing goes wrong: it would count as caught."""
    for scenario in scenarios:
        expect = scenario.expect
        bad = any(
            often is not Frequency.NEVER
            for outcome, often in expect.outcomes.items()
            if outcome != Outcome.CONNECTED
        )
        if not bad and Judgement.BROKEN not in scenario.judged.values():
            raise InputError(
                f"{scenario.name}: expect: a mutant names an outcome other than connected, or a "
                "broken rule, by which it is caught"
            )


def score(results: Sequence[Result]) -> tuple[Mutant, ...]:
    """Which of the mutants are caught, and by what, in the order of `results`.

    A mutant is caught where its scenario passes. A search that was cut short, a script that did
    not show it, a scenario that was skipped: not caught.
    """
    return tuple(_score(result) for result in results)


def _score(result: Result) -> Mutant:
    if result.verdict is not Verdict.PASS:
        why = result.failures or ((result.error or "the search was cut short"),)
        return Mutant(result.scenario, result.title, False, why)
    outcomes = tuple(
        name
        for name, finding in result.outcomes.items()
        if finding.found and finding.expected is not None and name != Outcome.CONNECTED
    )
    rules = tuple(name for name, rule in result.rules.items() if rule.expected == Judgement.BROKEN)
    return Mutant(result.scenario, result.title, True, outcomes + rules)
