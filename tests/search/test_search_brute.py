"""The search against brute force: the same outcomes, with each reduction on and off."""

from __future__ import annotations

from itertools import product

import pytest
from brute_force import cheapest, deaf, outcomes, programs, silent
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from small_actors import MEMORY, Program

from guestsim.search.options import Limits, Reductions
from guestsim.search.search import Search
from guestsim.search.validate import validate
from guestsim.search.witness import witness_of
from guestsim.trace import Outcome
from guestsim.trace.memory_model import MemoryModel

PAIRS = st.tuples(programs("guest"), programs("daemon"))
STRAIGHT = st.tuples(programs("guest", loops=False), programs("daemon", loops=False))
"""Without loops: where points are not merged, a search of a loop does not end."""
CHOOSING = st.tuples(programs("guest", chooses=True), programs("daemon", 4, chooses=True))
THREE = st.tuples(programs("guest", 3), programs("daemon", 3), programs("third", 2))

SC = [
    Reductions(macro_steps=macro, justified_turns=turns)
    for macro, turns in product([True, False], repeat=2)
]
TSO = [
    Reductions(macro_steps=macro, eager_stores=eager)
    for macro, eager in product([True, False], repeat=2)
]


def search(
    actors: tuple[Program, ...],
    reductions: Reductions,
    model: MemoryModel = MemoryModel.SC,
    limits: Limits | None = None,
    unheeded: tuple[str, ...] = (),
) -> Search:
    made = Search(
        actors,
        MEMORY,
        unheeded=unheeded,
        model=model,
        reductions=reductions,
        limits=limits,
        store_buffer=16,
    )
    made.run()
    return made


def listing(actors: tuple[Program, ...]) -> str:
    return "\n".join(
        f"{actor.name} {number}: {line.op.kind.name} {line.op.address:#x}/{line.op.size} "
        f"= {line.op.value} {line.op.flags!r} {dict(line.goto)}"
        for actor in actors
        for number, line in enumerate(actor.lines)
    )


@settings(max_examples=1000, deadline=None)
@given(actors=PAIRS)
def test_sc_finds_exactly_the_outcomes_that_there_are(actors: tuple[Program, ...]) -> None:
    expected = outcomes(actors, tso=False)
    assert expected is not None
    event(", ".join(sorted(expected)))
    costs = cheapest(actors)
    for reductions in SC:
        found = search(actors, reductions)
        assert found.complete
        assert set(found.outcomes) == expected, f"{reductions}\n{listing(actors)}"
        for outcome, cost in costs.items():
            seen = found.outcomes[outcome]
            assert (seen.preemptions, seen.switches) == cost, (
                f"{outcome}: {reductions}\n{listing(actors)}"
            )


@settings(max_examples=1000, deadline=None)
@given(actors=PAIRS)
def test_tso_finds_exactly_the_outcomes_that_there_are(actors: tuple[Program, ...]) -> None:
    expected = outcomes(actors, tso=True)
    # A loop that stores fills its buffer without end: brute force knows no bound.
    assume(expected is not None)
    for reductions in TSO:
        found = search(actors, reductions, MemoryModel.TSO)
        assert found.complete
        assert set(found.outcomes) == expected, f"{reductions}\n{listing(actors)}"


@pytest.mark.parametrize("model", list(MemoryModel))
@settings(max_examples=500, deadline=None)
@given(actors=STRAIGHT)
def test_points_need_not_be_merged(model: MemoryModel, actors: tuple[Program, ...]) -> None:
    expected = outcomes(actors, tso=model is MemoryModel.TSO)
    assert expected is not None
    for macro in (True, False):
        apart = search(actors, Reductions(merge=False, macro_steps=macro), model)
        merged = search(actors, Reductions(macro_steps=macro), model)
        assert set(apart.outcomes) == set(merged.outcomes) == expected, listing(actors)
        for record, smaller in zip(apart.records, merged.records, strict=True):
            assert len(record.ops) >= len(smaller.ops)


@settings(max_examples=100, deadline=None)
@given(actors=THREE, model=st.sampled_from(list(MemoryModel)))
def test_three_actors_are_searched_without_macro_steps(
    actors: tuple[Program, ...], model: MemoryModel
) -> None:
    expected = outcomes(actors, tso=model is MemoryModel.TSO)
    assume(expected is not None)
    assert set(search(actors, Reductions(), model).outcomes) == expected, listing(actors)


