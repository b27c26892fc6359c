"""Events by name, as scripts write them: `KIND PLACE [= VALUE]`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache

import msgspec

from guestsim.errors import InputError
from guestsim.trace import Event, Kind, Op
from guestsim.trace.memory_model import overlay
from guestsim.trace.shared import SHARED_SIZE, field, load

__all__ = ["Matcher", "nearest", "parse_event"]

# A CHOOSE does nothing that anybody could wait for.
_KINDS = {kind.name.lower(): kind for kind in Kind if kind is not Kind.CHOOSE}
_NEED_PLACE = frozenset({Kind.LOAD, Kind.STORE, Kind.RMW})
_NO_PLACE = frozenset({Kind.FENCE, Kind.HALT})
_EVENTS = frozenset({Kind.SEND, Kind.WAIT})
_GRAMMAR = re.compile(r"(\S+)(?:\s+([^\s=]+))?(?:\s*=\s*(\S+))?")
_NUMBER = re.compile(r"0x[0-9a-fA-F]{1,32}|0|[1-9][0-9]{0,37}")
"""As in scenario files (`guestsim.scenario.grammar`)."""
_WORD = 4


class Matcher(msgspec.Struct, frozen=True):
    """Which events a script means."""

    kind: Kind
    place: str | None = None
    """The name of a field of shared memory; an op that touches any byte of it matches."""
    value: int | None = None
    """Loaded, stored; of a wait, 1 for an event, 0 for a spurious end; of a send, 1 if it was
    news. Of an access to a part of a field of four bytes: see `matches`."""

    def word(self, memory: bytes | bytearray) -> int:
        """The value of the field, if it is one of four bytes; else 0."""
        span = _addresses(self.place) if self.place is not None else ()
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
    """Parse `KIND PLACE [= VALUE]`; a mistake is an `InputError` that names the nearest word.

    KIND is load, store, rmw, fence, send, unmask, wait or halt. PLACE is the name of a field of
    shared memory: needed for load, store and rmw, possible for send, unmask and wait, and not
    for fence and halt. The store half of an rmw is a store as well. VALUE is a decimal or 0x
    number; of a send or wait it is 0 or 1, and unmask has none.
    """
    match = _GRAMMAR.fullmatch(text.strip())
    if match is None:
        raise InputError(f"{text!r} is not an event: expected KIND PLACE [= VALUE]")
    word, place, number = match.groups()
    kind = _KINDS.get(word)
    if kind is None:
        raise InputError(f"{text!r}: unknown kind {word!r}{nearest(word, _KINDS)}")
    if place is None:
        if kind in _NEED_PLACE:
            raise InputError(f"{text!r}: {word} needs a place, for example {word} req_prod")
        if number is not None:
            raise InputError(f"{text!r}: a value needs a place")
        return Matcher(kind)
    if kind in _NO_PLACE:
        raise InputError(f"{text!r}: {word} has no place")
    if place not in _places():
        raise InputError(f"{text!r}: unknown place {place!r}{nearest(place, _places())}")
    if number is None:
        return Matcher(kind, place)
    if kind not in _NEED_PLACE | _EVENTS:
        raise InputError(f"{text!r}: {word} has no value")
    if _NUMBER.fullmatch(number) is None:
        raise InputError(f"{text!r}: {number!r} is not a value (decimal, or 0x…)")
    value = int(number, 16) if number.startswith("0x") else int(number)
    if kind in _EVENTS and value > 1:
        raise InputError(f"{text!r}: the value of a {word} is 0 or 1, not {value}")
    return Matcher(kind, place, value)


def nearest(word: str, words: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or the choices where no word is near."""
    known = list(words)
    close = get_close_matches(word, known, 1)
    return f" (did you mean {close[0]!r}?)" if close else f" (one of {', '.join(known)})"


@cache
def _places() -> dict[str, frozenset[int]]:
    spans: dict[str, list[int]] = {}
    for address in range(SHARED_SIZE):
        spans.setdefault(field(address), []).append(address)
    return {name: frozenset(addresses) for name, addresses in spans.items()}


def _addresses(place: str) -> frozenset[int]:
    return _places()[place]
