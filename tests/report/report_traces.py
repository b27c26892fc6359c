"""Traces to render: a guest and a C-like daemon that really share memory, driven by hand.

Each party's accesses follow the real programs, one by one, so that a trace looks like one that an
execution gives; who moves when is written out in each scene.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from guestsim.trace import (
    End,
    Event,
    Flag,
    Kind,
    Op,
    Outcome,
    Sample,
    Site,
    Violation,
    shared,
)
from guestsim.trace.effects import apply, result
from guestsim.trace.results import Run
from guestsim.trace.wire import INDICES

NAMES = {"guest": "guest", "daemon": "xenstored"}
READ, ERROR = 2, 16
FEATURES, CONNECTION, ERROR_FIELD = 2064, 2068, 2072
KEY = "bios\0\0"  # a request of 22 bytes, as in the sentence of the design
LAST_KEY = "hvmloader/bios\0"


class Tape:
    """Performs ops on shared memory and keeps them as events."""

    def __init__(self, *, indices: int = 0, fill: int = 0xA5) -> None:
        self.memory = bytearray(shared.SHARED_SIZE)
        self.memory[:2048] = bytes([fill]) * 2048
        for address in INDICES.values():
            shared.store(self.memory, address, 4, indices)
        self.initial = bytes(self.memory)
        self.events: list[Event] = []
        self.reasons: list[str] = []
        self.steps: list[tuple[str, int]] = []
        self.began: list[int] = []
        self.actor = ""
        self.why = "start"
        self.site = Site()
        self.violations: list[Violation] = []

    def because(self, why: str) -> None:
        """Why the next actor will move."""
        self.why = why

    def at(self, actor: str, site: Site) -> None:
        self.actor, self.site = actor, site

    def perform(self, op: Op, value: int = 0) -> int:
        """`value`: the answer of a CHOOSE."""
        value = value or result(self.memory, op)
        apply(self.memory, op)
        self.events.append(Event(self.actor, op, value))
        if op.flags & Flag.LOCKED:
            return value  # an atomic is one step
        if self.steps and self.steps[-1][0] == self.actor:
            self.steps[-1] = (self.actor, self.steps[-1][1] + 1)
        else:
            self.steps.append((self.actor, 1))
            self.reasons.append(self.why)
            self.began.append(len(self.events) - 1)
        return value

    def load(self, address: int, size: int = 4, flags: Flag = Flag.NONE) -> int:
        return self.perform(Op(Kind.LOAD, address, size, 0, self.site, flags))

    def store(self, address: int, value: int, size: int = 4) -> None:
        self.perform(Op(Kind.STORE, address, size, value, self.site))

    def index(self, name: str, flags: Flag = Flag.NONE) -> int:
        return self.load(INDICES[name], 4, flags)

    def rmw(self, address: int, change: Callable[[int], int]) -> int:
        old = self.perform(Op(Kind.RMW, address, 4, 0, self.site))
        new = change(old) % (1 << 32)
        self.perform(Op(Kind.STORE, address, 4, new, self.site, Flag.LOCKED))
        return old

    def fence(self) -> None:
        self.perform(Op(Kind.FENCE, site=self.site))

    def halt(self, end: End) -> None:
        self.perform(Op(Kind.HALT, site=self.site, end=end))

    def broken(self, rule: str, message: str) -> None:
        """The last event breaks a rule."""
        self.violations.append(Violation(rule, "the ring page", message, step=len(self.events) - 1))

    def run(
        self, outcome: Outcome | None, end: End, actor: str, hints: tuple[str, ...] = ()
    ) -> Run:
        return Run(
            outcome,
            end,
            actor,
            self.initial,
            tuple(self.events),
            tuple(self.steps),
            tuple(self.violations),
            tuple(self.reasons),
            hints,
            began=tuple(self.began),
        )


class Guest:
    """hvmloader's client: byte stores, one index store and signal per request."""

    port = shared.pending_place(2)

    def __init__(self, tape: Tape, stage: str = "reset-poison") -> None:
        self.tape = tape
        self.stage = stage

    def at(self, file: str, line: int, function: str) -> None:
        site = Site(self.stage, 0x100000 + line, function, f"firmware/{file}", line)
        self.tape.at("guest", site)

    def ask(self, key: str, req_id: int = 0) -> None:
        data = struct.pack("<IIII", READ, req_id, 0, len(key)) + key.encode()
        self.at("lib/ring.c", 31, "ring_write")
        tape = self.tape
        tape.index("req_cons")
        prod = tape.index("req_prod")
        self.at("lib/ring.c", 38, "ring_write")
        for offset, byte in enumerate(data):
            tape.store((prod + offset) % 1024, byte, 1)
        self.at("lib/ring.c", 42, "ring_write")
        tape.store(INDICES["req_prod"], (prod + len(data)) % (1 << 32))
        self.signal()

    def signal(self) -> None:
        self.at("lib/event.c", 12, "notify_server")
        address, size, bits = shared.server_pending_place()
        self.tape.perform(Op(Kind.SEND, address, size, bits, self.tape.site))

    def wait(self) -> None:
        address, size, bits = self.port
        self.at("lib/event.c", 20, "wait_for_event")
        self.tape.perform(Op(Kind.WAIT, address, size, bits, self.tape.site))
        self.at("lib/event.c", 24, "wait_for_event")
        self.tape.rmw(address, lambda value: value & ~bits)

    def take(self) -> bytes:
        """Read all that is in rsp."""
        self.at("lib/ring.c", 57, "ring_read")
        tape = self.tape
        prod = tape.index("rsp_prod")
        cons = tape.index("rsp_cons")
        used = (prod - cons) % (1 << 32)
        self.at("lib/ring.c", 66, "ring_read")
        data = bytes(tape.load(1024 + (cons + at) % 1024, 1) for at in range(min(used, 1024)))
        self.at("lib/ring.c", 70, "ring_read")
        tape.store(INDICES["rsp_cons"], prod)
        self.signal()
        return data

    def wipe(self, size: int = 1) -> None:
        """Fill both buffers with 0xff, `size` bytes at a time."""
        self.at("images/reset-poison/main.c", 41, "wipe_ring")
        for address in range(0, 2048, size):
            self.tape.store(address, (1 << 8 * size) - 1, size)

    def zero(self, name: str) -> None:
        self.at("images/reset-poison/main.c", 47, "wipe_ring")
        self.tape.store(INDICES[name], 0)


