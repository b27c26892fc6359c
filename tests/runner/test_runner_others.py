"""Others, from the file to the verdict: what they do to a guest, with both daemons."""

from __future__ import annotations

from pathlib import Path

import pytest

from guestsim.runner import Options, check, replay_once, run_once, set_up
from guestsim.scenario import Scenario, load_one
from guestsim.trace import Kind, Outcome

CONNECTED, CRASHED, HUNG = Outcome.CONNECTED, Outcome.CRASHED, Outcome.HUNG

MODELS = pytest.mark.parametrize("model", ["xenstored", "oxenstored"])
WAKES = pytest.mark.parametrize("wakes", ["any", "event"])

BACKEND = 'name = "backend"\ndo = ["write data/y=1"]'
WAITS = ("watch data/y", "until data/y=1")


def scenario(
    tmp_path: Path, requests: tuple[str, ...], *others: str, model: str, wakes: str, more: str = ""
) -> Scenario:
    path = tmp_path / "x.toml"
    entries = "".join(f"[[others]]\n{other}\n" for other in others)
    path.write_text(
        f'title = "t"\nboot.chain = [{{ image = "frontend", requests = {list(requests)} }}]\n'
        f'daemon = {{ model = "{model}", wakes = "{wakes}" }}\nexpect.connected = "sometimes"\n'
        f"{entries}{more}"
    )
    return load_one(path)


def found(scenario: Scenario) -> set[Outcome]:
    """What any order of all of it can lead to; records are held against live executions."""
    result = check(scenario, Options(validate=5))
    assert result.error is None
    assert result.search is not None
    return {Outcome(outcome) for outcome, finding in result.outcomes.items() if finding.found}


@MODELS
@WAKES
def test_a_guest_that_waits_is_woken(tmp_path: Path, model: str, wakes: str) -> None:
    """However late the backend is: nobody sleeps through it, though no event is sent for it."""
    assert found(scenario(tmp_path, WAITS, BACKEND, model=model, wakes=wakes)) == {CONNECTED}


@MODELS
@WAKES
def test_a_suspended_guest_sleeps_until_it_is_resumed(
    tmp_path: Path, model: str, wakes: str
) -> None:
    requests = ("write data/x=1", "suspend", "read data/x=1")
    toolstack = 'name = "toolstack"\nwhen = { suspended = true }\ndo = ["resume"]'
    assert found(scenario(tmp_path, requests, toolstack, model=model, wakes=wakes)) == {CONNECTED}
    # Who resumes it before it stands still has done nothing.
    early = toolstack.replace("suspended = true", 'path = "data/x", is = "1"')
    assert found(scenario(tmp_path, requests, early, model=model, wakes=wakes)) == {CONNECTED, HUNG}
    assert found(scenario(tmp_path, requests, model=model, wakes=wakes)) == {HUNG}


@MODELS
@WAKES
def test_a_released_guest_is_not_heard(tmp_path: Path, model: str, wakes: str) -> None:
    """It connects only where it was quicker."""
    release = 'name = "toolstack"\ndo = ["release"]'
    quick = scenario(tmp_path, ("write data/x=1",), release, model=model, wakes=wakes)
    assert found(quick) == {CONNECTED, HUNG}


@WAKES
def test_an_introduction_of_a_live_guest_wipes_the_ring_of_xenstored_alone(
    tmp_path: Path, wakes: str
) -> None:
    again = 'name = "toolstack"\ndo = ["introduce"]'
    requests = ("write data/x=1",)
    torn = found(scenario(tmp_path, requests, again, model="xenstored", wakes=wakes))
    assert torn == {CONNECTED, CRASHED, HUNG}
    whole = scenario(tmp_path, requests, again, model="oxenstored", wakes=wakes)
    assert found(whole) == {CONNECTED}


@MODELS
@WAKES
def test_a_live_update_changes_nothing(tmp_path: Path, model: str, wakes: str) -> None:
    update = 'name = "toolstack"\ndo = ["live-update"]'
    asked = scenario(tmp_path, ("write data/x=1",), update, model=model, wakes=wakes)
    assert found(asked) == {CONNECTED}


@MODELS
@pytest.mark.parametrize("until", ["", ', until = "act backend"'])
def test_a_script_runs_the_backend_and_its_schedule_is_replayed(
    tmp_path: Path, model: str, until: str
) -> None:
    more = (
        '[search]\nstrategy = "script"\nscript = [{ run = "guest" }, { run = "daemon" }, '
        f'{{ run = "backend"{until} }}]\n'
    )
    asked = scenario(tmp_path, WAITS, BACKEND, model=model, wakes="event", more=more)
    run, schedule = run_once(asked, set_up(asked))
    acts = [event.op.site.stage for event in run.events if event.op.kind is Kind.ACT]
    assert (run.outcome, acts) == (CONNECTED, ["backend"])
    again = replay_once(schedule, set_up(asked), max_ops=100_000)
    assert (again.events, again.outcome) == (run.events, run.outcome)
