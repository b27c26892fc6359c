"""Judging what was found against `[expect]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from guestsim.scenario import Frequency, Judgement, Scenario
from guestsim.trace import Outcome
from guestsim.trace.results import Finding, Result, RuleFinding, SearchStats, Verdict

__all__ = ["Evidence", "judge"]


@dataclass
class Evidence:
    """What the executions of one scenario showed."""

    outcomes: dict[Outcome, str | None] = field(default_factory=dict)
    """Outcome found: its first witness, where one was written."""
    counts: dict[Outcome, int] = field(default_factory=dict)
    broken: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    """Rule broken: the first violation in words, and its witness."""
    cut_short: list[str] = field(default_factory=list)
    """Why executions ended without an outcome."""


def judge(
    scenario: Scenario,
    evidence: Evidence,
    search: SearchStats,
    *,
    every: bool,
    rules: tuple[str, ...],
) -> Result:
    """The verdict. `every`: the executions seen are all that the strategy has (a script's one).

    An outcome that should happen and was not seen fails only where `every` is true; sampling
    proves no absence, so it is inconclusive there. `never` and `always` fail on the first
    execution that shows otherwise, and are otherwise as good as the sample: `search.complete`
    says whether that is a proof.
    """
    searched = search.executions is None
    absent = (
        "before the search was cut short"
        if searched
        else f"in {search.executions} executions, which proves nothing"
    )
    failures, doubts = _outcomes(scenario, evidence, absent, every=every)
    expected = scenario.judged
    more, unsure = _rules(expected, evidence, absent, every=every)
    failures += more
    doubts += unsure
    if evidence.cut_short:
        what = (
            "the search is incomplete"
            if searched
            else f"{len(evidence.cut_short)} of {search.executions} executions were cut short"
        )
        doubts.append(f"{what}: {evidence.cut_short[0]}")
    verdict = Verdict.FAIL if failures else Verdict.INCONCLUSIVE if doubts else Verdict.PASS
    return Result(
        scenario=scenario.name,
        title=scenario.title,
        verdict=verdict,
        search=search,
        outcomes={
            outcome.value: Finding(
                _text(scenario.expect.outcomes, outcome.value),
                outcome in evidence.outcomes,
                evidence.outcomes.get(outcome),
            )
            for outcome in Outcome
        },
        rules={
            rule: RuleFinding(
                _text(expected, rule),
                rule not in evidence.broken,
                evidence.broken[rule][1] if rule in evidence.broken else None,
                evidence.broken[rule][0] if rule in evidence.broken else None,
            )
            for rule in rules
        },
        error=None,
        failures=tuple(failures + doubts),
    )


def _text(expected: Mapping[str, Frequency] | Mapping[str, Judgement], name: str) -> str | None:
    return str(expected[name]) if name in expected else None


def _outcomes(
    scenario: Scenario, evidence: Evidence, absent: str, *, every: bool
) -> tuple[list[str], list[str]]:
    failures: list[str] = []
    doubts: list[str] = []
    total = sum(evidence.counts.values())
    found = ", ".join(
        f"{outcome} ({count})" if count > 1 else str(outcome)
        for outcome in Outcome
        if (count := evidence.counts.get(outcome))
    )
    for name, frequency in scenario.expect.outcomes.items():
        outcome = Outcome(name)
        seen = outcome in evidence.outcomes
        match frequency:
            case Frequency.NEVER if seen:
                failures.append(f"{name} was never expected, but was found")
            case Frequency.ALWAYS if evidence.counts.get(outcome, 0) != total:
                failures.append(f"{name} was expected always, but found: {found}")
            case Frequency.ALWAYS | Frequency.SOMETIMES if not seen:
                text = f"{name} was expected {frequency}, but not found"
                if every:
                    failures.append(f"{text}; found: {found or 'nothing'}")
                else:
                    doubts.append(f"{text} {absent}")
            case _:
                pass
    return failures, doubts


def _rules(
    expected: Mapping[str, Judgement], evidence: Evidence, absent: str, *, every: bool
) -> tuple[list[str], list[str]]:
    failures: list[str] = []
    doubts: list[str] = []
    for rule, judgement in expected.items():
        broken = evidence.broken.get(rule)
        if judgement is Judgement.KEPT and broken is not None:
            failures.append(f"rule {rule} was broken: {broken[0]}")
        elif judgement is Judgement.BROKEN and broken is None:
            if every:
                failures.append(f"rule {rule} was expected broken, but was kept")
            else:
                doubts.append(f"rule {rule} was expected broken, but not seen broken {absent}")
    return failures, doubts
