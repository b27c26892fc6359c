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

from collections.abc import Hashable, Iterable, Iterator, Sequence

import msgspec

from guestsim.rules.catalogue import ALL
from guestsim.rules.page import DAEMON, GUEST, SIZE, Memory
from guestsim.trace import shared
from guestsim.trace.effects import apply
from guestsim.trace.ops import Event, Kind, Op, Rule, Violation

__all__ = ["Histories", "Monitor", "Watch", "check_trace", "perform"]

Histories = tuple[Hashable, ...]
"""One history for each rule, in the monitor's order."""

_RING_FIELDS = tuple(dict.fromkeys(shared.field(address) for address in range(shared.SHARED_INFO)))
_OUTSIDE = len(_RING_FIELDS)
# One number per address: its field on the ring page, or _OUTSIDE. Lists, because a live run looks
# two of them up for each op.
_FIELD_AT = [
    _RING_FIELDS.index(shared.field(address)) if address < shared.SHARED_INFO else _OUTSIDE
    for address in range(shared.SHARED_SIZE)
]

_ACCESSES = (Kind.LOAD, Kind.STORE, Kind.RMW)
_ACTORS = (GUEST, DAEMON)
_ANYONE = ""

_BUFFER = SIZE
_BUFFERS_END = 2 * SIZE
_NO_RUN = -1

_Row = list[tuple[int, ...]]
_Table = dict[str, list[_Row]]
"""Actor -> op kind -> field -> the rules to ask."""


class Monitor:
    """A set of rules, and which of them each event concerns. Immutable."""

    __slots__ = ("_checks", "_looks", "_table", "initial", "rules")

    def __init__(self, rules: Iterable[Rule] = ALL) -> None:
        self.rules: tuple[Rule, ...] = tuple(rules)
        self.initial: Histories = tuple(rule.initial for rule in self.rules)
        self._checks = tuple(rule.check for rule in self.rules)
        self._table = _build(self.rules)
        self._looks = tuple(
            [
                (*_parse(rule, place), frozenset(fields.split()))
                for place, fields in rule.looks.items()
            ]
            for rule in self.rules
        )

    def looks(self, event: Event) -> frozenset[str]:
        """The fields whose memory `step` may look at for such an event, whatever its value; the
        words that it accesses are among them, and all that is needed for `Rule.looks`."""
        found: set[str] = set()
        kind = event.op.kind
        for part, hits in self._asked(event):
            accesses = kind in _ACCESSES
            name = shared.field(part.op.address) if accesses else None
            if hits and name is not None and part.op.address >= _BUFFERS_END:
                found.add(name)
            for index in hits:
                for who, kinds, field, fields in self._looks[index]:
                    if who not in (_ANYONE, event.actor) or (kinds and kind not in kinds):
                        continue
                    if field is None or field == name:
                        found |= fields
        return frozenset(found)

    def concerned(self, event: Event) -> bool:
        """Whether any rule needs to see `event`."""
        return any(hits for _, hits in self._asked(event))

    def step(
        self, histories: Histories, memory: Memory, event: Event, step: int = -1
    ) -> tuple[Histories, tuple[Violation, ...]]:
        """The histories after `event`, and the rules that it breaks.

        `memory` is the shared memory before the event. Pure: the same arguments give the same
        answer, and histories may be kept and gone on from any number of times. Where no rule's
        history changes, the answer is the same object.

        A run of stores by one actor and stage to consecutive addresses of one buffer (`req` or
        `rsp`) may be shown as one long store, for a search that takes such a run as one step.
        """
        changed: list[Hashable] | None = None
        violations: list[Violation] = []
        for part, hits in self._asked(event):
            for index in hits:
                before = histories[index] if changed is None else changed[index]
                after, sentence = self._checks[index](before, memory, part)
                if after is not before and after != before:
                    if changed is None:
                        changed = list(histories)
                    changed[index] = after
                if sentence is not None:
                    rule = self.rules[index]
                    violations.append(Violation(rule.name, rule.section, sentence, step))
        return histories if changed is None else tuple(changed), tuple(violations)

    def _asked(self, event: Event) -> tuple[tuple[Event, tuple[int, ...]], ...]:
        op = event.op
        rows = self._table.get(event.actor) or self._table[_ANYONE]
        row = rows[op.kind]
        field = _FIELD_AT[op.address]
        if op.size <= 1 or _FIELD_AT[op.address + op.size - 1] == field:
            return ((event, row[field]),)
        return tuple((part, row[_FIELD_AT[part.op.address]]) for part in _parts(event))


