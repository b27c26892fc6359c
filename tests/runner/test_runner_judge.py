"""Verdicts: what was found against what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from guestsim.runner.judge import Evidence, judge
from guestsim.scenario import load_one
from guestsim.trace import Outcome
from guestsim.trace.results import Result, SearchStats, Verdict

RULES = ("index-bound", "signal")


def verdict(folder: Path, expect: str, evidence: Evidence, *, every: bool) -> Result:
    path = folder / "s.toml"
    path.write_text(f'title = "t"\n[boot]\nchain = ["frontend"]\n[expect]\n{expect}\n')
    total = sum(evidence.counts.values()) + len(evidence.cut_short)
    stats = SearchStats("random", "sc", False, None, None, total, 0.0)
    return judge(load_one(path), evidence, stats, every=every, rules=RULES)


def seen(**counts: int) -> Evidence:
    found = {Outcome(name): count for name, count in counts.items()}
    return Evidence(outcomes=dict.fromkeys(found), counts=found)


CASES = [
    # expectation, outcomes seen, all executions seen?, verdict
    ('connected = "always"', {"connected": 9}, False, Verdict.PASS),
    ('connected = "always"', {"connected": 8, "refused": 1}, False, Verdict.FAIL),
    ('connected = "always"', {"refused": 1}, True, Verdict.FAIL),
    ('refused = "never"', {"connected": 9}, False, Verdict.PASS),
    ('refused = "never"', {"refused": 1}, False, Verdict.FAIL),
    ('refused = "sometimes"', {"refused": 1, "connected": 8}, False, Verdict.PASS),
    # Sampling proves no absence ...
    ('refused = "sometimes"', {"connected": 9}, False, Verdict.INCONCLUSIVE),
    # ... but a script has one execution only.
    ('refused = "sometimes"', {"connected": 1}, True, Verdict.FAIL),
]


@pytest.mark.parametrize(("expect", "counts", "every", "expected"), CASES)
def test_outcomes(
    tmp_path: Path, expect: str, counts: dict[str, int], every: bool, expected: Verdict
) -> None:
    result = verdict(tmp_path, expect, seen(**counts), every=every)
    assert result.verdict is expected, result.failures
    assert bool(result.failures) == (expected is not Verdict.PASS)


def test_an_execution_cut_short_is_never_a_pass(tmp_path: Path) -> None:
    evidence = seen(connected=9)
    evidence.cut_short.append("the budget of 5 ops is used up")
    result = verdict(tmp_path, 'connected = "always"', evidence, every=False)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "1 of 10 executions were cut short" in result.failures[0]


@pytest.mark.parametrize(
    ("judgement", "broken", "every", "expected"),
    [
        ("kept", False, False, Verdict.PASS),
        ("kept", True, False, Verdict.FAIL),
        ("broken", True, False, Verdict.PASS),
        ("broken", False, False, Verdict.INCONCLUSIVE),
        ("broken", False, True, Verdict.FAIL),
    ],
)
def test_rules(
    tmp_path: Path, judgement: str, broken: bool, every: bool, expected: Verdict
) -> None:
    evidence = seen(connected=1)
    if broken:
        evidence.broken["signal"] = "guest went to sleep", None
    expect = f'connected = "always"\n[expect.rules]\nsignal = "{judgement}"'
    result = verdict(tmp_path, expect, evidence, every=every)
    assert result.verdict is expected, result.failures
    assert result.rules["signal"].kept is not broken


def test_a_rule_that_nobody_judges_is_reported_only(tmp_path: Path) -> None:
    evidence = seen(connected=1)
    evidence.broken["signal"] = "guest went to sleep", None
    result = verdict(tmp_path, 'connected = "always"', evidence, every=False)
    assert result.verdict is Verdict.PASS
    assert result.rules["signal"].expected is None
    assert result.rules["signal"].kept is False
