"""Rules of the four indices: `index-bound` and `index-owner`."""

from __future__ import annotations

from guestsim.rules.page import (
    CONNECTION,
    DAEMON,
    DATASTRUCTURE,
    GUEST,
    INDICES,
    OWNER,
    RING_OF,
    SIZE,
    STORE,
    index_name,
)
from guestsim.rules.rule import make
from guestsim.rules.view import View
from guestsim.trace.ops import Event, Flag, Kind

__all__ = ["INDEX_BOUND", "INDEX_OWNER"]

_Held = tuple[int, int] | None
"""(address, value) of the first index of a pair, until the second is loaded."""

# index-bound
#
# A side compares two indices that it loaded at two moments, so the rule compares the values that
# the side holds, not those in memory: that is where a torn read shows.
#
# Why a legal run never trips it. Call the index that a side writes itself its own. Between the
# two loads of a pair (no store of that side to the ring's own index in between: such a store
# drops the held value) its own index does not change, whoever else runs. The other index only
# moves forward:
# - a producer that loaded an old cons: it never moved prod past an older cons + 1024, and cons
#   never passes prod, so 0 <= prod - cons <= 1024 for the old value as for the new;
# - a consumer that loaded an old prod: cons never passes a prod that the consumer has seen, and
#   the producer never passes cons + 1024.
# So the order of the two loads does not matter, and neither does the time between them. All
# differences are modulo 2^32.
#
# The daemon says which loads it checks (`Flag.CHECK`); its other index loads (`can_read`,
# `can_write`, the load half of its own updates) are not judged. Machine code says nothing, so
# every index load of the guest counts, and where it loads the other side's index without having
# loaded its own, its own is the one in memory: it keeps that in a register, and nobody else may
# write it.
#
# Held values live for a few ops only: a side's own move, a signal or a wait drops its held
# value, and so does the daemon's store to `connection`, which ends a reset.

_BoundHistory = tuple[_Held, _Held]
"""Of the guest, of the daemon."""

_NOTHING_HELD: _BoundHistory = (None, None)


def _index_bound(
    history: _BoundHistory, view: View, event: Event
) -> tuple[_BoundHistory, str | None]:
    op = event.op
    guest = event.actor == GUEST
    if op.kind is not Kind.LOAD and op.kind is not Kind.RMW:
        return _drop_held(history, event), None
    if not guest and not op.flags & Flag.CHECK:
        return history, None
    address, value = view.accessed(event)
    ring = RING_OF[address]
    partner = ring.cons if address == ring.prod else ring.prod
    held = history[0] if guest else history[1]
    keep: _Held = (address, value)
    if held is not None and held[0] == partner:
        other = held[1]
        keep = None
    elif guest and OWNER[partner] == GUEST:
        other = view.word(partner)
    else:
        return _with(history, guest, keep), None
    cons, prod = (value, other) if address == ring.cons else (other, value)
    distance = prod - cons & 0xFFFFFFFF
    sentence = None
    if distance > SIZE:
        sentence = (
            f"{event.actor} holds {ring.name}_cons = {cons} and {ring.name}_prod = {prod}: "
            f"{ring.name}_prod - {ring.name}_cons is {_signed(distance)}, outside 0..{SIZE}"
        )
    return _with(history, guest, keep), sentence


def _drop_held(history: _BoundHistory, event: Event) -> _BoundHistory:
    if event.op.kind is STORE:
        address = event.op.address & ~3
        if address == CONNECTION:
            if event.actor == DAEMON:
                return (None, None)
        elif OWNER[address] != event.actor:
            return history
    return _with(history, event.actor == GUEST, None)


def _with(history: _BoundHistory, guest: bool, held: _Held) -> _BoundHistory:
    if history[0 if guest else 1] == held:
        return history
    return (held, history[1]) if guest else (history[0], held)


def _signed(distance: int) -> int:
    return distance - (1 << 32) if distance >> 31 else distance


INDEX_BOUND = make(
    "index-bound",
    DATASTRUCTURE,
    "Whenever a side samples both indices of a ring, prod - cons is at most 1024.",
    frozenset({"SEND", "WAIT", "STORE connection"})
    | {f"{kind} {index}" for kind in ("LOAD", "STORE") for index in INDICES},
    initial=_NOTHING_HELD,
    check=_index_bound,
    looks={"guest LOAD req_cons": "req_prod", "guest LOAD rsp_prod": "rsp_cons"},
)


def _index_owner(history: None, view: View, event: Event) -> tuple[None, str | None]:
    address, value = view.accessed(event)
    if OWNER[address] == event.actor:
        return history, None
    # `connection` is nonzero exactly while the server resets the ring on the guest's behalf. No
    # feature bit is asked for: a dom0less guest may start that way under any server.
    if event.actor == DAEMON and view.word(CONNECTION):
        return history, None
    owner = "the guest" if OWNER[address] == GUEST else "the server"
    why = " while connection is 0" if event.actor == DAEMON else ""
    return history, (
        f"{event.actor} stored {index_name(address)} = {value} over {view.word(address)}, "
        f"which only {owner} may write{why}"
    )


INDEX_OWNER = make(
    "index-owner",
    DATASTRUCTURE,
    "Each index is written by its own side only, except inside a reset that the protocol allows.",
    frozenset(f"STORE {index}" for index in INDICES),
    initial=None,
    check=_index_owner,
    looks={"daemon STORE req_prod": "connection", "daemon STORE rsp_cons": "connection"},
)
