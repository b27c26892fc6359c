"""The compiled explorer against the reference on random problems, field by field."""

from __future__ import annotations

from collections import Counter

import pytest
from random_problems import Case, case_of, listing, problem_of, shrunk

from guestsim.search import ExplorerName, Search, witness_of
from guestsim.trace import Outcome
from guestsim.trace.memory_model import MemoryModel

PROBLEMS = 5_000
CHUNK = 500
MANY = 200_000
STATES = 1_000
"""Where there are more, all that is compared is that both say so."""


def run(case: Case, explorer: ExplorerName) -> Search:
    search = Search(problem_of(case, STATES), explorer=explorer)
    search.run()
    return search


def results(search: Search) -> dict[str, object]:
    """What both explorers must agree on."""
    counts = search.explorer
    if search.why_incomplete is not None and "budget" in search.why_incomplete:
        return {"why incomplete": search.why_incomplete}
    return {
        "why incomplete": search.why_incomplete,
        "complete": search.complete,
        "outcomes": {
            outcome: (seen.preemptions, seen.switches)
            for outcome, seen in sorted(search.outcomes.items())
        },
        "violations": {
            rule: (seen.preemptions, seen.switches)
            for rule, (_, seen) in sorted(search.violations.items())
        },
        "states": counts.states,
        "transitions": counts.transitions,
        "memories": counts.memories,
        "histories": counts.histories,
        "a buffer was full": counts.buffer_was_full,
        "crowds": [crowded(search, actor) for actor in range(counts.count)],
    }


def crowded(search: Search, actor: int) -> tuple[int, Counter[str]]:
    """In how many states the actor's buffer holds stores, and at which op it stands in how many:
    explorers may number nodes in different orders."""
    crowd, record = search.explorer.crowd(actor), search.records[actor]
    at: Counter[str] = Counter()
    for node, states in crowd.nodes.items():
        op = record.ops[node]
        at[f"{op.kind.name} of line {op.site.pc}"] += states
    assert at.total() == search.explorer.states
    return crowd.buffered, at


def differs(case: Case) -> bool:
    compiled, reference = (results(run(case, explorer)) for explorer in ExplorerName)
    return compiled != reference


def report(case: Case) -> str:
    """What is different, in the smallest problem that shows it."""
    small = shrunk(case, differs)
    compiled, reference = (results(run(small, explorer)) for explorer in ExplorerName)
    lines = [
        f"  {name}: compiled {compiled.get(name)}, reference {reference.get(name)}"
        for name in compiled | reference
        if compiled.get(name) != reference.get(name)
    ]
    return "\n".join([f"shrunk from the problem of seed {case.seed}:", listing(small), *lines])


def check(seeds: range) -> None:
    for seed in seeds:
        case = case_of(seed)
        compiled = run(case, ExplorerName.COMPILED)
        if results(compiled) != results(run(case, ExplorerName.REFERENCE)):
            pytest.fail(report(case))
        if seed % 10 == 0:
            check_witnesses(case, compiled)


def check_witnesses(case: Case, search: Search) -> None:
    """All of them are replayed, at the cost that the search says."""
    for outcome, seen in search.outcomes.items():
        witness = witness_of(search, seen, outcome=outcome)
        if outcome is not Outcome.HUNG:
            assert witness.run.outcome is outcome, listing(case)
            if case.model is MemoryModel.SC and not case.begins_after:
                assert witness.switches == seen.switches, listing(case)
    for rule, (_, seen) in search.violations.items():
        assert witness_of(search, seen, rule=rule).violation is not None, listing(case)


@pytest.mark.parametrize("first", range(0, PROBLEMS, CHUNK))
def test_both_explorers_find_the_same(first: int) -> None:
    check(range(first, first + CHUNK))


@pytest.mark.heavy
@pytest.mark.parametrize("first", range(PROBLEMS, PROBLEMS + MANY, 10 * CHUNK))
def test_both_explorers_find_the_same_in_many_more(first: int) -> None:
    check(range(first, first + 10 * CHUNK))


def test_the_problems_are_rich() -> None:
    """Whatever can be the case is so in some of them, and most are small enough to be compared."""
    seen: Counter[str] = Counter()
    for seed in range(CHUNK):
        search = run(case_of(seed), ExplorerName.COMPILED)
        why = search.why_incomplete or "complete"
        seen[why.split()[0]] += 1
        seen.update(map(str, search.outcomes))
        seen["broken"] += bool(search.violations)
        seen["kept"] += bool(search.problem.rules) and not search.violations
        seen["hung and broken"] += any(
            sighting.mover < 0 <= sighting.stop for _, sighting in search.violations.values()
        )
        seen["full"] += search.explorer.buffer_was_full
        seen["begun"] += search.problem.prefix is not None
        seen["histories"] += search.explorer.histories > 3
        seen["preempted"] += any(sighting.preemptions > 1 for sighting in search.outcomes.values())
    assert seen["the"] < CHUNK / 20, "too large"
    rare = {name: seen[name] for name in seen if name != "the" and seen[name] < CHUNK / 200}
    assert not rare
    assert len(seen) == 16
