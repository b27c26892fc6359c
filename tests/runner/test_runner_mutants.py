"""Which mutants count as caught, and by what."""

from __future__ import annotations

from pathlib import Path

import pytest

from guestsim.errors import InputError
from guestsim.runner.mutants import refuse_what_is_no_mutant, score
from guestsim.scenario import load
from guestsim.trace.results import Finding, Mutant, Result, RuleFinding, Verdict

OUTCOMES = {
    "connected": Finding("sometimes", True, None),
    "refused": Finding("sometimes", True, None),
    "corrupted": Finding(None, True, None),
    "hung": Finding("never", False, None),
}
RULES = {
    "signal": RuleFinding("broken", False, None, "no signal"),
    "wire-sane": RuleFinding(None, False, None, "strange"),
    "hands-off": RuleFinding("kept", True, None),
}


def result(verdict: Verdict, **more: object) -> Result:
    fields: dict[str, object] = {
        "scenario": "m.toml",
        "title": "wrong",
        "verdict": verdict,
        "search": None,
        "outcomes": OUTCOMES,
        "rules": RULES,
        "error": None,
    }
    return Result(**{**fields, **more})  # type: ignore[arg-type]


def test_caught_by_what_it_expects_and_nothing_else() -> None:
    assert score([result(Verdict.PASS)]) == (
        Mutant("m.toml", "wrong", True, ("refused", "signal")),
    )


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (result(Verdict.FAIL, failures=("hung was expected",)), "hung was expected"),
        (result(Verdict.INCONCLUSIVE, failures=("cut short",)), "cut short"),
        (result(Verdict.INCONCLUSIVE), "the search was cut short"),
        (result(Verdict.ERROR, error="no such image"), "no such image"),
        (result(Verdict.SKIP, error="no image here"), "no image here"),
    ],
    ids=lambda value: value.verdict.value if isinstance(value, Result) else "",
)
def test_anything_but_a_pass_is_not_caught(found: Result, why: str) -> None:
    assert score([result(Verdict.PASS), found])[1] == Mutant("m.toml", "wrong", False, (why,))


@pytest.mark.parametrize(
    ("expect", "is_one"),
    [
        ('hung = "sometimes"', True),
        ('connected = "always"\n[expect.rules]\nsignal = "broken"', True),
        ('connected = "always"', False),
        ('connected = "sometimes"\nhung = "never"\n[expect.rules]\nall = "kept"', False),
    ],
)
def test_a_scenario_of_nothing_wrong_is_no_mutant(
    tmp_path: Path, expect: str, is_one: bool
) -> None:
    path = tmp_path / "s.toml"
    path.write_text(f'title = "t"\n[boot]\nchain = ["frontend"]\n[expect]\n{expect}\n')
    if is_one:
        refuse_what_is_no_mutant(load(path))
        return
    with pytest.raises(InputError, match=r"s\.toml: expect"):
        refuse_what_is_no_mutant(load(path))
