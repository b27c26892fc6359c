"""Events by name: `KIND PLACE[ = VALUE]`, the one language in which scenario files, scripts and
`--stop-at` say at which event something ends.
"""

from __future__ import annotations

import re
from functools import cache

import msgspec

from guestsim.errors import InputError
from guestsim.trace import Event, Kind, Op
from guestsim.trace.memory_model import overlay
from guestsim.trace.shared import SHARED_SIZE, field, load
from guestsim.trace.spelling import one_of
from guestsim.trace.text import quoted

__all__ = ["KINDS", "Matcher", "parse_event", "parse_number", "places"]

# A CHOOSE does nothing that anybody could wait for.
_KINDS = {kind.name.lower(): kind for kind in Kind if kind is not Kind.CHOOSE}

KINDS = tuple(_KINDS)
"""How an event begins: what its op does."""

_NEED_PLACE = frozenset({Kind.LOAD, Kind.STORE, Kind.RMW})
_NO_PLACE = frozenset({Kind.FENCE, Kind.HALT})
_EVENTS = frozenset({Kind.SEND, Kind.WAIT})
_NUMBER = re.compile(r"0x[0-9a-fA-F]{1,32}|0|[1-9][0-9]{0,37}")
_WORD = 4


class Matcher(msgspec.Struct, frozen=True):
    """Which events a script means."""

    kind: Kind
    place: str | None = None
    """The name of a field of shared memory; an op that touches any byte of it matches. Of an act,
    who asks."""
    value: int | None = None
    """Loaded, stored; of a wait, 1 for an event, 0 for a spurious end; of a send, 1 if it was
    news. Of an access to a part of a field of four bytes: see `matches`."""

    def word(self, memory: bytes | bytearray) -> int:
        """The value of the field, if it is one of four bytes; else 0."""
        span = _addresses(self.place) if self.place in _spans() else ()
        return load(memory, min(span), _WORD) if len(span) == _WORD else 0

    def matches(self, event: Event, memory: bytes | bytearray, before: int) -> bool:
        """Whether `event` is one of those meant. `memory` is as the event leaves it, `before` what
        `word` gave before the event.

        Where the event accesses a part of a field of four bytes, the whole field is compared: a
        load matches where the field holds the value, a store where it makes it the value, which
        it was not before. So an index stored byte by byte is matched once.
        """
        op = event.op
        if op.kind is not self.kind:
            return False
        if self.place is None:
            return True
        if op.kind is Kind.ACT:
            return op.site.stage == self.place
        span = _addresses(self.place)
        touched = [address for address in range(op.address, op.address + op.size)
                   if address in span]  # fmt: skip
        if not touched:
            return False
        if self.value is None:
            return True
        if op.kind not in _NEED_PLACE:
            return event.value == self.value
        if len(span) == _WORD and len(touched) < _WORD:
            whole = self._whole(event, memory)
            return whole == self.value and (op.kind is not Kind.STORE or before != whole)
        # One op can cover several fields: compare the bytes of the one that is named.
        part = event.value >> 8 * (touched[0] - op.address)
        return part & (1 << 8 * len(touched)) - 1 == self.value

    def _whole(self, event: Event, memory: bytes | bytearray) -> int:
        """The field of four bytes as the event found it, or left it."""
        assert self.place is not None
        first = min(_addresses(self.place))
        field = Op(Kind.LOAD, first, _WORD)
        data = bytearray(memory[first : first + _WORD])
        overlay(data, field, msgspec.structs.replace(event.op, value=event.value))
        return int.from_bytes(data, "little")

    def __str__(self) -> str:
        text = self.kind.name.lower()
        if self.place is not None:
            text += f" {self.place}"
        return text if self.value is None else f"{text} = {self.value:#x}"


def parse_event(text: str) -> Matcher:
    """The events that `KIND PLACE[ = VALUE]` means.

    load, store and rmw need a place; send, wait and unmask may have one; halt and fence have none.
    In place of one, an act may have the name of who asks.
    The store half of an rmw is a store as well. A value is a number (`parse_number`) and needs a
    place; for send and wait it is 0 or 1, and unmask has none. InputError: one sentence on the
    first mistake, with the nearest word; where the text stands the caller knows.
    """
    if not text.isprintable():
        raise InputError(f"an event is words with spaces in between, not {quoted(text)}")
    left, equals, right = text.partition("=")
    word, *rest = left.split() or [""]
    if not word:
        raise InputError("an event begins with its kind: " + ", ".join(KINDS))
    kind = _KINDS[one_of(word, KINDS)]
    if len(rest) > 1:
        raise InputError(f"one place after {word}, not {quoted(' '.join(rest))}")
    if rest and kind in _NO_PLACE:
        raise InputError(f"{word} has no place, but here stands {quoted(rest[0])}")
    if not rest and kind in _NEED_PLACE:
        raise InputError(f"{word} needs a place after it, for example {word} req_prod")
    place = _parse_place(rest[0], kind) if rest else None
    if not equals:
        return Matcher(kind, place)
    if kind not in _NEED_PLACE | _EVENTS:
        raise InputError(f"{word} has no value, but here stands {quoted('=' + right)}")
    if place is None:
        raise InputError(f"a value needs a place, for example {word} server_pending = 1")
    value = parse_number(right.strip())
    if kind in _EVENTS and value > 1:
        raise InputError(f"the value of a {word} is 0 or 1, not {value}")
    return Matcher(kind, place, value)


def parse_number(text: str) -> int:
    """A decimal number without leading zeroes, or a hexadecimal one with `0x`, in ASCII digits and
    of at most 128 bits or so. InputError where it is none."""
    if _NUMBER.fullmatch(text) is None:
        raise InputError(f"{quoted(text)} is not a value (decimal, or 0x…)")
    return int(text, 16) if text.startswith("0x") else int(text)


def _parse_place(word: str, kind: Kind) -> str:
    if kind is Kind.ACT:
        return word
    name, bracket, _ = word.partition("[")
    if bracket and name in places():
        raise InputError(f"{quoted(word)}: a place is a whole field; write {quoted(name)}")
    return one_of(word, places())


def places() -> tuple[str, ...]:
    """The names of the fields of shared memory (`guestsim.trace.shared.field`), by address."""
    return tuple(_spans())


@cache
def _spans() -> dict[str, frozenset[int]]:
    spans: dict[str, list[int]] = {}
    for address in range(SHARED_SIZE):
        spans.setdefault(field(address), []).append(address)
    return {name: frozenset(addresses) for name, addresses in spans.items()}


def _addresses(place: str) -> frozenset[int]:
    return _spans()[place]
