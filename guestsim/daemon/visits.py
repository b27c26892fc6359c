"""How a daemon deals with connections that are not its ring: the sockets of the tools.

Source: `main` of tools/xenstored/core.c; `main_loop` of tools/ocaml/xenstored/xenstored.ml. Both
take requests from sockets where they poll, and between their dealings with rings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from guestsim.daemon import oxenstored, xenstored
from guestsim.daemon.outgoing import queued
from guestsim.trace.daemons import DaemonModel
from guestsim.xenstore import Dialect, Message, ServerState

__all__ = ["VISITS", "Visits"]

_Messages = tuple[Message, ...]


class Visits(NamedTuple):
    """One daemon's way."""

    dialect: Dialect
    phases: frozenset[Any]
    """Phases of its state at the beginning of which it answers others: in its poll, or before it
    looks at its ring."""
    visited: Callable[[Any, ServerState, _Messages], Any]
    """Its state once it has. They made that `ServerState` of the brain, and those messages for the
    guest."""


def _xenstored(state: xenstored.State, server: ServerState, messages: _Messages) -> xenstored.State:
    """poll has returned; a look at the ring follows."""
    phase = state.phase
    if phase is not xenstored.Phase.CAN_READ:
        phase = xenstored.Phase.POLL
    out = queued(state.out, messages)
    return msgspec.structs.replace(state, phase=phase, server=server, out=out)


def _oxenstored(
    state: oxenstored.State, server: ServerState, messages: _Messages
) -> oxenstored.State:
    """Where it slept, the ring is looked at if there is something to put there
    (`has_more_work`)."""
    phase = state.phase
    if messages and phase is oxenstored.Phase.SLEEP:
        phase = oxenstored.Phase.POLL
    queue = (*state.queue, *(message.encode() for message in messages))
    return msgspec.structs.replace(state, phase=phase, server=server, queue=queue)


_C = Visits(
    # Who only looks changes nothing, not even errno.
    msgspec.structs.replace(xenstored.DIALECT, keeps_errno=False),
    frozenset({xenstored.Phase.CAN_READ, xenstored.Phase.POLL, xenstored.Phase.SLEEP}),
    _xenstored,
)

VISITS: dict[str, Visits] = {
    DaemonModel.XENSTORED: _C,
    DaemonModel.OXENSTORED: Visits(
        oxenstored.DIALECT,
        frozenset({oxenstored.Phase.INPUT, oxenstored.Phase.POLL, oxenstored.Phase.SLEEP}),
        _oxenstored,
    ),
    DaemonModel.RFC_V2: _C,
}
"""By the name that scenarios use."""
