"""Where keys stand in a TOML file: `tomllib` does not keep that, tree-sitter's grammar does."""

from __future__ import annotations

import tomllib
from collections import Counter
from typing import NamedTuple

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

from guestsim.scenario.problem import Key

__all__ = ["DEEPEST", "Position", "Positions", "too_deep"]

DEEPEST = 64
"""Names in one key. `tomllib` takes seconds for thousands, and minutes for more."""


class Position(NamedTuple):
    """In a text file, both from 1; columns are characters."""

    line: int
    column: int


class Positions:
    """The keys of one file, which is valid TOML."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._known: dict[Key, Position] = {}
        tables: Counter[Key] = Counter()
        """How many elements each list of tables has so far."""
        tree = Parser(Language(tree_sitter_toml.language())).parse(text.encode())
        for node in tree.root_node.named_children:
            if node.type == "pair":
                self._pair(node, ())
            elif node.type in ("table", "table_array_element"):
                self._table(node, tables)

    def of(self, key: Key) -> Position:
        """Where the key stands; where it does not, the key nearest above it; else the beginning."""
        for length in range(len(key), 0, -1):
            if key[:length] in self._known:
                return self._known[key[:length]]
        return Position(1, 1)

    def _table(self, node: Node, tables: Counter[Key]) -> None:
        name, *rest = node.named_children
        key: Key = ()
        parts = _parts(name)
        for number, part in enumerate(parts, 1):
            key = (*key, part)
            self._note(key, name)
            if node.type == "table_array_element" and number == len(parts):
                tables[key] += 1
            if tables[key]:
                key = (*key, tables[key] - 1)
                self._note(key, name)
        for pair in rest:
            if pair.type == "pair":
                self._pair(pair, key)

    def _pair(self, node: Node, above: Key) -> None:
        name, value = (child for child in node.named_children if child.type != "comment")
        key = above
        for part in _parts(name):
            key = (*key, part)
            self._note(key, name)
        self._value(value, key)

    def _value(self, node: Node, key: Key) -> None:
        inside = [child for child in node.named_children if child.type != "comment"]
        if node.type == "inline_table":
            for pair in inside:
                self._pair(pair, key)
        elif node.type == "array":
            for index, item in enumerate(inside):
                self._note((*key, index), item)
                self._value(item, (*key, index))

    def _note(self, key: Key, node: Node) -> None:
        row, byte = node.start_point
        line = self._lines[row].encode()
        self._known.setdefault(key, Position(row + 1, len(line[:byte].decode()) + 1))


def too_deep(text: str) -> Position | None:
    """Where the first key of more than DEEPEST names stands, in a text that need not be TOML."""
    tree = Parser(Language(tree_sitter_toml.language())).parse(text.encode())
    todo = [tree.root_node]
    while todo:
        node = todo.pop()
        if node.type == "dotted_key":
            depth, inner = 1, node
            # `a.b.c` is `(a.b).c`.
            while inner.type == "dotted_key":
                inner, depth = inner.named_children[0], depth + 1
            if depth > DEEPEST:
                row, column = node.start_point
                return Position(row + 1, column + 1)
        else:
            todo += reversed(node.named_children)
    return None


def _parts(node: Node) -> list[str]:
    """The names of a key, without their quotes and dots."""
    if node.type == "dotted_key":
        return [part for child in node.named_children for part in _parts(child)]
    text = (node.text or b"").decode()
    if node.type == "bare_key":
        return [text]
    # A quoted key, with escapes perhaps: as TOML reads it.
    return list(tomllib.loads(f"{text} = 0"))
