"""Messages of the xenstore wire protocol: bytes in, messages out, no I/O.

Source: xen/include/public/io/xs_wire.h (`struct xsd_sockmsg`), docs/misc/xenstore.txt. A header of
four little-endian u32 (type, req_id, tx_id, len), then `len` bytes.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import msgspec

from guestsim.abi.xs_wire import XENSTORE_PAYLOAD_MAX, XSD_HEADER_SIZE, XsdSockmsgType

__all__ = ["Message", "Need", "Overlong", "Parser", "parse", "type_name"]

_HEADER = struct.Struct("<4I")
_NAMES = {member.value: member.name.removeprefix("XS_") for member in XsdSockmsgType}


class Message(msgspec.Struct, frozen=True):
    """One request, reply or watch event."""

    type: int
    """An `XsdSockmsgType`, or any other u32 that a guest sent."""
    req_id: int = 0
    tx_id: int = 0
    payload: bytes = b""

    @property
    def size(self) -> int:
        """Bytes on the wire, header included."""
        return XSD_HEADER_SIZE + len(self.payload)

    def encode(self) -> bytes:
        """The bytes on the wire."""
        header = _HEADER.pack(self.type, self.req_id, self.tx_id, len(self.payload))
        return header + self.payload


class Need(NamedTuple):
    """The message is not whole yet."""

    missing: int
    """How many more bytes to wait for: the rest of the header, or the rest of the payload."""


class Overlong(NamedTuple):
    """The header announces more than XENSTORE_PAYLOAD_MAX bytes; a server ends the connection."""

    length: int


def parse(data: bytes | bytearray | memoryview) -> Message | Need | Overlong:
    """The message that starts at `data[0]`. Bytes behind it are not looked at."""
    if len(data) < XSD_HEADER_SIZE:
        return Need(XSD_HEADER_SIZE - len(data))
    kind, req_id, tx_id, length = _HEADER.unpack_from(data)
    if length > XENSTORE_PAYLOAD_MAX:
        return Overlong(length)
    end = XSD_HEADER_SIZE + length
    if len(data) < end:
        return Need(end - len(data))
    return Message(kind, req_id, tx_id, bytes(data[XSD_HEADER_SIZE:end]))


class Parser(msgspec.Struct, frozen=True):
    """A byte stream cut into messages: a value, `feed` gives the next one."""

    rest: bytes = b""
    """What came of a message that is not whole."""
    overlong: int | None = None
    """The length that ended the stream; nothing behind it is parsed."""

    @property
    def need(self) -> int:
        """How many more bytes the current message needs; 0 once the stream has ended."""
        wanted = parse(self.rest)
        return wanted.missing if isinstance(wanted, Need) else 0

    def feed(self, data: bytes) -> tuple[Parser, tuple[Message, ...]]:
        """Take `data`, however it was cut; give the messages that it completes."""
        if self.overlong is not None:
            return self, ()
        rest = memoryview(self.rest + data)
        messages: list[Message] = []
        while True:
            found = parse(rest)
            if isinstance(found, Message):
                messages.append(found)
                rest = rest[found.size :]
                continue
            overlong = found.length if isinstance(found, Overlong) else None
            return Parser(bytes(rest), overlong), tuple(messages)


def type_name(kind: int) -> str:
    """How people call a message type: `READ`, or `type 0x14` where there is no name."""
    return _NAMES.get(kind) or f"type {kind:#x}"
