"""The engine that shows each event to the rules that need to see it.

A rule says in `places` what it needs: a field (`"req_prod"`: every load and store of it), an op
kind (`"WAIT"`), or both, with or without an actor in front (`"STORE req_prod"`,
`"guest LOAD rsp"`, `"daemon SEND"`). The load half of an atomic read-modify-write counts as a
LOAD. An access that touches several fields is shown one field at a time.

Memory is what all actors share. With store buffers (x86-TSO) a store is an event when it reaches
memory, and a load has the value that its actor got, be it from its own buffer: the rules are
written so that neither makes a legal run look wrong.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from guestsim.rules.catalogue import ALL
from guestsim.rules.page import DAEMON, GUEST, Memory
from guestsim.rules.rule import Rule, as_judged
from guestsim.rules.view import View
from guestsim.trace import shared
from guestsim.trace.effects import apply
from guestsim.trace.ops import Event, Kind, Violation

__all__ = ["Histories", "Monitor", "Watch", "check_trace"]

Histories = tuple[Hashable, ...]
"""One history for each rule, in the monitor's order."""

_FIELDS = tuple(dict.fromkeys(name for name, _, _ in shared.fields()))
# One number per address: its field. A list, because a live run looks two of them up for each op.
_FIELD_AT = [_FIELDS.index(name) for name, start, end in shared.fields() for _ in range(start, end)]
_WORDS = {
    name: frozenset(
        address for address in range(0, shared.SHARED_SIZE, 4) if shared.field(address) == name
    )
    for name in _FIELDS
}
"""The addresses of each field's words, those that begin with it."""

_ACCESSES = (Kind.LOAD, Kind.STORE, Kind.RMW)
_ACTORS = (GUEST, DAEMON)
_ANYONE = ""
_BUFFERS = ("req", "rsp")


_Check = Callable[[Hashable, View, Event], tuple[Hashable, str | None]]
_Hit = tuple[int, _Check, frozenset[int], frozenset[str]]
"""A rule that needs to see events of one place: its number, its check, and the fields that it may
look at then, as addresses of their words and by name."""
_Hits = tuple[_Hit, ...]
_Table = dict[str, list[list[_Hits]]]
"""Actor -> op kind -> field -> the rules to ask."""


class Monitor:
    """A set of rules, and which of them each event concerns. Immutable."""

    __slots__ = ("_table", "initial", "rules")

    def __init__(self, rules: Iterable[Rule] = ALL) -> None:
        """ValueError for a place or a field that there is not."""
        self.rules: tuple[Rule, ...] = tuple(rules)
        self.initial: Histories = tuple(rule.initial for rule in self.rules)
        self._table = _build(self.rules)

    def looks(self, event: Event) -> frozenset[str]:
        """The fields whose memory `step` may look at for such an event, whatever its value. All
        other memory may hold anything: the answer is the same."""
        return frozenset[str]().union(
            *(names for _, hits in self._asked(event) for _, _, _, names in hits)
        )

    def concerned(self, event: Event) -> bool:
        """Whether any rule needs to see `event`, whatever its value."""
        return any(hits for _, hits in self._asked(event))

    def step(
        self, histories: Histories, memory: Memory, event: Event, step: int = -1
    ) -> tuple[Histories, tuple[Violation, ...]]:
        """The histories after `event`, and the rules that it breaks.

        `memory` is the shared memory before the event. Pure: the same arguments give the same
        answer, and histories may be kept and gone on from any number of times. Of the event's op
        only what `as_judged` leaves counts, of memory only the fields that `looks` names. Where no
        rule's history changes, the answer is the same object.
        """
        changed: list[Hashable] | None = None
        violations: tuple[Violation, ...] = ()
        for part, hits in self._asked(event):
            if not hits:
                continue
            judged = Event(part.actor, as_judged(part.op), part.value)
            for number, check, shown, _ in hits:
                before = histories[number] if changed is None else changed[number]
                after, sentence = check(before, View(memory, shown), judged)
                if after is not before and after != before:
                    if changed is None:
                        changed = list(histories)
                    changed[number] = after
                if sentence is not None:
                    rule = self.rules[number]
                    violations += (Violation(rule.name, rule.section, sentence, step),)
        return histories if changed is None else tuple(changed), violations

    def without(self, name: str) -> Monitor:
        """The same, but the rule called `name` is never asked. Histories fit both."""
        other = copy.copy(self)
        other._table = {
            actor: [
                [tuple(hit for hit in hits if self.rules[hit[0]].name != name) for hits in row]
                for row in rows
            ]
            for actor, rows in self._table.items()
        }
        return other

    def _asked(self, event: Event) -> Sequence[tuple[Event, _Hits]]:
        op = event.op
        rows = self._table.get(event.actor) or self._table[_ANYONE]
        row = rows[op.kind]
        field = _FIELD_AT[op.address]
        if op.size <= 1 or _FIELD_AT[op.address + op.size - 1] == field:
            return ((event, row[field]),)
        return [(part, row[_FIELD_AT[part.op.address]]) for part in _parts(event)]


