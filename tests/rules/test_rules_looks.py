"""What the rules say that they look at: it is enough, and no more than is needed.

Thousands of small situations for each rule, from one seed: to look at some fields takes a certain
event behind a certain other one, which is too rare for a few hundred examples.
"""

from __future__ import annotations

import contextlib
import random
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ring_play import Hung, Way, play
from ring_ways import BUGS, NO_SHRINKING, WAYS, wrong_way
from rule_steps import Step, daemon, guest, ring

from guestsim.abi.xs_wire import Interface
from guestsim.errors import InternalError
from guestsim.rules import ALL, Histories, Monitor, Rule, as_judged
from guestsim.rules.page import REQ
from guestsim.trace import End, Event, Flag, Kind, Op, Outcome, Site
from guestsim.trace.effects import apply, ready
from guestsim.trace.shared import (
    MASK,
    PENDING,
    SELECTOR,
    SHARED_SIZE,
    UPCALL_PENDING,
    fields,
    load,
    pending_place,
    server_pending_place,
)

MONITOR = Monitor()

CASES = 4_000

WORDS = [int(Interface.REQ_CONS) + 4 * number for number in range(9)]
"""req_cons to evtchn_port, and one behind."""
INDEX = [0, 1, 8, 16, 18, 36, 1024, 1040, 0xFFFFFFFF, 0xFFFFFFF8]
SMALL = [0, 0, 1, 1, 2, 3]
EVENTS = (UPCALL_PENDING, SELECTOR, PENDING, MASK)
GUEST_END, SERVER_END = pending_place(3), server_pending_place()
WAITS = {"guest": GUEST_END, "daemon": SERVER_END}
SENDS = {"guest": SERVER_END, "daemon": GUEST_END}
MESSAGES = b"".join(
    struct.pack("<IIII", kind, 0, tx_id, 2) + b"a\0"
    for kind, tx_id in [(2, 0), (4, 0), (2, 1), (6, 0), (15, 0), (0xFFFFFFFF, 0)] * 10
)


def any_memory(choose: random.Random) -> bytearray:
    """Messages all over both rings, indices and words of a few values each."""
    memory = bytearray(SHARED_SIZE)
    for base in (int(Interface.REQ), int(Interface.RSP)):
        shift = 18 * choose.randrange(6)
        memory[base : base + 900] = MESSAGES[shift : shift + 900]
    words = [*choose.choices(INDEX, k=4), *choose.choices(SMALL, k=3)]
    if choose.random() < 0.5:
        words[1], words[3] = words[0], words[2]
    struct.pack_into("<7I", memory, Interface.REQ_CONS, *words)
    for address, _, bits in (GUEST_END, SERVER_END):
        memory[address] = choose.choice([0, bits])
    for address in EVENTS:
        memory[address] = choose.choice([0, 0, 1])
    return memory


def any_ops(choose: random.Random, actor: str, memory: bytearray) -> list[Event]:
    """What `actor` might do next: one event, or both halves of a read-modify-write."""
    site = Site(choose.choice(["", "kernel"]))
    kind = choose.choice([Kind.LOAD, Kind.LOAD, Kind.STORE, Kind.STORE, Kind.RMW, *list(Kind)[4:]])
    if kind is Kind.SEND:
        return [Event(actor, Op(kind, *SENDS[actor], site), 1)]
    if kind is Kind.WAIT or kind is Kind.UNMASK:
        op = Op(kind, *WAITS[actor], site, choose.choice([Flag.CONSUME, Flag.SPURIOUS]))
        return [Event(actor, op, int(ready(memory, op)))]
    if kind is Kind.HALT:
        end = End(choose.choice([Outcome.CONNECTED, Outcome.REFUSED]), "")
        return [Event(actor, Op(kind, site=site, end=end))]
    if kind is Kind.STORE and choose.random() < 0.3:
        address, size, value = choose.choice(EVENTS), choose.choice([1, 4]), choose.choice([0, 1])
    elif kind is not Kind.RMW and choose.random() < 0.4:
        size = choose.choice([1, 4, 8])
        address = choose.choice([int(Interface.REQ), int(Interface.RSP)])
        address += choose.choice([0, 8, 16, 1024 - size])
        value = choose.randrange(256)
    else:
        address = choose.choice(WORDS)
        size = choose.choice([4, 4, 4, 1, 2])
        if address >= Interface.SERVER_FEATURES:
            value = choose.choice(SMALL)
        elif choose.random() < 0.5:
            value = choose.choice(INDEX)
        else:
            value = load(memory, address, 4) + choose.choice([0, 4, 16, 18, 36])
        value &= (1 << 8 * size) - 1
    if kind is Kind.STORE:
        return [Event(actor, Op(kind, address, size, value, site), value)]
    flags = choose.choice([Flag.NONE, Flag.CHECK])
    found = [Event(actor, Op(kind, address, size, 0, site, flags), load(memory, address, size))]
    if kind is Kind.RMW:
        found.append(Event(actor, Op(Kind.STORE, address, size, value, site, Flag.LOCKED), value))
    return found


