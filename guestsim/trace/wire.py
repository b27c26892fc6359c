"""What the bytes on the ring say, in words for people: the indices, and xenstore messages.

Never judges: the daemon's parser does that. Sources: xen/include/public/io/xs_wire.h,
docs/misc/xenstore.txt.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from guestsim.abi.xs_wire import (
    XENSTORE_PAYLOAD_MAX,
    XENSTORE_RING_SIZE,
    XSD_HEADER_SIZE,
    Interface,
    RingError,
    XsdSockmsgType,
)

__all__ = [
    "HEADER_SIZE",
    "INDICES",
    "RING_ERRORS",
    "RING_SIZE",
    "WATCH_EVENT",
    "WRONG_REPLY",
    "Header",
    "parse_header",
    "type_name",
]

RING_SIZE = XENSTORE_RING_SIZE
HEADER_SIZE = XSD_HEADER_SIZE
WATCH_EVENT = "WATCH_EVENT"

WRONG_REPLY = "took a wrong reply for a right one"
"""What an `End` says of a guest that found so itself; the rest is on its console."""

INDICES: dict[str, int] = {
    "req_cons": Interface.REQ_CONS,
    "req_prod": Interface.REQ_PROD,
    "rsp_cons": Interface.RSP_CONS,
    "rsp_prod": Interface.RSP_PROD,
}
"""Name of each index and its address in the shared space, in the order of the page."""

RING_ERRORS: dict[int, str] = {
    RingError.XENSTORE_ERROR_NONE: "none",
    RingError.XENSTORE_ERROR_COMM: "communication",
    RingError.XENSTORE_ERROR_RINGIDX: "ring index",
    RingError.XENSTORE_ERROR_PROTO: "protocol",
}
"""Values of the `error` field in words."""


_TYPES = {member.value: member.name.removeprefix("XS_") for member in XsdSockmsgType}


def type_name(kind: int) -> str:
    """How people call a message type: `READ`, or `type 0x14` where there is no name."""
    return _TYPES.get(kind) or f"type {kind:#x}"


class Header(NamedTuple):
    """`struct xsd_sockmsg`, with the type by name (`READ`)."""

    type: str
    req_id: int
    tx_id: int
    len: int


def parse_header(data: bytes) -> Header | None:
    """The header in the first 16 bytes of `data`; None where no message can begin like that
    (too few bytes, an unknown type, a payload longer than 4096)."""
    if len(data) < XSD_HEADER_SIZE:
        return None
    kind, req_id, tx_id, length = struct.unpack_from("<IIII", data)
    if kind == XsdSockmsgType.XS_INVALID or length > XENSTORE_PAYLOAD_MAX:
        return None
    try:
        name = XsdSockmsgType(kind).name
    except ValueError:
        return None
    return Header(name.removeprefix("XS_"), req_id, tx_id, length)
