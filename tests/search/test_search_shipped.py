"""The compiled explorer against the reference on the scenarios that ship: state count by state
count, cost by cost, with all rules.

In CI one of each file, as far as it is small, and of the museum and the real hvmloader one of each
folder; `pytest -m heavy` takes the others, and all of them whole where that is possible: hours of
plain Python.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet
from shipped import BINARIES, SCENARIOS, SHIPPED, is_long, name_of, skip_without

from guestsim.rules import ALL
from guestsim.runner.control import Options
from guestsim.runner.searched import problem_of
from guestsim.runner.setup import set_up
from guestsim.scenario import Strategy, StringOrder
from guestsim.search import ExplorerName, Limits, Problem, Search

SMALL = 1_500
"""States that the reference explores in half a second."""
LARGE = 150_000
"""More of them take it more than half a minute, and too much memory: only up to one preemption."""

SEARCHES = {
    name_of(scenario): scenario
    for scenario in SHIPPED
    if scenario.search.strategy in (Strategy.EXHAUSTIVE, Strategy.BOUNDED)
}
RULES = [rule.name for rule in ALL]


def problem(name: str) -> Problem:
    scenario = SEARCHES[name]
    names = {stage.name for stage in scenario.boot.stages}
    setup = set_up(scenario, {name: BINARIES[name] for name in BINARIES.keys() & names})
    setup.guest.keep_states = True
    return problem_of(scenario, setup, Options(), RULES)


def run(asked: Problem, explorer: ExplorerName, limits: Limits) -> Search:
    search = Search(
        Problem(
            actors=asked.actors,
            memory=asked.memory,
            prefix=asked.prefix,
            unheeded=asked.unheeded,
            model=asked.model,
            rules=asked.rules,
            limits=limits,
        ),
        explorer=explorer,
    )
    search.run()
    return search


def told(search: Search) -> dict[str, object]:
    explorer = search.explorer
    return {
        "why incomplete": search.why_incomplete,
        "outcomes": {str(outcome): seen.cost for outcome, seen in sorted(search.outcomes.items())},
        "rules": {rule: seen.cost for rule, (_, seen) in sorted(search.violations.items())},
        "states": explorer.states,
        "transitions": explorer.transitions,
        "memories": explorer.memories,
        "histories": explorer.histories,
        "a buffer was full": explorer.buffer_was_full,
    }


def compare(name: str, limits: Limits) -> None:
    asked = problem(name)
    reference, compiled = (
        told(run(asked, explorer, limits))
        for explorer in (ExplorerName.REFERENCE, ExplorerName.COMPILED)
    )
    # They stop in different places within a state when the budget ends them.
    assert "budget" not in str(compiled["why incomplete"]), "nothing to compare in a cut search"
    assert compiled == reference


def size(name: str) -> int:
    return run(problem(name), ExplorerName.COMPILED, Limits()).explorer.states


def one_of_each_file() -> Iterator[ParameterSet]:
    files: dict[Path, str] = {}
    for name in sorted(SEARCHES):
        files.setdefault(SEARCHES[name].path, name)
    folders: set[Path] = set()
    for path, name in files.items():
        is_one_of_many = path.relative_to(SCENARIOS).parts[0] in ("museum", "real")
        known = is_one_of_many and path.parent in folders
        folders.add(path.parent)
        long = known or is_long(SEARCHES[name])
        yield pytest.param(name, marks=pytest.mark.heavy if long else ())


@pytest.mark.parametrize("name", [*one_of_each_file()])
def test_both_find_the_same_up_to_a_few_thousand_states(name: str) -> None:
    """Whole if it is small, else as far as so few preemptions lead."""
    skip_without(SEARCHES[name])
    bound = 0
    while bound < 8:
        limits = Limits(preemptions=bound, states=SMALL)
        if run(problem(name), ExplorerName.COMPILED, limits).explorer.states > SMALL:
            break
        bound += 1
    compare(name, Limits(preemptions=max(0, bound - 1), states=40 * SMALL))


@pytest.mark.heavy
@pytest.mark.parametrize("name", SEARCHES)
def test_both_find_the_same(name: str) -> None:
    skip_without(SEARCHES[name])
    in_any_order = SEARCHES[name].search.string_stores is StringOrder.ANY_ORDER
    whole = not in_any_order and size(name) <= LARGE
    compare(name, Limits() if whole else Limits(preemptions=0, states=2 * LARGE))