class Watch:
    """Rules along one execution, with the first violation of each.

    Nothing sensible can be said about a rule after it has been broken, so a broken rule is not
    asked again.
    """

    __slots__ = ("_histories", "_monitor", "_steps", "violations")

    def __init__(self, monitor: Monitor) -> None:
        self.violations: list[Violation] = []
        """In order of step."""
        self._monitor = monitor
        self._histories = monitor.initial
        self._steps = 0

    def see(self, memory: Memory, event: Event) -> Sequence[Violation]:
        """Take in the next event of the trace, with `memory` as it was before it; the rules that
        it is the first to break."""
        self._histories, found = self._monitor.step(self._histories, memory, event, self._steps)
        self._steps += 1
        if not found:
            return ()
        first: dict[str, Violation] = {}
        for violation in found:
            if violation.rule not in first:
                first[violation.rule] = violation
                self._monitor = self._monitor.without(violation.rule)
        self.violations += first.values()
        return tuple(first.values())


def check_trace(initial: bytes, events: Iterable[Event], monitor: Monitor) -> tuple[Violation, ...]:
    """The first violation of each rule along a trace that starts from shared memory `initial`."""
    memory = bytearray(initial)
    watch = Watch(monitor)
    for event in events:
        watch.see(memory, event)
        apply(memory, event.op)
    return tuple(watch.violations)


def _parts(event: Event) -> Iterator[Event]:
    """`event` as one access for each field that it touches, in order of address."""
    op = event.op
    first, end = op.address, op.address + op.size
    while first < end:
        last = first + 1
        while last < end and _FIELD_AT[last] == _FIELD_AT[first]:
            last += 1
        value = event.value >> 8 * (first - op.address) & ((1 << 8 * (last - first)) - 1)
        part = msgspec.structs.replace(
            op,
            address=first,
            size=last - first,
            value=value if op.kind is Kind.STORE else op.value,
        )
        yield Event(event.actor, part, value)
        first = last


class _Place(NamedTuple):
    """What `places` and `looks` name: "" or None stands for any."""

    actor: str
    kinds: tuple[Kind, ...] | None
    field: str | None

    def fits(self, actor: str, kind: Kind, field: str) -> bool:
        return (
            self.actor in (_ANYONE, actor)
            and (self.kinds is None or kind in self.kinds)
            and (self.field is None or (kind in _ACCESSES and self.field == field))
        )


def _build(rules: tuple[Rule, ...]) -> _Table:
    places = [[_parse(rule, place) for place in sorted(rule.places)] for rule in rules]
    looks = [
        [(_parse(rule, place), _fields(rule, names)) for place, names in rule.looks.items()]
        for rule in rules
    ]

    def hits(actor: str, kind: Kind, field: str) -> Iterator[_Hit]:
        for number, rule in enumerate(rules):
            if any(place.fits(actor, kind, field) for place in places[number]):
                named = (names for place, names in looks[number] if place.fits(actor, kind, field))
                names = _own(kind, field).union(*named)
                shown = frozenset[int]().union(*(_WORDS[name] for name in names))
                yield number, rule.check, shown, names

    return {
        actor: [[tuple(hits(actor, kind, field)) for field in _FIELDS] for kind in Kind]
        for actor in (*_ACTORS, _ANYONE)
    }


def _own(kind: Kind, field: str) -> frozenset[str]:
    """What an event shows of the field that it accesses."""
    if field in _BUFFERS or kind not in _ACCESSES:
        return frozenset()
    return frozenset({field})


def _parse(rule: Rule, text: str) -> _Place:
    """One of a rule's places."""
    words = text.split()
    actor = words.pop(0) if words and words[0] in _ACTORS else _ANYONE
    kinds: tuple[Kind, ...] | None = None
    if words and words[0] in Kind.__members__:
        kind = Kind[words.pop(0)]
        kinds = (Kind.LOAD, Kind.RMW) if kind is Kind.LOAD else (kind,)
    field = words.pop(0) if words and words[0] in _FIELDS else None
    if words or not _is_shown(kinds, field):
        raise ValueError(f"rule {rule.name} names an unknown place: {text!r}")
    return _Place(actor, kinds, field)


def _is_shown(kinds: tuple[Kind, ...] | None, field: str | None) -> bool:
    """Whether there are such events: only loads and stores name a field, and a CHOOSE and
    an ACT, which say nothing about the protocol, are shown to no rule."""
    if kinds is None:
        return field is not None
    return not {Kind.CHOOSE, Kind.ACT} & set(kinds) and (field is None or kinds[0] in _ACCESSES)


def _fields(rule: Rule, names: str) -> frozenset[str]:
    """Some of what a rule looks at."""
    unknown = [name for name in names.split() if name not in _FIELDS]
    if unknown:
        raise ValueError(f"rule {rule.name} looks at an unknown field: {unknown[0]!r}")
    return frozenset(names.split())
