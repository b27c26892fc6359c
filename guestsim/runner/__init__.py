"""Composes scenarios, guests, daemons, rules and strategies: the one place that knows all parts."""

from guestsim.machine.images import builtin_images
from guestsim.runner.check import check
from guestsim.runner.once import replay_once, run_once, save_schedule
from guestsim.runner.setup import Setup, set_up

__all__ = ["Setup", "builtin_images", "check", "replay_once", "run_once", "save_schedule", "set_up"]
