"""The page against the search: another language, another author, nothing shared but the records."""

from __future__ import annotations

import pytest
from browsing import SCENARIOS, Open, Opened, content, html
from shipped import SHIPPED, name_of, needs_binary, skip_without, some_in_ci

from guestsim.page.content import Content
from guestsim.scenario import Scenario, Strategy, load_one
from guestsim.trace import Outcome


def prepared(scenario: Scenario) -> Content:
    """Its content; a search that claims something about every order fits into its page."""
    skip_without(scenario)
    found = content(name_of(scenario))
    if scenario.search.strategy in (Strategy.EXHAUSTIVE, Strategy.BOUNDED):
        assert found.whole, found.why_not_whole
    return found


def under(model: str) -> list[Scenario]:
    return [scenario for scenario in SHIPPED if scenario.search.memory_model == model]


def check_ways(page: Opened, found: Content) -> None:
    """Each simplest way ends as it should, in the same words."""
    for number, way in enumerate(found.ways):
        page.js(f"guestsim.way({number})")
        assert "could not" not in page.text("#said")
        if way.outcome is Outcome.HUNG and not page.outcome:
            continue  # without the solver, nobody knows
        assert page.outcome == way.outcome, way.title
        if way.outcome is not Outcome.CORRUPTED:  # there, the guest's console says more
            said = page.text("#outcome").partition(": ")[2].rstrip(".")
            assert way.sentence.startswith(said), f"{said}\n{way.sentence}"


@pytest.mark.parametrize("scenario", some_in_ci(under("sc")))
def test_the_page_finds_what_the_search_finds(scenario: Scenario, opened: Open) -> None:
    """Outcomes, states, steps and contents of memory."""
    found = prepared(scenario)
    page = opened(html(name_of(scenario)))
    if found.whole:
        page.solved()
        assert set(page.js("[...guestsim.solver.distance.keys()]")) == set(found.found)
        assert page.js("guestsim.solver.states") == found.states
        assert page.js("guestsim.solver.transitions") == found.transitions
        images = found.certificate.memory_images if found.certificate else None
        assert page.js("guestsim.solver.graph.memories.count") == images
    check_ways(page, found)


def check_size(scenario: Scenario) -> None:
    prepared(scenario)
    size = len(html(name_of(scenario)).encode())
    assert size < (1_000_000 if needs_binary(scenario) else 300_000)


OURS, REAL = ([one for one in under("tso") if needs_binary(one) is real] for real in (False, True))


@pytest.mark.parametrize("scenario", some_in_ci(OURS))
def test_what_is_searched_under_tso_has_a_page(scenario: Scenario) -> None:
    check_size(scenario)


@pytest.mark.heavy
@pytest.mark.parametrize("scenario", REAL, ids=name_of)
def test_so_has_each_of_the_real_ones(scenario: Scenario) -> None:
    check_size(scenario)


@pytest.mark.parametrize(
    "name",
    ["torn-reset.toml#every-tso", "close-watches.toml#draft-tso", "dom0less.toml#oxenstored-tso"],
)
def test_under_tso_too(name: str, opened: Open) -> None:
    test_the_page_finds_what_the_search_finds(load_one(SCENARIOS / name), opened)


@pytest.mark.heavy
@pytest.mark.parametrize("scenario", under("tso"), ids=name_of)
def test_all_of_tso(scenario: Scenario, opened: Open) -> None:
    test_the_page_finds_what_the_search_finds(scenario, opened)
