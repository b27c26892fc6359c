"""What is known of one actor, as a finite table.

A node is a point of the actor, with the op that it performs next. An op of a kind in
`guestsim.trace.ops.ANSWERED` leads to one node for each value seen, any other op to one node.
Points with equal keys are one node; runs of ops that end alike share their nodes.
"""

from __future__ import annotations

from guestsim.errors import InternalError
from guestsim.trace import Op

__all__ = ["END", "Record"]

END = -1
"""In place of the next node: there is none, or it depends on the answer."""


class Record:
    """Nodes are numbers from 0, in the order of their discovery. Two records are equal if all that
    is in them is."""

    def __init__(self, name: str) -> None:
        self.name = name
        """The actor's."""
        self.first = END
        """The node at which the record begins."""
        self.ops: list[Op] = []
        """The op of each node."""
        self.following: list[int] = []
        """The node after each node's op; END for a HALT and where `answers` says it."""
        self.answers: list[dict[int, int] | None] = []
        """Value -> next node, None for the ops that have no answer."""

    def after(self, node: int, value: int) -> int:
        """The node after the answered op of `node` gave `value`; InternalError where that is not
        known."""
        answers = self.answers[node]
        if answers is None or value not in answers:
            raise InternalError(f"the record of {self.name} does not say what follows {value} here")
        return answers[value]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        return (self.name, self.first, self.ops, self.following, self.answers) == (
            (other.name, other.first, other.ops, other.following, other.answers)
        )

    __hash__ = None  # type: ignore[assignment]
