"""Where keys stand in a file."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from guestsim.scenario.positions import Positions
from guestsim.scenario.problem import Key

ROOT = Path(__file__).parents[2]

TEXT = """\
title = "é" # the title
"é\\u0041" = { inner = [1, [2, { deep = 3 }]] }
[boot]
chain = ["a", # first
  { image = "b", requests = ["r"] }]
[[variant]]
name = "one"
search.memory_model = "tso"
[variant.expect]
"a b".c = 3
[[variant]]
name = "two"
[variant.expect.rules]
[[variant.others]]
name = "b"
[[variant.others]]
name = "t"
"""


@pytest.mark.parametrize(
    ("key", "position"),
    [
        (("title",), (1, 1)),
        (("éA",), (2, 1)),
        (("éA", "inner"), (2, 15)),
        (("éA", "inner", 1, 1, "deep"), (2, 33)),
        (("boot",), (3, 2)),
        (("boot", "chain"), (4, 1)),
        (("boot", "chain", 0), (4, 10)),
        (("boot", "chain", 1, "requests", 0), (5, 30)),
        (("variant",), (6, 3)),
        (("variant", 0, "name"), (7, 1)),
        (("variant", 0, "search", "memory_model"), (8, 1)),
        (("variant", 0, "expect", "a b", "c"), (10, 1)),
        (("variant", 1), (11, 3)),
        (("variant", 1, "expect", "rules", "all"), (13, 2)),
        (("variant", 1, "others", 0, "name"), (15, 1)),
        (("variant", 1, "others", 1, "name"), (17, 1)),
        (("nowhere",), (1, 1)),
    ],
)
def test_a_key_is_found(key: Key, position: tuple[int, int]) -> None:
    assert Positions(TEXT).of(key) == position


def keys(value: object, above: Key = ()) -> list[Key]:
    if isinstance(value, dict):
        inside: list[tuple[str | int, object]] = [*value.items()]
    elif isinstance(value, list):
        inside = [*enumerate(value)]
    else:
        return []
    return [key for name, one in inside for key in [(*above, name), *keys(one, (*above, name))]]


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").rglob("*.toml")), ids=lambda p: p.stem)
def test_every_key_of_the_shipped_scenarios_is_where_it_is_said_to_be(path: Path) -> None:
    text = path.read_text()
    positions, lines = Positions(text), text.split("\n")
    for key in keys(tomllib.loads(text)):
        line, column = positions.of(key)
        name = next(part for part in reversed(key) if isinstance(part, str))
        rest = lines[line - 1][column - 1 :]
        last = key[-1]
        assert rest.startswith(str(last)) or isinstance(last, int) or name in rest, (key, rest)
