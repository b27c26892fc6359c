"""Short sequences of ops, written down, and what a rule says about them."""

from __future__ import annotations

import struct
from typing import NamedTuple

from guestsim.abi.xs_wire import Interface
from guestsim.rules import ALL, Monitor, check_trace
from guestsim.trace import End, Event, Flag, Kind, Op, Outcome, Site
from guestsim.trace.effects import apply, ready
from guestsim.trace.shared import (
    SHARED_SIZE,
    load,
    pending_place,
    server_pending_place,
    store,
)

BY_NAME = {rule.name: rule for rule in ALL}

GUEST_END = pending_place(3)
SERVER_END = server_pending_place()


class Step(NamedTuple):
    """What an actor does; what it loads comes from memory."""

    actor: str
    op: Op


class Side(NamedTuple):
    """Writes the steps of one actor. Places are field names, `at` is an offset in a buffer."""

    actor: str
    stage: str = ""

    def at(self, stage: str) -> Side:
        """The same actor in another stage of the boot chain."""
        return Side(self.actor, stage)

    def _step(
        self, kind: Kind, address: int = 0, size: int = 0, value: int = 0,
        *, flags: Flag = Flag.NONE, end: End | None = None,
    ) -> Step:  # fmt: skip
        return Step(self.actor, Op(kind, address, size, value, Site(self.stage), flags, end=end))

    def load(self, place: str, at: int = 0, size: int = 4) -> Step:
        return self._step(Kind.LOAD, Interface[place.upper()] + at, size)

    def check(self, place: str) -> Step:
        return self._step(Kind.LOAD, Interface[place.upper()], 4, flags=Flag.CHECK)

    def add(self, place: str, value: int) -> tuple[Step, Step]:
        """A locked add: the load half, then the store half."""
        address = Interface[place.upper()]
        return self._step(Kind.RMW, address, 4), self._step(
            Kind.STORE, address, 4, value, flags=Flag.LOCKED
        )

    def store(self, place: str, value: int, at: int = 0, size: int = 4) -> Step:
        return self._step(Kind.STORE, Interface[place.upper()] + at, size, value)

    def put(self, place: str, data: bytes, at: int = 0) -> Step:
        """All of `data` in one store."""
        return self._step(
            Kind.STORE, Interface[place.upper()] + at, len(data), int.from_bytes(data, "little")
        )

    def send(self, wrong_end: bool = False) -> Step:
        address, size, bits = SERVER_END if (self.actor == "guest") != wrong_end else GUEST_END
        return self._step(Kind.SEND, address, size, bits)

    def wait(self) -> Step:
        address, size, bits = GUEST_END if self.actor == "guest" else SERVER_END
        return self._step(Kind.WAIT, address, size, bits)

    def yields(self) -> Step:
        return self._step(Kind.WAIT, flags=Flag.SPURIOUS)

    def halt(self, outcome: Outcome = Outcome.CONNECTED) -> Step:
        return self._step(Kind.HALT, end=End(outcome, "is done"))


guest = Side("guest", "firmware")
daemon = Side("daemon", "server")

INDICES = ("req_cons", "req_prod", "rsp_cons", "rsp_prod")


def ring(start: int = 0, **fields: int) -> bytes:
    """Shared memory with all four indices at `start`, except for `fields`."""
    memory = bytearray(SHARED_SIZE)
    memory[:2048] = b"\xa5" * 2048
    for name, value in {**dict.fromkeys(INDICES, start), **fields}.items():
        store(memory, Interface[name.upper()], 4, value)
    return bytes(memory)


def message(kind: int, req_id: int = 0, tx_id: int = 0, payload: bytes = b"") -> bytes:
    """A message on the wire."""
    return struct.pack("<IIII", kind, req_id, tx_id, len(payload)) + payload


def perform_all(initial: bytes, steps: list[Step]) -> list[Event]:
    """The trace of `steps` from `initial` on."""
    memory = bytearray(initial)
    events = []
    for actor, op in steps:
        if op.kind in (Kind.LOAD, Kind.RMW):
            value = load(memory, op.address, op.size)
        elif op.kind is Kind.WAIT:
            value = int(ready(memory, op))
        else:
            value = op.value
        event = Event(actor, op, value)
        events.append(event)
        apply(memory, event.op)
    return events


def flat(*steps: Step | tuple[Step, ...] | list[Step]) -> list[Step]:
    """Steps and runs of steps as one list."""
    found: list[Step] = []
    for step in steps:
        if isinstance(step, Step):
            found.append(step)
        else:
            found.extend(step)
    return found


def judge(rule: str, initial: bytes, steps: list[Step]) -> list[tuple[int, str]]:
    """(number of the step, sentence) of each violation of `rule`, step by step; checks on the
    way that the live engine finds the first of them as well, and no history is unhashable."""
    monitor = Monitor([BY_NAME[rule]])
    memory = bytearray(initial)
    histories = monitor.initial
    found = []
    events = perform_all(initial, steps)
    for number, event in enumerate(events):
        histories, violations = monitor.step(histories, memory, event, number)
        hash(histories)
        apply(memory, event.op)
        found += [(violation.step, violation.message) for violation in violations]
    live = check_trace(initial, events, Monitor([BY_NAME[rule]]))
    assert [(violation.step, violation.message) for violation in live] == found[:1], (
        "the live engine and the pure one disagree"
    )
    return found


def describe(steps: list[Step]) -> str:
    """The steps, numbered, for a failure message."""
    return "\n".join(
        f"{number:3} {actor:7}{op.kind.name} {op.address:#x}+{op.size} = {op.value:#x}"
        for number, (actor, op) in enumerate(steps)
    )


def expect(rule: str, initial: bytes, steps: list[Step], broken: dict[int, str]) -> None:
    """The rule is broken at exactly those steps, with sentences that contain those words."""
    found = judge(rule, initial, steps)
    said = f"{rule} said {found} about\n{describe(steps)}"
    assert [number for number, _ in found] == list(broken), said
    for number, sentence in found:
        assert broken[number] in sentence, said
