"""`stop` of a stage, from the file to the verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from guestsim.runner import check, run_once, set_up
from guestsim.runner.shrink import with_requests
from guestsim.scenario import Scenario, load_one
from guestsim.trace import Outcome
from guestsim.trace.results import Verdict


def scenario(folder: Path, chain: str, more: str = "") -> Scenario:
    path = folder / "s.toml"
    path.write_text(
        f'title = "t"\n[boot]\nchain = [{chain}]\n[store]\na = "1"\nb = "2"\nc = "3"\n{more}\n'
        '[expect]\nconnected = "always"\n'
    )
    return load_one(path)


def client(stop: str, answer: str = "1") -> str:
    requests = f'"read a={answer}", "read b=2", "read c=3"'
    return f'{{ image = "frontend", requests = [{requests}], stop = {{ {stop} }} }}'


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("model", ["sc", "tso"])
def test_a_stage_ends_with_the_answer_to_a_request(tmp_path: Path, count: int, model: str) -> None:
    search = f'[search]\nmemory_model = "{model}"'
    asked = scenario(tmp_path, client(f"requests = {count}"), search)
    assert check(asked).verdict is Verdict.PASS
    run, _ = run_once(asked, set_up(asked))
    some = "request" if count == 1 else "requests"
    assert run.end.message == f"had the answers to {count} {some}"


def test_a_stage_that_asks_less_ends_as_ever(tmp_path: Path) -> None:
    asked = scenario(tmp_path, client("requests = 4"))
    run, _ = run_once(asked, set_up(asked))
    assert (run.outcome, run.end.message) == (Outcome.CONNECTED, "frontend ended well")


def test_a_wrong_answer_is_told_before_the_stage_is_over(tmp_path: Path) -> None:
    wrong = scenario(tmp_path, client("requests = 1", answer="7"))
    run, _ = run_once(wrong, set_up(wrong))
    assert run.outcome is Outcome.CORRUPTED


def test_the_next_stage_goes_on_with_the_ring(tmp_path: Path) -> None:
    asked = scenario(tmp_path, client("requests = 2") + ', { image = "frontend", requests = [] }')
    found = check(asked)
    assert found.verdict is Verdict.PASS
    run, _ = run_once(asked, set_up(asked))
    assert run.end.message == "frontend ended well"


def test_answers_are_judged_where_a_stage_stops(tmp_path: Path) -> None:
    """A message that is left over from before the ring was reset is still taken for an answer."""
    text = ', { image = "frontend", requests = ["read a=1"], stop = { requests = 1 } }'
    outcomes = []
    for stop in (text, text.replace(", stop = { requests = 1 }", "")):
        found = check(scenario(tmp_path, '"reset-zero"' + stop))
        outcomes.append(set(found.outcomes))
    assert outcomes[0] == outcomes[1]
    assert Outcome.CORRUPTED in outcomes[0]


def test_what_is_typed_reaches_the_guest(tmp_path: Path) -> None:
    asked = scenario(tmp_path, '"reset-zero", { image = "frontend", type = "halt\\r" }')
    first, last = set_up(asked).guest.chain
    assert (first.typed, last.typed) == (b"", b"halt\r")


def test_shrinking_keeps_where_a_stage_stops(tmp_path: Path) -> None:
    asked = scenario(tmp_path, client("requests = 2"))
    (stage,) = with_requests(asked, (("read a=1",),)).boot.stages
    assert stage.stop == asked.boot.stages[0].stop
    assert stage.requests == ("read a=1",)
