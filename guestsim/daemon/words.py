"""What a message means, in people's words, for the notes of ops. Never judged."""

from __future__ import annotations

from functools import lru_cache

from guestsim.abi.xs_wire import XSD_HEADER_SIZE, XsdSockmsgType
from guestsim.xenstore import Message, Overlong, parse, type_name

__all__ = ["reply_note", "request_note"]

_WIDTH = 60

_WITH_ARGUMENT = frozenset(
    {
        XsdSockmsgType.XS_WRITE,
        XsdSockmsgType.XS_WATCH,
        XsdSockmsgType.XS_UNWATCH,
        XsdSockmsgType.XS_SET_PERMS,
        XsdSockmsgType.XS_WATCH_EVENT,
    }
)


@lru_cache(maxsize=512)
def request_note(received: bytes) -> str:
    """What taking these bytes of a request off the ring means: `READ hvmloader/bios`."""
    if len(received) < XSD_HEADER_SIZE:
        return "part of a header"
    found = parse(received)
    kind = type_name(int.from_bytes(received[:4], "little"))
    if isinstance(found, Message):
        return _message(kind, found)
    if isinstance(found, Overlong) or len(received) == XSD_HEADER_SIZE:
        return f"header of {kind}"
    return f"part of {kind}"


@lru_cache(maxsize=512)
def reply_note(encoded: bytes, sent: int) -> str:
    """What putting the first `sent` bytes of a reply or event on the ring means."""
    found = parse(encoded)
    assert isinstance(found, Message)
    kind = type_name(found.type)
    what = kind if found.type == XsdSockmsgType.XS_WATCH_EVENT else f"reply {kind}"
    if sent >= len(encoded):
        return _message(what, found)
    if sent <= XSD_HEADER_SIZE:
        return f"{'part of the ' if sent < XSD_HEADER_SIZE else ''}header of {what}"
    return f"part of {what}"


def _message(kind: str, message: Message) -> str:
    first, _, rest = message.payload.partition(b"\0")
    text = first.decode("latin-1")
    if message.type in _WITH_ARGUMENT and rest:
        sign = "=" if message.type == XsdSockmsgType.XS_WRITE else " "
        text += sign + rest.rstrip(b"\0").replace(b"\0", b" ").decode("latin-1")
    note = f"{kind} {text}".rstrip()
    if message.tx_id:
        note += f" in transaction {message.tx_id}"
    note = "".join(char if char.isprintable() else "." for char in note)
    return note if len(note) <= _WIDTH else note[: _WIDTH - 1] + "…"
