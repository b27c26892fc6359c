"""What a search costs. States, transitions and bytes are asserted, time is not.

The scenarios are those of the torn reset: the legacy reset against C xenstored, and the closing
protocol against oxenstored. `extra_info` of each benchmark has the counts.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from guestsim.execute import ScriptStep, script
from guestsim.runner.setup import Setup, set_up
from guestsim.scenario import load_one
from guestsim.search import begin_after
from guestsim.search.found import Found, explore
from guestsim.search.options import Reductions
from guestsim.search.search import Search
from guestsim.trace import Outcome
from guestsim.trace.memory_model import MemoryModel

NOTHING = Reductions(
    macro_steps=False, justified_turns=False, eager_stores=False, forget_unheeded=False
)

HVMLOADER = Path(os.environ.get("GUESTSIM_HVMLOADER", "/usr/lib/xen-4.17/boot/hvmloader"))
needs_hvmloader = pytest.mark.skipif(
    not HVMLOADER.exists(), reason=f"Debian's hvmloader is not there: {HVMLOADER}"
)

LEGACY = {Outcome.CONNECTED, Outcome.REFUSED}
CLOSING = {Outcome.CONNECTED}


def scenario(path: Path, chain: str, model: str, features: str, requests: int) -> Setup:
    """A first stage that makes so many requests, and the usual frontend behind it."""
    lines = ", ".join(f'"read key{number % 8}=value"' for number in range(requests))
    store = "\n".join(f'"key{number}" = "value"' for number in range(8))
    path.write_text(
        f"""title = "a benchmark"
[boot]
chain = [{{ image = "{chain}", requests = [{lines}] }}, "frontend"]
[store]
{store}
[daemon]
model = "{model}"
features = {features}
[search]
strategy = "exhaustive"
[expect]
connected = "sometimes"
"""
    )
    setup = set_up(load_one(path))
    setup.guest.keep_states = True
    return setup


def legacy(folder: Path, requests: int = 1) -> Setup:
    return scenario(folder / "x.toml", "reset-poison", "xenstored", "[]", requests)


def closing(folder: Path, requests: int = 1) -> Setup:
    return scenario(folder / "x.toml", "reconnect", "oxenstored", '["reconnection"]', requests)


def measure(benchmark: BenchmarkFixture, setup: Setup, **options: object) -> Search:
    """The search with recording its actors, from nothing each time."""

    def once() -> Search:
        search = Search(setup.actors, setup.memory, unheeded=setup.unheeded, **options)  # type: ignore[arg-type]
        search.run()
        return search

    found = benchmark(once)
    assert isinstance(found, Search)
    assert found.complete
    states = len(found.graph.keys)
    benchmark.extra_info.update(
        states=states,
        transitions=found.graph.transitions,
        bytes_per_state=found.graph.bytes_used // states,
        live_runs=sum(record.live_runs for record in found.records),
    )
    return found


@pytest.mark.parametrize(
    ("model", "most"), [(MemoryModel.SC, 2_500), (MemoryModel.TSO, 20_000)], ids=["sc", "tso"]
)
def test_legacy(benchmark: BenchmarkFixture, tmp_path: Path, model: MemoryModel, most: int) -> None:
    found = measure(benchmark, legacy(tmp_path), model=model)
    assert set(found.outcomes) >= LEGACY
    assert len(found.graph.keys) <= most


@pytest.mark.parametrize(
    ("model", "most"), [(MemoryModel.SC, 1_500), (MemoryModel.TSO, 20_000)], ids=["sc", "tso"]
)
def test_closing(
    benchmark: BenchmarkFixture, tmp_path: Path, model: MemoryModel, most: int
) -> None:
    found = measure(benchmark, closing(tmp_path), model=model)
    assert set(found.outcomes) == CLOSING
    assert len(found.graph.keys) <= most


def test_without_reductions(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    found = measure(benchmark, legacy(tmp_path), reductions=NOTHING)
    assert set(found.outcomes) >= LEGACY
    assert found.graph.bytes_used <= 300 * len(found.graph.keys)


@pytest.mark.parametrize("requests", [2, 8, 32, 128])
@pytest.mark.parametrize("make", [legacy, closing])
def test_cost_grows_with_the_number_of_requests(
    benchmark: BenchmarkFixture, tmp_path: Path, make: object, requests: int
) -> None:
    assert callable(make)
    measure(benchmark, make(tmp_path, requests))


def test_states_grow_linearly_with_the_number_of_requests(tmp_path: Path) -> None:
    for make in (legacy, closing):
        counts: list[int] = []
        for requests in (2, 8, 14):
            setup = make(tmp_path, requests)
            search = Search(setup.actors, setup.memory, unheeded=setup.unheeded)
            search.run()
            counts.append(len(search.graph.keys))
        first, second = counts[1] - counts[0], counts[2] - counts[1]
        assert abs(first - second) <= 0.25 * first, f"{make.__name__}: {counts}"


def test_with_witnesses_and_self_checks(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    setup = legacy(tmp_path)
    seeds: Sequence[int] = range(2)

    def once() -> Found:
        return explore(
            setup.actors,
            setup.memory,
            unheeded=setup.unheeded,
            twice=True,
            validate_seeds=seeds,
        )

    found = benchmark(once)
    assert isinstance(found, Found)
    assert set(found.outcomes) >= LEGACY
    assert found.outcomes[Outcome.REFUSED].preemptions == 1


# Debian's hvmloader, 28 requests and its reset, then the frontend.


def hvmloader(folder: Path, chain: str) -> Setup:
    path = folder / "real.toml"
    daemon = {
        "legacy": 'model = "xenstored"',
        "closing": 'model = "oxenstored"\nfeatures = ["reconnection"]',
    }
    path.write_text(
        f"""title = "a benchmark"
[boot]
chain = ["{HVMLOADER}", "frontend"]
[platform]
memory = "64 MiB"
[store]
"hvmloader/bios" = "seabios"
[daemon]
{daemon[chain]}
[search]
strategy = "exhaustive"
[expect]
connected = "sometimes"
"""
    )
    setup = set_up(load_one(path))
    setup.guest.keep_states = True
    return setup


every_chain = pytest.mark.parametrize(
    ("chain", "outcomes"), [("legacy", LEGACY), ("closing", CLOSING)], ids=["legacy", "closing"]
)


@needs_hvmloader
@pytest.mark.parametrize("model", list(MemoryModel))
@every_chain
def test_hvmloader_whole_boot(
    benchmark: BenchmarkFixture,
    tmp_path: Path,
    chain: str,
    outcomes: set[Outcome],
    model: MemoryModel,
) -> None:
    found = measure(benchmark, hvmloader(tmp_path, chain), model=model)
    assert set(found.outcomes) == outcomes
    assert len(found.graph.keys) <= 40_000


@needs_hvmloader
@pytest.mark.parametrize("model", list(MemoryModel))
@every_chain
def test_hvmloader_from_its_last_request_on(
    benchmark: BenchmarkFixture,
    tmp_path: Path,
    chain: str,
    outcomes: set[Outcome],
    model: MemoryModel,
) -> None:
    setup = hvmloader(tmp_path, chain)
    # 27 requests, each in three pieces.
    steps = [ScriptStep("guest", "store req_prod", stage="hvmloader", nth=81)]
    begin = begin_after(script(steps, to_end=False), setup.actors, setup.memory)
    found = measure(benchmark, setup, begin=begin, model=model)
    assert set(found.outcomes) == outcomes
    assert len(found.graph.keys) <= 2_500
