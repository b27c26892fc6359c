"""Litmus tests: the textbook's programs, with the textbook's answers under sc and tso.

Sewell, Sarkar, Owens, Zappa Nardelli, Myreen: "x86-TSO: a rigorous and usable programmer's model
for x86 multiprocessors", CACM 2010; Alglave, Maranget: "herding cats", TOPLAS 2014.
"""

from __future__ import annotations

import pytest
from searching import every_explorer, every_model, searched, witnessed
from small_actors import (
    MEMORY,
    REQ_CONS,
    REQ_PROD,
    RSP_CONS,
    RSP_PROD,
    Line,
    Program,
    fence,
    halt,
    load,
    locked,
    rmw,
    store,
    wait,
)

from guestsim.execute.digest import digests
from guestsim.execute.replay import replay
from guestsim.execute.schedule import Schedule, Segment, format_schedule, parse_schedule
from guestsim.execute.tso import TsoExecution
from guestsim.search import ExplorerName, Search, witness_of
from guestsim.search.validate import validate
from guestsim.trace import Op, Outcome
from guestsim.trace.memory_model import MemoryModel

X, Y, SEEN, GO = REQ_CONS, REQ_PROD, RSP_CONS, RSP_PROD


def run(actors: tuple[Program, ...], model: MemoryModel, explorer: ExplorerName) -> Search:
    search = searched(actors, model, explorer)
    assert search.complete
    return search


def seen(actors: tuple[Program, ...], model: MemoryModel, explorer: ExplorerName) -> bool:
    """Whether the weak result (`corrupted`) can happen; it must have a witness that replays."""
    search = witnessed(run(actors, model, explorer))
    validate(search, range(5))
    return Outcome.CORRUPTED in search.outcomes


# The weak result is that both loads see 0. The first actor leaves what it saw in SEEN, says so in
# GO, and never ends; the second one judges.


def sb(first: list[Op], second: list[Op]) -> tuple[Program, ...]:
    """Store buffering: each stores to its own place, then loads the other's."""
    guest: list[Line | Op] = [store(X, 1), *first, Line(load(Y), {1: 5 + len(first)})]
    guest += [store(SEEN, 7), store(GO, 1), Line(wait(), {}), store(SEEN, 8), store(GO, 1), wait()]
    # The waits keep the first actor from halting: it is the second that ends the execution.
    daemon: list[Line | Op] = [store(Y, 1), *second, Line(load(X), {1: 5 + len(second)})]
    daemon += [Line(load(GO), {0: len(daemon)}), Line(load(SEEN), {7: len(daemon) + 3})]
    daemon += [halt(Outcome.CONNECTED), halt(Outcome.CORRUPTED)]
    return Program("guest", [*guest, halt()]), Program("daemon", fixed(daemon))


def fixed(lines: list[Line | Op]) -> list[Line | Op]:
    """`sb`'s daemon: a 1 from X goes to the good halt, a 7 from SEEN to the bad one."""
    good = len(lines) - 2
    return [
        Line(line.op, {answer: good + 1 if answer == 7 else good for answer in line.goto})
        if isinstance(line, Line) and line.op.address in (X, SEEN)
        else line
        for line in lines
    ]


@every_explorer
def test_sb_is_what_tso_allows_and_sc_does_not(explorer: ExplorerName) -> None:
    actors = sb([], [])
    assert not seen(actors, MemoryModel.SC, explorer)
    assert seen(actors, MemoryModel.TSO, explorer)


@every_explorer
@pytest.mark.parametrize(
    "between",
    [[fence()], [rmw(128, 1), locked(128, 1, 1)]],
    ids=["fence", "locked"],
)
def test_sb_is_cured_by_a_fence_or_an_atomic_on_both_sides(
    between: list[Op], explorer: ExplorerName
) -> None:
    assert not seen(sb(between, between), MemoryModel.TSO, explorer)
    assert seen(sb(between, []), MemoryModel.TSO, explorer), "one side is not enough"
    assert seen(sb([], between), MemoryModel.TSO, explorer), "one side is not enough"


@every_explorer
@every_model
def test_mp_stores_of_one_actor_are_seen_in_order(
    model: MemoryModel, explorer: ExplorerName
) -> None:
    guest = Program("guest", [store(X, 1), store(Y, 1), wait(), halt()])
    lines: list[Line | Op] = [
        Line(load(Y), {0: 0}),
        Line(load(X), {0: 3}),
        halt(),
        halt(Outcome.CORRUPTED),
    ]
    actors = guest, Program("daemon", lines)
    assert not seen(actors, model, explorer)


@every_explorer
@every_model
def test_two_loads_can_be_torn_by_two_stores(model: MemoryModel, explorer: ExplorerName) -> None:
    # The first place from before, the second from after: the turn has to pass between the loads.
    guest = Program("guest", [store(SEEN, 1), store(X, 1), store(Y, 1), wait(), halt()])
    daemon: list[Line | Op] = [
        Line(load(SEEN), {0: 0}),
        Line(load(X), {1: 3}),
        Line(load(Y), {1: 4}),
        halt(),
        halt(Outcome.CORRUPTED),
    ]
    assert seen((guest, Program("daemon", daemon)), model, explorer)


