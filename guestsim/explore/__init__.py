"""Schedules, executions and strategies over actors and ops."""

from guestsim.explore.beginning import Beginning, begin_after
from guestsim.explore.digest import trace_bytes
from guestsim.explore.events import Matcher, parse_event
from guestsim.explore.execution import MAX_OPS, Execution, Motion, Observer
from guestsim.explore.found import Found, explore
from guestsim.explore.options import Limits, Reductions, Sighting
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
from guestsim.explore.search import Search
from guestsim.explore.strategies import Strategy, execute, fair, pct, random_walk
from guestsim.explore.string_stores import StringStores
from guestsim.explore.tso import TsoExecution
from guestsim.explore.witness import Witness, schedule_of_witness, witness_of
from guestsim.explore.world import MemoryModel
from guestsim.explore.world import Rules as SearchRules

__all__ = [
    "MAX_OPS",
    "SUFFIX",
    "Beginning",
    "Execution",
    "Found",
    "Image",
    "Limits",
    "Matcher",
    "MemoryModel",
    "Motion",
    "Observer",
    "Reductions",
    "Schedule",
    "ScriptStep",
    "Search",
    "SearchRules",
    "Segment",
    "Sighting",
    "Strategy",
    "StringStores",
    "TsoExecution",
    "Witness",
    "begin_after",
    "check_images",
    "execute",
    "explore",
    "fair",
    "load_schedule",
    "parse_event",
    "pct",
    "random_walk",
    "replay",
    "save_schedule",
    "schedule_of",
    "schedule_of_witness",
    "script",
    "trace_bytes",
    "witness_of",
]
