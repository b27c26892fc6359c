"""An immutable mapping that keeps its order and knows its hash.

A search keeps thousands of stores and compares them all the time, so a value has to be cheap to
hash and to compare, and a changed one has to share what did not change. And the order of
insertion counts, because a guest can see it (DIRECTORY): a hash trie would list children in an
order that changes from one Python process to the next.

A small map is one `dict`, copied on a change. A large one is a `dict` that its versions share,
and what this version says otherwise, which is folded in when it outgrows the square root of the
whole: a change costs O(√n), and never a copy of thousands of children.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping
from math import isqrt
from typing import Any, Final, Generic, TypeVar, overload

__all__ = ["FrozenMap"]

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")

_SMALL = 32
"""Up to so many items, a copy costs less than the bookkeeping."""

_GONE: Final[Any] = object()
_NOTHING: Final[dict[Any, Any]] = {}


class FrozenMap(Generic[K, V]):
    """An immutable mapping. Two are equal if they hold equal items in the same order."""

    __slots__ = ("_added", "_base", "_changed", "_hash")

    def __init__(self, items: Mapping[K, V] | None = None) -> None:
        self._base: dict[K, V] = {**items} if items else _NOTHING
        self._changed: dict[K, V] = _NOTHING
        """For keys of `_base`: a new value, or `_GONE`."""
        self._added: dict[K, V] = _NOTHING
        """Behind all of `_base`; a key that was gone and came back is here."""
        self._hash: int | None = None

    def __getitem__(self, key: K) -> V:
        value: V = self.get(key, _GONE)
        if value is _GONE:
            raise KeyError(key)
        return value

    def __contains__(self, key: K) -> bool:
        return self.get(key, _GONE) is not _GONE

    def __iter__(self) -> Iterator[K]:
        return iter(self._flat())

    def __len__(self) -> int:
        size = len(self._base) + len(self._added)
        if self._changed:
            size -= sum(value is _GONE for value in self._changed.values())
        return size

    @overload
    def get(self, key: K) -> V | None: ...

    @overload
    def get(self, key: K, default: D) -> V | D: ...

    def get(self, key: K, default: Any = None) -> Any:
        """The value of `key`, or the default."""
        if self._added and key in self._added:
            return self._added[key]
        if self._changed and key in self._changed:
            value = self._changed[key]
            return default if value is _GONE else value
        return self._base.get(key, default)

    def items(self) -> ItemsView[K, V]:
        """Keys and values, oldest first."""
        return self._flat().items()

    def set(self, key: K, value: V) -> FrozenMap[K, V]:
        """With `value` at `key`: in its old place, or as the last."""
        if len(self._base) <= _SMALL:
            return self._version({**self._flat(), key: value})
        changed, added = self._changed, self._added
        if key in added or key not in self._base or changed.get(key) is _GONE:
            added = {**added, key: value}
        else:
            changed = {**changed, key: value}
        return self._version(self._base, changed, added)

    def without(self, key: K) -> FrozenMap[K, V]:
        """Without `key`, which has to be there."""
        if len(self._base) <= _SMALL:
            items = dict(self._flat())
            del items[key]
            return self._version(items)
        changed, added = self._changed, self._added
        if key in added:
            added = {name: value for name, value in added.items() if name != key}
        elif key in self:
            changed = {**changed, key: _GONE}
        else:
            raise KeyError(key)
        return self._version(self._base, changed, added)

    def _version(
        self, base: dict[K, V], changed: dict[K, V] = _NOTHING, added: dict[K, V] = _NOTHING
    ) -> FrozenMap[K, V]:
        new: FrozenMap[K, V] = FrozenMap.__new__(FrozenMap)
        new._base, new._changed, new._added, new._hash = base, changed, added, None
        if (changed or added) and len(changed) + len(added) > isqrt(len(base)):
            new._flat()
        return new

    def _flat(self) -> dict[K, V]:
        """All items in one `dict`, which is what the map keeps from then on."""
        if self._changed or self._added:
            items = {**self._base, **self._changed} if self._changed else dict(self._base)
            for key, value in self._changed.items():
                if value is _GONE:
                    del items[key]
            items.update(self._added)
            self._base, self._changed, self._added = items, _NOTHING, _NOTHING
        return self._base

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, FrozenMap):
            return NotImplemented
        if self._hash is not None and other._hash is not None and self._hash != other._hash:
            return False
        mine, theirs = self._flat(), other._flat()
        return mine == theirs and list(mine) == list(theirs)

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(tuple(self._flat().items()))
        return self._hash

    def __repr__(self) -> str:
        return f"FrozenMap({self._flat()!r})"
