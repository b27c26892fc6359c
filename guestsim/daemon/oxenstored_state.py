"""oxenstored at a checkpoint: where it stands, and all that it knows. A value."""

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
    INPUT = "input"
    CLOSE_INPUT = "close in input"
    OUTPUT = "output"
    CLOSE_OUTPUT = "close in output"
    POLL = "poll"
    SLEEP = "sleep"
    WOKEN = "woken"
    ASKED = "asked"
    """Woken by somebody who asks, and by nothing else."""


class State(msgspec.Struct, frozen=True):
    """The daemon at a checkpoint."""

    phase: Phase
    server: ServerState
    received: bytes = b""
    """`partial_in`: what came of the request that is being read."""
    queue: tuple[bytes, ...] = ()
    """`pkt_out`: replies and events, encoded, of which nothing is out yet."""
    partial: bytes = b""
    """The message that is out in part (`partial_out` is its rest), encoded."""
    sent: int = 0
    """How much of it is out."""
    again: bool = False
    """`work_again`: the last read gave something."""
    credit: int = 0
    """`io_credit`, with `wakes` "event"."""
    bad: tuple[int, int] | None = None
    """The domain is marked bad: req_cons and req_prod that did not belong together."""
    aside: tuple[Outgoing, ...] = ()
    """What the requests caused for other connections: there are none unless somebody visits."""
    others: Standing = Standing()
    """How far those are who ask while the guest runs."""
    released: bool = False
    """The domain is: its ring and its channel are nobody's."""


Steps = Generator[Op, int, State]