@every_explorer
@every_model
def test_lb_a_load_does_not_see_a_store_that_comes_after_it(
    model: MemoryModel, explorer: ExplorerName
) -> None:
    # Both loads see 1 only if a store overtakes the load before it.
    guest: list[Line | Op] = [
        Line(load(X), {0: 3}),
        store(SEEN, 7),
        store(GO, 1),
        store(Y, 1),
        wait(),
        halt(),
    ]
    daemon: list[Line | Op] = [
        Line(load(Y), {0: 4}),
        store(X, 1),
        Line(load(GO), {0: 2}),
        Line(load(SEEN), {7: 5}),
        halt(),
        halt(Outcome.CORRUPTED),
    ]
    actors = Program("guest", guest), Program("daemon", daemon)
    assert not seen(actors, model, explorer)


@every_explorer
@every_model
def test_corr_two_loads_of_one_place_do_not_go_back(
    model: MemoryModel, explorer: ExplorerName
) -> None:
    guest = Program("guest", [store(X, 1), wait(), halt()])
    lines: list[Line | Op] = [
        Line(load(X), {0: 2}),
        Line(load(X), {0: 3}),
        halt(),
        halt(Outcome.CORRUPTED),
    ]
    assert not seen((guest, Program("daemon", lines)), model, explorer)


@every_explorer
def test_own_stores_are_seen_at_once_byte_by_byte(explorer: ExplorerName) -> None:
    # A word of 2 bytes out of the buffer, 1 newer byte out of the buffer, 1 byte out of memory.
    expected = 0x00_33_55_11
    guest: list[Line | Op] = [
        store(X, 0x2211, 2),
        store(X + 1, 0x55, 1),
        store(X + 2, 0x33, 1),
        Line(load(X), {expected: 5}),
        halt(Outcome.CORRUPTED),
        halt(),
    ]
    actors = Program("guest", guest), Program("daemon", [load(X), wait(), halt()])
    assert not seen(actors, MemoryModel.TSO, explorer)
    assert not seen(actors, MemoryModel.SC, explorer)


@every_explorer
def test_the_same_load_sees_a_store_that_has_come_into_the_buffer_since(
    explorer: ExplorerName,
) -> None:
    guest: list[Line | Op] = [
        Line(load(X), {1: 6}),
        Line(load(SEEN), {1: 7}),
        store(SEEN, 1),
        fence(),
        store(X, 1),
        Line(load(GO), {0: 0}),
        halt(),
        halt(Outcome.CORRUPTED),
    ]
    actors = Program("guest", guest), Program("daemon", [load(X), load(SEEN), wait(), halt()])
    assert not seen(actors, MemoryModel.TSO, explorer)


@every_explorer
@pytest.mark.parametrize("bound", [1, 2, 3])
def test_the_bound_of_a_buffer_is_a_limit_that_is_reported(
    bound: int, explorer: ExplorerName
) -> None:
    # The weak result needs two stores in the buffer at a time; three are there to be put in.
    guest: list[Line | Op] = [
        store(X, 1),
        store(SEEN, 1),
        Line(load(Y), {1: 5}),
        store(GO, 1),
        wait(),
        wait(),
    ]
    daemon: list[Line | Op] = [
        store(Y, 1),
        fence(),
        Line(load(X), {1: 5}),
        Line(load(GO), {0: 3}),
        halt(Outcome.CORRUPTED),
        halt(),
    ]
    actors = Program("guest", [*guest, halt()]), Program("daemon", daemon)
    search = searched(actors, MemoryModel.TSO, explorer, store_buffer=bound)
    assert (Outcome.CORRUPTED in search.outcomes) == (bound >= 2)
    assert search.explorer.buffer_was_full == (bound < 3)


@every_explorer
def test_a_tso_witness_is_a_schedule_file_that_replays(explorer: ExplorerName) -> None:
    actors = sb([], [])
    search = run(actors, MemoryModel.TSO, explorer)
    witness = witness_of(search, search.outcomes[Outcome.CORRUPTED], outcome=Outcome.CORRUPTED)
    schedule = Schedule(
        guestsim="",
        title="",
        scenario="sb",
        images=(),
        memory_model="tso",
        strategy="exhaustive",
        outcome=witness.run.outcome,
        steps=tuple(Segment(name, count) for name, count in witness.run.steps),
        digests=digests(witness.run),
    )
    assert any(segment.actor.endswith(":drain") for segment in schedule.steps)
    execution = TsoExecution(actors, MEMORY)
    execution.start()
    replay(parse_schedule(format_schedule(schedule), "x"), ())(execution)
    assert execution.outcome is Outcome.CORRUPTED
    assert tuple(execution.events) == witness.run.events


def iriw() -> tuple[Program, ...]:
    """Independent reads of independent writes: two readers must not disagree on the order."""
    return (
        Program("first", [store(X, 1), wait(), halt()]),
        Program("second", [store(Y, 1), wait(), halt()]),
        Program(
            "reader", [Line(load(X), {0: 0}), Line(load(Y), {1: 3}), store(GO, 1), wait(), halt()]
        ),
        Program(
            "judge",
            [
                Line(load(Y), {0: 0}),
                Line(load(X), {1: 4}),
                Line(load(GO), {0: 2}),
                halt(Outcome.CORRUPTED),
                halt(),
            ],
        ),
    )


@every_explorer
@every_model
def test_iriw_all_see_stores_in_one_order(model: MemoryModel, explorer: ExplorerName) -> None:
    search = run(iriw(), model, explorer)
    assert Outcome.CORRUPTED not in search.outcomes
    assert Outcome.CONNECTED in search.outcomes
