"""The daemon of the 2014 draft: a protocol version, and a close-request flag.

Source: the draft 'Xenstore ring: protocol version and close' of 2014 and its review, restated in
the project's documentation. No release of Xen has it. Behind the indices stand two words: the
version (the server writes it; from 1 on the ring can be closed) and the flag. The guest writes 1
to the flag, notifies and waits; the server resets the ring, clears the flag, notifies. We place
them where `server_features` and `connection` have come to be; the draft's own offsets are not
known. For the rest this is C xenstored.

The draft says nothing about what lies above the ring. Taken literally (`drop_layers` False),
watches and transactions survive a close, and so do requests and replies in flight: half a request
that was read before is completed by the first bytes after it, and replies that were not out yet
are delivered to whoever comes next. With `drop_layers` it does what the review asked for, and
what the reconnection feature does today.
"""

from __future__ import annotations

from guestsim.daemon.actor import GeneratorActor
from guestsim.daemon.config import DaemonConfig
from guestsim.daemon.xenstored import Policy, State, make_with
from guestsim.xenstore import Store

__all__ = ["VERSION", "make"]

VERSION = 1
"""The first version whose ring can be closed."""


def make(config: DaemonConfig, contents: Store) -> GeneratorActor[State]:
    """The draft's daemon; `config.features` is the version that it writes."""
    version = VERSION if config.features is None else config.features
    policy = Policy("rfc-v2", version, closes=version >= VERSION, drops=config.drop_layers)
    return make_with(config, contents, policy)
