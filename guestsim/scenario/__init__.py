"""Scenario files: TOML to typed models."""

from guestsim.scenario.expectations import OUTCOMES, RULES, Expect, Frequency, Judgement, Rules
from guestsim.scenario.grammar import Request, parse_request
from guestsim.scenario.json_schema import schema
from guestsim.scenario.linting import Finding as Lint
from guestsim.scenario.linting import lint as lint_file
from guestsim.scenario.loading import find, load, load_one
from guestsim.scenario.matrix import MAX_CASES
from guestsim.scenario.models import (
    DEFAULT_STRATEGY,
    Boot,
    Daemon,
    Feature,
    Ring,
    Scenario,
    Search,
    Stage,
    Step,
    Strategy,
    StringOrder,
)
from guestsim.scenario.others import Other, When, absolute_path, lanes, parse_act
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
from guestsim.scenario.template import BUILD, CLIENT, IMAGE_TEMPLATE, TEMPLATE
from guestsim.scenario.usual import requests_of, toolstack_store

__all__ = [
    "BUILD",
    "CLIENT",
    "DEFAULT_STRATEGY",
    "IMAGE_TEMPLATE",
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
    "Other",
    "Platform",
    "Request",
    "Ring",
    "Rules",
    "Scenario",
    "Search",
    "Stage",
    "Step",
    "Strategy",
    "StringOrder",
    "When",
    "absolute_path",
    "find",
    "lanes",
    "lint_file",
    "load",
    "load_one",
    "parse_act",
    "parse_device",
    "parse_memory",
    "parse_request",
    "parse_xen",
    "requests_of",
    "schema",
    "shipped_scenarios",
    "story_of",
    "toolstack_store",
]
