"""`[matrix]`: a scenario for each combination of values.

    [matrix]
    "daemon.model" = ["xenstored", "oxenstored"]
    "ring.req_index" = [0, 0xfffffff0]
    exclude = [{ "daemon.model" = "oxenstored", "ring.req_index" = 0 }]

    [[matrix.expect]]
    when = { "ring.req_index" = 0xfffffff0 }
    hung = "sometimes"

A key is a table's name and those of what is in it, with dots between; unquoted it means the same.
The first key changes slowest. Works on decoded TOML, before types.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any, Final, NamedTuple

from guestsim.scenario.problem import Key, Problem, show
from guestsim.trace.spelling import hint
from guestsim.trace.text import quoted

__all__ = ["MAX_CASES", "Case", "cases", "merged", "table_of", "without"]

MAX_CASES: Final = 1000
"""More than this have to be asked for."""

_EXCLUDE, _EXPECT, _WHEN = "exclude", "expect", "when"
_HEX_FROM: Final = 0x10000
"""Numbers from here on are hexadecimal in a case's name."""

Path = tuple[str, ...]
"""The parts of a dotted key. What is in a table may have dots itself: a path of the store."""

_PLAIN = re.compile(r"[a-zA-Z0-9_+.=-]{1,40}")

Values = dict[Path, Any]


class Case(NamedTuple):
    """One combination."""

    words: tuple[str, ...]
    """What is different, one for each key, in as few characters as say it: `oxenstored`,
    `req_index=0`."""
    values: Values
    changes: dict[str, Any]
    """The same as tables in tables, with what is expected of this case."""
    expected: dict[Key, Key]
    """Where in the file each key of `changes` stands that is expected of this case."""

    @property
    def name(self) -> str:
        """All of the words."""
        return "-".join(self.words)


def table_of(document: dict[str, Any]) -> dict[Path, list[Any]]:
    """The lists of the document's `[matrix]`. A Problem where it is none."""
    table = document.get("matrix", {})
    if not isinstance(table, dict):
        raise Problem(("matrix",), f"expected a table, got {show(table)}")
    lists = {key: value for key, value in table.items() if key not in (_EXCLUDE, _EXPECT)}
    found: dict[Path, list[Any]] = {}
    for name, values, where in _leaves(lists, (), ("matrix",)):
        if name in found:
            raise Problem(where, "stands in this matrix twice")
        if not isinstance(values, list) or not values:
            raise Problem(where, f"expected a list of values, got {show(values)}")
        for index, value in enumerate(values):
            if value in values[:index]:
                raise Problem((*where, index), "is in the list twice")
        found[name] = values
    return found


def cases(document: dict[str, Any], most: int = MAX_CASES) -> Iterator[Case]:
    """The document's cases; none where it has no matrix. A Problem where it makes no sense, or has
    more than `most`."""
    lists = table_of(document)
    if not lists:
        if document.get("matrix"):
            raise Problem(("matrix",), "no key with values")
        return
    count = prod(map(len, lists.values()))
    if count > most:
        raise Problem(("matrix",), f"{count:,} cases; more than {most:,} need --max-cases {count}")
    excluded = _conditions(document["matrix"].get(_EXCLUDE, []), lists)
    expected = list(_expectations(document["matrix"].get(_EXPECT, []), lists))
    left = 0
    for combination in product(*lists.values()):
        values = dict(zip(lists, combination, strict=True))
        if any(_holds(condition, values) for condition in excluded):
            continue
        left += 1
        changes: dict[str, Any] = {}
        for key, value in values.items():
            changes = merged(changes, _nested(key, value))
        stand: dict[Key, Key] = {}
        for at, (condition, expectation) in enumerate(expected):
            if _holds(condition, values):
                changes = merged(changes, {"expect": expectation})
                for key, _, place in _leaves(expectation, (), ("matrix", _EXPECT, at)):
                    stand["expect", *key] = place
        yield Case(_words(values, lists), values, changes, stand)
    if not left:
        raise Problem(("matrix", _EXCLUDE), "leaves no case")


