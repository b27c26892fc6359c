"""Replaying is exact, or refused with the place where it does not fit."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_actors import (
    GUEST_PENDING,
    MEMORY,
    REQ_PROD,
    Line,
    Program,
    choose,
    halt,
    load,
    locked,
    rmw,
    send,
    store,
    wait,
)

from guestsim.errors import InternalError, ReplayError
from guestsim.execute.digest import trace_bytes
from guestsim.execute.replay import check_images, replay
from guestsim.execute.schedule import (
    Image,
    Schedule,
    Segment,
    format_schedule,
    parse_schedule,
    schedule_of,
)
from guestsim.execute.strategies import Strategy, execute, fair, pct, random_walk
from guestsim.trace import Actor, Flag, Outcome
from guestsim.trace.results import Run

IMAGES = (Image("reset-poison", "ab" * 32), Image("frontend", "cd" * 32))

ACTORS: tuple[Program, ...] = (
    Program(
        "guest",
        [store(REQ_PROD, 22), send(), wait(bits=2, address=GUEST_PENDING), load(REQ_PROD), halt()],
    ),
    Program(
        "daemon",
        [
            Line(wait(Flag.SPURIOUS | Flag.CONSUME), {0: 0}),
            rmw(REQ_PROD),
            locked(REQ_PROD, 23),
            send(2, GUEST_PENDING),
            wait(Flag.CONSUME),
            halt(),
        ],
    ),
)


def recorded(strategy: Strategy = fair, actors: Sequence[Actor] = ACTORS) -> Schedule:
    return of(execute(strategy, tuple(actors), MEMORY))


def of(run: Run) -> Schedule:
    return schedule_of(run, scenario="s.toml", images=IMAGES, strategy="x")


def refused(schedule: Schedule, actors: Sequence[Actor] = ACTORS) -> str:
    with pytest.raises(ReplayError) as caught:
        execute(replay(schedule, IMAGES), tuple(actors), MEMORY)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def with_steps(schedule: Schedule, *steps: tuple[str, int], digests: bool = False) -> Schedule:
    return msgspec.structs.replace(
        schedule,
        steps=tuple(Segment(actor, count) for actor, count in steps),
        digests=schedule.digests if digests else (),
    )


CHOOSER = Program(
    "guest",
    [
        Line(choose(3), {0: 1, 1: 2, 2: 3}),
        store(0, 7),
        store(4, 8),
        choose(2),
        load(0),
        halt(),
    ],
)
"""Its first answer says how many stores it leaves out."""


def test_a_schedule_carries_the_answers_of_choices() -> None:
    for seed in range(20):
        run = execute(random_walk(seed), (CHOOSER,), MEMORY)
        schedule = of(run)
        assert len(schedule.choices) == 2
        again = parse_schedule(format_schedule(schedule), "x")
        assert again == schedule
        assert execute(replay(again, IMAGES), (CHOOSER,), MEMORY).events == run.events
    assert {of(execute(pct(seed, 2, 5), (CHOOSER,), MEMORY)).choices for seed in range(50)} == {
        (first, second) for first in range(3) for second in range(2)
    }


def test_without_answers_every_choice_is_the_first() -> None:
    schedule = recorded(actors=(CHOOSER,))
    assert schedule.choices == (0, 0)
    without = msgspec.structs.replace(schedule, choices=())
    assert execute(replay(without, IMAGES), (CHOOSER,), MEMORY).choices == (0, 0)


def test_answers_that_there_are_not_are_refused() -> None:
    schedule = recorded(actors=(CHOOSER,))
    plain = msgspec.structs.replace(schedule, digests=())
    assert refused(msgspec.structs.replace(plain, choices=(0, 2)), (CHOOSER,)) == (
        "choices[1] (step 4): 2, but there are only 2 to choose from, counted from 0"
    )
    assert refused(msgspec.structs.replace(plain, choices=(0, 0, 0)), (CHOOSER,)) == (
        "choices: the schedule has 3, the execution made 2 by the end of the schedule"
    )
    assert "the trace is not the recorded one" in refused(
        msgspec.structs.replace(schedule, choices=(0, 1)), (CHOOSER,)
    )


@st.composite
def racers(draw: st.DrawFn, name: str) -> Program:
    """A straight line of anything, with an end."""
    ops: list[Line] = []
    for _ in range(draw(st.integers(0, 12))):
        cell = 4 * draw(st.integers(0, 2))
        kind = draw(st.sampled_from(["load", "store", "rmw", "send", "wait", "spin"]))
        if kind == "load":
            ops.append(Line(load(cell)))
        elif kind == "store":
            ops.append(Line(store(cell, draw(st.integers(0, 3)))))
        elif kind == "rmw":
            ops += [Line(rmw(cell)), Line(locked(cell, draw(st.integers(0, 3))))]
        elif kind == "send":
            ops.append(Line(send(draw(st.sampled_from([1, 2])))))
        elif kind == "wait":
            ops.append(Line(wait(draw(st.sampled_from([Flag.SPURIOUS, Flag.CONSUME])))))
        else:
            ops.append(Line(load(cell), {0: len(ops)}))
    return Program(name, [*ops, halt(draw(st.sampled_from(Outcome)))])


@settings(max_examples=200, deadline=None)
@given(
    actors=st.tuples(racers("guest"), racers("daemon"), racers("third")),
    count=st.integers(1, 3),
    seed=st.integers(0, 2**32),
    kind=st.sampled_from(["random", "pct", "fair"]),
)
def test_every_recorded_schedule_replays_to_the_same_trace(
    actors: tuple[Program, ...], count: int, seed: int, kind: str
) -> None:
    strategy = {"random": random_walk(seed), "pct": pct(seed, 3, 30), "fair": fair}[kind]
    run = execute(strategy, actors[:count], MEMORY, max_ops=2000)
    # No two neighbours of one actor, and every step accounted for.
    assert all(one[0] != next_[0] for one, next_ in zip(run.steps, run.steps[1:], strict=False))
    if not run.steps:
        return
    schedule = parse_schedule(format_schedule(of(run)), "x")
    again = execute(replay(schedule, IMAGES), actors[:count], MEMORY)
    assert trace_bytes(again.events) == trace_bytes(run.events)
    assert (again.events, again.steps, again.reasons) == (run.events, run.steps, run.reasons)
    assert again.outcome is run.outcome
    if run.outcome is not None:
        assert again == run
        # Without digests it takes the same path, unrecorded as well.
        bare = msgspec.structs.replace(schedule, digests=())
        assert execute(replay(bare, IMAGES), actors[:count], MEMORY) == run
        unrecorded = execute(replay(bare, IMAGES), actors[:count], MEMORY, record=False)
        assert unrecorded == msgspec.structs.replace(run, events=())


def test_a_hang_replays_to_the_same_hang() -> None:
    actors = (
        Program("guest", [store(REQ_PROD, 1), wait(bits=2, address=GUEST_PENDING), halt()]),
        Program("daemon", [wait(Flag.SPURIOUS), Line(load(REQ_PROD), {0: 0, 1: 0}), halt()]),
    )
    run = execute(random_walk(3), actors, MEMORY)
    assert run.outcome is Outcome.HUNG
    assert execute(replay(of(run), IMAGES), actors, MEMORY) == run


def test_other_images_are_refused_before_anything_runs() -> None:
    changed = (IMAGES[0], Image("frontend", "ef" * 32))
    with pytest.raises(ReplayError) as caught:
        check_images(recorded(), changed)
    assert str(caught.value) == (
        "image frontend has changed: the schedule was recorded with SHA-256 "
        f"{'cd' * 32}, this one has {'ef' * 32}"
    )
    with pytest.raises(ReplayError, match="is for the chain reset-poison, frontend; this one is"):
        replay(recorded(), IMAGES[:1])
    with pytest.raises(ReplayError, match="has reset-poison where frontend is now"):
        replay(recorded(), IMAGES[::-1])


def test_another_memory_model_is_refused() -> None:
    schedule = msgspec.structs.replace(recorded(), memory_model="tso")
    with pytest.raises(ReplayError, match="memory_model: 'tso' cannot be replayed"):
        execute(replay(schedule, IMAGES), ACTORS, MEMORY)


def test_the_recorded_schedule_is_the_one_that_the_others_are_changes_of() -> None:
    assert execute(fair, ACTORS, MEMORY).steps == (("guest", 2), ("daemon", 3), ("guest", 3))


def test_a_move_that_is_not_possible_names_step_and_segment() -> None:
    schedule = with_steps(recorded(), ("guest", 3), ("daemon", 3), ("guest", 3))
    assert refused(schedule) == (
        "step 3 (segment 1): the schedule moves guest, but it waits for evtchn_pending"
    )
    schedule = with_steps(recorded(), ("guest", 2), ("daemon", 4), ("guest", 3))
    assert refused(schedule) == (
        "step 6 (segment 2): the schedule moves daemon, but it waits for server_pending"
    )


def test_steps_that_are_left_over_are_counted() -> None:
    schedule = with_steps(recorded(), ("guest", 2), ("daemon", 3), ("guest", 4), ("daemon", 2))
    assert refused(schedule) == (
        "the execution ended connected at step 8, but the schedule has 3 steps left (segment 3): "
        "done"
    )
    schedule = with_steps(recorded(), ("guest", 2), ("daemon", 3), ("guest", 3), ("daemon", 2))
    assert "has 2 steps left (segment 4)" in refused(schedule)


def test_steps_that_are_missing_are_named() -> None:
    schedule = with_steps(recorded(), ("guest", 2), ("daemon", 3), ("guest", 1))
    assert refused(schedule) == (
        "the schedule ends after step 6, but the execution does not: guest is about to load "
        "req_prod, daemon is about to wait server_pending; the outcome should be connected"
    )


def test_without_an_outcome_a_schedule_may_stop_early() -> None:
    schedule = with_steps(recorded(), ("guest", 2), ("daemon", 3), ("guest", 1))
    schedule = msgspec.structs.replace(schedule, outcome=None)
    run = execute(replay(schedule, IMAGES), ACTORS, MEMORY)
    assert run.outcome is None
    assert run.end.message.startswith("the schedule stops here: guest is about to load req_prod")


def test_another_trace_is_refused_with_its_segment() -> None:
    lines = list(ACTORS[0].lines)
    lines[0] = Line(store(REQ_PROD, 21))
    others = (Program("guest", lines), ACTORS[1])
    assert refused(recorded(), others) == (
        "segment 1 (steps 1 to 2, guest): the trace is not the recorded one; it begins with "
        "store req_prod = 21, send server_pending"
    )
    lines = list(ACTORS[1].lines)
    lines[2] = Line(locked(REQ_PROD, 0x12345678))
    others = (ACTORS[0], Program("daemon", lines))
    assert refused(recorded(), others) == (
        "segment 2 (steps 3 to 5, daemon): the trace is not the recorded one; it begins with "
        "wait server_pending, rmw req_prod = 22, store req_prod = 0x12345678"
    )


def test_an_edited_count_is_refused_by_the_digest_of_its_segment() -> None:
    schedule = with_steps(recorded(), ("guest", 1), ("daemon", 3), ("guest", 4), digests=True)
    assert refused(schedule).startswith("segment 1 (steps 1 to 1, guest): the trace is not")


def test_edited_steps_without_digests_are_followed() -> None:
    # The daemon wakes late, and finds the request before the event.
    schedule = with_steps(recorded(), ("guest", 1), ("daemon", 1), ("guest", 1), ("daemon", 3),
                          ("guest", 3))  # fmt: skip
    run = execute(replay(schedule, IMAGES), ACTORS, MEMORY)
    assert run.outcome is Outcome.CONNECTED
    assert run.steps[1] == ("daemon", 1)
    assert run.reasons == ("schedule",) * 5


def test_another_outcome_is_refused() -> None:
    schedule = msgspec.structs.replace(recorded(), outcome=Outcome.REFUSED)
    assert refused(schedule) == (
        "the execution ended connected at step 8; the schedule says refused"
    )


def test_an_unknown_actor_is_refused() -> None:
    schedule = with_steps(recorded(), ("guest", 2), ("deamon", 3))
    assert refused(schedule) == (
        'segment 2: "deamon" is not one of guest, daemon; did you mean "daemon"?'
    )


def test_digests_need_a_trace() -> None:
    with pytest.raises(InternalError, match="records"):
        execute(replay(recorded(), IMAGES), ACTORS, MEMORY, record=False)
