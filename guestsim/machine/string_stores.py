"""The stores of one string instruction, in other orders than that of the instruction.

Source: Intel SDM volume 3A, "Memory Ordering", on fast-string operation: the stores of one REP STOS
or REP MOVS may become visible in any order; those of different instructions stay in the order of
the program.

`StringStores` is an actor around an actor whose stores say which instruction they belong to
(`Flag.STRING`). Where one instruction stores to more than one field of shared memory, a CHOOSE asks
whether its stores come in order, one by one, as if nothing were special about them (answer 0), or
which field is stored first; another CHOOSE asks for the second field, and so on. So what has been
stored and what has not is a set of fields, each set is one point, and a search tries every way
through them. A field is a word behind the buffers (`req_cons`, `req_prod`…), or a whole buffer.

That is enough to tell, for every set of fields, whether somebody finds the old or the new value in
them. The other actor may move within a field, too. A word is stored as the instruction stores it,
byte by byte perhaps. A buffer is stored in pieces, in the instruction's order: 4 bytes each for the
first 64, then 64 each. (A ring whose req_cons has become 0 is read from the beginning of the
buffer, and a message begins with four words. Behind that, pieces are as large as such hardware
makes them.) So of a message at the beginning of a buffer any number of words may be new, and the
rest old.

Not covered, but for the order of the instruction itself: a field that is stored in the middle of
another; a buffer with new bytes behind old ones; the bytes of a word, or of a piece, in another
order or, of a piece, one by one. Bytes of the page that belong to no field are stored with the
first field: nobody looks at them. An instruction that loads from shared memory in between keeps its
order.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from itertools import groupby
from typing import Any

import msgspec

from guestsim.trace import MEANING, Actor, Burst, Flag, Kind, Op, shared
from guestsim.trace.wire import RING_SIZE

__all__ = ["StringStores"]

_BUFFERS = frozenset({"req", "rsp"})
_FINE, _WORD, _LINE = 64, 4, 64
"""Bytes of a buffer that are stored in words; a word; a piece of what comes behind."""


class _Unit(msgspec.Struct, frozen=True):
    """What is stored of one field."""

    ops: tuple[Op, ...]
    text: str
    """Where, in words."""


class _Split(msgspec.Struct, frozen=True, cache_hash=True):
    """A string instruction in units, and what follows it in the burst."""

    stores: tuple[Op, ...]
    """As the instruction makes them."""
    units: tuple[_Unit, ...]
    rest: tuple[Op, ...]


class _Point(msgspec.Struct, frozen=True):
    """Where the actor stands: at a choice of the next unit, or (no split) where `inner` does."""

    inner: Any
    split: _Split | None = None
    left: frozenset[int] = frozenset()
    """Units that are still to be stored, by number."""


class StringStores:
    """Implements `guestsim.trace.Actor` around `actor`, whose points it only passes on."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self.name = actor.name

    def start(self) -> Burst:
        """As the actor does."""
        return _burst((), *self._actor.start())

    def resume(self, point: _Point, value: int) -> Burst:
        """Go on from the actor's own op, or with what was chosen."""
        split, left = point.split, point.left
        if split is None:
            return _burst((), *self._actor.resume(point.inner, value))
        untouched = len(left) == len(split.units)
        if untouched and value == 0:
            return _burst(split.stores, split.rest, point.inner)
        number = sorted(left)[value - untouched]
        return _go_on(split.units[number].ops, split, left - {number}, point.inner)

    def key(self, point: _Point) -> Hashable:
        """The actor's own key (None if it is about to halt) and what is still to be stored."""
        inner = None if point.inner is None else self._actor.key(point.inner)
        return inner, point.left, point.split


def _burst(before: tuple[Op, ...], ops: tuple[Op, ...], inner: Any) -> Burst:
    """The burst up to its first choice."""
    for first, end in _instructions(ops):
        split = _split(ops[first:end], ops[end:])
        if len(split.units) > 1:
            return _go_on((*before, *ops[:first]), split, frozenset(range(len(split.units))), inner)
    return Burst((*before, *ops), None if inner is None else _Point(inner))


def _go_on(before: tuple[Op, ...], split: _Split, left: frozenset[int], inner: Any) -> Burst:
    """Store `before`, and then what is `left`, beginning with what is chosen if it is several."""
    able = [split.units[number] for number in sorted(left)]
    if len(able) == 1:
        return _burst((*before, *able[0].ops), split.rest, inner)
    meanings = [f"string stores: {unit.text} next" for unit in able]
    if len(able) == len(split.units):
        meanings.insert(0, "string stores: in order")
    choice = Op(
        Kind.CHOOSE, value=len(meanings), site=split.stores[0].site, note=MEANING.join(meanings)
    )
    return Burst((*before, choice), _Point(inner, split, left))


def _instructions(ops: Sequence[Op]) -> Iterator[tuple[int, int]]:
    """Where in `ops` a string instruction of two stores or more begins and ends."""
    first = 0
    for at in range(1, len(ops) + 1):
        if at == len(ops) or not ops[at].flags & Flag.STRING:
            if at - first > 1:
                yield first, at
            first = at


def _split(stores: tuple[Op, ...], rest: tuple[Op, ...]) -> _Split:
    fields: dict[str, list[Op]] = {}
    for op in stores:
        fields.setdefault(shared.field(op.address), []).append(_plain(op))
    nobodys = fields.pop("reserved", [])
    units = [_unit(name, ops) for name, ops in fields.items()]
    if units and nobodys:
        units[0] = msgspec.structs.replace(units[0], ops=(*nobodys, *units[0].ops))
    return _Split(tuple(map(_plain, stores)), tuple(units), rest)


def _plain(op: Op) -> Op:
    return msgspec.structs.replace(op, flags=op.flags & ~Flag.STRING)


def _unit(name: str, ops: Sequence[Op]) -> _Unit:
    first = min(op.address for op in ops)
    text = shared.place(first, max(op.address + op.size for op in ops) - first)
    if name in _BUFFERS:
        ops = [_together(list(piece)) for _, piece in groupby(ops, _piece)]
    return _Unit(tuple(ops), text)


def _piece(op: Op) -> int:
    at = op.address % RING_SIZE
    return at // _WORD if at < _FINE else _FINE // _WORD + at // _LINE


def _together(ops: Sequence[Op]) -> Op:
    """Neighbouring stores as one."""
    first = min(op.address for op in ops)
    value = sum(op.value << 8 * (op.address - first) for op in ops)
    return msgspec.structs.replace(
        ops[0], address=first, size=sum(op.size for op in ops), value=value
    )