def without(document: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The document without those keys of its matrix that `changes` sets to one value."""
    kept: dict[str, Any] = {}
    for key, values in table_of(document).items():
        if not _is_set(key, changes):
            kept = merged(kept, _nested(key, values))
    others = {key: value for key, value in document.items() if key != "matrix"}
    if not kept:
        return others
    rest = {key: value for key, value in document["matrix"].items() if key in (_EXCLUDE, _EXPECT)}
    return {**others, "matrix": kept | rest}


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Tables key by key, all else replaced."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            value = merged(old, value)  # noqa: PLW2901
        result[key] = value
    return result


def _leaves(
    table: dict[str, Any], above: tuple[str, ...], where: Key
) -> Iterator[tuple[tuple[str, ...], Any, Key]]:
    """(the parts of a dotted key, its value, where it stands)."""
    for key, value in table.items():
        parts = (*above, key) if above else tuple(key.split("."))
        if isinstance(value, dict):
            yield from _leaves(value, parts, (*where, key))
        else:
            yield parts, value, (*where, key)


def _is_set(key: Path, changes: dict[str, Any]) -> bool:
    table: Any = changes
    for part in key:
        if not isinstance(table, dict) or part not in table:
            return False
        table = table[part]
    return True


def _nested(key: Path, value: Any) -> dict[str, Any]:
    for part in reversed(key):
        value = {part: value}
    nested: dict[str, Any] = value
    return nested


def _conditions(tables: Any, lists: dict[Path, list[Any]]) -> list[Values]:
    where: Key = ("matrix", _EXCLUDE)
    if not isinstance(tables, list):
        raise Problem(where, f"expected a list of tables, got {show(tables)}")
    return [_condition(table, (*where, at), lists) for at, table in enumerate(tables)]


def _condition(table: Any, where: Key, lists: dict[Path, list[Any]]) -> Values:
    if not isinstance(table, dict) or not table:
        raise Problem(where, f"expected a table of keys and values, got {show(table)}")
    found: Values = {}
    for key, value, at in _leaves(table, (), where):
        if key not in lists:
            names = [".".join(each) for each in lists]
            near = hint(".".join(key), names) or f"; it has {', '.join(names)}"
            raise Problem(at, f"this matrix has no such key{near}")
        if value not in lists[key]:
            raise Problem(at, f"{show(value)} is not one of the values of {'.'.join(key)}")
        found[key] = value
    return found


def _expectations(
    tables: Any, lists: dict[Path, list[Any]]
) -> Iterator[tuple[Values, dict[str, Any]]]:
    where: Key = ("matrix", _EXPECT)
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise Problem(where, "expected a list of tables; write [[matrix.expect]]")
    for at, table in enumerate(tables):
        if _WHEN not in table:
            raise Problem((*where, at), f"needs a {quoted(_WHEN)}: for which cases it is meant")
        expectation = {key: value for key, value in table.items() if key != _WHEN}
        yield _condition(table[_WHEN], (*where, at, _WHEN), lists), expectation


def _holds(condition: Values, values: Values) -> bool:
    return all(values[key] == value for key, value in condition.items())


def _words(values: Values, lists: dict[Path, list[Any]]) -> tuple[str, ...]:
    words = []
    for key, value in values.items():
        word = _word(key, value)
        # What is long, or would have to be quoted, is told by its place in the list.
        plain = _PLAIN.fullmatch(word)
        words.append(
            word if plain else f"{key[-1].rpartition('/')[2]}={lists[key].index(value) + 1}"
        )
    return tuple(words)


def _word(key: Path, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "+".join(_word(key, item) for item in value)
    if isinstance(value, dict):
        return str(value.get("image", ""))
    text = str(value).lower()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _HEX_FROM:
        text = f"{value:#x}"
    return f"{key[-1]}={text}"
