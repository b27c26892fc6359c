"""A part of a record: what some executions need, and nothing else."""

from __future__ import annotations

import pytest
from small_actors import MEMORY, REQ_PROD, Line, Program, halt, load, store

from guestsim.errors import InternalError
from guestsim.record import Recorder, cut
from guestsim.trace import Outcome
from guestsim.trace.shared import SHARED_SIZE


def recorded() -> Recorder:
    record = Recorder(
        Program(
            "daemon",
            [Line(load(REQ_PROD), {0: 0, 1: 2}), store(REQ_PROD, 7), halt(), halt(Outcome.REFUSED)],
        ),
        SHARED_SIZE,
    )
    for value in (0, 1, 2):
        record.after(record.first, value)
    return record


def test_only_what_is_walked_is_kept() -> None:
    assert len(MEMORY) == SHARED_SIZE
    record = recorded()
    halted = record.after(record.first, 1)
    part, kept = cut(record, [[(record.first, 1), (halted, 0)]])
    assert [op.kind.name for op in part.ops] == ["LOAD", "HALT"]
    assert part.answers == [{1: 1}, None]
    assert kept == {record.first: 0, halted: 1}
    with pytest.raises(InternalError, match="does not say what follows 0 here"):
        part.after(0, 0)


def test_a_walk_along_everything_keeps_everything() -> None:
    record = recorded()
    walks = []
    for value in record.answers[record.first] or {}:
        node = record.after(record.first, value)
        walk = [(record.first, value)]
        while record.following[node] != -1:
            walk.append((node, 0))
            node = record.following[node]
        walks.append([*walk, (node, 0)])
    part, kept = cut(record, walks)
    assert len(part.ops) == len(record.ops) == len(kept)
    for node, new in kept.items():
        assert part.ops[new] == record.ops[node]
        old = record.answers[node]
        assert part.answers[new] == (None if old is None else {v: kept[n] for v, n in old.items()})


def test_what_goes_on_behind_the_walks_is_not_there() -> None:
    record = recorded()
    part, _ = cut(record, [[(record.first, 2)]])
    assert part.following == [-1]
    assert part.answers == [{}]
