"""Searches of small actors, in few words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from small_actors import MEMORY

from guestsim.search import ExplorerName, Problem, Search, witness_of
from guestsim.trace import Actor
from guestsim.trace.memory_model import MemoryModel

every_explorer = pytest.mark.parametrize("explorer", list(ExplorerName))
every_model = pytest.mark.parametrize("model", list(MemoryModel))


def searched(
    actors: Sequence[Actor],
    model: MemoryModel = MemoryModel.SC,
    explorer: ExplorerName = ExplorerName.COMPILED,
    *,
    memory: bytes = MEMORY,
    **problem: Any,
) -> Search:
    """A search that has run."""
    search = Search(
        Problem(actors=actors, memory=memory, model=model, **problem), explorer=explorer
    )
    search.run()
    return search


def witnessed(search: Search) -> Search:
    """The same, and everything that it found has been replayed."""
    for outcome, sighting in search.outcomes.items():
        witness_of(search, sighting, outcome=outcome)
    for rule, (_, sighting) in search.violations.items():
        witness_of(search, sighting, rule=rule)
    return search
