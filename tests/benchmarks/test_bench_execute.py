"""What the engine costs per op, apart from the actors. Divide by `OPS`."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from guestsim.execute import Execution, Observer, Strategy, fair, pct, random_walk
from guestsim.execute.digest import digests
from guestsim.trace import Burst, End, Event, Kind, Op, Outcome
from guestsim.trace.shared import SHARED_SIZE

OPS = 10_000
MEMORY = bytes(SHARED_SIZE)
_HALT = Op(Kind.HALT, end=End(Outcome.CONNECTED, "done"))


class Prepared:
    """An actor that costs nothing: its bursts are there already, its point is the next one."""

    def __init__(self, name: str, bursts: list[tuple[Op, ...]]) -> None:
        self.name = name
        self._bursts = [Burst(ops, number + 1) for number, ops in enumerate(bursts)]

    def start(self) -> Burst:
        return self._bursts[0]

    def resume(self, point: Any, value: int) -> Burst:
        assert value >= 0
        return self._bursts[int(point)]

    def key(self, point: Any) -> Hashable:
        return int(point)


def stores(name: str = "guest") -> Prepared:
    ops = [Op(Kind.STORE, at % 2048, 1, at % 251 + 1) for at in range(OPS)]
    return Prepared(name, [(*ops, _HALT)])


def loads(name: str = "guest") -> Prepared:
    ops = [Op(Kind.LOAD, 4 * at % 2048, 4) for at in range(OPS)]
    return Prepared(name, [*[(op,) for op in ops], (_HALT,)])


def mixed(name: str) -> Prepared:
    """As a daemon that copies: two loads, then a store that publishes."""
    ops: list[tuple[Op, ...]] = []
    for at in range(OPS // 3):
        ops += [(Op(Kind.LOAD, 2048, 4),), (Op(Kind.LOAD, 4 * at % 1024, 4),)]
        ops += [(Op(Kind.STORE, 2052, 4, at + 1), Op(Kind.LOAD, 2056, 4))]
    return Prepared(name, [*ops, (_HALT,)])


def observe(memory: bytearray, event: Event) -> None:
    assert memory
    assert event


def one_by_one(execution: Execution) -> None:
    for _ in range(OPS):
        execution.step(0)


def at_once(execution: Execution) -> None:
    assert execution.run_steps(0, OPS) == OPS


@pytest.mark.parametrize("make", [stores, loads])
@pytest.mark.parametrize("move", [one_by_one, at_once])
@pytest.mark.parametrize(
    ("record", "observer"),
    [
        pytest.param(False, None, id="bare"),
        pytest.param(True, None, id="recorded"),
        pytest.param(True, observe, id="observed"),
    ],
)
def test_one_actor(
    benchmark: BenchmarkFixture,
    make: Callable[[], Prepared],
    move: Strategy,
    record: bool,
    observer: Observer | None,
) -> None:
    execution = Execution((make(),), MEMORY, observer, record)

    def run() -> int:
        execution.start()
        move(execution)
        return execution.performed

    assert benchmark(run) == OPS


@pytest.mark.parametrize(
    "strategy",
    [fair, random_walk(1), pct(1, depth=3, length=2 * OPS)],
    ids=["fair", "random", "pct"],
)
def test_two_actors(benchmark: BenchmarkFixture, strategy: Strategy) -> None:
    execution = Execution((mixed("guest"), mixed("daemon")), MEMORY)

    def run() -> Outcome | None:
        execution.start()
        strategy(execution)
        return execution.outcome

    assert benchmark(run) is Outcome.CONNECTED


def test_digest(benchmark: BenchmarkFixture) -> None:
    execution = Execution((loads(),), MEMORY)
    execution.start()
    at_once(execution)
    run = execution.result()
    assert len(benchmark(digests, run)) == 1
