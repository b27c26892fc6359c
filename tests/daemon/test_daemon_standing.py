"""What a daemon has set up, in words: along a boot that watches and opens a transaction."""

from __future__ import annotations

from pathlib import Path

import pytest

from guestsim.daemon import Point
from guestsim.daemon.standing import standing
from guestsim.runner import Options, set_up
from guestsim.runner.searched import search
from guestsim.scenario import load_one

SCENARIOS = Path(__file__).parents[2] / "scenarios"


@pytest.mark.parametrize("variant", ["closing-sc", "closing-xenstored-sc"])
def test_watches_and_transactions_are_told_until_the_close(variant: str) -> None:
    scenario = load_one(SCENARIOS / f"close-watches.toml#{variant}")
    _, daemon = search(scenario, set_up(scenario), Options()).records
    told = {standing(point.state) for _, point in daemon.points() if isinstance(point, Point)}
    lines = {line for text in told for line in text.splitlines()}
    assert any(line.startswith("watch ") and "(token " in line for line in lines), lines
    assert "transaction 1 is open" in lines
    assert any(line.startswith("to send: reply ") for line in lines)
    assert "" in told, "nothing is set up at the beginning"
