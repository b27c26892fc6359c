"""Pages of small actors."""

from __future__ import annotations

from collections.abc import Sequence

from small_actors import MEMORY, Line, Program

from guestsim.page.content import Content
from guestsim.search import Problem, Search
from guestsim.trace import Op
from guestsim.trace.memory_model import MemoryModel


def small_content(
    guest: Sequence[Line | Op], daemon: Sequence[Line | Op], model: MemoryModel = MemoryModel.SC
) -> Content:
    """What the page of two programs holds."""
    actors = [Program("guest", guest), Program("daemon", daemon)]
    search = Search(Problem(actors=actors, memory=MEMORY, model=model))
    search.run()
    return Content(
        name="small",
        title="small",
        story="",
        scenario="small.toml",
        images={},
        labels={"guest": "guest", "daemon": "xenstored"},
        memory_model=str(model),
        store_buffer=64,
        memory=MEMORY,
        unheeded=frozenset(),
        records=search.records,
        whole=True,
        found=tuple(search.outcomes),
    )
