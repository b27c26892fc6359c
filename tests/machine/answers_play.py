"""A guest's side of a simulated ring, for tests of which reply was taken for which request.

The accesses of a `Play` go to `follow` burst by burst, as the guest gives them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable

from guestsim.abi.xs_wire import Interface, XsdSockmsgType
from guestsim.machine.answers import BEGIN, Answers, Verdict, follow, verdict
from guestsim.machine.learnt import Lesson
from guestsim.trace.ops import Flag, Kind, Op

READ, WATCH, WRITE = (
    XsdSockmsgType.XS_READ,
    XsdSockmsgType.XS_WATCH,
    XsdSockmsgType.XS_WRITE,
)
CONTROL, ERROR, EVENT = (
    XsdSockmsgType.XS_CONTROL,
    XsdSockmsgType.XS_ERROR,
    XsdSockmsgType.XS_WATCH_EVENT,
)
CONS, PROD = int(Interface.RSP_CONS), int(Interface.REQ_PROD)
SERVERS_PROD, SERVERS_CONS = int(Interface.RSP_PROD), int(Interface.REQ_CONS)
CONNECTION = int(Interface.CONNECTION)
MASK = 0xFFFFFFFF

Shape = Callable[[int, int], Iterable[tuple[int, int]]]
"""How `count` bytes from an address on are accessed: (address, size) of each access."""


def message(kind: int, req_id: int, payload: bytes = b"", tx_id: int = 0) -> bytes:
    return struct.pack("<IIII", kind, req_id, tx_id, len(payload)) + payload


def whole(address: int, count: int) -> Iterable[tuple[int, int]]:
    """As few accesses of four bytes as there can be."""
    while count:
        size = min(count, 4)
        yield address, size
        address, count = address + size, count - size


def single(address: int, count: int) -> Iterable[tuple[int, int]]:
    return ((address + index, 1) for index in range(count))


class Play:
    """A guest's accesses, and a server that puts bytes into the other direction."""

    def __init__(self, req: int = 0, rsp: int = 0, shape: Shape = whole) -> None:
        self.shape = shape
        self.memory = bytearray(b"\xa5" * 4096)
        struct.pack_into("<IIII", self.memory, SERVERS_CONS, req, req, rsp, rsp)
        self.answers: Answers = BEGIN
        self.lessons: list[Lesson] = []
        """What it has learnt, where that is followed."""
        self.heard: tuple[Op, int] | None = None
        self.ops: list[Op] = []

    # -- accesses

    def load(self, address: int, size: int, kind: Kind = Kind.LOAD) -> int:
        self.answers = follow(self.answers, self.heard, self.ops, self.lessons.append)
        value = int.from_bytes(self.memory[address : address + size], "little")
        self.heard, self.ops = (Op(kind, address, size), value), []
        return value

    def store(self, address: int, size: int, value: int, flags: Flag = Flag.NONE) -> None:
        self.memory[address : address + size] = value.to_bytes(size, "little")
        self.ops.append(Op(Kind.STORE, address, size, value, flags=flags))

    def swap(self, address: int, size: int, value: int) -> None:
        self.load(address, size, Kind.RMW)
        self.store(address, size, value, Flag.LOCKED)

    def signal(self) -> None:
        self.ops.append(Op(Kind.SEND, 0x2000, 4, 1))

    def get(self, address: int, count: int) -> bytes:
        for at, size in self.shape(address, count):
            self.load(at, size)
        return bytes(self.memory[address : address + count])

    def put(self, address: int, data: bytes) -> None:
        for at, size in self.shape(address, len(data)):
            part = data[at - address : at - address + size]
            self.store(at, size, int.from_bytes(part, "little"))

    def index(self, address: int) -> int:
        return int.from_bytes(self.get(address, 4), "little")

    # -- a client of the ring

    def send(self, data: bytes, part: int = 1024) -> None:
        while data:
            prod = self.index(PROD)
            first = prod % 1024
            step = min(len(data), part, 1024 - first)
            self.put(first, data[:step])
            self.put(PROD, (prod + step & MASK).to_bytes(4, "little"))
            self.signal()
            data = data[step:]

    def take(self, count: int, part: int = 1024) -> bytes:
        """`count` bytes of what has come."""
        data = b""
        while len(data) < count:
            cons = self.index(CONS)
            ready = self.index(SERVERS_PROD) - cons & MASK
            first = cons % 1024
            step = min(count - len(data), part, ready, 1024 - first)
            assert step, "a client would wait for ever"
            data += self.get(1024 + first, step)
            self.put(CONS, (cons + step & MASK).to_bytes(4, "little"))
            self.signal()
        return data

    def receive(self, part: int = 1024) -> bytes:
        header = self.take(16, part)
        return header + self.take(struct.unpack_from("<I", header, 12)[0], part)

    def drop(self) -> None:
        """Give back all that has come, unread."""
        self.index(CONS)
        self.put(CONS, bytes(self.memory[SERVERS_PROD : SERVERS_PROD + 4]))

    # -- the server

    def come(self, data: bytes) -> None:
        """`data` comes in `rsp`."""
        prod = int.from_bytes(self.memory[SERVERS_PROD : SERVERS_PROD + 4], "little")
        for index, byte in enumerate(data):
            self.memory[1024 + (prod + index) % 1024] = byte
        struct.pack_into("<I", self.memory, SERVERS_PROD, prod + len(data) & MASK)

    # -- what came of it

    def now(self) -> Answers:
        self.answers = follow(self.answers, self.heard, self.ops, self.lessons.append)
        self.heard, self.ops = None, []
        return self.answers

    def end(self) -> Verdict:
        return verdict(self.now())

    def told(self) -> str:
        wrong, unanswered = self.end()
        if wrong is not None:
            return str(wrong)
        return f"unanswered: {', '.join(map(str, unanswered))}" if unanswered else "answered"


ENOSYS = message(ERROR, 41, b"ENOSYS\0")
ASKED = message(READ, 1, b"a/b\0")
ANSWER = message(READ, 1, b"value")
TAKEN = "the reply ERROR ENOSYS (id 41) for the answer to READ a/b (id 1)"


def ask(play: Play, *come: bytes, request: bytes = ASKED) -> None:
    play.send(request)
    for each in come:
        play.come(each)