class Situation(NamedTuple):
    """Somewhere in the middle of an execution that may have gone wrong."""

    monitor: Monitor
    histories: Histories
    memory: bytearray
    choose: random.Random

    def ops(self, actor: str) -> list[Event]:
        """Most often something that the rule is concerned with."""
        for _ in range(10):
            events = any_ops(self.choose, actor, self.memory)
            if any(map(self.monitor.concerned, events)):
                break
        return events

    def show(self, events: Sequence[Event]) -> Situation:
        """The situation after `events`."""
        histories = self.histories
        for each in events:
            histories, _ = self.monitor.step(histories, self.memory, each)
            apply(self.memory, each.op)
        return self._replace(histories=histories)


def situations(rule: Rule) -> Iterator[Situation]:
    choose = random.Random(rule.name)
    monitor = Monitor([rule])
    for _ in range(CASES):
        here = Situation(monitor, monitor.initial, any_memory(choose), choose)
        if choose.random() < 0.4:
            # A close that has just ended.
            here.memory[Interface.CONNECTION] = 1
            op = Op(Kind.STORE, int(Interface.CONNECTION), 4, 0)
            here = here.show([Event("daemon", op, 0)])
        for _ in range(choose.randrange(5)):
            here = here.show(here.ops(choose.choice(["guest", "daemon"])))
        yield here


def judge_all(rule: Rule) -> None:
    for here in situations(rule):
        for actor in ("guest", "daemon"):
            here.monitor.step(here.histories, here.memory, here.ops(actor)[0])


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_a_rule_looks_at_nothing_that_it_does_not_name(rule: Rule) -> None:
    judge_all(rule)


NAMES = [
    (rule, place, name)
    for rule in ALL
    for place, names in rule.looks.items()
    for name in names.split()
]


@pytest.mark.parametrize(
    ("rule", "place", "name"),
    [pytest.param(*each, id=f"{each[0].name}: {each[1]}: {each[2]}") for each in NAMES],
)
def test_a_rule_needs_each_field_that_it_names(rule: Rule, place: str, name: str) -> None:
    rest = " ".join(other for other in rule.looks[place].split() if other != name)
    less = msgspec.structs.replace(rule, looks={**rule.looks, place: rest})
    with pytest.raises(InternalError, match=f"looks at {name}, which it does not name"):
        judge_all(less)


def garbage_but(memory: bytearray, looks: frozenset[str], choose: random.Random) -> bytearray:
    """Shared memory in which only the fields `looks` are what they are in `memory`."""
    other = bytearray(choose.randbytes(SHARED_SIZE))
    for name, start, end in fields():
        if name in looks:
            other[start:end] = memory[start:end]
    return other


