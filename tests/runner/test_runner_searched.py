"""Searches of the real images: verdicts over every interleaving, witnesses, budgets, cores."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from guestsim.errors import InputError
from guestsim.execute import load_schedule
from guestsim.report.as_json import check_json
from guestsim.report.rows import RowKind, rows
from guestsim.runner import (
    Options,
    check,
    check_all,
    run_once,
    save_schedule,
    set_up,
    shrink,
)
from guestsim.runner.once import replay_once, scenario_of
from guestsim.scenario import RULES, load_one
from guestsim.scenario.models import Scenario, Step
from guestsim.trace import Outcome
from guestsim.trace.results import Result, Verdict

SCENARIOS = Path(__file__).parent.parent.parent / "scenarios"
MODELS = ("sc", "tso")

STARTS = (0, 1, 1023, 1024, 2**31 - 1, 2**32 - 1, 2**32 - 22)

CLOSING = """
title = "the closing protocol"
[boot]
chain = [{{ image = "reconnect", requests = ["read hvmloader/bios=seabios"] }},
         {{ image = "frontend", requests = ["read device/vbd/51712/state=1"] }}]
[store]
"hvmloader/bios" = "seabios"
[ring]
req_index = {start}
rsp_index = {start}
fill = 0x5a
[daemon]
model = "{model}"
features = ["reconnection"]
[search]
memory_model = "{memory}"
[expect]
connected = "always"
[expect.rules]
all = "kept"
"""


def found(result: Result) -> set[str]:
    return {name for name, finding in result.outcomes.items() if finding.found}


def written(folder: Path, text: str) -> Scenario:
    path = folder / "s.toml"
    path.write_text(text)
    return load_one(path)


@pytest.mark.parametrize("model", MODELS)
def test_what_can_become_of_the_legacy_reset(model: str) -> None:
    result = check(load_one(SCENARIOS / f"torn-reset.toml#every-{model}"))
    assert result.verdict is Verdict.PASS, result.failures
    assert found(result) == {"connected", "refused", "crashed"}
    assert result.search is not None
    assert result.search.complete
    # Judged over every interleaving ...
    assert result.rules["index-bound"].expected == "broken"
    # ... and not judged, but seen broken in a witness.
    assert result.rules["data-owner"].expected is None
    assert not result.rules["data-owner"].kept


LONG = """
title = "a long boot in single bytes"
[boot]
chain = [{chain}]
[store]
"a" = "1"
[daemon]
model = "{model}"
[search]
memory_model = "{memory}"
[expect]
connected = "sometimes"
"""


@pytest.mark.heavy
@pytest.mark.parametrize("memory", MODELS)
@pytest.mark.parametrize("model", ["oxenstored", "xenstored"])
@pytest.mark.parametrize(
    ("first", "then"),
    [("byte-by-byte", ""), ("reset-poison", "frontend"), ("reset-zero", "frontend")],
)
def test_a_long_boot_that_stores_single_bytes_is_searched_whole(
    tmp_path: Path, first: str, then: str, model: str, memory: str
) -> None:
    """One with one request ships, as `byte-by-byte.toml`."""
    requests = ["read a=1"] * 28
    chain = f'{{ image = "{first}", requests = {requests} }}' + (f', "{then}"' if then else "")
    text = LONG.format(chain=chain, model=model, memory=memory)
    result = check(written(tmp_path, text))
    assert result.verdict is Verdict.PASS, result.failures
    assert result.search is not None
    assert result.search.complete
    assert ("refused" in found(result)) is bool(then)


@pytest.mark.parametrize("memory", MODELS)
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("daemon", ["oxenstored", "xenstored"])
def test_no_false_alarm_on_the_closing_protocol(
    tmp_path: Path, daemon: str, start: int, memory: str
) -> None:
    text = CLOSING.format(start=start, model=daemon, memory=memory)
    result = check(written(tmp_path, text))
    assert result.verdict is Verdict.PASS, result.failures
    assert found(result) == {"connected"}
    assert all(rule.kept for rule in result.rules.values())
    assert set(result.rules) == set(RULES)


def test_the_simplest_way_to_refused_is_one_interruption_and_a_short_page() -> None:
    scenario = load_one(SCENARIOS / "torn-reset.toml#every-sc")
    setup = set_up(scenario)
    run, schedule = run_once(scenario, setup, outcome=Outcome.REFUSED)
    assert run.outcome is Outcome.REFUSED
    shown = [row for row in rows(run, setup.names) if row.kind is not RowKind.SWITCH]
    assert len(shown) <= 25, f"{len(shown)} rows"
    # guest, then the daemon from the wrong moment on; before that they take turns as they must.
    assert [step.actor for step in schedule.steps][-2:] == ["guest", "daemon"]


@pytest.mark.parametrize("model", MODELS)
def test_every_witness_is_written_and_replays(tmp_path: Path, model: str) -> None:
    scenario = load_one(SCENARIOS / f"torn-reset.toml#every-{model}")
    result = check(scenario, Options(witnesses=tmp_path))
    paths = [finding.witness for finding in result.outcomes.values() if finding.found]
    paths += [rule.witness for rule in result.rules.values() if not rule.kept]
    assert len(set(paths)) == 5, "three outcomes, two judged rules; other rules share a witness"
    for path in paths:
        assert path is not None
        schedule, again, setup = scenario_of(Path(path), {})
        assert again.name.endswith(f"every-{model}")
        run = replay_once(schedule, setup, max_ops=100_000)
        assert run.outcome == schedule.outcome
        assert load_schedule(Path(path)).memory_model == model


def test_a_bound_proves_nothing_beyond_itself(tmp_path: Path) -> None:
    text = (
        (SCENARIOS / "torn-reset.toml")
        .read_text()
        .replace('strategy = "exhaustive"', 'strategy = "bounded"\nbound = 0', 1)
    )
    path = tmp_path / "s.toml"
    path.write_text(text)
    result = check(load_one(Path(f"{path}#every-sc")))
    assert found(result) == {"connected"}
    assert result.verdict is Verdict.INCONCLUSIVE, "refused needs one interruption"
    assert result.search is not None
    assert not result.search.complete


def test_a_budget_of_states_makes_it_inconclusive(tmp_path: Path) -> None:
    scenario = written(tmp_path, CLOSING.format(start=0, model="oxenstored", memory="sc"))
    whole = check(scenario)
    assert whole.search is not None
    assert whole.search.states is not None
    assert check(scenario, Options(states=whole.search.states)).verdict is Verdict.PASS
    for states in (1, 100, whole.search.states - 1):
        result = check(scenario, Options(states=states))
        assert result.verdict is Verdict.INCONCLUSIVE, f"{states} of {whole.search.states} states"
        assert any("budget" in failure for failure in result.failures)


def test_a_budget_of_time_makes_it_inconclusive(tmp_path: Path) -> None:
    text = CLOSING.format(start=0, model="oxenstored", memory="sc")
    result = check(written(tmp_path, text), Options(seconds=1e-6))
    assert result.verdict is Verdict.INCONCLUSIVE


def test_cores_change_nothing_but_the_time() -> None:
    names = ("torn-reset.toml#every-sc", "torn-reset.toml#closing-sc", "torn-reset.toml#legacy")
    scenarios = [load_one(SCENARIOS / name) for name in names]

    def outcomes(jobs: int) -> list[tuple[str, Verdict, set[str], int | None]]:
        results = check_all(scenarios, Options(), jobs, lambda *_: None)
        return [
            (r.scenario, r.verdict, found(r), r.search.states if r.search else None)
            for r in results
        ]

    assert outcomes(1) == outcomes(2)


def test_the_certificate_says_what_was_covered() -> None:
    scenario = load_one(SCENARIOS / "torn-reset.toml#closing-tso")
    result = check(scenario)
    assert result.search is not None
    certificate = result.search.certificate
    assert certificate is not None
    assert certificate.complete
    assert certificate.store_buffer == 64
    assert set(certificate.images) == {"reconnect", "frontend"}
    assert 0 < certificate.live_runs < result.search.states  # type: ignore[operator]


def test_a_scenario_that_is_wrong_does_not_stop_the_others(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text('title = "t"\n[boot]\nchain = ["./gone.elf"]\n[expect]\nhung = "never"\n')
    scenarios = [load_one(bad), load_one(SCENARIOS / "torn-reset.toml#legacy")]
    for jobs in (1, 2):
        results = list(check_all(scenarios, Options(), jobs, lambda *_: None))
        assert [result.verdict for result in results] == [Verdict.ERROR, Verdict.PASS]
        assert "no such file" in str(results[0].error)


def test_json_is_plain(tmp_path: Path) -> None:
    result = check(load_one(SCENARIOS / "torn-reset.toml#every-sc"), Options(witnesses=tmp_path))
    (one,) = json.loads(check_json([result], "0"))["results"]
    assert one["search"]["complete"] is True
    assert one["outcomes"]["refused"]["witness"].endswith("every-sc-refused.schedule.json")


def test_a_witness_shrinks_to_the_requests_that_it_needs(tmp_path: Path) -> None:
    scenario = load_one(SCENARIOS / "torn-reset.toml#every-sc")
    smaller = shrink(scenario, Outcome.REFUSED, Options())
    assert [stage.requests for stage in smaller.boot.stages] == [
        ("read hvmloader/bios=seabios",),
        (),
    ]
    setup = set_up(smaller)
    run, schedule = run_once(smaller, setup, outcome=Outcome.REFUSED)
    assert run.outcome is Outcome.REFUSED
    # The schedule carries the requests, so that it replays from the scenario as it is.
    path = tmp_path / "small.schedule.json"
    requests = tuple(stage.requests or () for stage in smaller.boot.stages)
    save_schedule(msgspec.structs.replace(schedule, requests=requests), scenario, path)
    again, _, fresh = scenario_of(path, {})
    assert replay_once(again, fresh, max_ops=100_000).outcome is Outcome.REFUSED


@pytest.mark.parametrize("model", MODELS)
def test_a_search_begins_behind_its_script(tmp_path: Path, model: str) -> None:
    # The reset's first index store is behind it: req_prod = 0 with everything else as it was.
    path = tmp_path / "late.toml"
    path.write_text(
        f"""title = "late"
