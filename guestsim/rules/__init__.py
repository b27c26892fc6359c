"""The ring's specification as checks on every op."""

from guestsim.rules.catalogue import ALL
from guestsim.rules.monitor import Histories, Monitor, Watch, check_trace
from guestsim.rules.rule import Rule, as_judged

__all__ = ["ALL", "Histories", "Monitor", "Rule", "Watch", "as_judged", "check_trace"]
