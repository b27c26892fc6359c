"""Forward and back through an execution, instruction by instruction."""

from __future__ import annotations

from pathlib import Path

import pytest
from stub import LEGACY, SCENARIOS, TSO, Debugged, never

from guestsim.debug.course import DAEMON
from guestsim.debug.timeline import Moment, Stop, Why
from guestsim.execute import trace_bytes
from guestsim.trace import Kind, Op, Outcome, shared

HUNG = SCENARIOS / "mutants/never-clears.toml"
RING = 0xFEFFC000


def at_function(debugged: Debugged, name: str, times: int = 1) -> None:
    """Stand at the beginning of a function."""
    timeline = debugged.timeline
    timeline.breakpoints = {debugged.function(name)}
    for _ in range(times):
        assert timeline.forward(never).why is Why.BREAK
    timeline.breakpoints = set()


@pytest.mark.parametrize("path", [LEGACY, TSO], ids=lambda path: path.name)
def test_the_end_is_that_of_the_witness(path: Path) -> None:
    debugged = Debugged(path)
    timeline = debugged.timeline
    assert timeline.forward(never) == Stop(Why.STAGE) or timeline.course.ended
    while not timeline.course.ended:
        timeline.forward(never)
    run = timeline.course.execution.result()
    assert run.outcome is debugged.run.outcome is Outcome.REFUSED
    assert trace_bytes(run.events) == trace_bytes(debugged.run.events)
    assert run.violations == debugged.run.violations
    assert timeline.forward(never) == timeline.step() == Stop(Why.END)


@pytest.mark.parametrize("path", [LEGACY, TSO], ids=lambda path: path.name)
def test_steps_back_undo_steps_forward(path: Path) -> None:
    debugged = Debugged(path)
    timeline = debugged.timeline
    at_function(debugged, "ring_write")
    first = timeline.course.steps
    seen = [(timeline.moment, debugged.look())]
    for _ in range(90):
        assert timeline.step() == Stop(Why.STEPPED)
        seen.append((timeline.moment, debugged.look()))
    eips = [look[0]["eip"] for _, look in seen]  # type: ignore[index]
    assert len(set(eips)) > 40
    assert timeline.course.steps > first + 3, "some of them were shared accesses"
    for moment, look in reversed(seen[:-1]):
        assert timeline.step_back() == Stop(Why.STEPPED)
        assert timeline.moment == moment
        assert debugged.look() == look


@pytest.mark.parametrize("path", [LEGACY, TSO], ids=lambda path: path.name)
def test_what_was_passed_forward_is_passed_back(path: Path) -> None:
    debugged = Debugged(path)
    timeline = debugged.timeline
    timeline.breakpoints = {debugged.function("ring_write"), debugged.function("ring_read")}
    seen = []
    while (stop := timeline.forward(never)).why is Why.BREAK:
        seen.append((timeline.moment, debugged.look()))
    assert stop.why is Why.END
    assert len(seen) > 3
    for moment, look in reversed(seen):
        assert timeline.backward(never) == Stop(Why.BREAK)
        assert (timeline.moment, debugged.look()) == (moment, look)
    assert timeline.backward(never) == timeline.step_back() == Stop(Why.BEGIN)
    assert timeline.moment == Moment(0, 0)
    assert timeline.registers()["eip"] == debugged.setup.images[0].entry
    while timeline.forward(never).why is Why.BREAK:
        pass
    run = timeline.course.execution.result()
    assert trace_bytes(run.events) == trace_bytes(debugged.run.events), "and once more"


@pytest.mark.parametrize("path", [LEGACY, TSO], ids=lambda path: path.name)
def test_a_watch_sees_whoever_stores(path: Path) -> None:
    debugged = Debugged(path)
    timeline = debugged.timeline
    watch = timeline.watch(RING + 2048, 8, loads=False, stores=True)  # req_cons, req_prod
    assert watch is not None
    timeline.watches = {watch}
    stores = [
        (event.actor, shared.place(event.op.address, event.op.size))
        for event in debugged.run.events
        if event.op.kind.name == "STORE" and 2048 <= event.op.address < 2056
    ]
    seen = []
    while (stop := timeline.forward(never)).why is not Why.END:
        if stop.why is Why.WATCH:
            assert stop.watch is watch
            event = timeline.course.execution.events[-1]
            if path == LEGACY:
                assert shared.place(event.op.address, event.op.size) in ("req_cons", "req_prod")
            seen.append((timeline.moment, timeline.course.steps))
    assert len(seen) == len(stores)
    assert {actor for actor, _ in stores} == {"guest", "daemon"}
    for _ in stores:
        before = timeline.course.steps
        while (stop := timeline.backward(never)).why is not Why.WATCH:
            assert stop.why is Why.STAGE
        assert timeline.course.steps < before
    assert timeline.backward(never).why is Why.BEGIN


