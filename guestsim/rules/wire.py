"""The rule of the messages in the two byte streams: `wire-sane`, and how it follows them.

Both streams are followed from the ring's memory when their producer moves its index: those are
the bytes that the other side will see. They start, and start again after a reset, on a packet
boundary with nothing in flight.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from guestsim.abi.xs_wire import XENSTORE_PAYLOAD_MAX, XSD_HEADER_SIZE, XsdSockmsgType
from guestsim.rules.page import CONNECTION, DAEMON, OWNER, REQ, RING_OF, SIZE, WIRE_PROTOCOL, Ring
from guestsim.rules.rule import make
from guestsim.rules.view import View
from guestsim.trace.ops import Event

__all__ = ["BOUNDARY", "IDLE", "WIRE_SANE", "Half", "Header", "Wire", "feed", "follow", "published"]

_HEADER = Struct("<IIII")

_TYPES = {member.value: member.name.removeprefix("XS_") for member in XsdSockmsgType}
_NOT_FOR_CLIENTS = frozenset(
    {XsdSockmsgType.XS_WATCH_EVENT, XsdSockmsgType.XS_ERROR, XsdSockmsgType.XS_INVALID}
)
_REQUESTS = frozenset(_TYPES) - _NOT_FOR_CLIENTS


class Header(NamedTuple):
    """`struct xsd_sockmsg`."""

    type: int
    req_id: int
    tx_id: int
    len: int

    def __str__(self) -> str:
        name = _TYPES.get(self.type, f"type {self.type:#x}")
        return f"{name} (req_id {self.req_id}, tx_id {self.tx_id}, len {self.len})"


class Half(NamedTuple):
    """Where one stream stands: in a header (`partial`, up to 15 bytes) or in a body."""

    partial: bytes
    header: Header | None
    left: int
    """Bytes of the body of `header` that are still to come."""


BOUNDARY = Half(b"", None, 0)


class Wire(NamedTuple):
    """Both streams, and the requests that wait for their replies."""

    req: Half
    rsp: Half
    outstanding: tuple[Header, ...]
    """Complete requests without a reply, in order; their `len` is 0 here."""


IDLE = Wire(BOUNDARY, BOUNDARY, ())


def feed(half: Half, data: bytes) -> tuple[Half | None, tuple[Header, ...], tuple[Header, ...]]:
    """Go on by `data`: (where the stream stands, headers that ended, messages that ended).

    None where a length over 4096 leaves no way to find the next message.
    """
    begun: list[Header] = []
    ended: list[Header] = []
    partial, header, left = half
    at = 0
    while True:
        if header is not None:
            step = min(left, len(data) - at)
            at += step
            left -= step
            if left:
                return Half(b"", header, left), tuple(begun), tuple(ended)
            ended.append(header)
            header = None
        step = min(XSD_HEADER_SIZE - len(partial), len(data) - at)
        partial += data[at : at + step]
        at += step
        if len(partial) < XSD_HEADER_SIZE:
            return Half(partial, None, 0), tuple(begun), tuple(ended)
        header = Header._make(_HEADER.unpack(partial))
        begun.append(header)
        if header.len > XENSTORE_PAYLOAD_MAX:
            return None, tuple(begun), tuple(ended)
        partial, left = b"", header.len


def published(view: View, ring: Ring, prod: int) -> bytes | None:
    """The bytes that a move of `ring`'s producer index to `prod` publishes; None for a jump."""
    before = view.word(ring.prod)
    step = prod - before & 0xFFFFFFFF
    if step > SIZE:
        return None
    first = before % SIZE
    buffer = view.buffer(ring)
    return (buffer[first:] + buffer[:first])[:step]


def follow(wire: Wire, ring: Ring, data: bytes) -> tuple[Wire | None, tuple[Header, ...], str]:
    """Go on by `data` on `ring`: (both streams, headers that ended, what is wrong or "").

    None where a stream cannot be followed any more.
    """
    if ring is REQ:
        half, begun, ended = feed(wire.req, data)
        wrong = next((text for text in map(_wrong_request, begun) if text), "")
        if half is None:
            return None, begun, wrong
        waiting = wire.outstanding + tuple(header._replace(len=0) for header in ended)
        return Wire(half, wire.rsp, waiting), begun, wrong
    half, begun, _ = feed(wire.rsp, data)
    waiting, wrong = wire.outstanding, ""
    for header in begun:
        waiting, text = _reply(waiting, header)
        wrong = wrong or text
    if half is None:
        return None, begun, wrong
    return Wire(wire.req, half, waiting), begun, wrong


def _wrong_request(header: Header) -> str:
    if header.type not in _REQUESTS:
        return f"request {header} has a type that clients may not send"
    if header.len > XENSTORE_PAYLOAD_MAX:
        return f"request {header} is longer than {XENSTORE_PAYLOAD_MAX}"
    if header.type == XsdSockmsgType.XS_TRANSACTION_START and header.tx_id:
        return f"request {header} names a transaction"
    return ""


def _reply(waiting: tuple[Header, ...], header: Header) -> tuple[tuple[Header, ...], str]:
    if header.len > XENSTORE_PAYLOAD_MAX:
        return waiting, f"reply {header} is longer than {XENSTORE_PAYLOAD_MAX}"
    if header.type == XsdSockmsgType.XS_WATCH_EVENT:
        wrong = header.req_id or header.tx_id
        return waiting, f"{header} has ids that are not 0" if wrong else ""
    error = header.type == XsdSockmsgType.XS_ERROR
    for index, request in enumerate(waiting):
        if request[1:3] == header[1:3] and (error or request.type == header.type):
            return waiting[:index] + waiting[index + 1 :], ""
    asked = ", ".join(map(str, waiting)) or "none is"
    return waiting, f"reply {header} answers no request; outstanding: {asked}"


# wire-sane
#
# A stream that has gone wrong is not followed any more (history None): one garbled header would
# make every later one look wrong. A reset of the ring starts it afresh: the protocol's (the
# server ends it by its store to `connection`; nothing is followed while that is nonzero), and any
# store that throws a producer index about, by which both sides start again on a packet boundary.
# Requests are matched as a multiset: replies may come in any order, and equal ids are allowed.


_START: Wire | None = IDLE


def _wire_sane(wire: Wire | None, view: View, event: Event) -> tuple[Wire | None, str | None]:
    address, value = view.accessed(event)
    connection = view.word(CONNECTION)
    if address == CONNECTION:
        ends = event.actor == DAEMON and connection and not value
        return (IDLE if ends else wire), None
    if connection:
        return wire, None
    ring = RING_OF[address]
    data = published(view, ring, value) if OWNER[address] == event.actor else None
    if data is None:
        return IDLE, None
    if wire is None:
        return wire, None
    after, _, wrong = follow(wire, ring, data)
    if wrong:
        return None, f"{event.actor} stored {ring.name}_prod = {value}: {wrong}"
    return after, None


WIRE_SANE = make(
    "wire-sane",
    WIRE_PROTOCOL,
    "Types, ids and lengths of messages are valid; replies echo req_id and tx_id (and type, "
    "unless ERROR); payloads are at most 4096 bytes.",
    frozenset({"STORE req_prod", "STORE rsp_prod", "STORE connection"}),
    initial=_START,
    check=_wire_sane,
    looks={
        "STORE req_prod": "connection",
        "STORE rsp_prod": "connection",
        "guest STORE req_prod": "req",
        "daemon STORE rsp_prod": "rsp",
    },
)
