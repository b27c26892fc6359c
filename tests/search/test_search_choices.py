"""Choices in a search, by hand: what brute force on random programs hardly ever meets."""

from __future__ import annotations

import pytest
from brute_force import CELL, WORD, cheapest, outcomes
from small_actors import (
    MEMORY,
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

from guestsim.search.options import Reductions
from guestsim.search.search import Search
from guestsim.trace import Outcome
from guestsim.trace.memory_model import MemoryModel

X, Y, FLAG = WORD, WORD + 4, WORD + 5
LISTENS = wait(bits=2)
"""For what nobody sends."""


def made(*actors: Program, reduce: bool, model: MemoryModel = MemoryModel.SC) -> Search:
    reductions = Reductions(macro_steps=reduce, justified_turns=reduce, eager_stores=reduce)
    search = Search(actors, MEMORY, model=model, reductions=reductions)
    search.run()
    assert search.complete
    return search


def compared(*actors: Program, reduce: bool, model: MemoryModel = MemoryModel.SC) -> Search:
    """With brute force."""
    search = made(*actors, reduce=reduce, model=model)
    assert set(search.outcomes) == outcomes(actors, tso=model is MemoryModel.TSO)
    return search


@pytest.mark.parametrize("reduce", [True, False])
def test_each_branch_of_the_other_counts_for_what_floats(reduce: bool) -> None:
    """Only the first answer leads to a load of X: both values that it has had must be seen."""
    guest = Program(
        "guest",
        [
            Line(choose(), {0: 1, 1: 3}),
            Line(load(X, 1), {1: 2, 0: 3, 2: 3}),
            halt(Outcome.CORRUPTED),
            halt(Outcome.CONNECTED),
        ],
    )
    daemon = Program("daemon", [store(X, 1, 1), store(X, 2, 1), LISTENS, halt(Outcome.CRASHED)])
    assert Outcome.CORRUPTED in compared(guest, daemon, reduce=reduce).outcomes


@pytest.mark.parametrize("reduce", [True, False])
def test_branches_depend_on_memory(reduce: bool) -> None:
    """Whether any branch loads X depends on FLAG. Who is first at Y decides: if it is the guest, it
    comes to its choice with FLAG = 0, for good; else with FLAG = 1."""
    guest = Program(
        "guest",
        [
            Line(rmw(Y, 1), {0: 1, 2: 3}),
            locked(Y, 1, 1),
            Line(load(CELL, 1), {0: 5}),
            locked(Y, 1, 1),
            wait(),
            choose(),
            Line(load(FLAG, 1), {0: 9, 1: 7}),
            Line(load(X, 1), {1: 8, 0: 9, 2: 9}),
            halt(Outcome.CORRUPTED),
            halt(Outcome.CONNECTED),
        ],
    )
    sets_flag = [store(FLAG, 1, 1), send(), store(X, 1, 1), store(X, 2, 1)]
    never = [LISTENS, halt(Outcome.CRASHED)]
    daemon = Program(
        "daemon",
        [
            Line(rmw(Y, 1), {0: 1, 1: 8}),
            *(locked(Y, 2, 1), *sets_flag, *never, locked(Y, 2, 1), *never),
        ],
    )
    found = made(guest, daemon, reduce=reduce)
    assert set(found.outcomes) == {Outcome.CORRUPTED, Outcome.CONNECTED}


@pytest.mark.parametrize("reduce", [True, False])
def test_to_leave_a_round_of_choices_is_no_preemption(reduce: bool) -> None:
    guest = Program(
        "guest",
        [
            store(Y, 1, 1),
            Line(choose(), {0: 1, 1: 2}),
            Line(load(X, 1), {1: 3, 0: 4}),
            halt(Outcome.CORRUPTED),
            halt(Outcome.CONNECTED),
        ],
    )
    daemon = Program(
        "daemon",
        [Line(load(Y, 1), {0: 2}), store(X, 1, 1), LISTENS, halt(Outcome.CRASHED)],
    )
    seen = compared(guest, daemon, reduce=reduce).outcomes[Outcome.CORRUPTED]
    assert (seen.preemptions, seen.switches) == cheapest((guest, daemon))[Outcome.CORRUPTED]
    assert (seen.preemptions, seen.switches) == (0, 2)


@pytest.mark.parametrize("reduce", [True, False])
def test_a_choice_is_no_fence(reduce: bool) -> None:
    """Store buffering with a choice between store and load: both may load the old value."""
    guest = Program(
        "guest",
        [
            store(X, 1, 1),
            choose(),
            Line(load(Y, 1), {0: 3, 1: 6}),
            Line(load(FLAG, 1), {1: 4, 0: 5}),
            halt(Outcome.CORRUPTED),
            LISTENS,
            halt(Outcome.CONNECTED),
        ],
    )
    # FLAG says that the daemon has loaded X = 0.
    daemon = Program(
        "daemon",
        [
            store(Y, 1, 1),
            choose(),
            Line(load(X, 1), {0: 3, 1: 4}),
            store(FLAG, 1, 1),
            LISTENS,
            halt(Outcome.CRASHED),
        ],
    )
    tso = compared(guest, daemon, model=MemoryModel.TSO, reduce=reduce)
    sc = compared(guest, daemon, reduce=reduce)
    assert Outcome.CORRUPTED in tso.outcomes
    assert Outcome.CORRUPTED not in sc.outcomes
