"""Composes scenarios, guests, daemons, rules and strategies: the one place that knows all parts."""

from guestsim.machine.description import describe_image
from guestsim.machine.images import builtin_images
from guestsim.runner.check import check, check_all
from guestsim.runner.control import Options, Report
from guestsim.runner.once import replay_once, run_once
from guestsim.runner.setup import Setup, set_up
from guestsim.runner.shrink import shrink
from guestsim.runner.witnesses import save_schedule

__all__ = [
    "Options",
    "Report",
    "Setup",
    "builtin_images",
    "check",
    "check_all",
    "describe_image",
    "replay_once",
    "run_once",
    "save_schedule",
    "set_up",
    "shrink",
]
