"""Scenario files: TOML to typed models."""

from guestsim.scenario.grammar import Request, parse_request
from guestsim.scenario.json_schema import schema
from guestsim.scenario.loading import find, load, load_one
from guestsim.scenario.matrix import MAX_CASES
from guestsim.scenario.models import (
    DEFAULT_STRATEGY,
    OUTCOMES,
    RULES,
    Boot,
    Daemon,
    Expect,
    Feature,
    Frequency,
    Judgement,
    Ring,
    Rules,
    Runner,
    Scenario,
    Search,
    Stage,
    Step,
    Strategy,
    StringOrder,
)
from guestsim.scenario.platform import (
    Device,
    DeviceName,
    Platform,
    parse_device,
    parse_memory,
    parse_xen,
)

__all__ = [
    "DEFAULT_STRATEGY",
    "MAX_CASES",
    "OUTCOMES",
    "RULES",
    "Boot",
    "Daemon",
    "Device",
    "DeviceName",
    "Expect",
    "Feature",
    "Frequency",
    "Judgement",
    "Platform",
    "Request",
    "Ring",
    "Rules",
    "Runner",
    "Scenario",
    "Search",
    "Stage",
    "Step",
    "Strategy",
    "StringOrder",
    "find",
    "load",
    "load_one",
    "parse_device",
    "parse_memory",
    "parse_request",
    "parse_xen",
    "schema",
]