@pytest.mark.parametrize("model", list(MemoryModel))
@settings(max_examples=300, deadline=None)
@given(actors=PAIRS)
def test_every_outcome_has_a_witness_that_replays_live(
    model: MemoryModel, actors: tuple[Program, ...]
) -> None:
    for reductions in SC if model is MemoryModel.SC else TSO:
        found = search(actors, reductions, model)
        for outcome, seen in found.outcomes.items():
            witness = witness_of(found, seen, actors, outcome=outcome)
            if outcome is not Outcome.HUNG:
                assert witness.run.outcome is outcome
                if model is MemoryModel.SC:
                    assert witness.switches == seen.switches, listing(actors)


@settings(max_examples=200, deadline=None)
@given(actors=PAIRS, bound=st.integers(0, 3))
def test_a_bound_keeps_what_is_cheaper_and_says_so(actors: tuple[Program, ...], bound: int) -> None:
    costs = cheapest(actors)
    for reductions in SC:
        found = search(actors, reductions, limits=Limits(preemptions=bound))
        cheap = {outcome for outcome, cost in costs.items() if cost[0] <= bound}
        assert set(found.outcomes) - {Outcome.HUNG} == cheap, f"{reductions}\n{listing(actors)}"
        if Outcome.HUNG in found.outcomes or found.complete:
            everything = outcomes(actors, tso=False)
            assert everything is not None
            assert set(found.outcomes) <= everything
            assert not found.complete or set(found.outcomes) == everything


@pytest.mark.parametrize("model", list(MemoryModel))
@settings(max_examples=500, deadline=None)
@given(actors=PAIRS)
def test_an_event_that_nobody_heeds_changes_nothing(
    model: MemoryModel, actors: tuple[Program, ...]
) -> None:
    actors = tuple(deaf(actor) for actor in actors)
    expected = outcomes(actors, tso=model is MemoryModel.TSO)
    assume(expected is not None)
    for reductions in SC if model is MemoryModel.SC else TSO:
        found = search(actors, reductions, model, unheeded=("server_pending",))
        assert found.complete
        assert set(found.outcomes) == expected, f"{reductions}\n{listing(actors)}"
        if model is MemoryModel.SC:
            # Every wait sleeps: that is how the search counts.
            for outcome, cost in cheapest(tuple(silent(actor) for actor in actors)).items():
                seen = found.outcomes[outcome]
                assert (seen.preemptions, seen.switches) == cost, listing(actors)
        for outcome, seen in found.outcomes.items():
            witness_of(found, seen, actors, outcome=outcome)


@settings(max_examples=1000, deadline=None)
@given(actors=CHOOSING)
def test_sc_tries_every_answer_of_a_choice(actors: tuple[Program, ...]) -> None:
    expected = outcomes(actors, tso=False)
    assert expected is not None
    costs = cheapest(actors)
    for reductions in SC:
        found = search(actors, reductions)
        assert found.complete
        assert set(found.outcomes) == expected, f"{reductions}\n{listing(actors)}"
        for outcome, cost in costs.items():
            seen = found.outcomes[outcome]
            assert (seen.preemptions, seen.switches) == cost, (
                f"{outcome}: {reductions}\n{listing(actors)}"
            )


@settings(max_examples=500, deadline=None)
@given(actors=CHOOSING)
def test_tso_tries_every_answer_of_a_choice(actors: tuple[Program, ...]) -> None:
    expected = outcomes(actors, tso=True)
    assume(expected is not None)
    for reductions in TSO:
        found = search(actors, reductions, MemoryModel.TSO)
        assert found.complete
        assert set(found.outcomes) == expected, f"{reductions}\n{listing(actors)}"


@pytest.mark.parametrize("model", list(MemoryModel))
@settings(max_examples=300, deadline=None)
@given(actors=CHOOSING)
def test_witnesses_of_choices_replay_live(model: MemoryModel, actors: tuple[Program, ...]) -> None:
    for reductions in SC if model is MemoryModel.SC else TSO:
        found = search(actors, reductions, model)
        for outcome, seen in found.outcomes.items():
            witness = witness_of(found, seen, actors, outcome=outcome)
            if outcome is not Outcome.HUNG:
                assert witness.run.outcome is outcome
                assert witness.choices == witness.run.choices
        validate(found, actors, range(2))
