"""The page against the search: another language, another author, nothing shared but the records."""

from __future__ import annotations

import pytest
from browsing import HVMLOADER, SCENARIOS, Open, content, html

from guestsim.scenario import Scenario, Strategy, find, load
from guestsim.trace import Outcome

SHIPPED = [scenario for path in find([SCENARIOS]) for scenario in load(path)]


def name_of(scenario: Scenario) -> str:
    return str(scenario.path.relative_to(SCENARIOS)) + (
        "" if scenario.variant is None else f"#{scenario.variant}"
    )


def needs_hvmloader(scenario: Scenario) -> bool:
    return any(stage.name == "hvmloader" for stage in scenario.boot.stages)


@pytest.mark.parametrize("scenario", SHIPPED, ids=name_of)
def test_the_page_finds_what_the_search_finds(scenario: Scenario, opened: Open) -> None:
    """Outcomes, states, steps; and each simplest way ends as it should, in the same words."""
    if needs_hvmloader(scenario) and HVMLOADER is None:
        pytest.skip("GUESTSIM_HVMLOADER names no hvmloader")
    name = name_of(scenario)
    found = content(name)
    page = opened(html(name))
    if scenario.search.strategy in (Strategy.EXHAUSTIVE, Strategy.BOUNDED):
        assert found.whole, found.why_not_whole
    if scenario.search.memory_model == "sc" and found.whole:
        page.solved()
        assert set(page.js("[...guestsim.solver.distance.keys()]")) == set(found.found)
        assert page.js("guestsim.solver.states") == found.states
        assert page.js("guestsim.solver.transitions") == found.transitions
        images = found.certificate.memory_images if found.certificate else None
        assert page.js("guestsim.solver.graph.memories.count") == images
    for number, way in enumerate(found.ways):
        page.js(f"guestsim.way({number})")
        assert "could not" not in page.text("#said")
        if way.outcome is Outcome.HUNG and not page.outcome:
            continue  # by tso or without the solver, nobody knows
        assert page.outcome == way.outcome, way.title
        if way.outcome is not Outcome.CORRUPTED:  # there, the guest's console says more
            said = page.text("#outcome").partition(": ")[2].rstrip(".")
            assert way.sentence.startswith(said), f"{said}\n{way.sentence}"
