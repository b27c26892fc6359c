"""What C xenstored has still to send to one connection: encoded messages, in order.

Source: `send_reply`, `send_event` of tools/xenstore/xenstored_core.c.
"""

from __future__ import annotations

from collections.abc import Iterable

from guestsim.abi.xs_wire import XsdSockmsgType
from guestsim.xenstore import Message

__all__ = ["queued", "replies"]


def replies(out: tuple[bytes, ...]) -> int:
    """How many of these messages are no events."""
    event = XsdSockmsgType.XS_WATCH_EVENT.to_bytes(4, "little")
    return sum(not message.startswith(event) for message in out)


def queued(out: tuple[bytes, ...], messages: Iterable[Message]) -> tuple[bytes, ...]:
    """`out` with `messages`, without watch events that wait in it already (`send_event`); special
    ones always go."""
    queue = list(out)
    for message in messages:
        encoded = message.encode()
        event = message.type == XsdSockmsgType.XS_WATCH_EVENT
        if not (event and not message.payload.startswith(b"@") and encoded in queue):
            queue.append(encoded)
    return tuple(queue)
