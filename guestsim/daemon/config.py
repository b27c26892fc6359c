"""What a scenario can say about the daemon."""

from __future__ import annotations

import msgspec

from guestsim.daemon.others import Other
from guestsim.trace.daemons import HEARS_BADLY, Mistake, Wakes

__all__ = ["DaemonConfig"]


class DaemonConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One daemon, serving one domain."""

    port: int
    """The guest's end of the event channel."""
    domid: int = 1
    features: int | None = None
    """Bits of `server_features` that the daemon advertises, unknown ones included; for `rfc-v2`
    the protocol version. None: what the real daemon advertises."""
    wakes: Wakes = Wakes.ANY
    introduce: bool = False
    """C xenstored and `rfc-v2`: begin with what INTRODUCE does to a page that is in use (a
    dom0less start): zero the four indices, answer a `connection` that is 1. Without, the page is
    as INTRODUCE left it. oxenstored never touches the page then."""
    drop_layers: bool = False
    """`rfc-v2`: a close drops partial messages, requests and replies in flight, watches and
    transactions. The draft does not say; False takes its silence literally."""
    mistake: Mistake | None = None
    """One of those that the model can make (`guestsim.trace.daemons.MISTAKES`). None: as the real
    daemon does."""

    others: tuple[Other, ...] = ()
    """Who asks while the guest runs."""

    @property
    def unheeded(self) -> frozenset[str]:
        """Fields of shared memory (`guestsim.trace.shared.field`) that never change what the daemon
        does: where anything can wake it at any time, the guest's event tells it nothing. But one
        that hears badly does not do the same at an event as without."""
        deaf = self.wakes == Wakes.ANY and self.mistake not in HEARS_BADLY
        return frozenset({"server_pending"}) if deaf else frozenset()
