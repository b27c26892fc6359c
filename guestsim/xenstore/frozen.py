"""An immutable mapping that keeps its order and knows its hash.

A search keeps thousands of stores and compares them all the time, so a value has to be cheap to
hash and to compare, and a changed one has to share what did not change. The children of a node
are few, so copying one small `dict` on a write costs less than a tree of hash buckets would;
and a `dict` keeps the order of insertion, which a guest can see (DIRECTORY), where a hash trie
would list children in an order that changes from one Python process to the next.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping
from typing import Generic, TypeVar

__all__ = ["FrozenMap"]

K = TypeVar("K")
V = TypeVar("V")


class FrozenMap(Generic[K, V]):
    """An immutable mapping. Two are equal if they hold equal items in the same order."""

    __slots__ = ("_hash", "_items")

    def __init__(self, items: Mapping[K, V] | None = None) -> None:
        self._items: dict[K, V] = dict(items) if items else {}
        self._hash: int | None = None

    def __getitem__(self, key: K) -> V:
        return self._items[key]

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __iter__(self) -> Iterator[K]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: K) -> V | None:
        """The value of `key`, or None."""
        return self._items.get(key)

    def items(self) -> ItemsView[K, V]:
        """Keys and values, oldest first."""
        return self._items.items()

    def set(self, key: K, value: V) -> FrozenMap[K, V]:
        """With `value` at `key`: in its old place, or as the last."""
        return FrozenMap({**self._items, key: value})

    def without(self, key: K) -> FrozenMap[K, V]:
        """Without `key`, which has to be there."""
        items = dict(self._items)
        del items[key]
        return FrozenMap(items)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, FrozenMap):
            return NotImplemented
        if self._hash is not None and other._hash is not None and self._hash != other._hash:
            return False
        return self._items == other._items and list(self._items) == list(other._items)

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(tuple(self._items.items()))
        return self._hash

    def __repr__(self) -> str:
        return f"FrozenMap({self._items!r})"
