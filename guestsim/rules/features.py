"""Rules of the feature bits: `features-owner` and `unknown-features`."""

from __future__ import annotations

from guestsim.abi.xs_wire import ServerFeature
from guestsim.rules.page import (
    CONNECTION,
    DAEMON,
    DATASTRUCTURE,
    RECONNECTION_FEATURE,
    SERVER_FEATURES,
    STORE,
)
from guestsim.rules.rule import make
from guestsim.rules.view import View
from guestsim.trace.ops import Event

__all__ = ["FEATURES_OWNER", "UNKNOWN_FEATURES"]

_RECONNECTION = int(ServerFeature.XENSTORE_SERVER_FEATURE_RECONNECTION)

# features-owner
#
# Any store of the guest counts, also one that changes nothing.
# The history is whether the server has moved an index while the reconnection bit was clear: too
# late then to advertise it. It stays False once the bit is set, so that it adds no states. What
# the server stores while `connection` is nonzero is a reset, which produces and consumes nothing.


def _features_owner(used: bool, view: View, event: Event) -> tuple[bool, str | None]:
    address, value = view.accessed(event)
    before = view.word(address)
    features = view.word(SERVER_FEATURES)
    if address != SERVER_FEATURES:
        resets = view.word(CONNECTION) != 0
        return used or not (features & _RECONNECTION or resets or value == before), None
    if event.actor != DAEMON:
        return used, (
            f"{event.actor} stored server_features = {value:#x} over {before:#x}, which only the "
            f"server may write"
        )
    cleared = before & ~value
    if cleared:
        return used, (
            f"{event.actor} stored server_features = {value:#x} over {before:#x}: it cleared "
            f"{cleared:#x}, and a bit is never cleared"
        )
    if used and value & _RECONNECTION:
        return False, (
            f"{event.actor} stored server_features = {value:#x} over {before:#x}: it advertises "
            f"reconnection after it has produced or consumed data"
        )
    return used, None


FEATURES_OWNER = make(
    "features-owner",
    f"{DATASTRUCTURE}; The ring reconnection feature",
    "The guest never writes server_features; the server never clears a bit; with reconnection it "
    "advertises the bit before it produces or consumes any data.",
    frozenset({"STORE server_features", "daemon STORE req_cons", "daemon STORE rsp_prod"}),
    initial=False,
    check=_features_owner,
    looks={
        "daemon STORE req_cons": "server_features connection",
        "daemon STORE rsp_prod": "server_features connection",
    },
)

# unknown-features
#
# "Bits that the guest does not know change nothing in its behaviour" is a sentence about two
# executions that differ in nothing else, and nothing here compares two. Judged is what one shows:
# the guest acts on a feature only where it has seen the bit that it knows. The only such act on
# the ring page is to ask for a close. Loads of `connection` and `error` are not
# judged: a guest may load a field and decide afterwards whether it means anything; nor is what a
# request asks for (the depth of a WATCH).
#
# The history is the stage of the boot chain that has seen the reconnection bit, "" for none. The
# 2014 draft has a version number in that place, whose only version that can be closed, 1, has the
# same bit.


def _unknown_features(stage: str | None, view: View, event: Event) -> tuple[str | None, str | None]:
    address, value = view.accessed(event)
    here = event.op.site.stage
    if event.op.kind is not STORE:
        seen = value & _RECONNECTION
        return (here if seen else None if stage == here else stage), None
    if stage == here or not value or view.word(address):
        return stage, None
    where = f"in stage {here} " if here else ""
    return stage, (
        f"{event.actor} stored connection = {value} and had not {where}seen bit 0 "
        f"(reconnection) in server_features = {view.word(SERVER_FEATURES):#x}"
    )


UNKNOWN_FEATURES = make(
    "unknown-features",
    f"{DATASTRUCTURE}; {RECONNECTION_FEATURE.partition(': ')[2]}",
    "Bits that the guest does not know change nothing in its behaviour: on one trace, the guest "
    "asks for a close only after it has seen the reconnection bit.",
    frozenset({"guest LOAD server_features", "guest STORE connection"}),
    initial=None,
    check=_unknown_features,
    looks={"guest STORE connection": "server_features"},
)
