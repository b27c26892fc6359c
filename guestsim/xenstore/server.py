"""Dispatch: one request in, replies and events out. Pure values; no ring, no socket.

Source: docs/misc/xenstore.txt; `wire_funcs` and `process_message` of tools/xenstored/core.c.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from guestsim.abi.xs_wire import XENSTORE_PAYLOAD_MAX, XsdSockmsgType
from guestsim.xenstore.asking import Death, Refusal
from guestsim.xenstore.call import Call
from guestsim.xenstore.dialect import Dialect
from guestsim.xenstore.message import Message
from guestsim.xenstore.operations import HANDLERS, NO_TRANSACTION, PRIVILEGED
from guestsim.xenstore.state import ServerState
from guestsim.xenstore.transaction import Logged, Step

__all__ = ["Outgoing", "handle"]

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
    ERROR with the name that docs/misc/xenstore.txt gives. Only a connection that is not there, as
    after a RELEASE of its domain, gets no answer; and nobody does from a server that has died.
    """
    connection = state.connections.get(key)
    if connection is None or state.died:
        return state, ()
    call = Call(state, key, connection, message, dialect)
    try:
        payload = _dispatch(call)
        if len(payload) > XENSTORE_PAYLOAD_MAX:
            raise Refusal("E2BIG")
        kind = message.type
    except Death as death:
        return msgspec.structs.replace(state, died=str(death)), ()
    except Refusal as refusal:
        kind, payload = XsdSockmsgType.XS_ERROR, refusal.error.encode() + b"\0"
    _log(call, kind, payload)
    aside = message.type in NO_TRANSACTION and not dialect.watch_tx_id
    reply = Message(kind, message.req_id, 0 if aside else message.tx_id, payload)
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


def _log(call: Call, kind: int, payload: bytes) -> None:
    """Remember the request as a part of its transaction, if that is to be replayed."""
    transaction, message = call.transaction, call.message
    if not isinstance(transaction, Logged) or call.over(transaction):
        return
    step = Step(message.type, message.payload, kind, payload)
    call.transaction = msgspec.structs.replace(transaction, steps=(*transaction.steps, step))
