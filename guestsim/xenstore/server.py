"""Dispatch: one request in, replies and events out. Pure values; no ring, no socket.

Source: docs/misc/xenstore.txt; `wire_funcs` and `process_message` of tools/xenstored/core.c.
"""

from __future__ import annotations

from typing import NamedTuple

from guestsim.abi.xs_wire import XENSTORE_PAYLOAD_MAX, XsdSockmsgType
from guestsim.xenstore.call import Call, Dialect, Refusal
from guestsim.xenstore.message import Message
from guestsim.xenstore.operations import HANDLERS, NO_TRANSACTION, PRIVILEGED
from guestsim.xenstore.state import ServerState

__all__ = ["Dialect", "Outgoing", "handle"]

_XENSTORED = Dialect()


class Outgoing(NamedTuple):
    """A message for a connection."""

    connection: int
    message: Message


def handle(
    state: ServerState, key: int, message: Message, dialect: Dialect = _XENSTORED
) -> tuple[ServerState, tuple[Outgoing, ...]]:
    """Answer the request `message` of connection `key`.

    Gives the new state and what to send, in order: one reply to `key`, and the watch events that
    the request caused, for any connection. Any message at all is answered; a wrong one by an
    ERROR with the name that docs/misc/xenstore.txt gives.
    """
    call = Call(state, key, message, dialect)
    try:
        payload = _dispatch(call)
        if len(payload) > XENSTORE_PAYLOAD_MAX:
            raise Refusal("E2BIG")
        kind = message.type
    except Refusal as refusal:
        kind, payload = XsdSockmsgType.XS_ERROR, refusal.error.encode() + b"\0"
    reply = Message(kind, message.req_id, message.tx_id, payload)
    outgoing = [
        *(Outgoing(*event) for event in call.before),
        Outgoing(key, reply),
        *(Outgoing(*event) for event in call.after),
    ]
    return call.result(), tuple(outgoing)


def _dispatch(call: Call) -> bytes:
    kind = call.message.type
    in_transaction = kind not in NO_TRANSACTION
    if in_transaction and call.dialect.transaction_first:
        call.enter_transaction()
    if kind in PRIVILEGED and not call.connection.privileged:
        if kind == XsdSockmsgType.XS_CONTROL and call.dialect.control_ok:
            return b"OK\0"
        raise Refusal("EACCES")
    handler = HANDLERS.get(kind)
    if handler is None:
        raise Refusal("ENOSYS")
    if in_transaction:
        call.enter_transaction()
    return handler(call)
