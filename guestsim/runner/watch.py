"""The rules as an observer of executions."""

from __future__ import annotations

from collections.abc import Iterable

from guestsim.explore import Observer
from guestsim.rules import ALL, Monitor
from guestsim.trace import Event, Violation

__all__ = ["rule_observer"]

_MONITOR = Monitor(ALL)


def rule_observer() -> Observer:
    """A fresh observer of all rules, for one execution."""
    histories = _MONITOR.initial

    def observe(memory: bytearray, event: Event) -> Iterable[Violation] | None:
        nonlocal histories
        histories, violations = _MONITOR.step(histories, memory, event)
        return violations

    return observe
