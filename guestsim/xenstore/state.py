"""What a server knows: the store, the domains, and of each connection its watches and open
transactions."""

from __future__ import annotations

import msgspec

from guestsim.xenstore.frozen import FrozenMap
from guestsim.xenstore.path import domain_path
from guestsim.xenstore.store import Store
from guestsim.xenstore.transaction import Transaction

__all__ = [
    "Connection",
    "Domain",
    "ServerState",
    "Watch",
    "connect",
    "disconnect",
    "reset",
]

FIRST_TRANSACTION = 1


class Watch(msgspec.Struct, frozen=True):
    """A wish to hear of changes at `path` and below."""

    path: str
    """Canonical; a special name may hold any character."""
    token: bytes
    skip: int = 0
    """How many characters of an event's path are not told: the domain's own path where the
    watch was given relative to it."""
    depth: int | None = None
    """How many levels below `path` are meant; None: all."""


class Connection(msgspec.Struct, frozen=True):
    """One client: a domain's ring, or a tool's socket."""

    domid: int
    privileged: bool = False
    """The tools, and domain 0: permissions and quotas do not bind them."""
    watches: tuple[Watch, ...] = ()
    """In the order of registration."""
    transactions: FrozenMap[int, Transaction] = FrozenMap()
    next_transaction: int = FIRST_TRANSACTION

    @property
    def base(self) -> str:
        """What its relative paths are under."""
        return domain_path(self.domid)


class Domain(msgspec.Struct, frozen=True):
    """A domain that the server talks to, or would if it had a ring here."""

    target: int | None = None
    """The domain whose rights it has, too (SET_TARGET)."""


class ServerState(msgspec.Struct, frozen=True):
    """Everything, as one hashable value."""

    store: Store
    connections: FrozenMap[int, Connection] = FrozenMap()
    """By an id that is the caller's choice; events go out in this order."""
    domains: FrozenMap[int, Domain] = FrozenMap()
    """Those that were introduced, by domain id."""
    errno: str = "ENOENT"
    """C xenstored's: the name of the error that it has met last, "" if it has set it to 0 since. At
    the start what a toolstack leaves that has made new nodes. See `Dialect.keeps_errno`."""
    died: str = ""
    """How a request has killed the server: then nobody is answered any more."""
    settings: FrozenMap[str, int] = FrozenMap()
    """Quotas that a tool has set, by the names of `guestsim.xenstore.settings`."""


def connect(state: ServerState, key: int, connection: Connection) -> ServerState:
    """With a new connection; its domain counts as introduced."""
    domains = state.domains
    if connection.domid not in domains:
        domains = domains.set(connection.domid, Domain())
    connections = state.connections.set(key, connection)
    return msgspec.structs.replace(state, connections=connections, domains=domains)


def disconnect(state: ServerState, key: int) -> ServerState:
    """Without connection `key`, which has to be there: its watches and transactions go with it.
    The domain stays introduced."""
    return msgspec.structs.replace(state, connections=state.connections.without(key))


def reset(state: ServerState, key: int, *, restart_ids: bool = False) -> ServerState:
    """With everything dropped that connection `key` had set up: its watches and transactions.

    `restart_ids`: transaction ids begin at 1 again (oxenstored does so, C xenstored goes on).
    What was written stays written. A connection that has been released has nothing to drop.
    """
    old = state.connections.get(key)
    if old is None:
        return state
    first = FIRST_TRANSACTION if restart_ids else old.next_transaction
    fresh = Connection(old.domid, old.privileged, next_transaction=first)
    return msgspec.structs.replace(state, connections=state.connections.set(key, fresh))