@given(
    WAYS | st.sampled_from(sorted(BUGS)).map(wrong_way), st.booleans(), st.integers(0, 2**32 - 1)
)
@settings(max_examples=40, deadline=None, phases=NO_SHRINKING)
def test_a_judgement_depends_on_the_event_the_history_and_the_named_fields(
    way: Way, buffered: bool, seed: int
) -> None:
    # What a search's memo of judgements rests on.
    histories = MONITOR.initial
    choose = random.Random(seed)
    wrong: list[str] = []

    def see(memory: bytearray, event: Event) -> None:
        nonlocal histories
        looks = MONITOR.looks(event)
        told = msgspec.structs.replace(event, op=as_judged(event.op))
        judged = MONITOR.step(histories, memory, event)
        other = MONITOR.step(histories, garbage_but(memory, looks, choose), told)
        if other != judged:
            wrong.append(f"{event} looks at more than {sorted(looks)}: {judged}, {other}")
        if not MONITOR.concerned(event) and judged != (histories, ()):
            wrong.append(f"{event} concerns a rule")
        histories = judged[0]

    with contextlib.suppress(Hung, AssertionError):
        play(way, seed, see, limit=4_000, buffered=buffered)
    assert not wrong, wrong[0]


EVENT_WORDS = {"evtchn_pending", "evtchn_mask", "evtchn_pending_sel", "evtchn_upcall_pending"}


@pytest.mark.parametrize(
    ("what", "looks"),
    [
        (guest.store("req", 1, size=1), {"connection", "server_features", "req_cons", "req_prod"}),
        (daemon.store("req", 1, size=1), {"connection"}),
        (guest.load("connection"), {"connection"}),
        (daemon.load("req_prod"), {"req_cons", "req_prod"}),
        (daemon.load("error"), set()),
        (daemon.send(), set()),
        (daemon.wait(), set()),
        (guest.send(), EVENT_WORDS),
        (guest.wait(), EVENT_WORDS),
        (daemon.halt(), set()),
        # As long as it is: what each of its fields needs.
        (daemon.load("req", at=1020, size=8), {"req_cons", "req_prod"}),
        (daemon.load("rsp", at=1020, size=12), {"req_cons", "req_prod"}),
    ],
)
def test_looks_are_what_the_rules_concerned_name(what: Step, looks: set[str]) -> None:
    assert MONITOR.looks(Event(*what)) == looks


def test_the_bytes_of_a_buffer_are_looked_at_where_they_are_published() -> None:
    assert "req" in MONITOR.looks(Event(*guest.store("req_prod", 4)))
    assert "req" not in MONITOR.looks(Event(*daemon.store("req_prod", 4)))
    assert "rsp" in MONITOR.looks(Event(*daemon.store("rsp_prod", 4)))


def looking(**looks: str) -> Monitor:
    """One rule that looks at all that a view can show, in the order of the ring page."""

    def check(history, view, event):  # type: ignore[no-untyped-def]
        return (view.buffer(REQ), view.pair(REQ), view.word(2064), view.moved(event)), None

    places = frozenset({"STORE connection", "WAIT"})
    return Monitor([Rule("looker", "none", "Looks.", places, None, check, looks)])


def test_a_view_shows_what_is_named_and_the_accessed_field() -> None:
    event = Event(*guest.store("connection", 1, size=1), 1)
    monitor = looking(STORE="req req_cons req_prod server_features")
    assert monitor.looks(event) == {"req", "req_cons", "req_prod", "server_features", "connection"}
    memory = ring(5, req_prod=9, server_features=3, connection=0x101)
    histories, _ = monitor.step(monitor.initial, memory, event)
    assert histories == ((memory[:1024], (5, 9), 3, False),)


@pytest.mark.parametrize("missing", ["req", "req_cons", "req_prod", "server_features"])
def test_a_view_refuses_what_is_not_named(missing: str) -> None:
    names = {"req", "req_cons", "req_prod", "server_features"} - {missing}
    monitor = looking(STORE=" ".join(sorted(names)))
    event = Event(*guest.store("connection", 1))
    with pytest.raises(InternalError, match=f"a rule looks at {missing}, which it does not name"):
        monitor.step(monitor.initial, ring(), event)


def test_the_accessed_field_is_that_of_a_load_or_store() -> None:
    monitor = looking(WAIT="req req_cons req_prod server_features")
    with pytest.raises(InternalError, match="a rule looks at connection"):
        monitor.step(monitor.initial, ring(), Event("guest", Op(Kind.WAIT, 2068, 4, 1)))


def test_a_misspelt_field_is_refused() -> None:
    with pytest.raises(ValueError, match="looker looks at an unknown field: 'req_pord'"):
        looking(STORE="req_prod req_pord")
