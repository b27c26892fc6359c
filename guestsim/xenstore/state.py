"""What a server knows: the store, and of each connection its watches and open transactions."""

from __future__ import annotations

import msgspec

from guestsim.xenstore.frozen import FrozenMap
from guestsim.xenstore.path import domain_path
from guestsim.xenstore.store import Store

__all__ = ["Change", "Connection", "ServerState", "Transaction", "Watch", "connect", "reset"]

FIRST_TRANSACTION = 1


class Watch(msgspec.Struct, frozen=True):
    """A wish to hear of changes at `path` and below."""

    path: str
    """Canonical."""
    token: bytes
    skip: int = 0
    """How many characters of an event's path are not told: the domain's own path where the
    watch was given relative to it."""


class Change(msgspec.Struct, frozen=True):
    """A node that changed in a transaction."""

    path: str
    exact: bool
    """Only watches on this very path hear of it: it went with its parent."""


class Transaction(msgspec.Struct, frozen=True):
    """A copy of the store, on which its requests work."""

    base: Store
    """As it was at the start."""
    store: Store
    changes: tuple[Change, ...] = ()
    """In the order of the first change of each path."""


class Connection(msgspec.Struct, frozen=True):
    """One client: a domain's ring, or a tool's socket."""

    domid: int
    privileged: bool = False
    """The tools, and domain 0: permissions do not bind them."""
    watches: tuple[Watch, ...] = ()
    """In the order of registration, in which they fire."""
    transactions: FrozenMap[int, Transaction] = FrozenMap()
    next_transaction: int = FIRST_TRANSACTION

    @property
    def base(self) -> str:
        """What its relative paths are under."""
        return domain_path(self.domid)


class ServerState(msgspec.Struct, frozen=True):
    """Everything, as one hashable value."""

    store: Store
    connections: FrozenMap[int, Connection] = FrozenMap()
    """By an id that is the caller's choice; events go out in this order."""


def connect(state: ServerState, key: int, connection: Connection) -> ServerState:
    """With a new connection."""
    return ServerState(state.store, state.connections.set(key, connection))


def reset(state: ServerState, key: int, *, restart_ids: bool = False) -> ServerState:
    """With everything dropped that connection `key` had set up: its watches and transactions.

    `restart_ids`: transaction ids begin at 1 again (oxenstored does so, C xenstored goes on).
    """
    old = state.connections[key]
    first = FIRST_TRANSACTION if restart_ids else old.next_transaction
    fresh = Connection(old.domid, old.privileged, next_transaction=first)
    return ServerState(state.store, state.connections.set(key, fresh))
