"""The rules' side of a search: their histories, and what they see of an op, are numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from guestsim.errors import InternalError
from guestsim.search.problem import RuleSet
from guestsim.trace import Event, Kind, Op, Violation

__all__ = ["RuleHistories", "View"]


_MOST_BROKEN = 64
"""Rules that an explorer can tell apart: bits of a word."""


class View(NamedTuple):
    """What one set of rules is shown with one op."""

    rules: int
    """Number of the set."""
    actor: str
    op: Op
    """As the rules see it."""
    looks: frozenset[str]
    """Fields of shared memory."""


class RuleHistories:
    """Numbers views, the histories of each set of rules, and broken rules, in the order of their
    discovery. A judgement depends on nothing but these, the event's value, and the contents of the
    fields of the view."""

    def __init__(self, rules: Sequence[RuleSet], first: Sequence[Any]) -> None:
        """`first`: of each set, its history where the search begins. Its number is 0."""
        self.rules = tuple(rules)
        self.histories: list[list[Any]] = [[history] for history in first]
        """Of each set, by number."""
        self._numbers: list[dict[Any, int]] = [{history: 0} for history in first]
        self.views: list[View] = []
        self._ops: dict[tuple[str, Op], range] = {}
        self.broken: list[Violation] = []
        """The first violation of each rule."""

    def op(self, actor: str, op: Op) -> range:
        """The numbers of the views of an op of the actor's."""
        event = Event(actor, op)
        concerned = [at for at, rules in enumerate(self.rules) if rules.concerned(event)]
        if not concerned:
            return range(0)
        seen = self.rules[0].seen(op)
        if (actor, seen) not in self._ops:
            first = len(self.views)
            self.views += [View(at, actor, seen, self.rules[at].looks(event)) for at in concerned]
            self._ops[actor, seen] = range(first, len(self.views))
        return self._ops[actor, seen]

    def judge(
        self, view: int, value: int, history: int, memory: bytes | bytearray
    ) -> tuple[int, frozenset[int]]:
        """The number of the set's history after an event, and of the rules that it breaks.
        `memory` is as it was before the event."""
        rules, actor, seen, _ = self.views[view]
        if seen.kind is Kind.STORE:
            value = seen.value
        before = self.histories[rules][history]
        after, found = self.rules[rules].step(before, memory, Event(actor, seen, value))
        number = self._numbers[rules].setdefault(after, len(self.histories[rules]))
        if number == len(self.histories[rules]):
            self.histories[rules].append(after)
        return number, frozenset(map(self._number, found))

    def _number(self, violation: Violation) -> int:
        """Of the rule that is broken."""
        for number, known in enumerate(self.broken):
            if known.rule == violation.rule:
                return number
        if len(self.broken) == _MOST_BROKEN:
            raise InternalError(f"more than {_MOST_BROKEN} different rules are broken")
        self.broken.append(violation)
        return len(self.broken) - 1
