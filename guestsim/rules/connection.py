"""Rules of `connection`: `connection-owner`, `hands-off` and `reset-complete`."""

from __future__ import annotations

from typing import NamedTuple

from guestsim.abi.xs_wire import ServerFeature, XsdSockmsgType
from guestsim.rules.page import (
    CONNECTION,
    DAEMON,
    OWNER,
    RECONNECTION_FEATURE,
    REQ,
    RING_OF,
    RSP,
    SERVER_FEATURES,
    STORE,
    idles,
)
from guestsim.rules.rule import make
from guestsim.rules.view import View
from guestsim.rules.wire import IDLE, Wire, follow, published
from guestsim.trace.ops import Event, Kind
from guestsim.trace.shared import field, place

__all__ = ["CONNECTION_OWNER", "HANDS_OFF", "RESET_COMPLETE"]

_RECONNECTION = int(ServerFeature.XENSTORE_SERVER_FEATURE_RECONNECTION)


# connection-owner
#
# The words of the 2014 review are the stricter ones, and they fit the field as it is today: a
# store of the daemon while the word is zero may undo a request that the guest makes at that
# moment, so a store that changes nothing is a violation as well.


def _connection_owner(history: None, view: View, event: Event) -> tuple[None, str | None]:
    _, value = view.accessed(event)
    before = view.word(CONNECTION)
    if event.actor == DAEMON:
        legal = before != 0 and value == 0
        may = "the server only stores 0, and only while it is nonzero"
    else:
        legal = before == 0 and value == 1
        may = "the guest only stores 1, and only while it is 0"
    if legal:
        return history, None
    return history, f"{event.actor} stored connection = {value} over {before}; {may}"


CONNECTION_OWNER = make(
    "connection-owner",
    RECONNECTION_FEATURE,
    "Only the guest writes connection 0 to 1, only the server 1 to 0.",
    frozenset({"STORE connection"}),
    initial=None,
    check=_connection_owner,
)

# hands-off
#
# Two ways to know that the guest has to keep its hands off:
# - the stage has itself asked for the close, and has not loaded 0 since. It has to wait for that
#   0, so a touch is wrong even where the server happens to be done;
# - memory says 1, set by an earlier stage or by whoever built the domain, and the server has
#   advertised the bit, without which `connection` holds no valid data. Loads of server_features
#   are then allowed: a stage must look at them to know what `connection` means.
#
# The history is the stage that has asked and not yet seen 0; None for none.


def _hands_off(stage: str | None, view: View, event: Event) -> tuple[str | None, str | None]:
    op = event.op
    address = op.address
    here = op.site.stage
    if stage is not None and stage != here:
        stage = None
    if address & ~3 == CONNECTION:
        _, value = view.accessed(event)
        if not value:
            return None, None
        return (here if op.kind is STORE else stage), None
    if stage is None:
        if not view.word(CONNECTION):
            return stage, None
        if not view.word(SERVER_FEATURES) & _RECONNECTION:
            return stage, None
        if address & ~3 == SERVER_FEATURES and op.kind is not STORE:
            return stage, None
    what = (
        f"stored {place(address, op.size)} = {event.value:#x}"
        if op.kind is STORE
        else f"loaded {place(address, op.size)}"
    )
    value = view.word(CONNECTION)
    if value:
        return stage, f"{event.actor} {what} while connection is {value}"
    return stage, f"{event.actor} {what} after asking for a close and before it had seen the 0"


_TOUCHES = tuple(
    f"guest {kind} {name}"
    for kind in ("LOAD", "STORE")
    for name in (
        *("req", "rsp", "req_cons", "req_prod", "rsp_cons", "rsp_prod"),
        *("server_features", "error", "evtchn_port", "reserved"),
    )
)

HANDS_OFF = make(
    "hands-off",
    RECONNECTION_FEATURE,
    "While connection is 1, the guest touches no other field.",
    frozenset({"guest LOAD connection", "guest STORE connection", *_TOUCHES}),
    initial=None,
    check=_hands_off,
    looks={
        place: "connection" if "server_features" in place else "connection server_features"
        for place in _TOUCHES
    },
)

