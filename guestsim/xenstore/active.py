"""Which connections matter to a change of the store.

Most requests change no connection, so that a server with a thousand clients need not look at each
of them for each change: what was found last is kept, for as long as the connections are the same.
"""

from __future__ import annotations

from guestsim.xenstore.events import Listener
from guestsim.xenstore.frozen import FrozenMap
from guestsim.xenstore.state import Connection, Domain

__all__ = ["ACTIVE", "Active"]


class Active:
    """The answer for the last connections that were asked for."""

    def __init__(self) -> None:
        self._connections: FrozenMap[int, Connection] | None = None
        self._domains: FrozenMap[int, Domain] | None = None
        self.listeners: tuple[Listener, ...] = ()
        self.holders: tuple[int, ...] = ()
        """Those with open transactions."""

    def of(
        self, connections: FrozenMap[int, Connection], domains: FrozenMap[int, Domain]
    ) -> Active:
        """The connections of this state."""
        if connections is not self._connections or domains is not self._domains:
            listeners, holders = [], []
            for key, client in connections.items():
                if client.watches:
                    domain = domains.get(client.domid)
                    listeners.append(Listener(key, client, domain.target if domain else None))
                if client.transactions:
                    holders.append(key)
            self._connections, self._domains = connections, domains
            self.listeners, self.holders = tuple(listeners), tuple(holders)
        return self


ACTIVE = Active()
