"""What a scenario can say about the daemon."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["DaemonConfig", "Mistake"]

Mistake = Literal["clears-early", "looks-late", "no-signal", "never-clears"]
"""What a daemon can get wrong in closing the ring.

`clears-early`: it stores `connection` = 0 before the zeroes of the indices. `looks-late`: it loads
a pair of indices, finds `connection` set, resets the ring, and goes on with the pair that it holds.
`no-signal`: it does not signal after the close. `never-clears`: it leaves `connection` at 1.
"""


class DaemonConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One daemon, serving one domain."""

    port: int
    """The guest's end of the event channel."""
    domid: int = 1
    features: int | None = None
    """Bits of `server_features` that the daemon advertises, unknown ones included; for `rfc-v2`
    the protocol version. None: what the real daemon advertises."""
    wakes: Literal["any", "event"] = "any"
    """`any`: other domains' work wakes the daemon, too, at any time. `event`: only this guest's
    events do."""
    introduce: bool = False
    """C xenstored and `rfc-v2`: begin with what INTRODUCE does to a page that is in use (a
    dom0less start): zero the four indices, answer a `connection` that is 1. Without, the page is
    as INTRODUCE left it. oxenstored never touches the page then."""
    drop_layers: bool = False
    """`rfc-v2`: a close drops partial messages, requests and replies in flight, watches and
    transactions. The draft does not say; False takes its silence literally."""
    mistake: Mistake | None = None
    """`oxenstored`: close the ring with this mistake. None: as the real daemon does."""

    @property
    def unheeded(self) -> frozenset[str]:
        """Fields of shared memory (`guestsim.trace.shared.field`) that never change what the daemon
        does: where anything can wake it at any time, the guest's event tells it nothing."""
        return frozenset({"server_pending"}) if self.wakes == "any" else frozenset()
