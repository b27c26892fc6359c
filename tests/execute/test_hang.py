"""Hangs: exact. Compared with a search of everything that could still happen."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from small_actors import (
    GUEST_PENDING,
    MEMORY,
    REQ_CONS,
    REQ_PROD,
    Line,
    Program,
    Talker,
    fence,
    halt,
    load,
    locked,
    rmw,
    send,
    store,
    wait,
    yields,
)

from guestsim.execute.execution import Execution
from guestsim.execute.strategies import Strategy, execute, fair, pct, random_walk
from guestsim.execute.tso import TsoExecution
from guestsim.trace import Burst, Event, Flag, Kind, Op, Outcome
from guestsim.trace.shared import SERVER

STRATEGIES: list[Strategy] = [
    fair,
    random_walk(1),
    random_walk(2, spurious=False),
    pct(seed=3, depth=3, length=50),
]
every_strategy = pytest.mark.parametrize(
    "strategy", STRATEGIES, ids=["fair", "random", "random-events-only", "pct"]
)


@every_strategy
def test_a_deadlock_is_a_hang_at_once(strategy: Strategy) -> None:
    actors = (
        Program("guest", [wait(bits=2, address=GUEST_PENDING), halt()]),
        Program("daemon", [wait(), halt()]),
    )
    run = execute(strategy, actors, MEMORY)
    assert run.outcome is Outcome.HUNG
    assert run.actor == ""
    assert run.events == ()
    assert run.end.message == (
        "guest waits for evtchn_pending, which nobody will set; "
        "daemon waits for server_pending, which nobody will set"
    )


SLEEPY_DAEMON: list[Line | Op] = [
    wait(Flag.SPURIOUS | Flag.CONSUME),
    load(REQ_PROD),
    Line(load(REQ_CONS), {22: 0, 0: 0}),
    halt(),
]


@every_strategy
def test_a_sleeper_that_finds_nothing_to_do_is_part_of_a_hang(strategy: Strategy) -> None:
    actors = (
        Program(
            "guest", [store(REQ_CONS, 22), store(REQ_PROD, 44), wait(address=GUEST_PENDING), halt()]
        ),
        Program("daemon", SLEEPY_DAEMON),
    )
    run = execute(strategy, actors, MEMORY)
    assert run.outcome is Outcome.HUNG
    assert run.end.message == (
        "guest waits for evtchn_pending, which nobody will set; "
        "daemon sleeps with req_cons = 22, req_prod = 44"
    )
    assert len(run.events) < 200, "the round is recognised soon"


@every_strategy
@pytest.mark.parametrize("engine", [Execution, TsoExecution])
@pytest.mark.parametrize("sleep", [wait(Flag.SPURIOUS | Flag.CONSUME), yields()])
def test_who_sleeps_for_ever_has_been_seen_to_sleep(
    strategy: Strategy, engine: type[Execution], sleep: Op
) -> None:
    """At a hang, the observer gets the waits of the blocked only. Of one that may end spuriously,
    it has seen such an end, in the memory that stays."""
    seen: list[tuple[str, Kind, bytes]] = []

    def observe(memory: bytearray, event: Event) -> None:
        seen.append((event.actor, event.op.kind, bytes(memory)))

    actors = (
        Program("guest", [store(REQ_CONS, 22), store(REQ_PROD, 44), wait(address=GUEST_PENDING)]),
        Program("daemon", [sleep, load(REQ_PROD), Line(load(REQ_CONS), {22: 0, 0: 0}), halt()]),
    )
    run = execute(strategy, actors, MEMORY, observe, engine=engine)
    assert run.outcome is Outcome.HUNG
    final = seen[-1][2]
    assert seen[-1] == ("guest", Kind.WAIT, final)
    assert seen.count(("guest", Kind.WAIT, final)) == 1
    assert ("daemon", Kind.WAIT, final) in seen
    assert len(seen) == len(run.events) + 1


@every_strategy
@pytest.mark.parametrize("engine", [Execution, TsoExecution])
def test_who_yields_for_ever_hangs(strategy: Strategy, engine: type[Execution]) -> None:
    actors = (
        Program("guest", [store(REQ_CONS, 22), yields(), Line(load(REQ_PROD), {0: 1}), halt()]),
        Program("daemon", [wait(), halt()]),
    )
    run = execute(strategy, actors, MEMORY, engine=engine)
    assert run.outcome is Outcome.HUNG
    assert run.end.message == (
        "guest yields for ever with req_prod = 0; "
        "daemon waits for server_pending, which nobody will set"
    )
    assert len(run.events) < 200, "the round is recognised soon"


@every_strategy
def test_a_yield_alone_can_be_a_round(strategy: Strategy) -> None:
    actors = (
        Program("guest", [Line(yields(), {0: 0}), halt()]),
        Program("daemon", [Line(yields(), {0: 0}), halt()]),
    )
    run = execute(strategy, actors, MEMORY)
    assert run.end.message == "guest yields for ever; daemon yields for ever"


@every_strategy
def test_a_spin_that_somebody_can_end_is_no_hang(strategy: Strategy) -> None:
    # The guest goes round for ever before the daemon's store, if nobody lets the daemon move.
    actors = (
        Program("guest", [Line(load(REQ_PROD), {0: 0}), halt()]),
        Program("daemon", [*[fence()] * 300, store(REQ_PROD, 1), wait(), halt()]),
    )
    assert execute(strategy, actors, MEMORY).outcome is Outcome.CONNECTED


@every_strategy
def test_two_spinners_on_each_other_hang(strategy: Strategy) -> None:
    # Stores of the value that is there and events that are pending are no change.
    actors = (
        Program("guest", [store(REQ_CONS, 5), send(), Line(load(REQ_PROD), {0: 0}), halt()]),
        Program("daemon", [Line(load(REQ_CONS), {5: 0, 0: 0}), halt()]),
    )
    run = execute(strategy, actors, MEMORY)
    assert run.outcome is Outcome.HUNG
    assert run.end.message == "guest spins on req_prod = 0; daemon spins on req_cons = 5"


def test_a_spin_that_counts_its_rounds_is_not_taken_for_a_hang() -> None:
    # A timeout in private state: no two rounds are alike, and the last one changes something.
    def patient() -> Generator[Op, int, None]:
        for _ in range(150):
            yield load(REQ_PROD)
        yield halt(Outcome.CRASHED, "timeout")

    run = execute(fair, (Talker("guest", patient),), MEMORY)
    assert run.outcome is Outcome.CRASHED


def test_for_ever_without_a_repetition_is_inconclusive() -> None:
    def endless() -> Generator[Op, int, None]:
        while True:
            yield load(REQ_PROD)

    run = execute(fair, (Talker("guest", endless),), MEMORY, max_ops=200)
    assert run.outcome is None


def test_memory_that_keeps_changing_is_inconclusive() -> None:
    lines: list[Line | Op] = [store(0, 1), store(0, 2), Line(load(0), {2: 0}), halt()]
    assert execute(fair, (Program("guest", lines),), MEMORY, max_ops=500).outcome is None


def test_keys_are_left_alone_while_something_happens() -> None:
    class Costly(Program):
        def key(self, point: Any) -> Hashable:
            raise AssertionError(f"a key costs time: {point}")

    ring = [Line(load(4 * n), {}) for n in range(200)]
    lines: list[Line | Op] = [
        *ring,
        *[line for n in range(50) for line in (store(0, n + 1), load(0))],
        halt(),
    ]
    assert execute(fair, (Costly("guest", lines),), MEMORY).outcome is Outcome.CONNECTED


def test_a_long_way_into_a_long_round_is_found() -> None:
    way = [load(4 * n) for n in range(70)]
    # Longer than the first mark lasts; the way in is not part of the round.
    round_: list[Line | Op] = [
        *[load(1024 + 4 * n) for n in range(99)],
        Line(load(REQ_PROD), {0: 70}),
        halt(),
    ]
    run = execute(fair, (Program("guest", [*way, *round_]),), MEMORY, max_ops=5000)
    assert run.outcome is Outcome.HUNG
    assert run.end.message == "guest spins on req_prod = 0"


# --- against everything that could happen ---------------------------------------------------

_CELLS = (0, 1)


@st.composite
def programs(draw: st.DrawFn, name: str) -> Program:
    """A few lines, jumping about on small answers; only now and then an end."""
    count = draw(st.integers(1, 6))
    lines: list[Line | Op] = []

    def anywhere() -> int:
        return draw(st.integers(0, count - 1))

    kinds = ["load", "load", "store", "send", "wait", "wait", "rmw", "fence"]
    starts: list[int] = []
    for _ in range(count):
        starts.append(len(lines))
        kind = draw(st.sampled_from(kinds))
        cell = draw(st.sampled_from(_CELLS))
        jumps = {0: anywhere(), 1: anywhere()}
        if kind == "load":
            lines.append(Line(load(cell, 1), jumps))
        elif kind == "store":
            lines.append(store(cell, draw(st.integers(0, 1)), 1))
        elif kind == "send":
            lines.append(send(draw(st.sampled_from([1, 2]))))
        elif kind == "wait":
            flags = draw(
                st.sampled_from(
                    [Flag.NONE, Flag.CONSUME, Flag.SPURIOUS, Flag.SPURIOUS | Flag.CONSUME]
                )
            )
            lines.append(Line(wait(flags, draw(st.sampled_from([1, 2]))), jumps))
        elif kind == "rmw":
            lines += [rmw(cell, 1), locked(cell, draw(st.integers(0, 1)), 1)]
        else:
            lines.append(fence())
    if draw(st.integers(0, 3)) == 0:
        lines.append(halt())
    else:
        lines.append(Line(load(_CELLS[0], 1), {0: anywhere(), 1: anywhere()}))
    # Jumps name the first line of a statement, never the store half of an RMW.
    return Program(
        name,
        [
            Line(line.op, {answer: starts[to] for answer, to in line.goto.items()})
            if isinstance(line, Line)
            else line
            for line in lines
        ],
    )


Joint = tuple[tuple[int, ...], tuple[int, int, int]]
"""The lines of the actors, and memory: two cells and the pending bits."""


def moves(actors: tuple[Program, ...], state: Joint) -> list[tuple[Joint, bool]]:
    """Every next state, and whether something happened: a change of memory, or an end.

    Written apart from the engine, on purpose.
    """
    at, memory = state
    found = []
    for number, program in enumerate(actors):
        line = program.lines[at[number]]
        cells = list(memory)
        op, answer, then = line.op, -1, at[number] + 1
        if op.kind is Kind.HALT:
            found.append((state, True))
            continue
        if op.kind in (Kind.LOAD, Kind.RMW):
            answer = cells[op.address]
        if op.kind is Kind.RMW:
            cells[op.address] = program.lines[then].op.value
            then += 1
        if op.kind is Kind.STORE:
            cells[op.address] = op.value
        if op.kind is Kind.SEND:
            cells[2] |= op.value
        if op.kind is Kind.WAIT:
            answer = int(bool(cells[2] & op.value))
            if not answer and not op.flags & Flag.SPURIOUS:
                continue
            if answer and op.flags & Flag.CONSUME:
                cells[2] &= ~op.value
        then = line.goto.get(answer, then)
        after = ((*at[:number], then, *at[number + 1 :]), (cells[0], cells[1], cells[2]))
        found.append((after, after[1] != memory))
    return found


def is_dead(actors: tuple[Program, ...], state: Joint) -> bool:
    """Whether nothing will ever happen again, whoever moves when."""
    todo, seen = [state], {state}
    while todo:
        for after, happened in moves(actors, todo.pop()):
            if happened:
                return False
            if after not in seen:
                seen.add(after)
                todo.append(after)
    return True


def joint(execution: Execution) -> Joint:
    lines = tuple(execution.peek(actor).site.pc for actor in range(len(execution.names)))
    memory = execution.memory
    return lines, (memory[0], memory[1], memory[SERVER])


PICKS: dict[str, Callable[[int], Strategy]] = {
    "fair": lambda _: fair,
    "random": random_walk,
    "random-events-only": lambda seed: random_walk(seed, spurious=False),
    "pct": lambda seed: pct(seed, depth=4, length=100),
}


@settings(max_examples=400, deadline=None)
@given(
    actors=st.one_of(
        st.tuples(programs("guest"), programs("daemon")),
        st.tuples(programs("guest"), programs("daemon"), programs("third")),
    ),
    pick=st.sampled_from(sorted(PICKS)),
    seed=st.integers(0, 1000),
)
def test_hangs_are_exactly_the_states_in_which_nothing_can_happen(
    actors: tuple[Program, ...], pick: str, seed: int
) -> None:
    strategy = PICKS[pick](seed)
    execution = Execution(actors, MEMORY, max_ops=1000)
    execution.start()
    strategy(execution)
    event(f"{pick}: {execution.outcome}")
    if execution.outcome is Outcome.HUNG:
        assert is_dead(actors, joint(execution)), f"false alarm: {execution.end}"
    elif execution.outcome is None:
        # What could not happen in the second half of the budget was missed in it.
        execution = Execution(actors, MEMORY, max_ops=500)
        execution.start()
        strategy(execution)
        assert not is_dead(actors, joint(execution)), f"missed: {joint(execution)}"


@settings(max_examples=150, deadline=None)
@given(actors=st.tuples(programs("guest"), programs("daemon")), seed=st.integers(0, 1000))
def test_a_hang_is_called_before_anything_else_could_have_ended_it(
    actors: tuple[Program, ...], seed: int
) -> None:
    # Step by step: as long as something can happen, the execution goes on.
    execution = Execution(actors, MEMORY, max_ops=300)
    execution.start()

    def watch(execution: Execution) -> None:
        while execution.end is None:
            able = [actor for actor in range(2) if execution.enabled(actor)]
            assert able, "nobody can move, and it is not called a hang"
            execution.step(able[(execution.steps * 7919 + seed) % len(able)])
            if execution.outcome is Outcome.HUNG:
                assert is_dead(actors, joint(execution))

    watch(execution)


def test_the_oracle_knows_a_dead_state_and_a_live_one() -> None:
    spin = Program("guest", [Line(load(0, 1), {0: 0, 1: 0})])
    writer = Program("daemon", [store(0, 1, 1), Line(load(0, 1), {0: 0, 1: 0})])
    assert not is_dead((spin, writer), ((0, 0), (0, 0, 0)))
    assert is_dead((spin, writer), ((0, 0), (1, 0, 0)))
    assert isinstance(spin.start(), Burst)
