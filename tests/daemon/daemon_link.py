"""A fake guest on the other end of a daemon's ring, and the link between the two.

`Link` performs the daemon's ops on shared memory, one at a time, and keeps the trace. `Guest`
is a client that does not race: it moves between two ops of the daemon and only where it is told.
"""

from __future__ import annotations

from typing import Any

from guestsim.abi.xs_wire import Interface
from guestsim.trace import Actor, Burst, Event, Flag, Kind, Op
from guestsim.trace.effects import apply, ready, result
from guestsim.trace.ops import ANSWERED
from guestsim.trace.shared import SHARED_SIZE, load, pending_place, server_pending_place, store
from guestsim.xenstore import Message, Parser

PORT = 2
U32 = 0xFFFFFFFF


class Link:
    """An actor and the memory that it works on."""

    def __init__(self, actor: Actor, memory: bytearray | None = None) -> None:
        self.actor = actor
        self.memory = bytearray(SHARED_SIZE) if memory is None else memory
        self.events: list[Event] = []
        self.choices: list[int] = []
        """What the next CHOOSE ops are answered, in their order; 0 where it is empty."""
        self._take(actor.start())

    def _take(self, burst: Burst) -> None:
        self._ops = list(burst.ops)
        self.point: Any = burst.point

    @property
    def op(self) -> Op:
        """What the daemon does next."""
        return self._ops[0]

    @property
    def halted(self) -> bool:
        return self.op.kind is Kind.HALT

    @property
    def asleep(self) -> bool:
        """It waits, and its event is not there."""
        op = self.op
        return op.kind is Kind.WAIT and not op.flags & Flag.POLL and not ready(self.memory, op)

    def step(self) -> Event:
        """Perform one op."""
        op = self._ops.pop(0)
        value = self._perform(op)
        event = Event("daemon", op, value)
        self.events.append(event)
        if op.kind in ANSWERED:
            assert not self._ops, f"{op} is not the last of its burst"
            self._take(self.actor.resume(self.point, value))
        return event

    def _perform(self, op: Op) -> int:
        if op.kind is Kind.CHOOSE:
            return self.choices.pop(0) if self.choices else 0
        value = result(self.memory, op)
        if op.kind is Kind.WAIT:
            assert value or op.flags & Flag.SPURIOUS, "the daemon sleeps, and nothing wakes it"
        apply(self.memory, op)
        return value

    def run(self, limit: int = 100_000) -> list[Event]:
        """Until the daemon sleeps or halts; the events of this run."""
        first = len(self.events)
        while not self.halted and not self.asleep:
            assert len(self.events) - first < limit, "the daemon does not come to rest"
            self.step()
        return self.events[first:]

    def run_until(self, kind: Kind, place: int) -> Op:
        """Until the daemon is about to do that op at `place`, which it gives back."""
        while not (self.op.kind is kind and self.op.address == place):
            assert not self.halted, self.op
            assert not self.asleep, f"asleep before {kind.name} at {place:#x}"
            self.step()
        return self.op


class Guest:
    """The ring's other end: puts bytes in, takes bytes out, keeps the rules."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self._parser = Parser()

    @property
    def memory(self) -> bytearray:
        return self.link.memory

    def index(self, place: Interface) -> int:
        return load(self.memory, place, 4)

    def set_index(self, place: Interface, value: int) -> None:
        store(self.memory, place, 4, value & U32)

    def notify(self) -> None:
        address, size, bits = server_pending_place()
        apply(self.memory, Op(Kind.SEND, address, size, bits))

    def put(self, data: bytes) -> int:
        """As much of `data` as there is room for; does not notify."""
        prod = self.index(Interface.REQ_PROD)
        room = 1024 - ((prod - self.index(Interface.REQ_CONS)) & U32)
        data = data[:room]
        for offset, byte in enumerate(data):
            self.memory[Interface.REQ + (prod + offset) % 1024] = byte
        self.set_index(Interface.REQ_PROD, prod + len(data))
        return len(data)

    def take(self, limit: int = 1024) -> bytes:
        """All reply bytes that are there, or the first `limit`; does not notify."""
        cons = self.index(Interface.RSP_CONS)
        there = min(limit, (self.index(Interface.RSP_PROD) - cons) & U32)
        data = bytes(self.memory[Interface.RSP + (cons + i) % 1024] for i in range(there))
        self.set_index(Interface.RSP_CONS, cons + there)
        return data

    def send(self, data: bytes) -> None:
        """All of `data`, letting the daemon run when the ring is full."""
        while data:
            data = data[self.put(data) :]
            self.notify()
            if data:
                self.link.run()

    def receive(self) -> tuple[Message, ...]:
        """The messages that come out while the daemon runs until it has no more."""
        found: list[Message] = []
        while True:
            self.link.run()
            data = self.take()
            if not data:
                return tuple(found)
            self._parser, messages = self._parser.feed(data)
            found.extend(messages)
            self.notify()

    def ask(self, kind: int, payload: bytes = b"", *, tx_id: int = 0) -> tuple[Message, ...]:
        """Send one request, and give all that comes back."""
        self.send(Message(kind, 7, tx_id, payload).encode())
        return self.receive()

    def forget(self) -> None:
        """Begin with a clean parser, as the next stage does."""
        self._parser = Parser()

    @property
    def notified(self) -> bool:
        """Whether the guest's own event is pending; clears it."""
        address, size, bits = pending_place(PORT)
        return apply(self.memory, Op(Kind.WAIT, address, size, bits, flags=Flag.CONSUME))


def words(events: list[Event], *, data: bool = True) -> list[str]:
    """A trace as facts/daemons.md writes one: `R req_prod`, `R8 req+0`, `W rsp_prod`…"""
    lines: list[str] = []
    for event in events:
        op = event.op
        if op.kind in (Kind.LOAD, Kind.STORE):
            letter = "R" if op.kind is Kind.LOAD else "W"
            if op.address < Interface.REQ_CONS:
                if data:
                    ring = "req" if op.address < Interface.RSP else "rsp"
                    lines.append(f"{letter}{op.size} {ring}+{op.address % 1024}")
                continue
            size = "" if op.size == 4 else str(op.size)
            lines.append(f"{letter}{size} {_name(op.address)}")
        elif op.kind is Kind.FENCE:
            lines.append("fence")
        elif op.kind is Kind.SEND:
            lines.append("notify")
        elif op.kind is Kind.WAIT:
            lines.append("poll(0)" if op.flags & Flag.POLL else "poll")
        elif op.kind is Kind.CHOOSE:
            lines.append("choose")
    return lines


def _name(address: int) -> str:
    return Interface(address).name.lower()
