"""The rule of how a ring is found: `start-state`."""

from __future__ import annotations

from guestsim.rules.page import (
    BUFFERS_END,
    DATASTRUCTURE,
    INDICES,
    REQ,
    RING_OF,
    RSP,
    SIZE,
    STORE,
    index_name,
)
from guestsim.rules.rule import make
from guestsim.rules.view import View
from guestsim.trace.ops import Event
from guestsim.trace.shared import place

__all__ = ["START_STATE"]

# What one execution can show of "assumes nothing": a stage of the boot chain cannot know where a
# queue stands before it has loaded one of the queue's indices itself. One of the two is enough:
# that the pair starts equal is the one thing that it may assume. After a close by the protocol
# the queues are empty, at places that the server chose: so the guest's store to `connection`
# makes it start again.
#
# Unused bytes: the guest's loads from `rsp` are held against what was produced by `data-owner`
# and against what it has seen by `publish-order`, so an unused byte of rsp is never loaded in a
# legal run. A guest that loads from `req` may be reading back its own bytes; whether it makes
# anything of the others shows only where two runs with different fill bytes are compared, and is
# not judged.
#
# The history is the stage, and which queues it knows: bit 0 req, bit 1 rsp.

_History = tuple[str, int]


def _start_state(
    history: _History,
    view: View,  # noqa: ARG001 (the shape of every check)
    event: Event,
) -> tuple[_History, str | None]:
    op = event.op
    address = op.address
    stage, known = history
    if op.site.stage != stage:
        stage, known = op.site.stage, 0
        history = (stage, 0)
    if address < BUFFERS_END:
        ring = REQ if address < SIZE else RSP
        loads_index = False
    elif address & ~3 in RING_OF:
        ring = RING_OF[address & ~3]
        loads_index = op.kind is not STORE
    else:
        return (stage, 0), None
    bit = 1 if ring is REQ else 2
    if known & bit:
        return history, None
    # A violation is reported once for each queue and stage: from there on it counts as known.
    history = (stage, known | bit)
    if loads_index:
        return history, None
    what = (
        f"loaded {place(address, op.size)}"
        if op.kind is not STORE
        else f"stored {place(address, op.size)} = {event.value:#x}"
    )
    where = f"stage {stage} " if stage else ""
    return history, (
        f"{event.actor} {what} before {where}had loaded {index_name(ring.cons)} or "
        f"{index_name(ring.prod)}"
    )


START_STATE = make(
    "start-state",
    DATASTRUCTURE,
    "The guest assumes nothing about where indices start (only that each pair is equal) nor "
    "about unused bytes.",
    frozenset(
        {
            "guest STORE req",
            "guest LOAD rsp",
            "guest STORE req_prod",
            "guest STORE rsp_cons",
            "guest STORE connection",
        }
    )
    | {f"guest LOAD {index}" for index in INDICES},
    initial=("", 0),
    check=_start_state,
)
