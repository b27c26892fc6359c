"""The JSON Schema of scenario files, for editors and other tools."""

from __future__ import annotations

from typing import Any

import msgspec

from guestsim.scenario.models import ScenarioFile

__all__ = ["schema"]


def schema() -> dict[str, Any]:
    """The schema (draft 2020-12), generated from the types that the loader decodes into.

    It knows every key, type, range and choice. What depends on more than one key (options of
    another strategy, contradictory expectations) and the grammar inside strings it does not say.
    """
    generated = msgspec.json.schema(ScenarioFile)
    definitions = generated["$defs"]
    top = definitions[ScenarioFile.__name__]
    # A file without variants is a scenario by itself, and must be whole.
    top["anyOf"] = [
        {"required": ["variant"]},
        {"required": ["boot", "expect"]},
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "guestsim scenario",
        "$ref": generated["$ref"],
        "$defs": {name: _for_toml(definition) for name, definition in definitions.items()},
    }


def _for_toml(node: Any) -> Any:
    """TOML has no null: None in the types means that the key is absent.

    Defaults of whole tables and lists go too: they repeat those of the keys inside.
    """
    if isinstance(node, list):
        return [_for_toml(item) for item in node]
    if not isinstance(node, dict):
        return node
    clean = {
        key: _for_toml(value)
        for key, value in node.items()
        if not (key == "default" and (value is None or isinstance(value, dict | list)))
    }
    if isinstance(choices := clean.get("anyOf"), list):
        choices = [choice for choice in choices if choice != {"type": "null"}]
        if len(choices) == 1:
            del clean["anyOf"]
            return {**clean, **choices[0]}
        clean["anyOf"] = choices
    return clean
