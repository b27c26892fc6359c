"""Schedules, executions and strategies over actors and ops."""

from guestsim.explore.digest import trace_bytes
from guestsim.explore.events import Matcher, parse_event
from guestsim.explore.execution import MAX_OPS, Execution, Motion, Observer
from guestsim.explore.replay import check_images, replay
from guestsim.explore.schedule import (
    SUFFIX,
    Image,
    Schedule,
    Segment,
    load_schedule,
    save_schedule,
    schedule_of,
)
from guestsim.explore.script import ScriptStep, script
from guestsim.explore.strategies import Strategy, execute, fair, pct, random_walk

__all__ = [
    "MAX_OPS",
    "SUFFIX",
    "Execution",
    "Image",
    "Matcher",
    "Motion",
    "Observer",
    "Schedule",
    "ScriptStep",
    "Segment",
    "Strategy",
    "check_images",
    "execute",
    "fair",
    "load_schedule",
    "parse_event",
    "pct",
    "random_walk",
    "replay",
    "save_schedule",
    "schedule_of",
    "script",
    "trace_bytes",
]
