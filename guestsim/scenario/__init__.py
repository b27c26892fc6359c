"""Scenario files: TOML to typed models."""

from guestsim.scenario.grammar import Request, parse_request
from guestsim.scenario.json_schema import schema
from guestsim.scenario.linting import Finding as Lint
from guestsim.scenario.linting import lint as lint_file
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
from guestsim.scenario.shipped import shipped_scenarios
from guestsim.scenario.story import story_of
from guestsim.scenario.template import TEMPLATE

__all__ = [
    "DEFAULT_STRATEGY",
    "MAX_CASES",
    "OUTCOMES",
    "RULES",
    "TEMPLATE",
    "Boot",
    "Daemon",
    "Device",
    "DeviceName",
    "Expect",
    "Feature",
    "Frequency",
    "Judgement",
    "Lint",
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
    "lint_file",
    "load",
    "load_one",
    "parse_device",
    "parse_memory",
    "parse_request",
    "parse_xen",
    "schema",
    "shipped_scenarios",
    "story_of",
]
