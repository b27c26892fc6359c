"""The ring's specification as checks on every op."""

from guestsim.rules.catalogue import ALL, BY_NAME
from guestsim.rules.monitor import Histories, Monitor, Watch, check_trace

__all__ = ["ALL", "BY_NAME", "Histories", "Monitor", "Watch", "check_trace"]
