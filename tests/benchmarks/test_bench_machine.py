"""What the machine costs: `pytest tests/benchmarks --benchmark-enable -n 0`; compare medians."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from guestsim.execute import execute, fair
from guestsim.machine.guest import Guest
from guestsim.machine.profile import Profile
from guestsim.runner import set_up
from guestsim.runner.executions import rule_observer
from guestsim.scenario import load_one
from guestsim.trace import Kind, Outcome

SCENARIOS = Path(__file__).parent.parent.parent / "scenarios"
HVMLOADER = Path(os.environ.get("GUESTSIM_HVMLOADER", "/usr/lib/xen-4.17/boot/hvmloader"))


def test_one_execution_from_power_on_to_shutdown(benchmark: BenchmarkFixture) -> None:
    setup = set_up(load_one(SCENARIOS / "torn-reset.toml#legacy"))

    def run() -> None:
        done = execute(fair, setup.actors, setup.memory, record=False)
        assert done.outcome is Outcome.CONNECTED

    benchmark(run)


def test_one_execution_with_its_trace_and_all_rules(benchmark: BenchmarkFixture) -> None:
    setup = set_up(load_one(SCENARIOS / "torn-reset.toml#legacy"))

    def run() -> None:
        done = execute(fair, setup.actors, setup.memory, rule_observer())
        assert done.outcome is Outcome.CONNECTED

    benchmark(run)


def test_the_fill_of_a_reset_2048_stores(benchmark: BenchmarkFixture) -> None:
    """The emulator alone: divide by 2,070 for one shared access."""
    setup = set_up(load_one(SCENARIOS / "torn-reset.toml#legacy"))
    guest = setup.guest
    guest.keep_states = True
    execution = execute(fair, setup.actors, setup.memory)
    loads = [event.value for event in execution.events if _is_answer(event.actor, event.op.kind)]
    burst = guest.start()
    before = burst
    for value in loads:
        before, burst = burst, guest.resume(burst.point, value)
        if len(burst.ops) > 2000:
            break
    assert sum(op.kind is Kind.STORE for op in burst.ops) > 2048
    benchmark(guest.resume, before.point, value)


def _is_answer(actor: str, kind: Kind) -> bool:
    return actor == "guest" and kind in (Kind.LOAD, Kind.RMW, Kind.WAIT)


@pytest.mark.skipif(not HVMLOADER.exists(), reason=f"not there: {HVMLOADER}")
def test_debians_hvmloader_boots_to_its_hand_over(benchmark: BenchmarkFixture) -> None:
    setup = set_up(
        load_one(SCENARIOS / "real" / "torn-reset.toml#legacy"), {"hvmloader": HVMLOADER}
    )
    alone = Guest(setup.guest.chain[:1], 2, Profile(memory=64 << 20))
    actors = (alone, setup.daemon)

    def run() -> None:
        done = execute(fair, actors, setup.memory, record=False)
        assert done.outcome is Outcome.CONNECTED

    benchmark(run)


@pytest.mark.skipif(not HVMLOADER.exists(), reason=f"not there: {HVMLOADER}")
@pytest.mark.parametrize("back", [0, 4, 1], ids=["straight on", "back at one in 4", "always back"])
def test_recorded_resumptions_of_hvmloader(benchmark: BenchmarkFixture, back: int) -> None:
    """What a search does: resume a point, take a snapshot, ask for its key. `extra_info` has how
    many. Going back is to the last point and from there: as far as it can be."""
    setup = set_up(
        load_one(SCENARIOS / "real" / "torn-reset.toml#legacy"), {"hvmloader": HVMLOADER}
    )
    execution = execute(fair, setup.actors, setup.memory)
    values = [event.value for event in execution.events if _is_answer(event.actor, event.op.kind)]
    guest = setup.guest
    guest.keep_states = True
    points = [guest.start().point]
    for value in values[:-1]:
        points.append(guest.resume(points[-1], value).point)
    benchmark.extra_info["resumptions"] = len(values) - 1

    def run() -> None:
        for number, (point, value) in enumerate(zip(points[:-1], values, strict=False)):
            if back and number % back == 0:
                guest.resume(points[-2], values[-2])
            reached = guest.resume(point, value).point
            hash(guest.key(reached))

    benchmark(run)