class Xenstored:
    """The C daemon, access by access."""

    def __init__(self, tape: Tape, store: dict[str, str]) -> None:
        self.tape = tape
        self.store = store

    def at(self, function: str) -> None:
        self.tape.at("daemon", Site("xenstored", function=function))

    def wake(self) -> None:
        self.at("main_loop")
        address, size, bits = shared.server_pending_place()
        flags = Flag.SPURIOUS | Flag.CONSUME
        self.tape.perform(Op(Kind.WAIT, address, size, bits, self.tape.site, flags))

    def idle(self) -> None:
        self.at("before_sleep")
        for name in ("req_prod", "req_cons", "rsp_prod", "rsp_cons"):
            self.tape.index(name)

    def signal(self) -> None:
        address, size, bits = Guest.port
        self.tape.perform(Op(Kind.SEND, address, size, bits, self.tape.site))

    def can_read(self) -> None:
        self.at("can_read")
        self.tape.index("req_prod")
        self.tape.index("req_cons")

    def hold(self) -> int:
        self.at("read_chunk")
        return self.tape.index("req_cons", Flag.CHECK)

    def compare(self) -> int:
        self.at("read_chunk")
        return self.tape.index("req_prod", Flag.CHECK)

    def chunk(self, length: int) -> bytes:
        cons = self.hold()
        self.compare()
        return self.copy(cons, length)

    def copy(self, cons: int, length: int) -> bytes:
        tape = self.tape
        tape.fence()
        data = bytearray(length)
        size = 8 if length >= 8 else 1
        for at in (*range(0, length - size, size), length - size):
            value = tape.load((cons + at) % 1024, size)
            data[at : at + size] = value.to_bytes(size, "little")
        tape.fence()
        tape.rmw(INDICES["req_cons"], lambda value: value + length)
        self.signal()
        return bytes(data)

    def write(self, data: bytes) -> None:
        self.at("write_chunk")
        tape = self.tape
        tape.index("rsp_cons", Flag.CHECK)
        prod = tape.index("rsp_prod", Flag.CHECK)
        tape.fence()
        size = 8 if len(data) >= 8 else 1
        if data:
            for at in (*range(0, len(data) - size, size), len(data) - size):
                value = int.from_bytes(data[at : at + size], "little")
                tape.store(1024 + (prod + at) % 1024, value, size)
        tape.fence()
        tape.rmw(INDICES["rsp_prod"], lambda value: value + len(data))
        self.signal()

    def serve(self) -> None:
        self.can_read()
        kind, req_id, tx_id, length = struct.unpack("<IIII", self.chunk(16))
        # A ring full of rubbish may ask for gigabytes.
        key = self.chunk(min(length, 64)).rstrip(b"\0").decode(errors="replace")
        body = self.store.get(key, "ENOENT\0").encode()
        self.at("can_write")
        self.tape.index("rsp_prod")
        self.tape.index("rsp_cons")
        kind = kind if key in self.store else ERROR
        self.write(struct.pack("<IIII", kind, req_id, tx_id, len(body)))
        self.write(body)

    def give_up(self, req_cons: int, req_prod: int) -> End:
        self.at("ignore_connection")
        self.tape.store(ERROR_FIELD, 2)
        end = End(
            Outcome.REFUSED,
            "bad ring indices",
            self.tape.site,
            (Sample("req_cons", req_cons), Sample("req_prod", req_prod)),
        )
        self.tape.halt(end)
        return end


