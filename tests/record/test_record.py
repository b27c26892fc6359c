"""Recorded actors: run once for each value at each point, merged by key."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from small_actors import (
    REQ_CONS,
    REQ_PROD,
    Line,
    Program,
    Talker,
    choose,
    halt,
    load,
    locked,
    rmw,
    store,
)

from guestsim.errors import InternalError
from guestsim.record import END, Recorder
from guestsim.trace import Kind, Op
from guestsim.trace.shared import SHARED_SIZE

LINES: list[Line | Op] = [
    store(0, 1, 1),
    Line(load(REQ_PROD), {1: 3, 2: 3}),
    store(0, 2, 1),
    load(REQ_CONS),
    halt(),
]


def test_the_actor_runs_once_for_each_value_at_each_point() -> None:
    record = Recorder(Program("guest", LINES), SHARED_SIZE)
    node = record.following[record.first]
    assert record.live_runs == 1
    first = record.after(node, 0)
    assert record.after(node, 0) == first
    assert record.live_runs == 2


def test_points_with_equal_keys_are_one_node() -> None:
    record = Recorder(Program("guest", LINES), SHARED_SIZE)
    node = record.following[record.first]
    assert record.after(node, 1) == record.after(node, 2)
    assert record.following[record.after(node, 0)] == record.after(node, 1)


def test_runs_of_ops_that_end_alike_share_their_nodes() -> None:
    def body() -> Generator[Op, int, None]:
        if (yield load(REQ_PROD)):
            yield store(0, 1, 1)
        yield store(1, 1, 1)
        yield store(2, 1, 1)
        yield halt()

    record = Recorder(Talker("guest", body), SHARED_SIZE)
    short = record.after(record.first, 0)
    assert record.following[record.after(record.first, 1)] == short
    assert len(record.ops) == 5
    end = record.following[record.following[short]]
    assert record.ops[end].kind is Kind.HALT
    assert record.following[end] == END


@pytest.mark.parametrize("half", [store(0, 1, 1), locked(1, 1, 1), locked(0, 1, 2)])
def test_an_atomic_needs_its_store_half(half: Op) -> None:
    record = Recorder(Program("guest", [rmw(0, 1), half, halt()]), SHARED_SIZE)
    with pytest.raises(InternalError, match="an RMW without its store half"):
        record.after(record.first, 0)


def test_an_op_outside_shared_memory_is_refused() -> None:
    with pytest.raises(InternalError, match="outside shared memory"):
        Recorder(Program("guest", [load(SHARED_SIZE - 2), halt()]), SHARED_SIZE)


def test_one_key_for_two_ops_is_refused() -> None:
    class Wrong(Program):
        def key(self, point: object) -> int:
            return 1 if point else 0

    record = Recorder(Wrong("guest", [load(0), load(4), load(8), halt()]), SHARED_SIZE)
    second = record.after(record.first, 0)
    with pytest.raises(InternalError, match="two points with one key"):
        record.after(second, 0)


def test_a_choice_needs_something_to_choose() -> None:
    with pytest.raises(InternalError, match="nothing to choose"):
        Recorder(Program("guest", [choose(1), halt()]), SHARED_SIZE)
