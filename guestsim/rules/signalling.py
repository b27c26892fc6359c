"""The rule of the event channel: `signal`."""

from __future__ import annotations

from guestsim.rules.page import DATASTRUCTURE, GUEST, INDICES, STORE, idles, index_name
from guestsim.rules.rule import make
from guestsim.rules.view import View
from guestsim.trace.ops import Event, Kind, is_yield
from guestsim.trace.shared import field

__all__ = ["SIGNAL"]

# To move an index is to change its value, whoever owns it: storing the same value again moves
# nothing. A store that changes `connection` counts as well: both ends of a close are signalled.
#
# Idle is a WAIT (a yield is one), or the HALT of an actor that is done (`page.idles`). A side that
# spins on memory without waiting never goes idle and is not judged. An actor that is still blocked
# when an execution ends has to be handed in as a WAIT event, as `Execution` does: a trace has a
# wait when it ends.
#
# What is owed outlives a stage of the boot chain: the stages are one guest, and the next stage's
# signal pays for it.
#
# The history is the address of the first unsignalled move of guest and daemon, 0 for none.

_History = tuple[int, int]


def _signal(history: _History, view: View, event: Event) -> tuple[_History, str | None]:
    op = event.op
    guest = event.actor == GUEST
    owed = history[0] if guest else history[1]
    if op.kind is STORE:
        if owed or not view.moved(event):
            return history, None
        return _with(history, guest, op.address & ~3), None
    if op.kind is Kind.SEND:
        end = "server_pending" if guest else "evtchn_pending"
        if not owed or field(op.address) != end:
            return history, None
        return _with(history, guest, 0), None
    if not owed or not idles(event):
        return history, None
    verb = "yields" if is_yield(op) else "waits" if op.kind is Kind.WAIT else "ends"
    return _with(history, guest, 0), (
        f"{event.actor} {verb} without a signal since it moved {index_name(owed)}"
    )


def _with(history: _History, guest: bool, owed: int) -> _History:
    return (owed, history[1]) if guest else (history[0], owed)


SIGNAL = make(
    "signal",
    DATASTRUCTURE,
    "After a side has moved an index, it signals the event channel before it goes idle.",
    frozenset({"STORE connection", "SEND", "WAIT", "HALT"})
    | {f"STORE {index}" for index in INDICES},
    initial=(0, 0),
    check=_signal,
)
