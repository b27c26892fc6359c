"""Searches that begin in the middle: what they find, and that their witnesses are whole."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from brute_force import PLACES, State, outcomes, programs
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from searching import every_explorer, every_model, searched
from small_actors import (
    MEMORY,
    REQ_CONS,
    REQ_PROD,
    RSP_PROD,
    Line,
    Program,
    fence,
    halt,
    load,
    locked,
    rmw,
    store,
)

from guestsim.errors import InputError
from guestsim.execute.execution import Execution
from guestsim.execute.script import ScriptStep, script
from guestsim.execute.strategies import Strategy, fair
from guestsim.search import (
    ExplorerName,
    Findings,
    Prefix,
    Problem,
    RuleSet,
    begin_after,
    explore,
    witness_of,
)
from guestsim.search.validate import validate
from guestsim.trace import Event, Kind, Outcome, Violation
from guestsim.trace.memory_model import MemoryModel

PAIRS = st.tuples(programs("guest"), programs("daemon"))


def some_steps(seed: int, steps: int) -> Strategy:
    def walk(execution: Execution) -> None:
        choose = random.Random(seed)
        for _ in range(steps):
            movers = [actor for actor in range(2) if execution.enabled(actor)]
            if movers:
                execution.step(choose.choice(movers))

    return walk


@every_model
@every_explorer
@settings(max_examples=300, deadline=None)
@given(actors=PAIRS, seed=st.integers(0, 1000), steps=st.integers(0, 8))
def test_what_is_found_is_what_there_is_from_here_on(
    explorer: ExplorerName,
    model: MemoryModel,
    actors: tuple[Program, ...],
    seed: int,
    steps: int,
) -> None:
    stopped: list[State] = []

    def walk(execution: Execution) -> None:
        some_steps(seed, steps)(execution)
        lines = tuple(execution.peek(actor).site.pc for actor in range(2))
        stopped.append(State(lines, bytes(execution.memory[at] for at in PLACES), ((), ())))

    try:
        prefix = begin_after(walk, actors, MEMORY)
    except InputError:
        assume(False)
    expected = outcomes(actors, tso=model is MemoryModel.TSO, start=stopped[0])
    assume(expected is not None)
    search = searched(actors, model, explorer, prefix=prefix, store_buffer=16)
    assert set(search.outcomes) == expected
    for outcome, sighting in search.outcomes.items():
        run = witness_of(search, sighting, outcome=outcome).run
        plain = [event for event in run.events if event in prefix.events]
        assert plain[: len(prefix.events)] == list(prefix.events), "it begins where all begin"
    assert validate(search, range(2)) >= 2 * len(prefix.events)


GUEST = Program(
    "guest",
    [store(REQ_PROD, 1), store(REQ_CONS, 1), rmw(RSP_PROD), locked(RSP_PROD, 3), fence(), halt()],
)
DAEMON = Program("daemon", [Line(load(REQ_PROD), {0: 2}), halt(), halt(Outcome.REFUSED)])


def found_after(prefix: Prefix | None) -> Findings:
    return explore(Problem(actors=[GUEST, DAEMON], memory=MEMORY, prefix=prefix))


def test_a_script_leads_to_the_beginning() -> None:
    prefix = begin_after(
        script([ScriptStep("guest", "store req_prod")], to_end=False), [GUEST, DAEMON], MEMORY
    )
    assert prefix.steps == (("guest", 1),)
    assert prefix.memory[REQ_PROD] == 1
    # What can happen only before it is not found.
    assert set(found_after(None).outcomes) == {Outcome.CONNECTED, Outcome.REFUSED}
    found = found_after(prefix)
    assert set(found.outcomes) == {Outcome.CONNECTED}
    assert found.certificate.begins_after == 1


def test_moves_under_tso_put_stores_through_the_buffer() -> None:
    prefix = begin_after(some_steps(0, 0), [GUEST, DAEMON], MEMORY)
    assert list(prefix.moves()) == []

    def guest_alone(execution: Execution) -> None:
        execution.run_steps(0, 4)

    prefix = begin_after(guest_alone, [GUEST, DAEMON], MEMORY)
    one, other, read, half, _ = prefix.events
    assert [event.op.kind for event in prefix.events[2:]] == [Kind.RMW, Kind.STORE, Kind.FENCE]
    assert list(prefix.moves()) == [
        ("guest", False, (one,)),
        ("guest", False, (other,)),
        ("guest", False, (read, half)),
        ("guest", False, (prefix.events[4],)),
    ]
    both = [("guest", False, ()), ("guest", False, ())]
    assert list(prefix.moves(64))[:4] == [*both, ("guest", True, (one,)), ("guest", True, (other,))]
    # A buffer for one.
    assert list(prefix.moves(1))[:4] == [
        ("guest", False, ()),
        ("guest", True, (one,)),
        ("guest", False, ()),
        ("guest", True, (other,)),
    ]


def test_an_execution_that_is_over_leaves_nothing_to_search() -> None:
    with pytest.raises(InputError, match="nothing is left to search"):
        begin_after(fair, [GUEST, DAEMON], MEMORY)


@every_model
@every_explorer
@pytest.mark.parametrize("begins", [0, 1, 2])
def test_rules_know_what_came_before(
    model: MemoryModel, explorer: ExplorerName, begins: int
) -> None:
    """Two stores break the rule together: none, one or both of them before the search begins."""

    def step(
        history: int, _memory: bytes | bytearray, event: Event
    ) -> tuple[int, Iterable[Violation]]:
        stores = min(2, history + (event.op.kind is Kind.STORE and event.actor == "guest"))
        broken = stores == 2 and history == 1
        return stores, [Violation("twice", "none", "stored twice")] if broken else []

    def guest_alone(execution: Execution) -> None:
        execution.run_steps(0, begins)

    # Two stores and no more: who forgets the first never sees the breach.
    actors = [Program("guest", [store(REQ_PROD, 1), store(REQ_CONS, 1), halt()]), DAEMON]
    rules = RuleSet(
        initial=0,
        step=step,
        concerned=lambda event: event.op.kind is Kind.STORE,
        looks=lambda _event: frozenset(),
        seen=lambda op: op,
    )
    prefix = begin_after(guest_alone, actors, MEMORY)
    problem = Problem(actors=actors, memory=MEMORY, prefix=prefix, rules=[rules], model=model)
    found = explore(problem, explorer=explorer)
    assert "twice" in found.violations, "the first store is forgotten where the search begins"
    run = found.violations["twice"].run
    assert [event.op.address for event in run.events if event.op.kind is Kind.STORE] == [
        REQ_PROD,
        REQ_CONS,
    ]
