"""What a search costs. States, transitions and bytes are asserted, time is not.

The scenarios are those of the torn reset: the legacy reset against C xenstored, and the closing
protocol against oxenstored. `extra_info` of each benchmark has the counts.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from guestsim.execute import ScriptStep, script
from guestsim.runner.setup import Setup, set_up
from guestsim.scenario import load_one
from guestsim.search import ExplorerName, Findings, Problem, Search, begin_after, explore
from guestsim.search.compiled import CompiledExplorer
from guestsim.trace import Outcome
from guestsim.trace.memory_model import MemoryModel

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


def problem(setup: Setup, **options: Any) -> Problem:
    return Problem(actors=setup.actors, memory=setup.memory, unheeded=setup.unheeded, **options)


def measure(
    benchmark: BenchmarkFixture,
    problem: Problem,
    explorer: ExplorerName = ExplorerName.COMPILED,
) -> Search:
    """The search with recording its actors, from nothing each time."""

    def once() -> Search:
        search = Search(problem, explorer=explorer)
        search.run()
        return search

    found = benchmark(once)
    assert isinstance(found, Search)
    assert found.complete
    counts = found.explorer
    benchmark.extra_info.update(
        states=counts.states,
        transitions=counts.transitions,
        bytes_per_state=counts.peak_bytes // counts.states,
        live_runs=sum(record.live_runs for record in found.records),
    )
    return found


every_model = pytest.mark.parametrize("model", list(MemoryModel))


@every_model
def test_legacy(benchmark: BenchmarkFixture, tmp_path: Path, model: MemoryModel) -> None:
    found = measure(benchmark, problem(legacy(tmp_path), model=model))
    assert set(found.outcomes) >= LEGACY


@every_model
def test_closing(benchmark: BenchmarkFixture, tmp_path: Path, model: MemoryModel) -> None:
    found = measure(benchmark, problem(closing(tmp_path), model=model))
    assert set(found.outcomes) == CLOSING


@pytest.mark.parametrize("requests", [12, pytest.param(40, marks=pytest.mark.heavy)])
def test_requests_in_flight(benchmark: BenchmarkFixture, tmp_path: Path, requests: int) -> None:
    """A guest that sends them one after another before it takes the first answer."""
    path = tmp_path / "x.toml"
    lines = ", ".join(['"send data/x"'] * requests)
    path.write_text(
        f"""title = "requests in flight"
[boot]
chain = [{{ image = "frontend", requests = [{lines}, "read data/x!ENOENT"] }}]
[expect]
connected = "always"
"""
    )
    setup = set_up(load_one(path))
    setup.guest.keep_states = True
    found = measure(benchmark, problem(setup))
    assert set(found.outcomes) == CLOSING
    assert found.explorer.peak_bytes <= 64 * found.explorer.states


@pytest.mark.parametrize("requests", [2, 8, 32, 128])
@pytest.mark.parametrize("make", [legacy, closing])
def test_cost_grows_with_the_number_of_requests(
    benchmark: BenchmarkFixture, tmp_path: Path, make: object, requests: int
) -> None:
    assert callable(make)
    measure(benchmark, problem(make(tmp_path, requests)))


def test_states_grow_linearly_with_the_number_of_requests(tmp_path: Path) -> None:
    for make in (legacy, closing):
        counts: list[int] = []
        for requests in (2, 8, 14):
            search = Search(problem(make(tmp_path, requests)))
            search.run()
            counts.append(search.explorer.states)
        first, second = counts[1] - counts[0], counts[2] - counts[1]
        assert abs(first - second) <= 0.25 * first, f"{make.__name__}: {counts}"


def test_with_witnesses_and_self_checks(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    whole = problem(legacy(tmp_path), twice=True)
    seeds: Sequence[int] = range(2)

    def once() -> Findings:
        return explore(whole, validate_seeds=seeds)

    found = benchmark(once)
    assert isinstance(found, Findings)
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
@every_model
@every_chain
def test_hvmloader_whole_boot(
    benchmark: BenchmarkFixture,
    tmp_path: Path,
    chain: str,
    outcomes: set[Outcome],
    model: MemoryModel,
) -> None:
    found = measure(benchmark, problem(hvmloader(tmp_path, chain), model=model))
    assert set(found.outcomes) == outcomes
    assert found.explorer.peak_bytes <= 64 * found.explorer.states


@needs_hvmloader
@every_model
@every_chain
def test_hvmloader_explored_on_its_record(
    benchmark: BenchmarkFixture,
    tmp_path: Path,
    chain: str,
    outcomes: set[Outcome],
    model: MemoryModel,
) -> None:
    """The explorer alone: every answer is known."""
    asked = problem(hvmloader(tmp_path, chain), model=model)
    recorded = Search(asked)
    recorded.run()

    def once() -> CompiledExplorer:
        explorer = CompiledExplorer(asked, recorded.records, None)
        assert explorer.run(lambda _states, _waiting: False) is None
        return explorer

    found = benchmark(once)
    assert isinstance(found, CompiledExplorer)
    assert set(found.outcomes) == outcomes
    benchmark.extra_info.update(states=found.states, transitions=found.transitions)


@needs_hvmloader
@every_model
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
    prefix = begin_after(script(steps, to_end=False), setup.actors, setup.memory)
    found = measure(benchmark, problem(setup, prefix=prefix, model=model))
    assert set(found.outcomes) == outcomes