def test_a_watch_of_loads() -> None:
    debugged = Debugged(LEGACY)
    timeline = debugged.timeline
    watch = timeline.watch(RING + 2068, 4, loads=True, stores=False)  # connection
    assert watch is not None
    timeline.watches = {watch}
    assert timeline.forward(never) == Stop(Why.WATCH, watch)
    (event,) = timeline.course.execution.events
    assert (event.actor, event.op.kind.name) == ("guest", "LOAD")
    moment = timeline.moment
    assert timeline.backward(never) == Stop(Why.WATCH, watch)
    assert timeline.moment < moment
    assert timeline.course.execution.events == []
    assert timeline.step() == Stop(Why.WATCH, watch)
    assert timeline.moment == moment


def test_only_what_is_shared_can_be_watched() -> None:
    debugged = Debugged(LEGACY)
    esp = debugged.timeline.registers()["esp"]
    assert debugged.timeline.watch(esp, 4, loads=False, stores=True) is None
    assert debugged.timeline.watch(RING + 4094, 4, loads=False, stores=True) is None


def test_a_daemon_that_is_moved_by_hand_leaves_the_witness_and_comes_back() -> None:
    debugged = Debugged(LEGACY)
    timeline, course = debugged.timeline, debugged.timeline.course
    at_function(debugged, "ring_write", 2)
    here, witness = timeline.moment, debugged.look()
    event = timeline.move(DAEMON)
    assert event is not None
    assert (event.actor, course.departed) == ("daemon", course.steps - 1)
    while course.execution.memory[2048:2052] == b"\0\0\0\0":
        assert timeline.move(DAEMON) is not None
    moved = debugged.look()
    assert moved[2] != witness[2], "the ring"
    assert moved[0] == witness[0], "and not the guest"
    timeline.step()
    assert timeline.step_back() == Stop(Why.STEPPED)
    assert (timeline.moment, debugged.look()) == (here, moved), "it is part of the past now"
    timeline.step_back()
    assert debugged.look()[2] == witness[2], "which can be undone"
    timeline.step()
    assert debugged.look() == moved, "and done again"
    for _ in range(50):
        timeline.step()
    assert timeline.rejoin()
    assert (timeline.moment, debugged.look()) == (here, witness)
    assert course.departed is None
    assert not timeline.rejoin()
    while not course.ended:
        timeline.forward(never)
    assert trace_bytes(course.execution.events) == trace_bytes(debugged.run.events)


def test_moving_the_daemon_when_it_is_its_turn_anyway_stays_on_the_witness() -> None:
    debugged = Debugged(LEGACY)
    timeline, course = debugged.timeline, debugged.timeline.course
    while course.scheduled != DAEMON:
        timeline.step()
    assert timeline.move(DAEMON) is not None
    assert course.departed is None
    timeline.step_back()
    timeline.step()
    assert course.execution.events[-1].actor == "daemon", "it moves as early as it was moved"


def test_after_the_witness_was_left_the_execution_comes_to_an_end_of_its_own() -> None:
    debugged = Debugged(LEGACY)
    timeline, course = debugged.timeline, debugged.timeline.course
    at_function(debugged, "ring_write", 2)
    while timeline.move(DAEMON) is not None and course.steps < 60:
        pass
    while not course.ended:
        timeline.forward(never)
    assert course.execution.outcome is Outcome.CONNECTED
    assert timeline.move(DAEMON) is None


def test_the_answers_of_the_witness_are_not_those_of_what_follows_a_departure() -> None:
    debugged = Debugged(SCENARIOS / "museum/xenstored/live-update.toml#forgets-xenstored-tso")
    timeline, course = debugged.timeline, debugged.timeline.course
    assert course.plan.choices == (1,)
    question = Op(Kind.CHOOSE, value=2)
    while course.scheduled == 0:
        timeline.step()
    assert course.execution.choose(question) == 1, "as in the witness"
    assert timeline.move(DAEMON) is not None
    assert course.departed is not None
    assert course.execution.choose(question) == 0
    timeline.rejoin()
    assert course.execution.choose(question) == 1


def test_a_hang_shows() -> None:
    debugged = Debugged(HUNG)
    timeline = debugged.timeline
    while not timeline.course.ended:
        timeline.forward(never)
    assert timeline.course.execution.outcome is Outcome.HUNG
    here = timeline.moment
    assert timeline.step() == Stop(Why.END)
    assert timeline.step_back() == timeline.step_back() == Stop(Why.STEPPED)
    assert timeline.step() == timeline.step() == Stop(Why.STEPPED)
    assert timeline.moment == here
    assert timeline.step() == Stop(Why.END)


def test_a_running_guest_can_be_interrupted_both_ways() -> None:
    debugged = Debugged(LEGACY)
    timeline = debugged.timeline
    asked: list[int] = []

    def after_a_while() -> bool:
        asked.append(len(asked))
        return len(asked) % 20 == 0

    assert timeline.forward(after_a_while) == Stop(Why.INTERRUPTED)
    here = timeline.moment
    assert here.leg >= 19
    timeline.breakpoints = {1}  # never there
    while timeline.forward(never).why is not Why.END:
        pass
    assert timeline.backward(after_a_while) == Stop(Why.INTERRUPTED)
    assert timeline.moment.leg > 0
