"""Both explorers against brute force: the same outcomes, at the same cost."""

from __future__ import annotations

from brute_force import cheapest, deaf, outcomes, programs, silent
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from searching import every_explorer, every_model, searched, witnessed
from small_actors import Program

from guestsim.search import ExplorerName, Limits, witness_of
from guestsim.search.validate import validate
from guestsim.trace import Outcome
from guestsim.trace.memory_model import MemoryModel

PAIRS = st.tuples(programs("guest"), programs("daemon"))
CHOOSING = st.tuples(programs("guest", chooses=True), programs("daemon", 4, chooses=True))
THREE = st.tuples(programs("guest", 3), programs("daemon", 3), programs("third", 2))


def listing(actors: tuple[Program, ...]) -> str:
    return "\n".join(
        f"{actor.name} {number}: {line.op.kind.name} {line.op.address:#x}/{line.op.size} "
        f"= {line.op.value} {line.op.flags!r} {dict(line.goto)}"
        for actor in actors
        for number, line in enumerate(actor.lines)
    )


def check_sc(actors: tuple[Program, ...], explorer: ExplorerName) -> None:
    expected = outcomes(actors, tso=False)
    assert expected is not None
    event(", ".join(sorted(expected)))
    found = searched(actors, explorer=explorer, store_buffer=16)
    assert found.complete
    assert set(found.outcomes) == expected, listing(actors)
    for outcome, cost in cheapest(actors).items():
        seen = found.outcomes[outcome]
        assert (seen.preemptions, seen.switches) == cost, f"{outcome}:\n{listing(actors)}"


def check_tso(actors: tuple[Program, ...], explorer: ExplorerName) -> None:
    expected = outcomes(actors, tso=True)
    # A loop that stores fills its buffer without end: brute force knows no bound.
    assume(expected is not None)
    found = searched(actors, MemoryModel.TSO, explorer, store_buffer=16)
    assert found.complete
    assert set(found.outcomes) == expected, listing(actors)


@every_explorer
@settings(max_examples=300, deadline=None)
@given(actors=PAIRS)
def test_sc_finds_exactly_the_outcomes_that_there_are(
    explorer: ExplorerName, actors: tuple[Program, ...]
) -> None:
    check_sc(actors, explorer)


@every_explorer
@settings(max_examples=300, deadline=None)
@given(actors=PAIRS)
def test_tso_finds_exactly_the_outcomes_that_there_are(
    explorer: ExplorerName, actors: tuple[Program, ...]
) -> None:
    check_tso(actors, explorer)


@every_explorer
@settings(max_examples=300, deadline=None)
@given(actors=CHOOSING)
def test_sc_tries_every_answer_of_a_choice(
    explorer: ExplorerName, actors: tuple[Program, ...]
) -> None:
    check_sc(actors, explorer)


@every_explorer
@settings(max_examples=300, deadline=None)
@given(actors=CHOOSING)
def test_tso_tries_every_answer_of_a_choice(
    explorer: ExplorerName, actors: tuple[Program, ...]
) -> None:
    check_tso(actors, explorer)


@every_explorer
@settings(max_examples=150, deadline=None)
@given(actors=THREE)
def test_three_actors_under_sc(explorer: ExplorerName, actors: tuple[Program, ...]) -> None:
    check_sc(actors, explorer)


@every_explorer
@settings(max_examples=100, deadline=None)
@given(actors=THREE)
def test_three_actors_under_tso(explorer: ExplorerName, actors: tuple[Program, ...]) -> None:
    check_tso(actors, explorer)


@every_model
@every_explorer
@settings(max_examples=300, deadline=None)
@given(actors=CHOOSING)
def test_every_outcome_has_a_witness_that_replays_live(
    explorer: ExplorerName, model: MemoryModel, actors: tuple[Program, ...]
) -> None:
    found = searched(actors, model, explorer, store_buffer=16)
    for outcome, seen in found.outcomes.items():
        witness = witness_of(found, seen, outcome=outcome)
        if outcome is not Outcome.HUNG:
            assert witness.run.outcome is outcome
            if model is MemoryModel.SC:
                assert witness.switches == seen.switches, listing(actors)
    validate(found, range(2))


@every_explorer
@settings(max_examples=200, deadline=None)
@given(actors=PAIRS, bound=st.integers(0, 3))
def test_a_bound_keeps_what_is_cheaper_and_says_so(
    explorer: ExplorerName, actors: tuple[Program, ...], bound: int
) -> None:
    found = searched(actors, explorer=explorer, limits=Limits(preemptions=bound))
    cheap = {outcome for outcome, cost in cheapest(actors).items() if cost[0] <= bound}
    assert set(found.outcomes) - {Outcome.HUNG} == cheap, listing(actors)
    if Outcome.HUNG in found.outcomes or found.complete:
        everything = outcomes(actors, tso=False)
        assert everything is not None
        assert set(found.outcomes) <= everything
        assert not found.complete or set(found.outcomes) == everything


@every_model
@every_explorer
@settings(max_examples=300, deadline=None)
@given(actors=PAIRS)
def test_an_event_that_nobody_heeds_changes_nothing(
    explorer: ExplorerName, model: MemoryModel, actors: tuple[Program, ...]
) -> None:
    actors = tuple(deaf(actor) for actor in actors)
    expected = outcomes(actors, tso=model is MemoryModel.TSO)
    assume(expected is not None)
    found = searched(
        actors, model, explorer, store_buffer=16, unheeded=frozenset({"server_pending"})
    )
    assert found.complete
    assert set(found.outcomes) == expected, listing(actors)
    if model is MemoryModel.SC:
        # Every wait sleeps: that is how the search counts.
        for outcome, cost in cheapest(tuple(silent(actor) for actor in actors)).items():
            seen = found.outcomes[outcome]
            assert (seen.preemptions, seen.switches) == cost, listing(actors)
    witnessed(found)
