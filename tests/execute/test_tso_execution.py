"""One execution under tso: buffers as movers, events in the order of memory."""

from __future__ import annotations

import pytest
from brute_force import outcomes, programs
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from small_actors import MEMORY, REQ_CONS, REQ_PROD, Line, Program, fence, halt, load, store, wait

from guestsim.errors import InternalError
from guestsim.execute.execution import Motion
from guestsim.execute.strategies import execute, fair, random_walk
from guestsim.execute.tso import TsoExecution
from guestsim.trace import Outcome

GUEST, DAEMON, GUEST_BUFFER = 0, 1, 2


def started(*actors: Program, bound: int = 64) -> TsoExecution:
    execution = TsoExecution(actors, MEMORY, bound=bound)
    execution.start()
    return execution


def test_a_store_is_an_event_when_it_reaches_memory() -> None:
    execution = started(
        Program("guest", [store(REQ_PROD, 1), load(REQ_PROD), load(REQ_CONS), halt()]),
        Program("daemon", [load(REQ_PROD), halt()]),
    )
    assert execution.names == ("guest", "daemon", "guest:drain", "daemon:drain")
    execution.run_steps(GUEST, 2)
    execution.step(DAEMON)
    execution.step(GUEST_BUFFER)
    seen = [(event.actor, event.op.kind.name, event.value) for event in execution.events]
    assert seen == [("guest", "LOAD", 1), ("daemon", "LOAD", 0), ("guest", "STORE", 1)]
    assert execution.result().steps == (("guest", 2), ("daemon", 1), ("guest:drain", 1))


def test_a_fence_and_a_full_buffer_wait_for_it() -> None:
    execution = started(
        Program("guest", [store(0, 1, 1), store(1, 1, 1), fence(), halt()]),
        Program("daemon", [wait(), halt()]),
        bound=1,
    )
    execution.step(GUEST)
    assert execution.motion(GUEST) is Motion.BLOCKED, "the buffer is full"
    with pytest.raises(InternalError, match="guest is moved and cannot move"):
        execution.step(GUEST)
    execution.step(GUEST_BUFFER)
    execution.step(GUEST)
    assert not execution.enabled(GUEST), "the fence waits"
    execution.step(GUEST_BUFFER)
    assert execution.run_steps(GUEST, 9) == 2
    assert execution.outcome is Outcome.CONNECTED


def test_while_a_store_is_in_a_buffer_nobody_hangs() -> None:
    execution = started(
        Program("guest", [store(REQ_PROD, 1), wait(), halt()]),
        Program("daemon", [Line(load(REQ_PROD), {0: 0}), halt()]),
    )
    execution.step(GUEST)
    assert execution.run_steps(DAEMON, 200) == 200
    assert execution.end is None
    execution.step(GUEST_BUFFER)
    execution.run_steps(DAEMON, 2)
    assert execution.outcome is Outcome.CONNECTED


def test_the_last_store_out_of_the_buffers_ends_what_hangs() -> None:
    execution = started(
        Program("guest", [store(REQ_PROD, 1), wait(), halt()]), Program("daemon", [wait(), halt()])
    )
    execution.step(GUEST)
    assert execution.end is None
    execution.step(GUEST_BUFFER)
    assert execution.outcome is Outcome.HUNG


@settings(max_examples=200, deadline=None)
@given(actors=st.tuples(programs("guest"), programs("daemon")), seed=st.integers(0, 1000))
def test_random_executions_end_as_enumeration_says(actors: tuple[Program, ...], seed: int) -> None:
    expected = outcomes(actors, tso=True)
    assume(expected is not None)
    assert expected is not None
    for strategy in (fair, random_walk(seed)):
        run = execute(strategy, actors, MEMORY, max_ops=2000, engine=TsoExecution)
        assert run.outcome is None or run.outcome in expected
