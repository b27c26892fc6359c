"""Messages in a stream of the ring, as far as their bytes are known: docs/misc/xenstore.txt."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from guestsim.abi.xs_wire import XENSTORE_PAYLOAD_MAX, XsdSockmsgType
from guestsim.trace.wire import HEADER_SIZE, type_name

__all__ = ["Half", "Message", "Said", "Stray", "belongs", "eat", "message_of"]

_ERROR = int(XsdSockmsgType.XS_ERROR)
_IDS = Struct("<III")

_TEXT = 64
"""Bytes of a payload that are kept, to name a request or an error."""


class Message(NamedTuple):
    """A message's header without its length, and the beginning of its payload."""

    type: int
    req_id: int
    tx_id: int
    text: bytes
    """Up to the first NUL, at most 64 bytes; or the whole payload."""

    def __str__(self) -> str:
        text = "".join(c if c.isprintable() else "." for c in self.text.decode("latin-1"))
        more = "…" if len(self.text) == _TEXT else ""
        ids = f"id {self.req_id}" + (f", transaction {self.tx_id}" if self.tx_id else "")
        return f"{type_name(self.type)} {text}{more}".rstrip() + f" ({ids})"


class Said(NamedTuple):
    """What a message says, under whatever ids."""

    type: int
    in_transaction: bool
    text: bytes
    """The whole payload."""


class Stray(NamedTuple):
    """A message that came while `request` was the oldest that waited, and belongs to none."""

    message: Message
    request: Message
    went_on: bool = False
    """Whether the guest began to send another request before the answer came."""
    before: tuple[Said, ...] = ()
    """What had changed the store by then, where that is kept."""

    def __str__(self) -> str:
        kind = self.message.type
        named = kind in (XsdSockmsgType.XS_ERROR, XsdSockmsgType.XS_WATCH_EVENT)
        message = self.message if named else self.message._replace(text=b"")
        article = "the" if kind == XsdSockmsgType.XS_WATCH_EVENT else "the reply"
        return f"{article} {message} for the answer to {self.request}"


class Half(NamedTuple):
    """A message of which a part is there: up to 16 bytes of header, then what is kept of the
    payload."""

    head: bytes = b""
    left: int = 0
    """Bytes of the payload that are still to come; 0 in a header."""


def belongs(reply: Message, request: Message) -> bool:
    """Whether `reply` is the answer to `request`: its type, or an ERROR, under its ids."""
    return reply[1:3] == request[1:3] and reply[0] in (request[0], _ERROR)


def message_of(head: bytes, *, whole: bool = False) -> Message:
    """The message that begins with `head`, at least a header; with the `whole` of its payload."""
    kind, req_id, tx_id = _IDS.unpack_from(head)
    text = head[HEADER_SIZE:]
    return Message(kind, req_id, tx_id, text if whole else text.partition(b"\0")[0])


def eat(
    half: Half, data: bytes, known: bytes | None, *, whole: bool = False
) -> tuple[Half, list[Message]]:
    """Go on in a stream by `data`: where it stands, and the messages that ended, with the `whole`
    of their payloads."""
    most = HEADER_SIZE + (XENSTORE_PAYLOAD_MAX if whole else _TEXT)
    head, left = half
    found: list[Message] = []
    at = 0
    while at < len(data):
        if len(head) < HEADER_SIZE:
            step = min(HEADER_SIZE - len(head), len(data) - at)
            if known is not None and not all(known[at : at + step]):
                return Half(), found
            head += data[at : at + step]
            if len(head) == HEADER_SIZE:
                left = int.from_bytes(head[12:], "little")
        else:
            step = min(left, len(data) - at)
            head += data[at : at + min(step, most - len(head))]
            left -= step
        at += step
        if len(head) >= HEADER_SIZE and not left:
            found.append(message_of(head, whole=whole))
            head = b""
    return Half(head, left), found
