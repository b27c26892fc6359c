"""Fair, random and PCT schedules: deterministic, and able to find both sides of a race."""

from __future__ import annotations

import pytest
from small_actors import (
    GUEST_PENDING,
    MEMORY,
    REQ_CONS,
    REQ_PROD,
    Line,
    Program,
    fence,
    halt,
    load,
    send,
    store,
    wait,
    yields,
)

from guestsim.errors import InputError
from guestsim.execute.digest import trace_bytes
from guestsim.execute.strategies import Strategy, execute, fair, pct, random_walk
from guestsim.trace import Flag, Kind, Outcome

# Who loads before the other has stored? Each actor says what it saw.
RACE = (
    Program("guest", [fence(), store(0, 1, 1), fence(), Line(load(1, 1), {0: 4, 1: 5}),
                      halt(message="guest first"), halt(message="daemon first")]),
    Program("daemon", [fence(), store(1, 1, 1), fence(), wait(), halt()]),
)  # fmt: skip

# The historic shape: indices loaded at two moments, a reset in between, a late wake-up.
TEAR = (
    Program(
        "guest",
        [
            store(REQ_PROD, 22),
            store(REQ_CONS, 22),
            *[fence()] * 8,
            store(REQ_CONS, 0),
            store(REQ_PROD, 0),
            wait(bits=2, address=GUEST_PENDING),
            halt(),
        ],
    ),
    Program(
        "daemon",
        [
            wait(Flag.SPURIOUS),
            Line(load(REQ_CONS), {0: 0, 22: 2}),
            Line(load(REQ_PROD), {22: 0, 0: 3}),
            halt(Outcome.REFUSED, "req_prod - req_cons > 1024"),
        ],
    ),
)


def test_fair_runs_everyone_until_it_waits() -> None:
    actors = (
        Program("guest", [store(REQ_PROD, 5), send(), wait(bits=2, address=GUEST_PENDING), halt()]),
        Program(
            "daemon",
            [wait(Flag.SPURIOUS | Flag.CONSUME), load(REQ_PROD), send(2, GUEST_PENDING),
             wait(Flag.SPURIOUS | Flag.CONSUME), halt()],
        ),
    )  # fmt: skip
    run = execute(fair, actors, MEMORY)
    assert run.steps == (("guest", 2), ("daemon", 3), ("guest", 2))
    assert run.reasons == (
        "first to move",
        "guest waits for an event",
        "daemon waits for an event",
    )


def test_fair_wakes_a_sleeper_only_when_nobody_can_move() -> None:
    actors = (
        Program("guest", [store(REQ_PROD, 5), wait(bits=2, address=GUEST_PENDING), halt()]),
        Program(
            "daemon",
            [wait(Flag.SPURIOUS), load(REQ_PROD), send(2, GUEST_PENDING), wait(), halt()],
        ),
    )
    run = execute(fair, actors, MEMORY)
    assert run.reasons[1] == "woken spuriously: guest waits for an event"
    assert [event.value for event in run.events if event.op.kind is Kind.WAIT] == [0, 1]
    assert run.outcome is Outcome.CONNECTED


def test_fair_prefers_whoever_moves_freely_and_then_wakes_sleepers_in_turn() -> None:
    def sleeper(name: str, place: int) -> Program:
        return Program(name, [wait(Flag.SPURIOUS, bits=4), Line(load(place), {0: 0}), halt()])

    actors = (
        Program("guest", [wait(), halt()]),
        sleeper("first", REQ_CONS),
        sleeper("second", REQ_PROD),
        Program("free", [fence(), store(0, 1), wait(bits=2), halt()]),
    )
    run = execute(fair, actors, MEMORY)
    assert [actor for actor, _ in run.steps[:5]] == ["free", "first", "second", "first", "second"]
    assert run.outcome is Outcome.HUNG


