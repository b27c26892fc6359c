"""One pass over a trace: the indices after each event, and the messages that went over the ring."""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

from guestsim.report.text import data_words, printable
from guestsim.trace import Event, Kind, Op, shared
from guestsim.trace.effects import apply
from guestsim.trace.results import Run
from guestsim.trace.wire import HEADER_SIZE, INDICES, RING_SIZE, Header, parse_header

__all__ = [
    "DAEMON",
    "GUEST",
    "OWN",
    "Indices",
    "Message",
    "RingHistory",
    "index_stores",
    "ring_history",
    "touched",
    "value_of",
    "whole",
]

DAEMON = "daemon"
GUEST = "guest"

OWN = {
    True: frozenset({"req_prod", "rsp_cons"}),
    False: frozenset({"req_cons", "rsp_prod"}),
}
"""The indices that a side moves itself; the key says whether it is the guest."""

_FIRST = min(INDICES.values())
_LAST = max(INDICES.values()) + 4
_MODULUS = 1 << 32


class Indices(NamedTuple):
    """The four counters, as they stand."""

    req_cons: int
    req_prod: int
    rsp_cons: int
    rsp_prod: int

    def used(self, ring: str) -> int:
        """prod - cons of `ring` (`req` or `rsp`), modulo 2^32."""
        if ring == "req":
            return (self.req_prod - self.req_cons) % _MODULUS
        return (self.rsp_prod - self.rsp_cons) % _MODULUS

    @property
    def quiet(self) -> bool:
        """Both rings are empty."""
        return self.req_cons == self.req_prod and self.rsp_cons == self.rsp_prod


class Message(NamedTuple):
    """A whole message that was published on the ring."""

    ring: str
    header: Header
    payload: bytes
    step: int
    """Index of the event that published its last byte."""

    @property
    def title(self) -> str:
        """`READ hvmloader/bios`: for people."""
        first = self.payload.split(b"\0")[0]
        return f"{self.header.type} {printable(first, 48)}" if first else self.header.type

    @property
    def words(self) -> str:
        """The same for a reply: `"seabios"`, `ERROR ENOENT`."""
        if self.header.type == "ERROR":
            return self.title
        return data_words(self.payload) if self.payload else '""'


def _step_of(message: Message) -> int:
    return message.step


class RingHistory(NamedTuple):
    """What one pass over a trace gives."""

    initial: Indices
    after: tuple[Indices, ...]
    """The indices after each event."""
    messages: tuple[Message, ...]
    """In the order of their last bytes."""
    final: bytes
    """Shared memory at the end."""
    stores: dict[str, list[int]]
    """Steps of the stores to each index."""

    def before(self, step: int) -> Indices:
        """The indices as event `step` finds them."""
        return self.after[step - 1] if step else self.initial

    def messages_in(self, first: int, end: int) -> tuple[Message, ...]:
        """The messages whose last bytes were published by events `first` to `end` - 1."""
        low = bisect_left(self.messages, first, key=_step_of)
        return self.messages[low : bisect_left(self.messages, end, key=_step_of)]

    def origin(self, place: str, step: int) -> int:
        """The last store to the index `place` before `step`, -1 for its initial value."""
        steps = self.stores[place]
        at = bisect_left(steps, step)
        return steps[at - 1] if at else -1


class _Stream:
    """Cuts the bytes that one side publishes into messages, until they make no sense."""

    def __init__(self, ring: str) -> None:
        self.ring = ring
        self.buffer = bytearray()
        self.lost = False

    def forget(self) -> None:
        self.buffer.clear()
        self.lost = False

    def publish(self, data: bytes, step: int) -> list[Message]:
        if self.lost:
            return []
        self.buffer += data
        messages = []
        while len(self.buffer) >= HEADER_SIZE:
            header = parse_header(bytes(self.buffer[:HEADER_SIZE]))
            if header is None:
                self.lost = True
                break
            end = HEADER_SIZE + header.len
            if len(self.buffer) < end:
                break
            messages.append(Message(self.ring, header, bytes(self.buffer[HEADER_SIZE:end]), step))
            del self.buffer[:end]
        return messages


def touched(op: Op) -> tuple[str, ...]:
    """The indices that the bytes of `op` cover: one store may zero all four."""
    if op.address >= _LAST or op.address + op.size <= _FIRST:
        return ()
    return tuple(
        name
        for name, address in INDICES.items()
        if op.address < address + 4 and address < op.address + op.size
    )


def whole(op: Op) -> tuple[str, ...]:
    """The indices that `op` covers from their first byte to their last."""
    return tuple(
        name
        for name in touched(op)
        if op.address <= INDICES[name] and INDICES[name] + 4 <= op.address + op.size
    )


def value_of(event: Event, place: str) -> int:
    """The value of the index `place`, of those that are `whole` in a load or store."""
    return event.value >> 8 * (INDICES[place] - event.op.address) & 0xFFFFFFFF


def index_stores(event: Event) -> tuple[str, ...]:
    """The indices that `event` stores to."""
    return touched(event.op) if event.op.kind is Kind.STORE else ()


def _indices(memory: bytearray) -> Indices:
    return Indices(*(shared.load(memory, address, 4) for address in INDICES.values()))


def ring_history(run: Run) -> RingHistory:
    """Perform the events of `run` on its initial memory."""
    memory = bytearray(run.initial)
    initial = now = _indices(memory)
    after: list[Indices] = []
    messages: list[Message] = []
    stores: dict[str, list[int]] = {name: [] for name in INDICES}
    streams = {"req": _Stream("req"), "rsp": _Stream("rsp")}
    for step, event in enumerate(run.events):
        apply(memory, event.op)
        names = index_stores(event)
        if names:
            was, now = now, _indices(memory)
            own = OWN[event.actor == GUEST]
            for name in names:
                stores[name].append(step)
                stream = streams[name[:3]]
                moved = (getattr(now, name) - getattr(was, name)) % _MODULUS
                if name not in own or moved > RING_SIZE:
                    stream.forget()
                elif name.endswith("prod"):
                    messages += stream.publish(_published(memory, was, moved, name[:3]), step)
        after.append(now)
    return RingHistory(initial, tuple(after), tuple(messages), bytes(memory), stores)


def _published(memory: bytearray, was: Indices, moved: int, ring: str) -> bytes:
    base = 0 if ring == "req" else RING_SIZE
    prod = was.req_prod if ring == "req" else was.rsp_prod
    return bytes(memory[base + (prod + offset) % RING_SIZE] for offset in range(moved))