class Watch:
    """Rules along one execution: the quick way, with the first violation of each rule.

    Nothing sensible can be said about a rule after it has been broken, so a broken rule is not
    asked again.

    A run of stores to consecutive addresses of one buffer, which is what copies and fills are, is
    shown to the rules as one long store, once it is over. That is the same to them: what they
    say about a store to a buffer depends on its place and on words that no store to a buffer
    changes, and where a long store is legal so is each piece of it. So a run is only put together
    as far as a store up to the buffer's end would break nothing.
    """

    __slots__ = (
        "_actor",
        "_alive",
        "_checks",
        "_end",
        "_first",
        "_histories",
        "_limit",
        "_op",
        "_rules",
        "_stage",
        "_steps",
        "_table",
        "violations",
    )

    def __init__(self, monitor: Monitor) -> None:
        self.violations: list[Violation] = []
        """In order of step."""
        self._rules = monitor.rules
        self._checks = monitor._checks
        self._table = monitor._table
        self._histories: list[Hashable] = list(monitor.initial)
        self._alive = set(range(len(monitor.rules)))
        self._steps = 0
        # The run: stores to _first.._end that the rules have not seen, and may go on to _limit.
        self._first = self._end = _NO_RUN
        self._limit = 0
        self._actor = self._stage = ""
        self._op = Op(Kind.STORE)

    def see(self, memory: Memory, event: Event) -> Sequence[Violation]:
        """Take in the next event of the trace, with `memory` as it was before it; the rules that
        it is the first to break."""
        self._steps += 1
        op = event.op
        address = op.address
        end = self._end
        if address == end:
            if (
                op.kind is Kind.STORE
                and op.site.stage == self._stage
                and event.actor == self._actor
            ):
                if address + op.size <= self._limit:
                    self._end = address + op.size
                    return ()
            else:
                end = _NO_RUN
        if self._end != self._first:
            self._show_run(memory)
        known = len(self.violations)
        rows = self._table.get(event.actor) or self._table[_ANYONE]
        field = _FIELD_AT[address]
        if op.size > 1 and _FIELD_AT[address + op.size - 1] != field:
            self._first = self._end = _NO_RUN
            for part in _parts(event):
                self._ask(rows[op.kind][_FIELD_AT[part.op.address]], memory, part)
        else:
            hits = rows[op.kind][field]
            if hits:
                self._ask(hits, memory, event)
            if op.kind is Kind.STORE and address < _BUFFERS_END:
                self._start_run(memory, event, goes_on=address == end != _BUFFER)
            else:
                self._first = self._end = _NO_RUN
        return self.violations[known:] if len(self.violations) > known else ()

    def finish(self, memory: Memory, blocked: Iterable[tuple[str, Op]]) -> Sequence[Violation]:
        """The execution is over, and these actors wait for ever at these WAIT ops. A trace has
        no event of a wait that does not end, but to wait for ever is to go idle as well."""
        known = len(self.violations)
        for actor, op in blocked:
            self.see(memory, Event(actor, op))
        return self.violations[known:]

    def _ask(self, hits: tuple[int, ...], memory: Memory, event: Event) -> None:
        histories = self._histories
        checks = self._checks
        for index in hits:
            histories[index], sentence = checks[index](histories[index], memory, event)
            if sentence is not None and index in self._alive:
                rule = self._rules[index]
                step = self._steps - 1
                self.violations.append(Violation(rule.name, rule.section, sentence, step))
                self._alive.discard(index)
                self._table = _without(self._table, index)

    def _start_run(self, memory: Memory, event: Event, *, goes_on: bool) -> None:
        """A run may begin behind the store `event`. To look ahead costs as much as a store, so
        that is done at the second store in a row, and once."""
        op = event.op
        buffer_end = _BUFFER if op.address < _BUFFER else _BUFFERS_END
        self._first = self._end = op.address + op.size
        if not goes_on:
            self._limit = 0
        elif self._limit == 0:
            rest = self._stored(event.actor, op, self._first, buffer_end)
            hits = self._hits(event.actor, op.address)
            silent = all(
                self._checks[index](self._histories[index], memory, rest)[1] is None
                for index in hits
            )
            self._limit = buffer_end if silent else _NO_RUN
        self._op = op
        self._actor = event.actor
        self._stage = op.site.stage

    def _show_run(self, memory: Memory) -> None:
        run = self._stored(self._actor, self._op, self._first, self._end)
        self._ask(self._hits(self._actor, self._first), memory, run)

    def _hits(self, actor: str, address: int) -> tuple[int, ...]:
        rows = self._table.get(actor) or self._table[_ANYONE]
        return rows[Kind.STORE][_FIELD_AT[address]]

    @staticmethod
    def _stored(actor: str, op: Op, first: int, end: int) -> Event:
        part = msgspec.structs.replace(op, address=first, size=end - first, value=0)
        return Event(actor, part)