def test_fair_leaves_a_spinner() -> None:
    actors = (
        Program("guest", [Line(load(REQ_PROD), {0: 0}), halt()]),
        Program("daemon", [store(REQ_PROD, 1), wait(), halt()]),
    )
    run = execute(fair, actors, MEMORY)
    assert run.outcome is Outcome.CONNECTED
    assert run.reasons[1] == "guest spins"


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(random_walk, id="random"),
        pytest.param(lambda seed: pct(seed, depth=2, length=10), id="pct"),
    ],
)
def test_both_sides_of_a_race_are_found_and_a_seed_is_a_schedule(make: object) -> None:
    assert callable(make)
    endings = []
    for seed in range(40):
        strategy: Strategy = make(seed)
        run = execute(strategy, RACE, MEMORY)
        again = execute(make(seed), RACE, MEMORY)
        assert trace_bytes(run.events) == trace_bytes(again.events)
        assert run == again
        # The same strategy object starts afresh as well.
        assert execute(strategy, RACE, MEMORY) == run
        endings.append(run.end.message)
    assert set(endings) == {"guest first", "daemon first"}


def test_the_first_values_of_a_seed_stay_what_they_are() -> None:
    # Schedules are made again from their seed on other machines and Python versions.
    run = execute(random_walk(7), RACE, MEMORY)
    assert run.steps == RANDOM_7
    run = execute(pct(7, depth=3, length=9), RACE, MEMORY)
    assert run.steps == PCT_7


RANDOM_7 = (("guest", 2), ("daemon", 1), ("guest", 1), ("daemon", 1), ("guest", 2))
PCT_7 = (("guest", 1), ("daemon", 3), ("guest", 4))


@pytest.mark.parametrize(
    ("name", "least"), [("random", 10), ("pct-2", 0), ("pct-3", 5), ("pct-4", 5)]
)
def test_a_tear_is_found_with_enough_change_points(name: str, least: int) -> None:
    length = 15
    found = 0
    for seed in range(400):
        depth = int(name[-1]) if name.startswith("pct") else 0
        strategy = pct(seed, depth, length) if depth else random_walk(seed)
        found += execute(strategy, TEAR, MEMORY).outcome is Outcome.REFUSED
    assert found >= least
    if name == "pct-2":
        # One change point wakes the daemon, the guest can only come back at a second.
        assert found == 0


def test_without_spurious_ends_the_sleeper_sleeps_as_long_as_the_guest_moves() -> None:
    for seed in range(20):
        run = execute(random_walk(seed, spurious=False), TEAR, MEMORY)
        woken = [event for event in run.events if event.actor == "daemon"]
        assert run.outcome is Outcome.HUNG
        assert run.events[: -len(woken)] == tuple(e for e in run.events if e.actor == "guest")


def test_pct_lets_the_higher_priority_move_as_soon_as_it_can() -> None:
    actors = (
        Program("guest", [wait(), halt(message="guest")]),
        Program("daemon", [fence(), send(), fence(), fence(), halt(message="daemon")]),
    )
    schedules = {execute(pct(seed, 1, 10), actors, MEMORY).steps for seed in range(20)}
    assert schedules == {(("daemon", 2), ("guest", 2)), (("daemon", 5),)}


def test_pct_wakes_a_sleeper_at_change_points_or_when_nobody_else_can_move() -> None:
    guests_steps = len(TEAR[0].lines) - 2
    for seed in range(20):
        run = execute(pct(seed, 1, 15), TEAR, MEMORY)
        assert run.steps[0] == ("guest", guests_steps)
        assert run.reasons[1] == "woken spuriously: guest waits for an event"
    reasons = [execute(pct(seed, 2, 15), TEAR, MEMORY).reasons[1] for seed in range(20)]
    assert "change point" in reasons


def test_pct_without_change_points_follows_the_priorities() -> None:
    switches = {len(execute(pct(seed, 1, 10), RACE, MEMORY).steps) for seed in range(20)}
    # The daemon first, up to its wait, or the guest first, up to its end.
    assert switches == {1, 2}


@pytest.mark.parametrize(("depth", "length"), [(0, 10), (2, 0)])
def test_pct_needs_a_depth_and_a_length(depth: int, length: int) -> None:
    with pytest.raises(InputError, match="must be at least 1"):
        pct(1, depth, length)


def test_pct_takes_a_depth_that_is_greater_than_the_length() -> None:
    assert execute(pct(1, 10, 3), RACE, MEMORY).outcome is Outcome.CONNECTED


def test_a_yield_is_called_one_where_the_turn_passes() -> None:
    actors = (
        Program("guest", [store(REQ_PROD, 1), yields(), halt()]),
        Program("daemon", [load(REQ_PROD), wait(), halt()]),
    )
    assert execute(fair, actors, MEMORY).reasons == (
        "first to move",
        "guest yields",
        "goes on after its yield: daemon waits for an event",
    )
