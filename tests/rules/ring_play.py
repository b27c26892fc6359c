"""A guest and a daemon in plain Python that keep every rule, and named ways to break them.

Both are generators that yield an op and are sent its result. `play` runs them on shared memory
under a seeded schedule. They share no code with the daemon models or the rules: what they agree
on, they agree on by the specification.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from guestsim.trace import End, Event, Flag, Kind, Op, Outcome, Site
from guestsim.trace.effects import apply, ready
from guestsim.trace.shared import (
    SELECTOR,
    SHARED_SIZE,
    UPCALL_PENDING,
    load,
    pending_place,
    server_pending_place,
    store,
)

U32 = 0xFFFFFFFF
REQ_CONS, REQ_PROD, RSP_CONS, RSP_PROD = 2048, 2052, 2056, 2060
FEATURES, CONNECTION, ERROR = 2064, 2068, 2072
READ, WATCH, START, END, EVENT = 2, 4, 6, 7, 15
HEADER = struct.Struct("<IIII")
PORT = 3

Steps = Generator[Op, int, None]


@dataclass(frozen=True)
class Way:
    """How a correct pair may differ from another correct pair, and which bug to add."""

    start: int = 0
    fill: int = 0xA5
    piece: int = 8
    """Bytes of one data access."""
    backwards: bool = False
    """Copies run from the last piece to the first."""
    atomic: bool = False
    """Indices are moved by locked adds."""
    cons_first: bool = False
    """Which index of a pair is loaded first."""
    own_cached: bool = False
    """The guest keeps its own index in a register and loads only the other's."""
    check_connection_late: bool = False
    """The daemon looks at `connection` after it has loaded the indices, not before."""
    signal_late: bool = False
    """Each side signals only when it is about to wait, once for all that it has moved."""
    reset_to: int = 0
    """Where a close by the protocol leaves the indices."""
    in_flight: bool = False
    """The guest closes with requests sent, their replies not read, and half a request written."""
    sizes: tuple[tuple[int, int], ...] = ((6, 21), (300, 3000), (1500, 0))
    """Length of each request's payload, and of its reply's."""
    guest_bug: str = ""
    daemon_bug: str = ""


