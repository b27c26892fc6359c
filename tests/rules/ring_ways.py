"""Which pairs of guest and daemon there are to play: right ones, and those with a named bug."""

from __future__ import annotations

from hypothesis import Phase
from hypothesis import strategies as st
from ring_play import Way

STARTS = [0, 1, 1023, 1024, 2**31 - 1, 2**32 - 1, 2**32 - 22]

# A smaller way is no simpler run: shrinking would take minutes and show nothing.
NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)

WAYS = st.builds(
    Way,
    start=st.sampled_from(STARTS) | st.integers(0, 2**32 - 1),
    fill=st.sampled_from([0, 0xA5, 0xFF]),
    piece=st.integers(1, 16),
    backwards=st.booleans(),
    atomic=st.booleans(),
    cons_first=st.booleans(),
    own_cached=st.booleans(),
    signal_late=st.booleans(),
    check_connection_late=st.booleans(),
    reset_to=st.sampled_from(STARTS),
    in_flight=st.booleans(),
    sizes=st.lists(
        st.tuples(st.integers(0, 1500), st.integers(0, 3000)), min_size=1, max_size=3
    ).map(tuple),
)

BUGS = {
    "guest writes-req-cons": "index-owner",
    "guest index-before-data": "publish-order",
    "guest overwrites-unread": "data-owner",
    "guest silent-write": "signal",
    "guest silent-read": "signal",
    "guest reads-before-sampling": "publish-order",
    "guest assumes-zero": "start-state",
    "guest writes-features": "features-owner",
    "guest closes-blind": "unknown-features",
    "guest clears-connection": "connection-owner",
    "guest impatient": "hands-off",
    "guest bad-type": "wire-sane",
    "guest overlong": "wire-sane",
    "guest legacy-reset": "index-owner",
    "daemon writes-rsp-cons": "index-owner",
    "daemon index-before-data": "publish-order",
    "daemon overwrites-unread": "data-owner",
    "daemon silent-write": "signal",
    "daemon silent-read": "signal",
    "daemon late-advertise": "features-owner",
    "daemon clears-a-bit": "features-owner",
    "daemon opens-twice": "connection-owner",
    "daemon goes-on-after-error": "error-final",
    "daemon clears-first": "reset-complete",
    "daemon silent-reset": "reset-complete",
    "daemon keeps-replies": "reset-complete",
    "daemon keeps-watch": "reset-complete",
    "daemon wrong-req-id": "wire-sane",
    "daemon wrong-type": "wire-sane",
}
"""Side and name of a bug -> the rule that it breaks."""


def wrong_way(bug: str) -> Way:
    """A pair with one of `BUGS`, in a situation where it can show."""
    side, name = bug.split()
    return Way(
        in_flight=side == "daemon" and name in {"clears-first", "keeps-replies"},
        guest_bug=name if side == "guest" else "",
        daemon_bug=name if side == "daemon" else "",
    )
