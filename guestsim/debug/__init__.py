"""A GDB remote stub on a guest at a witness: forward and back, instruction by instruction."""

from guestsim.debug.course import Plan
from guestsim.debug.monitor import Monitor, Stage
from guestsim.debug.server import Server, listen
from guestsim.debug.session import Session
from guestsim.debug.timeline import Timeline
from guestsim.machine.stepping import Stepper

__all__ = ["Monitor", "Plan", "Server", "Session", "Stage", "Stepper", "Timeline", "listen"]
