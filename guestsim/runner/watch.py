"""The rules as executions want them."""

from __future__ import annotations

from guestsim.execute import Observer
from guestsim.rules import ALL, Monitor, Watch

__all__ = ["rule_observer"]

_MONITOR = Monitor(ALL)


def rule_observer() -> Observer:
    """A fresh observer of all rules, for one execution."""
    return Watch(_MONITOR).see
