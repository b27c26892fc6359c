"""The rule of what a stage leaves to the next one: `clean-handover`."""

from __future__ import annotations

from guestsim.rules.page import STORE
from guestsim.rules.rule import make
from guestsim.rules.view import View
from guestsim.trace.ops import Event, Kind
from guestsim.trace.shared import MASK, PENDING, SELECTOR, SHARED_INFO, UPCALL_PENDING, field

__all__ = ["CLEAN_HANDOVER"]

# Xen tells a guest of an event where its pending bit was clear, is not masked, and its word's bit
# of the selector was clear (event_2l.c). Who waits for that, as every driven by interrupts does,
# waits for ever where one of the three was left by somebody before it. So the next stage must not
# find
# - a masked port: nothing is ever told;
# - a selector's bit without an upcall: the guest counts as told, and was not;
# - a pending bit without the selector's bit: the event was told, and that was thrown away;
# - a pending bit that the stage did not look after: it has not cleared the events since it last
#   touched the ring. Here the upcall may be there as well, and then only clients hang which drop
#   what was told before their time.
#
# An event that comes after the stage has cleared them is nobody's fault: the server signals after
# it has stored a reply, or the 0 that ends a close, and the guest may have seen that long before.
# Xen tells of it, all three bits are set, and nothing is lost.
#
# Only the store's port is alive here, so other bits are the stage's own doing, and as bad.
#
# The next stage begins with its first op, but for loads: they may come, under tso, while stores of
# the stage before still wait. Any other op waits for those, or behind them.
#
# The history is the stage, and whether all events have been clear at a store of its own to them
# since it last touched the ring. A stage that never touches the ring need not.

_History = tuple[str, bool]

_WORDS = 32
_UPCALL = 0xFF
"""The upcall bit's byte in its word."""


def _clean_handover(history: _History, view: View, event: Event) -> tuple[_History, str | None]:
    op = event.op
    stage, cleared = history
    here = op.site.stage
    waits = op.kind is Kind.LOAD or op.kind is Kind.RMW
    if here != stage:
        if waits and stage:
            return history, None
        wrong = _left(view, cleared=cleared) if stage else None
        sentence = wrong and f"{event.actor} went from {stage} to {here} with {wrong}"
        after, _ = _clean_handover((here, True), view, event)
        return after, sentence
    if op.kind is not STORE and not waits:
        return history, None
    if op.address < SHARED_INFO:
        return ((stage, False) if cleared else history), None
    if cleared or waits or field(op.address) != "evtchn_pending":
        return history, None
    shift = 8 * (op.address - PENDING)
    kept = _bits(view, PENDING) & ~((1 << 8 * op.size) - 1 << shift)
    return ((stage, True) if not kept and not event.value else history), None


def _left(view: View, *, cleared: bool) -> str | None:
    """What keeps the next event from being told."""
    pending, masked = _bits(view, PENDING), _bits(view, MASK)
    selected = view.word(SELECTOR)
    if masked:
        return f"the event of {_port(masked)} masked"
    if selected and not view.word(UPCALL_PENDING) & _UPCALL:
        return f"evtchn_pending_sel = {selected:#x} and no upcall"
    for word in range(_WORDS):
        if pending >> 32 * word & 0xFFFFFFFF and not selected >> word & 1:
            return f"the event of {_port(pending)} pending, and nothing that tells of it"
    if pending and not cleared:
        return f"the event of {_port(pending)} pending, not cleared since it last touched the ring"
    return None


def _bits(view: View, first: int) -> int:
    """One for each port, of the array of words at `first`."""
    return sum(view.word(first + 4 * word) << 32 * word for word in range(_WORDS))


def _port(bits: int) -> str:
    """The first port of `bits`."""
    return f"port {(bits & -bits).bit_length() - 1}"


_INDEX_AND_STATE = (
    *("req_cons", "req_prod", "rsp_cons", "rsp_prod"),
    *("server_features", "connection", "error", "evtchn_port", "reserved"),
)
_EVENTS = ("evtchn_pending", "evtchn_mask", "evtchn_pending_sel", "evtchn_upcall_pending")
_NO_ACCESS = ("SEND", "UNMASK", "WAIT", "HALT")

CLEAN_HANDOVER = make(
    "clean-handover",
    "xen/common/event_2l.c: evtchn_2l_set_pending",
    "A stage hands over no event that keeps the next one from being told: it clears the store's "
    "event after its last access to the ring, and leaves it neither masked nor told by halves.",
    frozenset(
        {f"guest {kind}" for kind in _NO_ACCESS}
        | {f"guest {kind} {name}" for kind in ("LOAD", "STORE") for name in _INDEX_AND_STATE}
        | {f"guest STORE {name}" for name in _EVENTS}
    ),
    initial=("", True),
    check=_clean_handover,
    looks={
        f"guest {what}": " ".join(name for name in _EVENTS if name not in what.split())
        for what in (*_NO_ACCESS, *(f"STORE {name}" for name in (*_INDEX_AND_STATE, *_EVENTS)))
    },
)
