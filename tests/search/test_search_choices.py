"""Choices in a search, by hand: what brute force on random programs hardly ever meets."""

from __future__ import annotations

from brute_force import CELL, WORD, cheapest, outcomes
from searching import every_explorer, searched
from small_actors import (
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

from guestsim.search import ExplorerName, Search
from guestsim.trace import Outcome
from guestsim.trace.memory_model import MemoryModel

X, Y, FLAG = WORD, WORD + 4, WORD + 5
LISTENS = wait(bits=2)
"""For what nobody sends."""


def compared(
    *actors: Program, explorer: ExplorerName, model: MemoryModel = MemoryModel.SC
) -> Search:
    """With brute force."""
    search = searched(actors, model, explorer)
    assert search.complete
    assert set(search.outcomes) == outcomes(actors, tso=model is MemoryModel.TSO)
    return search


@every_explorer
def test_each_branch_of_the_other_counts_for_what_floats(explorer: ExplorerName) -> None:
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
    assert Outcome.CORRUPTED in compared(guest, daemon, explorer=explorer).outcomes


@every_explorer
def test_branches_depend_on_memory(explorer: ExplorerName) -> None:
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
    found = compared(guest, daemon, explorer=explorer)
    assert set(found.outcomes) == {Outcome.CORRUPTED, Outcome.CONNECTED}


@every_explorer
def test_to_leave_a_round_of_choices_is_no_preemption(explorer: ExplorerName) -> None:
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
    seen = compared(guest, daemon, explorer=explorer).outcomes[Outcome.CORRUPTED]
    assert (seen.preemptions, seen.switches) == cheapest((guest, daemon))[Outcome.CORRUPTED]
    assert (seen.preemptions, seen.switches) == (0, 2)


@every_explorer
def test_a_choice_is_no_fence(explorer: ExplorerName) -> None:
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
    tso = compared(guest, daemon, model=MemoryModel.TSO, explorer=explorer)
    sc = compared(guest, daemon, explorer=explorer)
    assert Outcome.CORRUPTED in tso.outcomes
    assert Outcome.CORRUPTED not in sc.outcomes
