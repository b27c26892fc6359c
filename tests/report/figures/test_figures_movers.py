"""Who moves, and what waits in store buffers."""

from __future__ import annotations

import pytest
from figure_runs import SHIPPED, buffered, run_of

from guestsim.report.figures.movers import Buffer, actors_of, buffers_of, turns_of
from guestsim.trace.results import Run


def test_stores_wait_from_the_end_of_their_turn_until_they_are_out() -> None:
    assert buffers_of(buffered()) == {"guest": Buffer((2,), ((0, 2), (2, 1)))}
    buffer = buffers_of(buffered())["guest"]
    assert [buffer.behind(step) for step in range(-1, 5)] == [0, 2, 2, 1, 1, 1]
    assert [buffer.out(0, 2), buffer.out(2, 3), buffer.out(0, 5)] == [0, 1, 1]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_event_is_of_one_turn_of_its_actor(name: str) -> None:
    run: Run = run_of(name)
    step = 0
    for turn in turns_of(run):
        assert turn.first == step
        assert all(event.actor == turn.actor for event in run.events[turn.first : turn.end])
        step = turn.end
    assert step == len(run.events)


@pytest.mark.parametrize("name", SHIPPED)
def test_only_under_tso_do_stores_wait_and_never_less_than_none(name: str) -> None:
    buffers = buffers_of(run_of(name))
    assert bool(buffers) == name.endswith("tso")
    for buffer in buffers.values():
        assert all(count >= 0 for _, count in buffer.waiting)


def test_actors_that_nobody_named_come_last() -> None:
    assert actors_of(buffered(), {"daemon": "xenstored"}) == ("daemon", "guest")
