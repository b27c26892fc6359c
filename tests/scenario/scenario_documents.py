"""Scenario documents for properties: right ones, nearly right ones, and garbage; and as TOML."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import date, datetime, time
from typing import Any

from hypothesis import strategies as st

from guestsim.scenario.expectations import RULES
from guestsim.scenario.grammar import VERBS
from guestsim.trace.events import KINDS, places

GOOD: tuple[dict[str, Any], ...] = (
    {
        "title": "everything",
        "boot": {
            "chain": ["a", {"image": "./b", "requests": ["read k=v", "tx 1 commit!EAGAIN"]}],
            "budget": 7,
            "skip_without_image": True,
        },
        "platform": {
            "memory": "32 MiB",
            "vcpus": 2,
            "xen": "4.19.1-pre",
            "devices": [
                "piix3-isa",
                {
                    "address": "1f.7",
                    "id": "8086:100e",
                    "class": "020000",
                    "registers": ["io 64 bytes", "memory64 1 GiB"],
                },
            ],
        },
        "store": {"a/b": "c", "/d": ""},
        "ring": {
            "req_index": 0xFFFFFFF0,
            "rsp_index": 1,
            "fill": 165,
            "connection": 1,
            "server_features": 3,
            "port": 9,
        },
        "daemon": {
            "model": "oxenstored",
            "features": ["error", 17],
            "wakes": "event",
            "mistake": "no-signal",
        },
        "search": {
            "strategy": "pct",
            "memory_model": "sc",
            "string_stores": "any-order",
            "seed": 1,
            "runs": 2,
            "depth": 4,
        },
        "expect": {"connected": "sometimes", "hung": "never", "rules": {"all": "kept"}},
    },
    {
        "title": "script",
        "boot": {"chain": ["a"]},
        "daemon": {"model": "rfc-v2", "version": 2, "drop_layers": True},
        "search": {
            "strategy": "script",
            "max_ops": 9,
            "script": [
                {"run": "guest", "until": "store req_prod = 0", "stage": "a", "nth": 2},
                {"run": "daemon"},
            ],
        },
        "expect": {"refused": "always"},
    },
    {
        "title": "sides",
        "boot": {"chain": ["a"]},
        "search": {"strategy": "bounded", "bound": 1},
        "variant": [
            {"name": "x", "title": "own", "expect": {"connected": "always"}},
            {"name": "y", "expect": {"refused": "always"}, "search": {"strategy": "random"}},
        ],
    },
)
"""Documents that load, which use every key but `pair` between them."""

_WORDS = sorted(
    {
        *("title", "boot", "chain", "image", "requests", "store", "ring", "fill", "daemon"),
        *("platform", "memory", "vcpus", "xen", "devices", "address", "id", "class", "registers"),
        *("64 MiB", "4.17", "04.0", "8086:100e", "0200", "io 4 bytes", "e1000"),
        *("features", "model", "search", "strategy", "script", "run", "until", "stage", "nth"),
        *("expect", "rules", "all", "variant", "name", "pair", "seed", "runs", "connected"),
        *("guest", "always", "never", "kept", "random", "rfc-v2", "error", "a", "./b", "x.elf"),
        *(*KINDS, *places(), *VERBS, *RULES),
        *("read k", "commit", "store req = 1", "halt", "tx 1", "x.toml"),
    }
)

_TEXT = st.sampled_from(_WORDS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)

_SCALARS = (
    st.booleans()
    | st.sampled_from([0, 1, 2, 31, 255, 256, 1 << 32, -1, 1 << 64, -(1 << 200)])
    | st.floats()
    | _TEXT
    | st.dates(min_value=date(1, 1, 1))
    | st.times(timezones=st.none())
    | st.datetimes()
)

_GARBAGE = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)


def _places(node: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a document."""
    items = list(node.items()) if isinstance(node, dict) else list(enumerate(node))
    found = [(node, key) for key, _ in items]
    for _, value in items:
        if isinstance(value, dict | list):
            found += _places(value)
    return found


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A good document with up to three changes, or garbage."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.dictionaries(_TEXT, _GARBAGE, max_size=4))
    document: dict[str, Any] = deepcopy(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(0, 3))):
        container, key = draw(st.sampled_from(_places(document)))
        match draw(st.sampled_from(["replace", "remove", "add", "rename"])):
            case "replace":
                container[key] = draw(_GARBAGE)
            case "remove":
                del container[key]
            case "add" if isinstance(container, dict):
                container[draw(_TEXT)] = draw(_GARBAGE)
            case "rename" if isinstance(container, dict):
                container[draw(_TEXT)] = container.pop(key)
        if not document:
            break
    return document


def toml(document: dict[str, Any]) -> str:
    """The document as TOML, one inline value a line."""
    return "".join(f"{_string(key)} = {_value(value)}\n" for key, value in document.items())


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _string(value)
        case int() | float():
            return repr(value)
        case datetime() | date() | time():
            return value.isoformat()
        case list():
            return "[" + ", ".join(_value(item) for item in value) + "]"
        case dict():
            inside = ", ".join(f"{_string(key)} = {_value(item)}" for key, item in value.items())
            return f"{{{inside}}}"
    raise TypeError(type(value).__name__)


def _string(text: str) -> str:
    # JSON's escapes are TOML's, but TOML wants DEL escaped as well.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
