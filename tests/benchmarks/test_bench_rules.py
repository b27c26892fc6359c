"""What the rules cost.

The fill of a legacy reset is 2,048 one-byte stores, most of a live run's events: asking about them
has to cost less than to run the guest.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from guestsim.rules import ALL, Monitor, Rule, Watch
from guestsim.trace import Event, Flag, Kind, Op, Site
from guestsim.trace.effects import apply
from guestsim.trace.shared import (
    SHARED_SIZE,
    load,
    pending_place,
    server_pending_place,
    store,
)

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

SITE = Site("firmware")
MONITOR = Monitor()


def page() -> bytes:
    memory = bytearray(SHARED_SIZE)
    for index in range(2048, 2064, 4):
        store(memory, index, 4, 22)
    return bytes(memory)


def reset() -> list[Event]:
    loads = [Event("guest", Op(Kind.LOAD, index, 4, 0, SITE), 22) for index in (2052, 2056)]
    fill = [Event("guest", Op(Kind.STORE, at, 1, 0xFF, SITE), 0xFF) for at in range(2048)]
    zero = [Event("guest", Op(Kind.STORE, index, 4, 0, SITE)) for index in (2052, 2048, 2060, 2056)]
    return loads + fill + zero


def test_live_reset_of_2048_bytes(benchmark: BenchmarkFixture) -> None:
    memory, events = page(), reset()

    def run() -> int:
        watch = Watch(MONITOR)
        see = watch.see
        for event in events:
            see(memory, event)
        return len(watch.violations)

    assert benchmark(run) == 3


def exchange() -> list[tuple[bytes, Event]]:
    """A request of 38 bytes, as a guest and C xenstored move it: each event, with the memory
    before it."""
    memory = bytearray(page())
    events: list[tuple[bytes, Event]] = []

    def do(actor: str, kind: Kind, at: int, size: int, value: int = 0) -> None:
        op = Op(kind, at, size, value, SITE, Flag.CHECK if kind is Kind.LOAD else Flag.NONE)
        got = load(memory, at, size) if kind is Kind.LOAD else value
        event = Event(actor, op, got)
        events.append((bytes(memory), event))
        apply(memory, event.op)

    request = struct.pack("<IIII", 2, 1, 0, 22) + b"device/vbd/51712/state"
    do("guest", Kind.LOAD, 2052, 4)
    do("guest", Kind.LOAD, 2048, 4)
    for at, byte in enumerate(request, start=22):
        do("guest", Kind.STORE, at, 1, byte)
    do("guest", Kind.STORE, 2052, 4, 60)
    do("guest", Kind.SEND, *server_pending_place())
    for first, pieces in ((22, (0, 8, 8)), (38, (0, 14, 8))):
        do("daemon", Kind.LOAD, 2048, 4)
        do("daemon", Kind.LOAD, 2052, 4)
        for piece in pieces:
            do("daemon", Kind.LOAD, first + piece, 8)
        do("daemon", Kind.STORE, 2048, 4, 38 if first == 22 else 60)
        do("daemon", Kind.SEND, *pending_place(3))
    return events


def test_live_exchange_of_a_request(benchmark: BenchmarkFixture) -> None:
    events = exchange()

    def run() -> int:
        watch = Watch(MONITOR)
        see = watch.see
        for before, event in events:
            see(before, event)
        return len(watch.violations)

    assert benchmark(run) == 0


def test_pure_exchange_of_a_request(benchmark: BenchmarkFixture) -> None:
    events = exchange()

    def run() -> int:
        histories, count = MONITOR.initial, 0
        for before, event in events:
            histories, violations = MONITOR.step(histories, before, event)
            count += len(violations)
        return count

    assert benchmark(run) == 0


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_pure_step_of_each_rule(benchmark: BenchmarkFixture, rule: Rule) -> None:
    """One event that the rule looks at, as an exhaustive search asks it."""
    monitor = Monitor([rule])
    memory = page()
    events = [event for event in (*reset()[:4], *reset()[-4:]) if monitor.concerned(event)]
    events = events or [Event("guest", Op(Kind.LOAD, at, 4, 0, SITE)) for at in (2064, 2068)]

    def run() -> None:
        for event in events:
            monitor.step(monitor.initial, memory, event)

    benchmark(run)
