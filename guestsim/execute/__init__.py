"""Executions: actors moved one step at a time, by strategies, scripts and schedules."""

from guestsim.execute.digest import trace_bytes
from guestsim.execute.execution import MAX_OPS, Execution, Motion, Observer
from guestsim.execute.replay import check_images, replay
from guestsim.execute.schedule import (
    SUFFIX,
    Image,
    Schedule,
    Segment,
    load_schedule,
    save_schedule,
    schedule_of,
)
from guestsim.execute.script import ScriptStep, script
from guestsim.execute.strategies import Strategy, execute, fair, pct, random_walk
from guestsim.execute.tso import ENGINES, TsoExecution

__all__ = [
    "ENGINES",
    "MAX_OPS",
    "SUFFIX",
    "Execution",
    "Image",
    "Motion",
    "Observer",
    "Schedule",
    "ScriptStep",
    "Segment",
    "Strategy",
    "TsoExecution",
    "check_images",
    "execute",
    "fair",
    "load_schedule",
    "pct",
    "random_walk",
    "replay",
    "save_schedule",
    "schedule_of",
    "script",
    "trace_bytes",
]
