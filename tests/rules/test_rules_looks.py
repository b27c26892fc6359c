"""What the rules say that they look at: a search leaves out orders of events because of it.

Thousands of small situations for each rule, from one seed: most of what can go wrong needs a
certain event behind a certain other one, which is too rare for a few hundred examples.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest

from guestsim.abi.xs_wire import Interface
from guestsim.rules import ALL, Monitor
from guestsim.rules.monitor import Histories, perform
from guestsim.trace import End, Event, Flag, Kind, Op, Outcome, Rule, Site
from guestsim.trace.effects import ready
from guestsim.trace.shared import SHARED_SIZE, field, load, pending_place, server_pending_place

CASES = 4_000

BYTES: dict[str, set[int]] = {}
"""The addresses of each field."""
for _address in range(SHARED_SIZE):
    BYTES.setdefault(field(_address), set()).add(_address)

WORDS = [int(Interface.REQ_CONS) + 4 * number for number in range(7)]
"""req_cons to error."""
INDEX = [0, 1, 8, 16, 18, 36, 1024, 1040, 0xFFFFFFFF, 0xFFFFFFF8]
SMALL = [0, 0, 1, 1, 2, 3]
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
    if kind is not Kind.RMW and choose.random() < 0.4:
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

    def show(self, memory: bytearray, events: Sequence[Event]) -> tuple[Histories, set[str]]:
        """Perform `events` on `memory`; what the rule remembers then, and what it says."""
        histories, said = self.histories, set[str]()
        for each in events:
            histories, found = self.monitor.step(histories, memory, each)
            said |= {violation.message for violation in found}
            perform(memory, each)
        return histories, said


def situations(rule: Rule) -> Iterator[Situation]:
    choose = random.Random(rule.name)
    monitor = Monitor([rule])
    for _ in range(CASES):
        here = Situation(monitor, monitor.initial, any_memory(choose), choose)
        if choose.random() < 0.4:
            # A close that has just ended.
            here.memory[Interface.CONNECTION] = 1
            op = Op(Kind.STORE, int(Interface.CONNECTION), 4, 0)
            histories, _ = here.show(here.memory, [Event("daemon", op, 0)])
            here = here._replace(histories=histories)
        for _ in range(choose.randrange(5)):
            actor = choose.choice(["guest", "daemon"])
            histories, _ = here.show(here.memory, here.ops(actor))
            here = here._replace(histories=histories)
        yield here


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_a_rule_looks_at_nothing_else(rule: Rule) -> None:
    for here in situations(rule):
        what = here.ops(here.choose.choice(["guest", "daemon"]))[0]
        other = any_memory(here.choose)
        looks = here.monitor.looks(what)
        for name in looks:
            first, size = min(BYTES[name]), len(BYTES[name])
            other[first : first + size] = here.memory[first : first + size]
        said = here.monitor.step(here.histories, here.memory, what)
        assert said == here.monitor.step(here.histories, other, what), (
            f"{what} looks at more than {sorted(looks)}; {here.histories}"
        )


def touches(monitor: Monitor, events: Sequence[Event]) -> tuple[set[int], set[int]]:
    """The addresses of everything that `events` depend on, and of what they store."""
    stored: set[int] = set()
    depends: set[int] = set()
    for each in events:
        op = each.op
        own = set(range(op.address, op.address + op.size))
        depends |= own.union(*(BYTES[name] for name in monitor.looks(each)))
        if op.kind not in (Kind.LOAD, Kind.RMW, Kind.FENCE, Kind.HALT):
            stored |= own
    return depends, stored


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_events_that_do_not_touch_each_other_commute(rule: Rule) -> None:
    apart = 0
    for here in situations(rule):
        one, other = here.ops("guest"), here.ops("daemon")
        depends, stores = touches(here.monitor, one)
        others_depends, others_stores = touches(here.monitor, other)
        if depends & others_stores or others_depends & stores:
            continue
        apart += 1
        this_way, that_way = bytearray(here.memory), bytearray(here.memory)
        said = here.show(this_way, [*one, *other])
        assert said == here.show(that_way, [*other, *one]), (
            f"guest {[each.op for each in one]}, daemon {[each.op for each in other]}; "
            f"{here.histories}"
        )
        assert this_way == that_way
    assert apart > CASES // 10, "too few of these events have nothing to do with each other"
