"""One execution: run, saved, replayed; on our images and on Debian's hvmloader."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from guestsim.errors import InputError
from guestsim.execute import trace_bytes
from guestsim.runner import run_once, save_schedule, set_up
from guestsim.runner.executions import hints_in
from guestsim.runner.once import replay_once, scenario_of
from guestsim.runner.symbolize import Symbolizer
from guestsim.scenario import Scenario, load_one
from guestsim.trace import Kind, Outcome

SCENARIOS = Path(__file__).parent.parent.parent / "scenarios"
HVMLOADER = Path(os.environ.get("GUESTSIM_HVMLOADER", "/usr/lib/xen-4.17/boot/hvmloader"))

needs_hvmloader = pytest.mark.skipif(
    not HVMLOADER.exists(), reason=f"Debian's hvmloader is not there: {HVMLOADER}"
)


@pytest.mark.parametrize("replays", [100, pytest.param(1000, marks=pytest.mark.heavy)])
def test_a_schedule_replayed_many_times_gives_the_same_bytes(tmp_path: Path, replays: int) -> None:
    scenario = load_one(SCENARIOS / "torn-reset.toml#legacy")
    setup = set_up(scenario)
    run, recorded = run_once(scenario, setup)
    path = tmp_path / "torn.schedule.json"
    save_schedule(recorded, scenario, path)
    schedule, _, fresh = scenario_of(path, {})
    expected = trace_bytes(run.events)
    for number in range(replays):
        again = replay_once(schedule, fresh, max_ops=100_000)
        assert trace_bytes(again.events) == expected, f"replay {number} differs"


SAMPLED = """
title = "samples"
[boot]
chain = ["reconnect", "frontend"]
[daemon]
model = "oxenstored"
[search]
strategy = "random"
runs = 5
[expect]
connected = "always"
"""


def sampled(folder: Path) -> Scenario:
    path = folder / "s.toml"
    path.write_text(SAMPLED)
    return load_one(path)


def test_a_sampled_execution_is_found_again_by_its_seed(tmp_path: Path) -> None:
    scenario = sampled(tmp_path)
    setup = set_up(scenario)
    first, schedule = run_once(scenario, setup, seed=7)
    assert schedule.seed == 7
    again, _ = run_once(scenario, set_up(scenario), seed=7)
    assert trace_bytes(first.events) == trace_bytes(again.events)
    other, _ = run_once(scenario, setup, seed=8)
    assert trace_bytes(first.events) != trace_bytes(other.events)


def test_an_outcome_that_no_sample_has_is_said(tmp_path: Path) -> None:
    scenario = sampled(tmp_path)
    with pytest.raises(InputError, match="none of 5 executions ends refused"):
        run_once(scenario, set_up(scenario), outcome=Outcome.REFUSED)


def test_what_the_guest_said_about_its_failure_is_kept() -> None:
    scenario = load_one(SCENARIOS / "silent-corruption.toml#stale-reply")
    run, _ = run_once(scenario, set_up(scenario))
    assert run.outcome is Outcome.CORRUPTED
    assert run.hints == (
        'wrong reply: read device/vbd/51712/backend: expected "/local/domain/0/backend/vbd/1/51712"'
        ', got "seabios"',
    )


def test_sites_get_functions_and_lines() -> None:
    scenario = load_one(SCENARIOS / "torn-reset.toml#legacy")
    setup = set_up(scenario)
    run, _ = run_once(scenario, setup)
    lines = {
        (event.op.site.file, event.op.site.function)
        for event in Symbolizer(setup.images).run(run).events
        if event.actor == "guest"
    }
    assert ("reset.c", "reset_poison") in lines
    assert not any(function == "" for _, function in lines)


@needs_hvmloader
def test_debians_hvmloader_boots_to_its_hand_over_and_tears() -> None:
    scenario = load_one(SCENARIOS / "real" / "torn-reset.toml#legacy")
    setup = set_up(scenario, {"hvmloader": HVMLOADER})
    run, _ = run_once(scenario, setup)
    assert run.outcome is Outcome.REFUSED
    requests = sum(
        event.op.kind is Kind.SEND for event in run.events if event.op.site.stage == "hvmloader"
    )
    assert requests == 28, "hvmloader notifies once for each request"


@needs_hvmloader
def test_debians_hvmloader_closes_the_ring_where_it_can() -> None:
    scenario = load_one(SCENARIOS / "real" / "torn-reset.toml#closing-sc")
    setup = set_up(scenario, {"hvmloader": HVMLOADER})
    run, _ = run_once(scenario, setup)
    assert run.outcome is Outcome.CONNECTED
    assert "Invoking SeaBIOS" in setup.guest.console
    assert setup.guest.notices == ()


@needs_hvmloader
def test_debians_hvmloader_may_follow_itself(tmp_path: Path) -> None:
    # The first one clears the vcpu's time, by which the second one divides.
    path = tmp_path / "two.toml"
    path.write_text(
        f'''title = "two hvmloaders"
[boot]
chain = ["{HVMLOADER}", "{HVMLOADER}", "frontend"]
[platform]
memory = "64 MiB"
[store]
"hvmloader/bios" = "seabios"
[daemon]
model = "oxenstored"
[search]
strategy = "random"
runs = 1
[expect]
connected = "always"
'''
    )
    setup = set_up(load_one(path))
    run, _ = run_once(load_one(path), setup)
    assert run.outcome is Outcome.CONNECTED
    assert setup.guest.console.count("CPU speed is 2000 MHz") == 2


PRINTS = {
    "bug": ("HVM Loader|*** HVMLoader bug at util.c:825|*** HVMLoader crashed.", 1),
    "assertion": ("*** HVMLoader assertion 'i < 3' failed at a.c:1|*** HVMLoader crashed.", 0),
    "crash alone": ("no debug output here|*** HVMLoader crashed.", 1),
    "ours": ("firmware/lib/xenbus.c:183: assertion 'len' failed", 0),
    "linux": ("BUG: unable to handle page fault|Kernel panic - not syncing", 0),
    "nothing": ("asserting INTA|debugging", None),
}


@pytest.mark.parametrize(("console", "line"), PRINTS.values(), ids=PRINTS)
def test_what_a_guest_says_at_its_crash_is_shown(console: str, line: int | None) -> None:
    lines = console.split("|")
    hints = hints_in("".join(f"{each}\r\n" for each in lines))
    assert hints[:1] == (() if line is None else (lines[line],))


def test_what_a_guest_says_is_part_of_the_run() -> None:
    scenario = load_one(SCENARIOS / "silent-corruption.toml#stale-reply")
    run, _ = run_once(scenario, set_up(scenario))
    assert run.outcome is Outcome.CORRUPTED
    assert run.hints[0].startswith("wrong reply: read device/vbd/51712/backend")