def check_trace(
    initial: bytes, events: Iterable[Event], rules: Iterable[Rule] = ALL
) -> tuple[Violation, ...]:
    """The first violation of each rule along a trace that starts from shared memory `initial`."""
    memory = bytearray(initial)
    watch = Watch(Monitor(rules))
    for event in events:
        watch.see(memory, event)
        perform(memory, event)
    return tuple(watch.violations)


def perform(memory: bytearray, event: Event) -> None:
    """What `event` does to shared memory: `guestsim.trace.effects`."""
    apply(memory, event.op)


def _parts(event: Event) -> Iterator[Event]:
    """`event` as one access for each field that it touches, in order of address."""
    op = event.op
    first, end = op.address, op.address + op.size
    while first < end:
        last = first + 1
        while last < end and _same_field(first, last):
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


def _same_field(first: int, last: int) -> bool:
    return _FIELD_AT[first] == _FIELD_AT[last]


def _build(rules: tuple[Rule, ...]) -> _Table:
    wanted = [[_parse(rule, place) for place in sorted(rule.places)] for rule in rules]
    return {
        actor: [
            [
                tuple(
                    index
                    for index, places in enumerate(wanted)
                    if any(
                        who in (_ANYONE, actor)
                        and (kinds is None or kind in kinds)
                        and (name is None or (kind in _ACCESSES and name == field))
                        for who, kinds, name in places
                    )
                )
                for field in (*_RING_FIELDS, None)
            ]
            for kind in Kind
        ]
        for actor in (*_ACTORS, _ANYONE)
    }


def _parse(rule: Rule, place: str) -> tuple[str, tuple[Kind, ...] | None, str | None]:
    """(actor or "", op kinds or None for any, field or None for any) of one of a rule's places."""
    words = place.split()
    actor = words.pop(0) if words and words[0] in _ACTORS else _ANYONE
    kinds: tuple[Kind, ...] | None = None
    if words and words[0] in Kind.__members__:
        kind = Kind[words.pop(0)]
        kinds = (Kind.LOAD, Kind.RMW) if kind is Kind.LOAD else (kind,)
    name = words.pop(0) if words and words[0] in _RING_FIELDS else None
    if words or (kinds is None and name is None):
        raise ValueError(f"rule {rule.name} names an unknown place: {place!r}")
    return actor, kinds, name


def _without(table: _Table, index: int) -> _Table:
    return {
        actor: [[tuple(hit for hit in hits if hit != index) for hits in row] for row in rows]
        for actor, rows in table.items()
    }
