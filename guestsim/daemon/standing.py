"""What a daemon has set up for its guest at a checkpoint, in a line for people. Never judged."""

from __future__ import annotations

from typing import Any

from guestsim.daemon import oxenstored, xenstored
from guestsim.daemon.words import reply_note
from guestsim.xenstore import Connection

__all__ = ["standing"]


def standing(state: Any) -> str:
    """Watches, open transactions, and what is on its way to the guest, of the state of any model;
    "" where there is nothing."""
    parts = []
    for _, connection in state.server.connections.items():
        parts += _connection(connection)
    if state.received:
        parts.append(f"{len(state.received)} bytes of a request taken")
    waiting = state.queue if isinstance(state, oxenstored.State) else state.out
    if isinstance(state, oxenstored.State) and state.partial:
        waiting = (state.partial, *waiting)
    assert isinstance(state, oxenstored.State | xenstored.State)
    for number, message in enumerate(waiting):
        part = f", {state.sent} of {len(message)} bytes out" if not number and state.sent else ""
        parts.append(f"to send: {reply_note(message, len(message))}{part}")
    return "\n".join(parts)


def _connection(connection: Connection) -> list[str]:
    lines = []
    for watch in connection.watches:
        path = watch.path[watch.skip :]
        token = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in watch.token)
        lines.append(f"watch {path} (token {token})")
    lines += [f"transaction {number} is open" for number in connection.transactions]
    return lines