[boot]
chain = [{{ image = "reset-poison", requests = ["read hvmloader/bios=seabios"] }}, "frontend"]
[store]
"hvmloader/bios" = "seabios"
[search]
memory_model = "{model}"
script = [{{ run = "guest", until = "store req_prod = 0", stage = "reset-poison" }}]
[expect]
connected = "sometimes"
refused = "sometimes"
"""
    )
    scenario = load_one(path)
    result = check(scenario, Options(witnesses=tmp_path))
    assert result.verdict is Verdict.PASS, result.failures
    assert result.search is not None
    assert result.search.certificate is not None
    whole = check(load_one(_without_script(path)))
    assert whole.search is not None
    assert result.search.states is not None
    assert whole.search.states is not None
    assert result.search.states < whole.search.states
    assert result.search.certificate.begins_after > 1000
    # The witness is a whole execution, and begins as the script says.
    found = result.outcomes["refused"].witness
    assert found is not None
    schedule, again, setup = scenario_of(Path(found), {})
    run = replay_once(schedule, setup, max_ops=again.search.max_ops)
    assert run.outcome is Outcome.REFUSED
    with pytest.raises(InputError, match="--shrink"):
        shrink(scenario, Outcome.REFUSED, Options())


def _without_script(path: Path) -> Path:
    whole = path.with_name("whole.toml")
    whole.write_text("".join(line for line in path.open() if not line.startswith("script")))
    return whole


def test_a_script_that_cannot_be_followed_names_file_and_key(tmp_path: Path) -> None:
    scenario = written(tmp_path, CLOSING.format(start=0, model="oxenstored", memory="sc"))
    steps = (Step(run="guest", until="store req_prod", nth=99),)
    lost = replace(scenario, search=replace(scenario.search, script=steps))
    with pytest.raises(InputError, match=rf"^{scenario.name}: search\.script: script step 1 "):
        check(lost)