def exchange(tape: Tape, guest: Guest, daemon: Xenstored, key: str) -> None:
    """One request and its reply, each side waiting for the other."""
    tape.because("guest waits for an event")
    guest.ask(key)
    daemon.wake()
    daemon.serve()
    daemon.idle()
    tape.because("xenstored waits for an event")
    guest.wait()
    guest.take()
    tape.because("guest waits for an event")


def parties(tape: Tape) -> tuple[Guest, Xenstored]:
    store = {"bios": "seabios", "hvmloader/bios": "seabios", "empty": ""}
    return Guest(tape), Xenstored(tape, store)


def torn_reset(requests: int = 1, *, indices: int = 0) -> Run:
    """The historic bug: a late wake-up of the daemon in the middle of the guest's reset."""
    tape = Tape(indices=indices)
    guest, daemon = parties(tape)
    daemon.at("main_loop")
    tape.load(FEATURES)
    tape.because("xenstored waits for an event")
    guest.at("images/reset-poison/main.c", 30, "main")
    tape.load(FEATURES)
    for _ in range(requests - 1):
        exchange(tape, guest, daemon, LAST_KEY)
    exchange(tape, guest, daemon, KEY)
    tape.because("script step 1")
    guest.wipe()
    guest.zero("req_prod")
    tape.because("script step 2")
    daemon.wake()
    daemon.idle()
    daemon.can_read()
    cons = daemon.hold()
    tape.because("script step 3")
    guest.zero("req_cons")
    tape.broken("index-owner", "the guest stored req_cons = 0, which is the server's")
    guest.zero("rsp_cons")
    guest.zero("rsp_prod")
    tape.because("script step 4")
    prod = daemon.compare()
    tape.broken("index-bound", f"req_prod {prod} - req_cons {cons} is more than 1024")
    end = daemon.give_up(cons, prod)
    return tape.run(Outcome.REFUSED, end, "daemon")


def atomic_reset() -> Run:
    """All four stores between two loads of the daemon: still torn."""
    tape = Tape()
    guest, daemon = parties(tape)
    exchange(tape, guest, daemon, KEY)
    guest.wipe()
    tape.because("random")
    daemon.wake()
    cons = daemon.hold()
    tape.because("random")
    for name in INDICES:
        guest.zero(name)
    prod = daemon.compare()
    end = daemon.give_up(cons, prod)
    return tape.run(Outcome.REFUSED, end, "daemon")


