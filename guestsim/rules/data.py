"""Rules of the two buffers: `data-owner` and `publish-order`.

Positions in a buffer are counted from an index, modulo 1024: the byte that a cons or prod points
at is at distance 0. An access never leaves its buffer (`Monitor` sees to that), but it may wrap
around distance 1024.
"""

from __future__ import annotations

from guestsim.rules.page import (
    BUFFERS_END,
    CONNECTION,
    DAEMON,
    DATASTRUCTURE,
    GUEST,
    REQ,
    RING_OF,
    RSP,
    SIZE,
    STORE,
    Ring,
    index_name,
)
from guestsim.rules.rule import make
from guestsim.rules.view import View
from guestsim.trace.ops import Event
from guestsim.trace.shared import place

__all__ = ["DATA_OWNER", "PUBLISH_ORDER"]

_MASK = SIZE - 1
_ALL = (1 << SIZE) - 1


def _data_owner(history: None, view: View, event: Event) -> tuple[None, str | None]:
    op = event.op
    address = op.address
    if address >= BUFFERS_END:
        return history, _consumes(view, event)
    ring = REQ if address < SIZE else RSP
    if op.kind is STORE:
        # The server may do as it likes with a ring that it is resetting.
        if event.actor == DAEMON and view.word(CONNECTION):
            return history, None
        if event.actor != ring.producer:
            owner = "the guest" if ring.producer == GUEST else "the server"
            return history, (
                f"{event.actor} stored {place(address, op.size)} = {event.value:#x}, "
                f"which only {owner} may write"
            )
    cons, prod = view.pair(ring)
    used = prod - cons & 0xFFFFFFFF
    first = address - cons & _MASK
    if op.kind is STORE:
        if not used or (first >= used and first + op.size <= SIZE):
            return history, None
        what = f"stored {place(address, op.size)} = {event.value:#x}"
        verb, why = "is", "not marked as consumed"
    else:
        if used == SIZE or first + op.size <= used <= SIZE:
            return history, None
        what = f"loaded {place(address, op.size)}"
        verb, why = "has", "not been produced"
    return history, (
        f"{event.actor} {what}, which {verb} {why} "
        f"({ring.name}_cons = {cons}, {ring.name}_prod = {prod})"
    )


def _consumes(view: View, event: Event) -> str | None:
    """A consumer's index passes only bytes that have been produced, and never goes back."""
    address, value = view.accessed(event)
    ring = RING_OF[address]
    if event.actor == DAEMON and view.word(CONNECTION):
        return None
    cons, prod = view.pair(ring)
    step = value - cons & 0xFFFFFFFF
    if step <= prod - cons & 0xFFFFFFFF <= SIZE or not step:
        return None
    return (
        f"{event.actor} stored {ring.name}_cons = {value} over {cons}: it marks bytes as consumed "
        f"that were never produced ({ring.name}_prod = {prod})"
    )


# A producer's loads from its own buffer are not judged: whether it reads back what it wrote or
# makes something of unused bytes shows only in what it does next (see `start-state`).
DATA_OWNER = make(
    "data-owner",
    DATASTRUCTURE,
    "A side overwrites only bytes that the other has marked as consumed, and reads only bytes "
    "that have been produced.",
    frozenset(
        {
            "STORE req",
            "STORE rsp",
            "daemon LOAD req",
            "guest LOAD rsp",
            "daemon STORE req_cons",
            "guest STORE rsp_cons",
        }
    ),
    initial=None,
    check=_data_owner,
    looks={
        "guest STORE req": "req_cons req_prod",
        "daemon STORE req": "connection",
        "daemon STORE rsp": "rsp_cons rsp_prod connection",
        "daemon LOAD req": "req_cons req_prod",
        "guest LOAD rsp": "rsp_cons rsp_prod",
        "daemon STORE req_cons": "req_prod connection",
        "guest STORE rsp_cons": "rsp_prod",
    },
)

# publish-order
#
# Producer: which bytes it has stored and not yet published, as a bitmap whose bit 0 is the byte
# at prod. A move of prod by n needs bits 0..n-1, and shifts them out. A bitmap and not a mark,
# because a copy may run in any order and overlap itself.
# Consumer: how many bytes from cons on it has seen produced. Loading prod sets it, moving cons
# takes from it. Relative to cons, so that equal situations are equal histories.
# Both are judged at memory's own index of the side, which nobody else writes.
#
# A store into bytes that are published and not consumed came too late: the index was first.
# While `connection` is nonzero the server's stores are a reset and are not judged; its store to
# `connection` ends the reset, and all is forgotten: what was stored or seen before is void.

_OrderHistory = tuple[int, int, int, int]
"""Stored and unpublished bytes of req, of rsp; bytes that the daemon may read, the guest."""

_FRESH: _OrderHistory = (0, 0, 0, 0)


