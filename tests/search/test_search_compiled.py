"""The edges of the compiled explorer: no memory, nonsense, an exact budget, a library that is not
there."""

from __future__ import annotations

from typing import Any

import pytest
from random_problems import case_of, problem_of
from searching import searched
from small_actors import MEMORY, REQ_CONS, REQ_PROD, Line, Program, halt, load, store, wait

from guestsim.errors import GuestsimError, InternalError, StoppedError
from guestsim.record import Record
from guestsim.search import Limits, Problem, Search, library
from guestsim.search.compiled import CompiledExplorer
from guestsim.trace import Flag, Kind, Op
from guestsim.trace.shared import SHARED_SIZE


def never(_states: int, _waiting: int) -> bool:
    return False


@pytest.mark.parametrize("seed", [3, 8, 21, 38, 40, 123])
def test_every_allocation_may_fail(seed: int) -> None:
    """Each in its turn: by a limit that is reached one byte, or one row, later each time."""
    problem = problem_of(case_of(seed), 10_000)
    whole = Search(problem)
    whole.run()
    needed = whole.explorer.peak_bytes
    failed = told = 0
    for most in [*range(1, min(needed, 4000), 61), *range(4000, needed, max(1, needed // 300))]:
        search = Search(problem)
        histories = search._histories()
        explorer = CompiledExplorer(problem, search.records, histories, most_bytes=most)
        why = explorer.run(never)
        failed += why == "out of memory"
        assert explorer.states <= whole.explorer.states
        assert explorer.peak_bytes <= most
        for outcome, sighting in explorer.outcomes.items():
            # The order is the same, so the way is: with less memory, the search only ends earlier.
            try:
                assert explorer.path(sighting) == whole.explorer.path(whole.outcomes[outcome])
                told += why == "out of memory"
            except StoppedError:
                assert why == "out of memory"
    assert failed > 50
    # Some of them end in ways that were seen before the memory was used up.
    assert (told > 0) == (seed in (8, 21, 38, 123))
    search = Search(problem)
    enough = CompiledExplorer(problem, search.records, search._histories(), most_bytes=2 * needed)
    assert enough.run(never) is None
    assert enough.states == whole.explorer.states


def test_out_of_memory_is_no_verdict() -> None:
    actors = (
        Program("guest", [Line(load(REQ_PROD), {0: 0}), halt()]),
        Program("daemon", [store(REQ_CONS, 1), wait(), halt()]),
    )
    problem = Problem(actors=actors, memory=MEMORY)
    search = Search(problem)
    search.explorer = CompiledExplorer(problem, search.records, None, most_bytes=60_000)
    search.run()
    assert search.why_incomplete == "out of memory"
    assert not search.complete
    assert search.outcomes == {}


def test_without_any_memory_nobody_stands_anywhere() -> None:
    search = searched((Program("guest", [halt()]),))
    explorer = CompiledExplorer(search.problem, search.records, None, most_bytes=1)
    assert explorer.run(never) == "out of memory"
    assert explorer.crowd(0) == ({}, 0)


@pytest.mark.parametrize("states", [1, 2, 3, 5, 8, 9])
def test_a_budget_of_states_is_exact(states: int) -> None:
    lines = [load(REQ_PROD), load(REQ_CONS), halt()]
    actors = Program("guest", lines), Program("daemon", [*lines])
    whole = searched(actors)
    assert whole.explorer.states == 9
    search = searched(actors, limits=Limits(states=states))
    assert search.complete == (states >= 9)
    assert search.explorer.states == min(9, states + 1)
    for actor in (0, 1):
        assert sum(search.explorer.crowd(actor).nodes.values()) == search.explorer.states


class Odd(Record):
    """A record of one node that says what no recorder would."""

    live_runs = 0

    def __init__(self, op: Op, following: int = -1, answers: dict[int, int] | None = None) -> None:
        super().__init__("guest")
        self.first = 0
        self.ops, self.following, self.answers = [op], [following], [answers]


@pytest.mark.parametrize(
    "record",
    [
        Odd(Op(Kind.LOAD, SHARED_SIZE - 2, 4), answers={}),
        Odd(Op(Kind.LOAD, 0xFFFFFFFE, 4), answers={}),
        Odd(Op(Kind.LOAD, 0, 16), answers={}),
        Odd(Op(Kind.RMW, 0, 4), answers={0: 0}),
        Odd(Op(Kind.STORE, 0, 4), following=7),
        Odd(Op(Kind.STORE, SHARED_SIZE - 1, 2), following=0),
        Odd(Op(Kind.SEND, 0x100, 4, 1), following=0),
        Odd(Op(Kind.UNMASK, 0x2000, 4, 1), following=0),
        Odd(Op(Kind.CHOOSE, value=1), answers={}),
        Odd(Op(Kind.CHOOSE, value=1 << 40), answers={}),
        Odd(Op(Kind.WAIT, 0x2000, 9, 1), answers={}),
    ],
    ids=lambda record: f"{record.ops[0].kind.name.lower()} {record.ops[0].address:#x}",
)
def test_nonsense_is_refused(record: Odd) -> None:
    problem = Problem(actors=(), memory=MEMORY)
    with pytest.raises(InternalError, match="makes no sense"):
        CompiledExplorer(problem, (record,), None)


def test_flags_are_those_of_ops() -> None:
    # explorer.c has them as numbers.
    assert (Flag.SPURIOUS, Flag.CONSUME, Flag.POLL) == (2, 4, 16)
    assert [kind.name for kind in Kind] == [
        *("LOAD", "STORE", "RMW", "FENCE", "SEND", "UNMASK", "WAIT", "HALT", "CHOOSE", "ACT")
    ]


def test_where_there_is_no_library_one_is_told_what_to_do(monkeypatch: Any, tmp_path: Any) -> None:
    library.load_library.cache_clear()
    monkeypatch.setattr(library, "LIBRARY", tmp_path / "explorer.so")
    with pytest.raises(GuestsimError, match="--explorer reference"):
        library.load_library()
    monkeypatch.undo()
    library.load_library.cache_clear()
