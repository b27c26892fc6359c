"""One request while it is being answered."""

from __future__ import annotations

import msgspec

from guestsim.abi.xs_wire import XENSTORE_PAYLOAD_MAX, XsdSockmsgType
from guestsim.xenstore.frozen import FrozenMap
from guestsim.xenstore.message import Message
from guestsim.xenstore.path import canonical, is_below, parent
from guestsim.xenstore.permission import Access, Permissions, access_of
from guestsim.xenstore.state import Change, Connection, ServerState, Transaction, Watch
from guestsim.xenstore.store import Node, Store

__all__ = ["Call", "Dialect", "Refusal"]


class Dialect(msgspec.Struct, frozen=True):
    """Where servers differ and a guest can see it. The defaults are C xenstored's; the values
    of the others stand in `guestsim.daemon`, with their source."""

    control_ok: bool = False
    """CONTROL from a domain without privilege is answered OK, and ignored, not EACCES."""
    unknown_transaction: str = "ENOENT"
    """The error for a tx_id that is not open."""
    transaction_first: bool = False
    """The tx_id is looked up even for a request that is refused for its type."""
    events_first: bool = True
    """A change's events go out before the reply to it."""


class Refusal(Exception):  # noqa: N818 (a guest's mistake, not an error of ours)
    """The request fails: it gets an ERROR with this name. Never leaves `server.handle`.

    Raised before the request has changed anything, except that a failed TRANSACTION_END has
    ended its transaction.
    """

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class Call:
    """A request, and what it has done so far. Lives for one `server.handle`."""

    def __init__(self, state: ServerState, key: int, message: Message, dialect: Dialect) -> None:
        self.key = key
        self.message = message
        self.dialect = dialect
        self.connection: Connection = state.connections[key]
        self.transaction: Transaction | None = None
        self.store: Store = state.store
        """What the request reads and writes: the store, or its transaction's copy."""
        self.before: list[tuple[int, Message]] = []
        """Events to send before the reply."""
        self.after: list[tuple[int, Message]] = []
        self._state = state
        self._changes: dict[str, bool] = {}

    # The request's arguments.

    def strings(self) -> list[bytes]:
        """The payload's nul-terminated strings; bytes behind the last nul are left out."""
        return self.message.payload.split(b"\0")[:-1]

    def one_string(self) -> bytes:
        """The payload, if it is one nul-terminated string."""
        payload = self.message.payload
        if not payload or payload.find(b"\0") != len(payload) - 1:
            raise Refusal("EINVAL")
        return payload[:-1]

    def path(self, raw: bytes, *, special: bool = False) -> str:
        """The canonical path that the client means."""
        path = canonical(raw, self.connection.base, special=special)
        if path is None:
            raise Refusal("EINVAL")
        return path

    # Nodes, with permissions.

    def access(self, permissions: Permissions) -> Access:
        """What the client may do with a node that has these."""
        return access_of(self.connection.domid, self.connection.privileged, permissions)

    def find(self, path: str, wanted: Access) -> Node | None:
        """The node at `path`, None if there is none.

        Without the right to it: EACCES. A missing node is told only to a client that has the
        right at the nearest node above, so that nobody learns what exists where it may not look
        (`errno_from_parents` of tools/xenstored/core.c).
        """
        node, missing = self.store.reach(path)
        allowed = self.access(node.permissions)
        if missing:
            if not wanted & allowed:
                raise Refusal("EACCES")
            return None
        if wanted & ~allowed:
            raise Refusal("EACCES")
        return node

    def node(self, path: str, wanted: Access) -> Node:
        """The node at `path`; ENOENT or EACCES."""
        node = self.find(path, wanted)
        if node is None:
            raise Refusal("ENOENT")
        return node

    # Transactions.

    def enter_transaction(self) -> None:
        """Work on the copy of the transaction that the request names, if it names one."""
        number = self.message.tx_id
        if not number:
            return
        transaction = self.connection.transactions.get(number)
        if transaction is None:
            raise Refusal(self.dialect.unknown_transaction)
        self.transaction = transaction
        self.store = transaction.store
        self._changes = {change.path: change.exact for change in transaction.changes}

    def leave_transaction(self) -> Transaction:
        """End the request's transaction: the rest of the request works on the store itself."""
        transaction = self.transaction
        if transaction is None:
            raise Refusal("ENOENT")
        left = self.connection.transactions.without(self.message.tx_id)
        self.connection = msgspec.structs.replace(self.connection, transactions=left)
        self.transaction = None
        self.store = self._state.store
        return transaction

    def forget(self) -> None:
        """Drop the client's watches and transactions, the request's own included."""
        self.connection = msgspec.structs.replace(
            self.connection, watches=(), transactions=FrozenMap()
        )
        self.transaction = None
        self.store = self._state.store

    # Changes and events.

    def changed(self, path: str, *, exact: bool = False, old: Permissions | None = None) -> None:
        """Tell the watchers of `path`, or remember to when the transaction is committed.

        To be called while the node is there. `exact`: only those who watch this very path are
        told. `old`: permissions that it had before, which count for who may hear of it, too.
        """
        if self.transaction is None:
            events = self.before if self.dialect.events_first else self.after
            events.extend(self.events(path, exact=exact, old=old))
        else:
            self._changes[path] = self._changes.get(path, True) and exact

    def events(
        self, path: str, *, exact: bool, old: Permissions | None
    ) -> list[tuple[int, Message]]:
        """The events for a change of `path`, for clients that may read the node or its parent."""
        found: list[tuple[int, Message]] = []
        grants: tuple[Permissions, ...] | None = None
        for key, other in self._state.connections.items():
            client = self.connection if key == self.key else other
            heard = [
                watch
                for watch in client.watches
                if path == watch.path or (not exact and is_below(path, watch.path))
            ]
            if not heard:
                continue
            if grants is None:
                grants = self._grants(path, old)
            if any(self._may_read(client, permissions) for permissions in grants):
                events = (watch_event(watch, path) for watch in heard)
                found.extend((key, event) for event in events if event is not None)
        return found

    def _grants(self, path: str, old: Permissions | None) -> tuple[Permissions, ...]:
        grants = () if old is None else (old,)
        node = self.store.get(path)
        above = self.store.get(parent(path))
        if node is not None and above is not None:
            grants = (*grants, node.permissions, above.permissions)
        return grants

    @staticmethod
    def _may_read(client: Connection, permissions: Permissions) -> bool:
        return bool(access_of(client.domid, client.privileged, permissions) & Access.READ)

    def introduced(self, domid: int) -> bool:
        """Whether the server talks to the domain."""
        return any(other.domid == domid for _, other in self._state.connections.items())

    # The end.

    def result(self) -> ServerState:
        """The state after the request."""
        state, connection = self._state, self.connection
        store = self.store
        if self.transaction is not None:
            store = state.store
            changes = tuple(Change(*item) for item in self._changes.items())
            current = Transaction(self.transaction.base, self.store, changes)
            connection = msgspec.structs.replace(
                connection,
                transactions=connection.transactions.set(self.message.tx_id, current),
            )
        if store is state.store and connection is state.connections[self.key]:
            return state
        return ServerState(store, state.connections.set(self.key, connection))


def watch_event(watch: Watch, path: str) -> Message | None:
    """The event of `watch` for a change of `path`; None if it is too long to be sent."""
    payload = path[watch.skip :].encode() + b"\0" + watch.token + b"\0"
    if len(payload) > XENSTORE_PAYLOAD_MAX:
        return None
    return Message(XsdSockmsgType.XS_WATCH_EVENT, 0, 0, payload)