def _publish_order(
    history: _OrderHistory, view: View, event: Event
) -> tuple[_OrderHistory, str | None]:
    op = event.op
    address = op.address
    if address < BUFFERS_END:
        ring = REQ if address < SIZE else RSP
        if op.kind is STORE:
            return _store_data(history, view, event, ring)
        return history, _load_data(history, view, event, ring)
    if address & ~3 == CONNECTION:
        return (_FRESH if event.actor == DAEMON else history), None
    address, value = view.accessed(event)
    ring = RING_OF[address]
    if op.kind is not STORE:
        seen = value - view.word(ring.cons) & 0xFFFFFFFF
        return _seen(history, ring, seen if seen <= SIZE else 0), None
    if event.actor == DAEMON and view.word(CONNECTION):
        return history, None
    step = value - view.word(address) & 0xFFFFFFFF
    if address == ring.cons:
        left = history[2 if ring is REQ else 3] - step
        return _seen(history, ring, max(left, 0)), None
    return _publish(history, view, event, step)


def _store_data(
    history: _OrderHistory, view: View, event: Event, ring: Ring
) -> tuple[_OrderHistory, str | None]:
    op = event.op
    if event.actor == DAEMON and view.word(CONNECTION):
        return history, None
    cons, prod = view.pair(ring)
    ahead = op.address - prod & _MASK
    free = SIZE - (prod - cons & 0xFFFFFFFF)
    if free != SIZE and ahead + op.size > free:
        return history, (
            f"{event.actor} stored {place(op.address, op.size)} after {ring.name}_prod = {prod} "
            f"had published it ({ring.name}_cons = {cons})"
        )
    bits = ((1 << op.size) - 1) << ahead
    if ahead + op.size > SIZE:
        bits = bits & _ALL | bits >> SIZE
    if ring is REQ:
        return (history[0] | bits, history[1], history[2], history[3]), None
    return (history[0], history[1] | bits, history[2], history[3]), None


def _load_data(history: _OrderHistory, view: View, event: Event, ring: Ring) -> str | None:
    op = event.op
    cons = view.word(ring.cons)
    seen = history[2 if ring is REQ else 3]
    if seen == SIZE or (op.address - cons & _MASK) + op.size <= seen:
        return None
    return (
        f"{event.actor} loaded {place(op.address, op.size)} and has seen "
        f"{ring.name}_prod cover {seen} bytes from {ring.name}_cons = {cons} on"
    )


def _publish(
    history: _OrderHistory, view: View, event: Event, step: int
) -> tuple[_OrderHistory, str | None]:
    address, value = view.accessed(event)
    ring = RING_OF[address]
    stored = history[0] if ring is REQ else history[1]
    before = view.word(address)
    sentence = None
    if step > SIZE:
        rest = 0
        sentence = (
            f"{event.actor} stored {index_name(address)} = {value} over {before}: a producer "
            f"index only moves forward, over bytes that have been stored"
        )
    else:
        rest = stored >> step
        missing = ~stored & ((1 << step) - 1)
        if missing:
            first = (missing & -missing).bit_length() - 1
            sentence = (
                f"{event.actor} stored {index_name(address)} = {value} over {before} and had not "
                f"stored {missing.bit_count()} of those {step} bytes, the first at "
                f"{place(ring.base + (before + first & _MASK), 1)}"
            )
    if ring is REQ:
        return (rest, history[1], history[2], history[3]), sentence
    return (history[0], rest, history[2], history[3]), sentence


def _seen(history: _OrderHistory, ring: Ring, seen: int) -> _OrderHistory:
    if ring is REQ:
        return history if history[2] == seen else (history[0], history[1], seen, history[3])
    return history if history[3] == seen else (history[0], history[1], history[2], seen)


PUBLISH_ORDER = make(
    "publish-order",
    DATASTRUCTURE,
    "Data is visible before the index that publishes it; indices are read before the data they "
    "cover.",
    frozenset(
        {
            "guest STORE req",
            "daemon STORE rsp",
            "daemon LOAD req",
            "guest LOAD rsp",
            "guest STORE req_prod",
            "daemon STORE rsp_prod",
            "daemon STORE req_cons",
            "guest STORE rsp_cons",
            "daemon LOAD req_prod",
            "guest LOAD rsp_prod",
            "STORE connection",
        }
    ),
    initial=_FRESH,
    check=_publish_order,
    looks={
        "guest STORE req": "req_cons req_prod",
        "guest LOAD rsp": "rsp_cons",
        "guest LOAD rsp_prod": "rsp_cons",
        "daemon STORE rsp": "rsp_cons rsp_prod connection",
        "daemon LOAD req": "req_cons",
        "daemon LOAD req_prod": "req_cons",
        "daemon STORE req_cons": "connection",
        "daemon STORE rsp_prod": "connection",
    },
)
