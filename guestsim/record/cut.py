"""A part of records: what some executions need, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable

from guestsim.record.record import END, Record

__all__ = ["cut"]


def cut(
    record: Record, walks: Iterable[Iterable[tuple[int, int]]]
) -> tuple[Record, dict[int, int]]:
    """`record` with the nodes on `walks` only, and where each of them is now (old -> new).

    A walk is what one execution did: the nodes that it left, each with its answer (0 where it has
    none), and at last the node at which it stopped, with any answer.
    """
    kept: dict[int, int] = {record.first: 0}
    answered: dict[int, set[int]] = {}
    for walk in walks:
        for node, value in walk:
            kept.setdefault(node, len(kept))
            answered.setdefault(node, set()).add(value)
    part = Record(record.name)
    part.first = 0
    for node in kept:
        part.ops.append(record.ops[node])
        part.following.append(kept.get(record.following[node], END))
        answers = record.answers[node]
        part.answers.append(
            None
            if answers is None
            else {
                value: kept[then]
                for value, then in answers.items()
                if value in answered.get(node, ()) and then in kept
            }
        )
    return part, kept