def put_back() -> Run:
    """A zero-length reply body adds 0 to an rsp_prod of before the reset: not in one step."""
    tape = Tape()
    guest, daemon = parties(tape)
    tape.because("guest waits for an event")
    guest.ask("empty\0", req_id=1)
    daemon.wake()
    daemon.can_read()
    daemon.chunk(16)
    daemon.chunk(6)
    daemon.write(struct.pack("<IIII", READ, 1, 0, 0))
    daemon.at("write_chunk")
    old = tape.index("rsp_prod")
    tape.because("random")
    guest.take()
    guest.wipe()
    for name in INDICES:
        guest.zero(name)
    daemon.at("write_chunk")
    tape.store(INDICES["rsp_prod"], old)
    daemon.idle()
    frontend = Guest(tape, "frontend")
    frontend.ask(KEY, req_id=2)
    frontend.take()
    hint = 'wrong reply: read bios: expected "seabios", got ""'
    end = End(Outcome.CORRUPTED, "asked for a crash shutdown", tape.site)
    frontend.at("images/frontend/main.c", 88, "check")
    tape.halt(end)
    return tape.run(Outcome.CORRUPTED, end, "guest", (hint,))


def closing_protocol(*, clears: bool = True) -> Run:
    """The guest asks for a reset, the daemon does it, the next stage finds a clean ring."""
    tape = Tape()
    guest, daemon = parties(tape)
    tape.because("start")
    daemon.at("main_loop")
    tape.store(FEATURES, 1)
    tape.because("xenstored waits for an event")
    guest.at("images/reconnect/main.c", 20, "main")
    tape.load(FEATURES)
    exchange(tape, guest, daemon, KEY)
    exchange(tape, guest, daemon, LAST_KEY)
    guest.at("images/reconnect/main.c", 50, "close_ring")
    tape.store(CONNECTION, 1)
    guest.signal()
    tape.because("guest waits for an event")
    daemon.wake()
    daemon.at("reset_ring")
    tape.load(CONNECTION)
    for address in range(0, 2048, 8):
        tape.store(address, (1 << 64) - 1, 8)
    tape.store(INDICES["req_cons"], 0, 16)
    tape.fence()
    if not clears:
        daemon.idle()
        end = End(Outcome.HUNG, "the guest waits for an event, xenstored for other work")
        return tape.run(Outcome.HUNG, end, "")
    tape.store(CONNECTION, 0)
    daemon.signal()
    tape.because("xenstored waits for an event")
    guest.wait()
    guest.at("images/reconnect/main.c", 58, "close_ring")
    tape.load(CONNECTION)
    frontend = Guest(tape, "frontend")
    for _ in range(2):
        exchange(tape, frontend, daemon, KEY)
    exchange(tape, frontend, daemon, "missing\0")
    end = End(Outcome.CONNECTED, "asked for a power off", tape.site)
    frontend.at("images/frontend/main.c", 95, "main")
    tape.halt(end)
    return tape.run(Outcome.CONNECTED, end, "guest")


def crashed() -> Run:
    """The guest runs into its own assertion; the daemon has a request that it never saw."""
    tape = Tape()
    guest, _ = parties(tape)
    guest.ask(KEY)
    guest.at("lib/ring.c", 77, "ring_read")
    end = End(Outcome.CRASHED, "assertion failed: len <= 4096", tape.site)
    tape.halt(end)
    return tape.run(Outcome.CRASHED, end, "guest", ("hvmloader BUG at ring.c:77",))


def cut_short() -> Run:
    """A budget ended it."""
    tape = Tape()
    guest, _ = parties(tape)
    guest.ask(KEY)
    end = End(Outcome.HUNG, "the guest may still move")
    return tape.run(None, end, "")


def answers() -> Run:
    """A request that is answered, and one for a node that is not there."""
    tape = Tape()
    guest, daemon = parties(tape)
    exchange(tape, guest, daemon, KEY)
    exchange(tape, guest, daemon, "missing\0")
    return tape.run(None, End(Outcome.HUNG, "budget"), "")


SCENES: dict[str, Callable[[], Run]] = {
    "answers": answers,
    "atomic-reset": atomic_reset,
    "closing": closing_protocol,
    "crashed": crashed,
    "cut-short": cut_short,
    "hung": lambda: closing_protocol(clears=False),
    "put-back": put_back,
    "torn-reset": torn_reset,
    "torn-reset-long": lambda: torn_reset(7),
    "torn-reset-wrap": lambda: torn_reset(indices=0xFFFFFFF0),
}
