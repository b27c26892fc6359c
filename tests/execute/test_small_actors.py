"""The helper itself: its actors keep the contract of `guestsim.trace.Actor`."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from small_actors import Line, Program, Talker, halt, load, locked, rmw, store

from guestsim.trace import Actor, Burst, Kind, Op


def test_a_program_runs_to_its_next_answered_op_and_jumps_on_the_answer() -> None:
    program = Program("p", [store(0, 1), Line(load(0), {7: 0}), store(4, 2), halt()])
    first = program.start()
    assert [op.kind for op in first.ops] == [Kind.STORE, Kind.LOAD]
    assert program.resume(first.point, 7) == first
    rest = program.resume(first.point, 0)
    assert [op.site.pc for op in rest.ops] == [2, 3]
    assert rest.point is None


def test_a_program_without_an_end_is_refused() -> None:
    with pytest.raises(AssertionError, match="runs off its end"):
        Program("p", [store(0, 1)]).start()


def adder() -> Generator[Op, int, None]:
    yield store(0, 5)
    value = yield rmw(0)
    yield locked(0, value + 1)
    value = yield load(0)
    yield halt(message=f"saw {value}")


def test_a_talker_is_resumed_from_any_point_with_any_value() -> None:
    talker = Talker("t", adder)
    first = talker.start()
    assert [op.kind for op in first.ops] == [Kind.STORE, Kind.RMW]
    for value in (5, 9, 5):
        half = talker.resume(first.point, value)
        assert [(op.kind, op.value) for op in half.ops] == [(Kind.STORE, value + 1), (Kind.LOAD, 0)]
    last = talker.resume(half.point, 3).ops[-1]
    assert last.end is not None
    assert last.end.message == "saw 3"
    assert talker.key(first.point) != talker.key(half.point)


def test_both_are_actors() -> None:
    actors: tuple[Actor, ...] = (Program("p", [halt()]), Talker("t", adder))
    assert all(isinstance(actor.start(), Burst) for actor in actors)