def reply_to(payload: bytes, length: int) -> bytes:
    """What the daemon answers: the request's bytes over and over."""
    return (payload * (length // max(1, len(payload)) + 1))[:length]


@dataclass
class Side:
    """One end of a ring: ops that both players are made of."""

    stage: str
    way: Way
    out: tuple[int, int, int]
    """Buffer, cons and prod of the queue that it produces."""
    into: tuple[int, int, int]
    """Those of the queue that it consumes."""
    bug: str
    peer: tuple[int, int, int]
    """(address, size, bits) of the other end's pending bit."""
    mine: tuple[int, int, int]
    """The same of its own end."""
    check: Flag
    own: dict[int, int] = field(default_factory=dict)
    owes: bool = False

    def load(self, address: int, size: int = 4, flags: Flag = Flag.NONE) -> Op:
        return Op(Kind.LOAD, address, size, 0, Site(self.stage), flags)

    def store(self, address: int, value: int, size: int = 4, flags: Flag = Flag.NONE) -> Op:
        return Op(Kind.STORE, address, size, value, Site(self.stage), flags)

    def signal(self) -> Op:
        address, size, bits = self.peer
        return Op(Kind.SEND, address, size, bits, Site(self.stage))

    def tell(self) -> Steps:
        if self.way.signal_late:
            self.owes = True
        else:
            yield self.signal()

    def wait(self) -> Steps:
        if self.owes:
            self.owes = False
            yield self.signal()
        address, size, bits = self.mine
        flags = Flag.CONSUME | Flag.SPURIOUS if self.check else Flag.CONSUME
        yield Op(Kind.WAIT, address, size, bits, Site(self.stage), flags)

    def sample(self, cons: int, prod: int) -> Generator[Op, int, tuple[int, int]]:
        if self.way.own_cached and not self.check:
            mine, other = (cons, prod) if cons == RSP_CONS else (prod, cons)
            if mine not in self.own:
                self.own[mine] = yield self.load(mine)
            found = {mine: self.own[mine], other: (yield self.load(other))}
            return found[cons], found[prod]
        order = (cons, prod) if self.way.cons_first else (prod, cons)
        first = yield self.load(order[0], flags=self.check)
        second = yield self.load(order[1], flags=self.check)
        return (first, second) if self.way.cons_first else (second, first)

    def move(self, index: int, step: int) -> Steps:
        if self.way.own_cached and not self.check:
            self.own[index] = self.own[index] + step & U32
            yield self.store(index, self.own[index])
        elif self.way.atomic:
            value = yield Op(Kind.RMW, index, 4, 0, Site(self.stage))
            yield self.store(index, value + step & U32, flags=Flag.LOCKED)
        else:
            value = yield self.load(index)
            yield self.store(index, value + step & U32)

    def pieces(self, first: int, length: int) -> list[tuple[int, int]]:
        """(stream offset, bytes) of each access of a copy: aligned to nothing, never over the
        buffer's end, the last two overlapping where the length is odd."""
        found = []
        at = first
        while at < first + length:
            room = 1024 - at % 1024
            size = min(self.way.piece, first + length - at, room)
            if size < self.way.piece and at - first >= self.way.piece and room >= size:
                back = min(self.way.piece - size, at % 1024)
                found.append((at - back, size + back))
            else:
                found.append((at, size))
            at += size
        return found[::-1] if self.way.backwards else found

    def write_some(self, data: bytes) -> Generator[Op, int, int]:
        """Put in as much as there is room for; how much."""
        base, cons_at, prod_at = self.out
        cons, prod = yield from self.sample(cons_at, prod_at)
        room = 1024 - (prod - cons & U32)
        if self.bug == "overwrites-unread":
            room = 1024
        length = min(len(data), room)
        if not length:
            return 0
        if self.bug == "index-before-data":
            yield from self.move(prod_at, length)
        for at, size in self.pieces(prod, length):
            part = data[at - prod : at - prod + size]
            yield self.store(base + at % 1024, int.from_bytes(part, "little"), size)
        if self.bug != "index-before-data":
            yield from self.move(prod_at, length)
        if self.bug != "silent-write":
            yield from self.tell()
        return length

    def read_some(self, wanted: int) -> Generator[Op, int, bytes]:
        """Take out up to `wanted` bytes of what is there."""
        _, cons_at, prod_at = self.into
        cons, prod = yield from self.sample(cons_at, prod_at)
        return (yield from self.take_out(cons, prod, wanted))

    def take_out(self, cons: int, prod: int, wanted: int) -> Generator[Op, int, bytes]:
        base, cons_at, _ = self.into
        length = min(wanted, prod - cons & U32)
        if not length:
            return b""
        data = bytearray(length)
        for at, size in self.pieces(cons, length):
            value = yield self.load(base + at % 1024, size)
            data[at - cons : at - cons + size] = value.to_bytes(size, "little")
        yield from self.move(cons_at, length)
        if self.bug != "silent-read":
            yield from self.tell()
        return bytes(data)


class Guest(Side):
    """Two stages of a boot chain: requests, a close by the protocol, requests."""

    def __init__(self, way: Way) -> None:
        super().__init__(
            "firmware",
            way,
            (0, REQ_CONS, REQ_PROD),
            (1024, RSP_CONS, RSP_PROD),
            way.guest_bug,
            server_pending_place(),
            pending_place(PORT),
            Flag.NONE,
        )

    def run(self) -> Steps:
        yield from self.stage_of_boot(close=True)
        self.stage = "kernel"
        self.own.clear()
        if self.bug == "assumes-zero":
            yield self.store(0, 2, 1)
        yield from self.stage_of_boot(close=False)
        if self.owes:
            yield self.signal()
        yield Op(Kind.HALT, site=Site(self.stage), end=End(Outcome.CONNECTED, "is done"))

    def stage_of_boot(self, *, close: bool) -> Steps:
        while (yield self.load(CONNECTION)):
            yield from self.wait()
        if self.bug == "writes-features":
            yield self.store(FEATURES, 1)
        for number, (asked, answered) in enumerate(self.way.sizes, start=1):
            payload = answered.to_bytes(4, "little") + bytes([number]) * asked
            got = yield from self.request(READ, number, 0, payload)
            assert got == reply_to(payload, answered), f"wrong reply to request {number}"
        yield from self.request(WATCH, 70, 0, b"device\0token\0")
        tx = int((yield from self.request(START, 80, 0, b"\0")).rstrip(b"\0"))
        yield from self.request(READ, 81, tx, (5).to_bytes(4, "little"))
        if not close:
            yield from self.request(END, 82, tx, b"T\0")
            return
        if self.way.in_flight:
            # More replies than the ring holds.
            for req_id in (90, 91, 92):
                yield from self.send(HEADER.pack(READ, req_id, 0, 4) + (900).to_bytes(4, "little"))
            yield from self.send(HEADER.pack(READ, 93, 0, 400) + b"half")
        if self.bug == "legacy-reset":
            yield from self.legacy_reset()
        else:
            yield from self.close()
        self.own.clear()
        # Whoever comes next is to be told of what comes next.
        for address, size in ((UPCALL_PENDING, 1), (SELECTOR, 4), self.mine[:2]):
            yield self.store(address, 0, size)

    def close(self) -> Steps:
        # Not earlier: the server advertises before it answers, but maybe not before we start.
        if self.bug != "closes-blind":
            assert (yield self.load(FEATURES)) & 1, "the server has answered and not advertised"
        yield self.store(CONNECTION, 1)
        yield self.signal()
        if self.bug == "impatient":
            yield self.load(RSP_PROD)
        if self.bug == "clears-connection":
            yield self.store(CONNECTION, 0)
        while (yield self.load(CONNECTION)):
            yield from self.wait()

    def legacy_reset(self) -> Steps:
        for at in range(2048):
            yield self.store(at, 0xFF, 1)
        for index in (REQ_PROD, REQ_CONS, RSP_PROD, RSP_CONS):
            yield self.store(index, 0)

    def request(self, kind: int, req_id: int, tx: int, body: bytes) -> Generator[Op, int, bytes]:
        length = 5000 if self.bug == "overlong" else len(body)
        wire_kind = 0xFFFF if self.bug == "bad-type" else kind
        yield from self.send(HEADER.pack(wire_kind, req_id, tx, length) + body)
        while True:
            got = HEADER.unpack((yield from self.receive(16)))
            payload = yield from self.receive(got[3])
            if got[0] != EVENT:
                assert got[:3] == (kind, req_id, tx), f"reply {got} to {(kind, req_id, tx)}"
                return payload

    def send(self, data: bytes) -> Steps:
        if self.bug == "writes-req-cons":
            yield self.store(REQ_CONS, (yield self.load(REQ_CONS)))
        while data:
            sent = yield from self.write_some(data)
            data = data[sent:]
            if not sent:
                yield from self.wait()

    def receive(self, length: int) -> Generator[Op, int, bytes]:
        data = b""
        while len(data) < length:
            if self.bug == "reads-before-sampling":
                yield self.load(1024, 1)
            part = yield from self.read_some(length - len(data))
            data += part
            if not part:
                yield from self.wait()
        return data


class Daemon(Side):
    """A server: looks at both queues, answers, waits."""

    def __init__(self, way: Way) -> None:
        super().__init__(
            "server",
            way,
            (1024, RSP_CONS, RSP_PROD),
            (0, REQ_CONS, REQ_PROD),
            way.daemon_bug,
            pending_place(PORT),
            server_pending_place(),
            Flag.CHECK,
        )
        self.received = b""
        self.queue = b""
        self.watched = False
        self.answered = 0

    def run(self) -> Steps:
        if self.bug != "late-advertise":
            yield self.store(FEATURES, 5)
        if self.bug == "opens-twice":
            yield self.store(CONNECTION, 0)
        while True:
            if not self.way.check_connection_late and (yield self.load(CONNECTION)):
                yield from self.reset()
            moved = yield from self.serve()
            if self.bug == "late-advertise" and moved:
                yield self.store(FEATURES, 5)
            if self.bug == "clears-a-bit" and moved:
                yield self.store(FEATURES, 1)
            if self.bug == "writes-rsp-cons" and moved:
                yield self.store(RSP_CONS, (yield self.load(RSP_CONS)))
            if self.bug == "goes-on-after-error" and self.answered == 2:
                yield self.store(ERROR, 3)
            if not moved:
                yield from self.wait()

    def serve(self) -> Generator[Op, int, bool]:
        cons, prod = yield from self.sample(REQ_CONS, REQ_PROD)
        if self.way.check_connection_late and (yield self.load(CONNECTION)):
            yield from self.reset()
            return True
        got = yield from self.take_out(cons, prod, 1024)
        self.received += got
        self.answer()
        put = 0
        if self.queue:
            put = yield from self.write_some(self.queue)
            self.queue = self.queue[put:]
        return bool(got or put)

    def reset(self) -> Steps:
        if self.bug == "clears-first":
            yield self.store(CONNECTION, 0)
        for at in range(0, 2048, 8):
            yield self.store(at, (1 << 64) - 1, 8)
        # Empty is not zero: all four at once, at a place of the server's choice.
        yield self.store(REQ_CONS, sum(self.way.reset_to << 32 * word for word in range(4)), 16)
        if self.bug != "clears-first":
            yield self.store(CONNECTION, 0)
        if self.bug != "silent-reset":
            yield self.signal()
        if self.bug != "keeps-replies":
            self.queue = b""
        if self.bug == "keeps-watch" and self.watched:
            self.queue = self.message(EVENT, 0, 0, b"device\0token\0")
        self.received = b""
        self.watched = False

    def message(self, kind: int, req_id: int, tx: int, payload: bytes) -> bytes:
        return HEADER.pack(kind, req_id, tx, len(payload)) + payload

    def answer(self) -> None:
        while len(self.received) >= 16:
            kind, req_id, tx, length = HEADER.unpack(self.received[:16])
            if len(self.received) < 16 + length:
                return
            payload = self.received[16 : 16 + length]
            self.received = self.received[16 + length :]
            self.answered += 1
            if kind == READ:
                reply = reply_to(payload, int.from_bytes(payload[:4], "little"))
            else:
                reply = b"7\0" if kind == START else b"OK\0"
            if self.bug == "wrong-req-id":
                req_id += 1
            if self.bug == "wrong-type":
                kind += 1
            self.queue += self.message(kind, req_id, tx, reply)
            if kind == WATCH:
                self.watched = True
                self.queue += self.message(EVENT, 0, 0, b"device\0token\0")


class Hung(Exception):  # noqa: N818 (an outcome, not an error)
    """Nobody can move."""


def initial_memory(way: Way) -> bytes:
    """A ring whose pairs are equal, at `way.start`, with unused bytes of `way.fill`."""
    memory = bytearray(SHARED_SIZE)
    memory[:2048] = bytes([way.fill]) * 2048
    for index in (REQ_CONS, REQ_PROD, RSP_CONS, RSP_PROD):
        store(memory, index, 4, way.start)
    return bytes(memory)


See = Callable[[bytearray, Event], object]


class Table:
    """Shared memory with two players at it, and the trace of what reaches memory.

    With `buffered`, plain stores wait in a buffer of their actor, first in, first out, as on
    x86-TSO: loads of the same actor see them, and nobody moves on from anything else before the
    buffer is empty.
    """

    def __init__(self, way: Way, see: See | None, *, buffered: bool) -> None:
        self.memory = bytearray(initial_memory(way))
        self.events: list[Event] = []
        self.buffers: dict[str, list[Op]] = {"guest": [], "daemon": []}
        self._see = see
        self._buffered = buffered
        self._players = {"guest": Guest(way).run(), "daemon": Daemon(way).run()}
        self.waiting = {name: next(player) for name, player in self._players.items()}

    def awake(self, name: str) -> bool:
        """Whether the player can move other than by a spurious end of its wait."""
        op = self.waiting[name]
        return op.kind is not Kind.WAIT or ready(self.memory, op)

    def move(self, name: str) -> None:
        """The player's next op; an atomic with both halves."""
        op = self.waiting[name]
        if op.kind is Kind.STORE and self._buffered and not op.flags & Flag.LOCKED:
            self.buffers[name].append(op)
            value = 0
        elif op.kind is Kind.LOAD:
            value = self._load(name, op)
            self._record(name, op, value)
        else:
            self.commit(name, len(self.buffers[name]))
            value = self._result(op)
            self._record(name, op, value)
        if op.kind is Kind.HALT:
            return
        self.waiting[name] = self._players[name].send(value)
        if op.kind is Kind.RMW:
            self.move(name)

    def commit(self, name: str, count: int) -> None:
        """Let the oldest stores of the player's buffer reach memory."""
        for op in self.buffers[name][:count]:
            self._record(name, op, op.value)
        del self.buffers[name][:count]

    def _load(self, name: str, op: Op) -> int:
        if not self.buffers[name]:
            return load(self.memory, op.address, op.size)
        mine = bytearray(self.memory)
        for buffered in self.buffers[name]:
            store(mine, buffered.address, buffered.size, buffered.value)
        return load(mine, op.address, op.size)

    def _result(self, op: Op) -> int:
        if op.kind is Kind.RMW:
            return load(self.memory, op.address, op.size)
        if op.kind is Kind.WAIT:
            return int(ready(self.memory, op))
        return op.value if op.kind is Kind.STORE else 0

    def _record(self, name: str, op: Op, value: int) -> None:
        event = Event(name, op, value)
        if self._see:
            self._see(self.memory, event)
        self.events.append(event)
        apply(self.memory, op)


def play(
    way: Way, seed: int, see: See | None = None, *, limit: int = 100_000, buffered: bool = False
) -> list[Event]:
    """Run both sides until the guest halts; the trace. `see` gets each event and the memory
    before it. Hung after `limit` events."""
    schedule = random.Random(seed)
    table = Table(way, see, buffered=buffered)
    while True:
        name = schedule.choice(("guest", "daemon"))
        # Short runs tear; long ones fill the rings.
        for _ in range(schedule.choice((1, 1, 2, 5, 40, 1000))):
            op = table.waiting[name]
            if not table.awake(name):
                spurious = op.flags & Flag.SPURIOUS and schedule.random() < 0.2
                if not spurious:
                    table.commit(name, len(table.buffers[name]))
                    break
            table.move(name)
            if op.kind is Kind.HALT:
                return table.events
        other = schedule.choice(("guest", "daemon"))
        table.commit(other, schedule.choice((0, 1, 3, 1000)))
        if len(table.events) > limit:
            raise Hung(f"no end after {limit} events")
