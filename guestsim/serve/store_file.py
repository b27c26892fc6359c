"""The store that a server begins with: a fresh one, or what a file says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from guestsim.errors import InputError
from guestsim.scenario.grammar import check_path, check_value
from guestsim.scenario.loading import read_toml
from guestsim.scenario.problem import Key, Problem, key_path, show
from guestsim.trace.spelling import hint
from guestsim.trace.text import escaped, quoted
from guestsim.xenstore import Dialect, Store, build_store, with_special_nodes
from guestsim.xenstore.store import EMPTY, TOOLS_ONLY

__all__ = ["fresh_store", "load_store"]

_TABLE = "store"


def fresh_store(dialect: Dialect | None = None) -> Store:
    """As the server makes it. C xenstored (`setup_structure` of tools/xenstored/core.c):
    `/tool/xenstored`. oxenstored (xenstored.ml): besides that `/local`, and the special names."""
    store = EMPTY.create("/tool/xenstored", b"", TOOLS_ONLY)
    if dialect is not None and dialect.special_nodes:
        store = with_special_nodes(store.create("/local", b"", TOOLS_ONLY))
    return store


def load_store(path: Path, dialect: Dialect | None = None) -> Store:
    """The store of a file: one table `[store]`, as in scenarios, for a domain 1 that is about to
    start. InputError: one line with the file, the key and what is wrong."""
    document = read_toml(path)
    try:
        entries = _entries(document)
    except Problem as problem:
        raise InputError(
            f"{escaped(str(path))}: {key_path(problem.key)}: {problem.message}"
        ) from None
    store = build_store(entries)
    return with_special_nodes(store) if dialect is not None and dialect.special_nodes else store


def _entries(document: dict[str, Any]) -> dict[str, str]:
    for key in document:
        if key != _TABLE:
            near = hint(key, (_TABLE,)) or "; a store's file has one table, [store]"
            raise Problem((key,), f"unknown key{near}")
    table = document.get(_TABLE, {})
    if not isinstance(table, dict):
        raise Problem((_TABLE,), f"expected a table, got {show(table)}")
    for name, value in table.items():
        _check(name, value, (_TABLE, name))
    return table


def _check(name: str, value: object, key: Key) -> None:
    if isinstance(value, dict):
        raise Problem(key, f"expected a string, got a table; quote the key: {quoted(name)} = …")
    if not isinstance(value, str):
        raise Problem(key, f"expected a string, got {show(value)}")
    try:
        check_path(name)
        check_value(value)
    except InputError as error:
        raise Problem(key, str(error)) from None
