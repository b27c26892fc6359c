"""What the server knows, and who is connected: requests in, replies and events to their clients.

No I/O and no event loop: a client is anything that can be given messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from guestsim.xenstore import (
    Connection,
    Dialect,
    Message,
    Outgoing,
    ServerState,
    connect,
    disconnect,
    handle,
)

__all__ = ["FIRST_KEY", "Hub", "Receiver", "Watcher", "client_name"]

FIRST_KEY = 1 << 16
"""Keys of socket connections begin here: below are the domains', which are their ids."""


def client_name(key: int) -> str:
    """What people call a connection: `client 1` is the first that came, `domain 1` a guest."""
    return f"client {key - FIRST_KEY + 1}" if key >= FIRST_KEY else f"domain {key}"


class Receiver(Protocol):
    """One client, as the hub sees it."""

    def deliver(self, message: Message) -> None:
        """Take a reply or an event. May `leave`; must not `request` or `join`."""


Watcher = Callable[[int, Message, bool], None]
"""Told of every message: the connection's key, the message, whether it came in."""


class Hub:
    """All connections of one brain.

    `elsewhere` takes messages for connections that nobody has joined with (a domain's ring). By
    default they are dropped: there is no ring.
    """

    def __init__(
        self,
        state: ServerState,
        dialect: Dialect | None = None,
        *,
        elsewhere: Callable[[Outgoing], None] | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        self.state = state
        """As of the last request. May be replaced between requests by one that has the same
        connections."""
        self.dialect = dialect or Dialect()
        self._elsewhere = elsewhere
        self._watcher = watcher
        self._receivers: dict[int, Receiver] = {}
        self._next = FIRST_KEY

    def __len__(self) -> int:
        return len(self._receivers)

    def join(self, receiver: Receiver) -> int:
        """A new connection, privileged like domain 0's own sockets; gives its key."""
        key = self._next
        self._next += 1
        self._receivers[key] = receiver
        self.state = connect(self.state, key, Connection(0, privileged=True))
        return key

    def leave(self, key: int) -> None:
        """The end of a connection: its watches and transactions go with it."""
        del self._receivers[key]
        self.state = disconnect(self.state, key)

    def request(self, key: int, message: Message) -> None:
        """Answer `message` of connection `key`: gives everybody what they get because of it."""
        if self._watcher is not None:
            self._watcher(key, message, True)
        self.state, outgoing = handle(self.state, key, message, self.dialect)
        self.send(outgoing)

    def send(self, outgoing: Iterable[Outgoing]) -> None:
        """Give each message to its client."""
        for item in outgoing:
            receiver = self._receivers.get(item.connection)
            if receiver is not None:
                if self._watcher is not None:
                    self._watcher(item.connection, item.message, False)
                receiver.deliver(item.message)
            elif self._elsewhere is not None:
                self._elsewhere(item)
