"""The JSON Schema: it says what the loader accepts. A small checker of our own reads it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from scenario_documents import documents

import guestsim
from guestsim.scenario import load, schema
from guestsim.scenario.expectations import RULES
from guestsim.scenario.models import ScenarioFile
from guestsim.scenario.problem import Problem
from guestsim.scenario.shape import check_shape

SCENARIOS = Path(__file__).parents[2] / "scenarios"

SCHEMA = schema()

_PYTHON = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
_NO_CONSTRAINT = {"title", "description", "default"}


def accepts(node: dict[str, Any], value: object) -> bool:
    """Whether `value` fits the schema `node`. A keyword that this does not know is an error."""
    for keyword, wanted in node.items():
        if keyword in _NO_CONSTRAINT:
            continue
        if not _obeys(keyword, wanted, value, node):
            return False
    return True


def _obeys(keyword: str, wanted: Any, value: Any, node: dict[str, Any]) -> bool:
    match keyword:
        case "$ref":
            return accepts(SCHEMA["$defs"][wanted.removeprefix("#/$defs/")], value)
        case "anyOf":
            return any(accepts(choice, value) for choice in wanted)
        case "enum":
            choices: list[object] = wanted
            return value in choices
        case "type":
            return isinstance(value, _PYTHON[wanted]) and (
                wanted == "boolean" or not isinstance(value, bool)
            )
        case "required":
            return set(wanted) <= set(value)
        case "properties":
            return all(accepts(wanted[key], item) for key, item in value.items() if key in wanted)
        case "additionalProperties":
            others = [item for key, item in value.items() if key not in node.get("properties", {})]
            if wanted is False:
                return not others
            return all(accepts(wanted, item) for item in others)
        case "items":
            return all(accepts(wanted, item) for item in value)
        case "minItems" | "minLength":
            return bool(len(value) >= wanted)
        case "minimum":
            return bool(value >= wanted)
        case "maximum":
            return bool(value <= wanted)
    raise AssertionError(f"the checker does not know the keyword {keyword}")


def whole(document: object) -> bool:
    """Whether the schema accepts a file."""
    return accepts({"$ref": SCHEMA["$ref"]}, document)


def test_the_schema_says_what_it_is() -> None:
    """The dialect, and no null anywhere: TOML has none."""
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "null" not in msgspec.json.encode(SCHEMA).decode()


def test_the_schema_has_every_key() -> None:
    """Spot checks against the documented format, independent of the types."""
    definitions = SCHEMA["$defs"]
    assert set(definitions["Rules"]["properties"]) == {*RULES, "all"}
    assert set(definitions["Step"]["properties"]) == {"run", "until", "stage", "nth"}
    assert definitions["Step"]["required"] == ["run"]
    assert sorted(definitions["Strategy"]["enum"]) == [
        "bounded",
        "exhaustive",
        "pct",
        "random",
        "script",
    ]
    assert definitions["Ring"]["properties"]["fill"]["maximum"] == 255


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('title = "t"\nboot.chain = ["a"]\nexpect.hung = "never"', True),
        ('title = "t"\n[[variant]]\nname = "a"', True),
        ('boot.chain = ["a"]\nexpect.hung = "never"', False),
        ('title = "t"\nboot.chain = ["a"]', False),
        ('title = "t"\nboot.chain = []\nexpect.hung = "never"', False),
        ('title = "t"\nboot.chain = ["a"]\nexpect.hung = "often"', False),
        ('title = "t"\nboot.chain = ["a"]\nexpect.hung = "never"\nstore.a = 1', False),
    ],
)
def test_what_the_schema_accepts(text: str, expected: bool) -> None:
    """Known answers, which the checker needs as much as the schema does."""
    assert whole(tomllib.loads(text)) is expected


def test_every_scenario_of_the_repository_fits() -> None:
    """The loader and the schema accept each of them."""
    for path in sorted(SCENARIOS.rglob("*.toml")):
        assert load(path), path
        assert whole(tomllib.loads(path.read_text(encoding="utf-8"))), path


@settings(max_examples=300, deadline=None)
@given(documents())
def test_schema_types_and_checks_say_the_same(document: dict[str, Any]) -> None:
    """Three readings of the same types: the schema, our check, and msgspec's own."""
    try:
        check_shape(document)
    except Problem:
        fits = False
    else:
        fits = True
        msgspec.convert(document, ScenarioFile)
    parts = {**SCHEMA["$defs"]["ScenarioFile"]}
    # Which sections a file without variants needs is not a matter of shape.
    del parts["anyOf"]
    assert accepts(parts, document) is fits


def test_the_schema_that_is_in_the_package_is_the_one_that_is_printed() -> None:
    """After a change of keys: `guestsim schema > guestsim/scenario/scenario.schema.json`."""
    file = Path(guestsim.__file__).with_name("scenario") / "scenario.schema.json"
    assert json.loads(file.read_text()) == json.loads(json.dumps(SCHEMA))
