"""The rules' side of a search: what they remember is a number in a state's key."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from guestsim.search.model import HISTORY_BITS, Rules
from guestsim.search.parts import Parts, TooManyError
from guestsim.trace import Event, Kind, Violation
from guestsim.trace.effects import apply

__all__ = ["Judge"]


class Judge:
    """Shows events to the rules, and numbers their histories in the order of their discovery."""

    def __init__(
        self,
        rules: Rules,
        shift: int,
        parts: Parts,
        on_violation: Callable[[Violation], None] | None,
    ) -> None:
        """`shift`: where in a key the number of the history is."""
        self.rules = rules
        self._shift = shift
        self._mask = ((1 << HISTORY_BITS) - 1) << shift
        self._parts = parts
        self._on_violation = on_violation
        self._histories: list[Any] = [rules.initial]
        self._numbers: dict[Any, int] = {rules.initial: 0}

    def __len__(self) -> int:
        """How many different histories there are so far."""
        return len(self._histories)

    def see(self, key: int, events: Iterable[Event]) -> int:
        """What it adds to the key that these events follow each other from here. What all but a
        store do to memory is left out: nothing follows them."""
        return self.see_stores(key, ((event, True) for event in events))

    def see_stores(self, key: int, stores: Iterable[tuple[Event, bool]]) -> int:
        """The same for events each of which comes with whether the rules look at it."""
        old = (key & self._mask) >> self._shift
        history = self._histories[old]
        memory = self._parts.memory(key)
        for event, seen in stores:
            if seen:
                history = self._show(history, memory, event)
            if event.op.kind is Kind.STORE:
                apply(memory, event.op)
        return self._number(history) - old << self._shift

    def see_end(self, key: int, event: Event) -> None:
        """The execution ends with the HALT `event`."""
        history = self._histories[(key & self._mask) >> self._shift]
        self._show(history, self._parts.memory(key), event)

    def _show(self, history: Any, memory: bytearray, event: Event) -> Any:
        history, found = self.rules.step(history, memory, event)
        if self._on_violation is not None:
            for violation in found:
                self._on_violation(violation)
        return history

    def _number(self, history: Any) -> int:
        number = self._numbers.get(history)
        if number is None:
            number = len(self._histories)
            if number >> HISTORY_BITS:
                raise TooManyError("the rules have too many different histories")
            self._histories.append(history)
            self._numbers[history] = number
        return number