# reset-complete
#
# What the ring shows of "empty, dropped, discarded":
# - when the server stores 0, each pair of indices in memory is equal;
# - it signals before it goes idle;
# - it produces nothing before the guest has sent something: there is no request to answer, no
#   half-sent packet to go on with, no watch to fire;
# - its first reply answers a request sent since the reset: not one from before;
# - no watch event comes before a WATCH has been sent since the reset;
# - no request in a transaction succeeds before a TRANSACTION_START has been sent since the reset.
#
# What it does not show: an old watch that fires after a new one has been set (events carry no
# ids), an old transaction while a new one is open, an old request answered in place of a new one
# that has the same type and ids, and a half-read request that the server goes on with (it answers
# wrongly, or not at all, which `wire-sane` or the guest notices). Nor what happens at a start of
# the ring that the guest did not ask for.
#
# The history is None until the first reset, so that it costs nothing in a run without one.


class _After(NamedTuple):
    owes_signal: bool
    sent: bool
    answered: bool
    watched: bool
    transacted: bool
    wire: Wire


_JUST_RESET = _After(True, False, False, False, False, IDLE)


def _reset_complete(
    after: _After | None, view: View, event: Event
) -> tuple[_After | None, str | None]:
    kind = event.op.kind
    if kind is not STORE:
        return _signalled(after, event)
    address, value = view.accessed(event)
    connection = view.word(CONNECTION)
    if address == CONNECTION:
        if event.actor == DAEMON and connection and not value:
            return _JUST_RESET, _not_empty(view)
        return after, None
    if after is None or connection:
        return after, None
    ring = RING_OF[address]
    data = published(view, ring, value) if OWNER[address] == event.actor else None
    if data is None:
        # Somebody throws the index about: what follows no longer follows from the reset.
        return None, None
    if not data:
        return after, None
    wire, begun, wrong = follow(after.wire, ring, data)
    if ring is REQ:
        types = {header.type for header in begun}
        next_after = after._replace(
            sent=True,
            watched=after.watched or XsdSockmsgType.XS_WATCH in types,
            transacted=after.transacted or XsdSockmsgType.XS_TRANSACTION_START in types,
        )
        return (next_after._replace(wire=wire) if wire else None), None
    sentence = ""
    if not after.sent:
        sentence = "no request has been sent"
        wire = None
    answered = after.answered
    for header in begun:
        if header.type == XsdSockmsgType.XS_WATCH_EVENT:
            if not after.watched:
                sentence = sentence or f"{header} comes and no watch has been set"
            continue
        if not answered and wrong:
            sentence = sentence or f"{header} is the first reply, and {wrong}"
        answered = True
        if header.tx_id and not after.transacted and header.type != XsdSockmsgType.XS_ERROR:
            sentence = sentence or f"{header} succeeds and no transaction has been started"
    if sentence:
        sentence = f"{event.actor} stored rsp_prod = {value}: since the reset {sentence}"
    return (after._replace(answered=answered, wire=wire) if wire else None), sentence or None


def _signalled(after: _After | None, event: Event) -> tuple[_After | None, str | None]:
    if after is None or not after.owes_signal:
        return after, None
    if event.op.kind is Kind.SEND:
        told = field(event.op.address) == "evtchn_pending"
        return (after._replace(owes_signal=False) if told else after), None
    if not idles(event):
        return after, None
    return after._replace(owes_signal=False), (
        f"{event.actor} goes idle without a signal since it stored connection = 0"
    )


def _not_empty(view: View) -> str | None:
    full = [
        f"{ring.name}_cons = {cons}, {ring.name}_prod = {prod}"
        for ring in (REQ, RSP)
        for cons, prod in (view.pair(ring),)
        if cons != prod
    ]
    if not full:
        return None
    return f"daemon stored connection = 0 with a queue that is not empty: {'; '.join(full)}"


RESET_COMPLETE = make(
    "reset-complete",
    RECONNECTION_FEATURE,
    "When the server sets connection to 0, both queues are empty, and partial packets, requests "
    "in flight, watches and transactions of that guest are gone; then it signals.",
    frozenset(
        {"STORE connection", "STORE req_prod", "STORE rsp_prod"}
        | {"daemon SEND", "daemon WAIT", "daemon HALT"}
    ),
    initial=None,
    check=_reset_complete,
    looks={
        "daemon STORE connection": "req_cons req_prod rsp_cons rsp_prod",
        "STORE req_prod": "connection",
        "STORE rsp_prod": "connection",
        "guest STORE req_prod": "req",
        "daemon STORE rsp_prod": "rsp",
    },
)
