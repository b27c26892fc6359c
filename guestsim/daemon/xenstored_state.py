"""C xenstored at a checkpoint: where it stands, and all that it knows. A value."""

from __future__ import annotations

from collections.abc import Generator
from enum import Enum

import msgspec

from guestsim.daemon.others import Standing
from guestsim.trace import Op
from guestsim.xenstore import Outgoing, ServerState

__all__ = ["Phase", "State", "Steps"]


class Phase(Enum):
    """Where in the main loop the next turn begins."""

    START = "start"
    TOP = "top"
    CLOSE = "close"
    CAN_READ = "can read"
    READ_HEADER = "read header"
    READ_BODY = "read body"
    CAN_WRITE = "can write"
    WRITE_HEADER = "write header"
    WRITE_BODY = "write body"
    SETTLE = "settle"
    POLL = "poll"
    SLEEP = "sleep"
    WOKEN = "woken"
    ASKED = "asked"
    """Woken by somebody who asks, and by nothing else."""
    INTRODUCE = "introduce"


class State(msgspec.Struct, frozen=True):
    """The daemon at a checkpoint."""

    phase: Phase
    server: ServerState
    received: bytes = b""
    """What came of the request that is being read."""
    out: tuple[bytes, ...] = ()
    """Replies and events, encoded, that are not out yet; the first may be in part."""
    sent: int = 0
    """How much of the first is out."""
    aside: tuple[Outgoing, ...] = ()
    """What the requests caused for other connections: there are none unless somebody visits."""
    others: Standing = Standing()
    """How far those are who ask while the guest runs."""
    released: bool = False
    """The domain is: its ring and its channel are nobody's."""


Steps = Generator[Op, int, State]
