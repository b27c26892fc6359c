"""One request while it is being answered: what it does to the store, and who hears of it."""

from __future__ import annotations

import msgspec

from guestsim.abi.xs_wire import XsdSockmsgType
from guestsim.xenstore.active import ACTIVE
from guestsim.xenstore.asking import Asking, Refusal
from guestsim.xenstore.dialect import Dialect
from guestsim.xenstore.events import (
    Event,
    Listener,
    around,
    change_events,
    removal_events,
    special_events,
)
from guestsim.xenstore.frozen import FrozenMap
from guestsim.xenstore.message import Message
from guestsim.xenstore.path import ROOT, join, parent
from guestsim.xenstore.permission import Access, Permission, Permissions
from guestsim.xenstore.settings import limits
from guestsim.xenstore.state import Connection, Domain, ServerState
from guestsim.xenstore.store import Node, Store
from guestsim.xenstore.torn import Torn
from guestsim.xenstore.transaction import Logged, Touch, Tracked, Transaction

__all__ = ["RECORD", "RECORD_PERMISSION", "Call"]

RECORD = 24
"""`sizeof(struct xs_tdb_record_hdr)`: what C xenstored keeps of each node besides."""
RECORD_PERMISSION = 8


class Call(Asking):
    """A request, and what it has done so far. Lives for one `server.handle`."""

    def __init__(
        self,
        state: ServerState,
        key: int,
        connection: Connection,
        message: Message,
        dialect: Dialect,
    ) -> None:
        super().__init__(key, connection, message, dialect)
        self.connections: FrozenMap[int, Connection] = state.connections
        self.domains: FrozenMap[int, Domain] = state.domains
        self.errno = state.errno
        self.settings = state.settings
        if state.settings:
            self.quotas = limits(dialect.quotas, state.settings)
        domain = state.domains.get(connection.domid)
        self.target = domain.target if domain else None
        self.transaction: Transaction | None = None
        self.store: Store | Torn = state.store
        """What the request reads and writes: the store, or what its transaction sees."""
        self.committed: Store = state.store
        """The store as it was before the request."""
        self.before: list[Event] = []
        """Events to send before the reply."""
        self.after: list[Event] = []
        self.events = self.before if dialect.events_first else self.after
        """Where those of a change belong."""
        self._state = state
        self._written: dict[str, bool] = {}
        """Nodes of the store itself that it has changed, and whether they are new; see `follow`."""

    def again(self, message: Message, transaction: Transaction) -> Call:
        """The same client, asking this as a part of that transaction."""
        call = Call(self._state, self.key, self.connection, message, self.dialect)
        call.work_on(transaction)
        return call

    @property
    def tree(self) -> Store:
        """`store`, outside of a transaction that has lost its view."""
        assert isinstance(self.store, Store)
        return self.store

    # Nodes.

    def find(self, path: str, wanted: int, *, creates: bool = False) -> Node | None:
        """The node at `path`, None if there is none. Without the right to it: EACCES.

        A missing node is told only to a client that has the right at the nearest node above, so
        that nobody learns what exists where it may not look (`errno_from_parents` of
        tools/xenstored/core.c); oxenstored asks for that right only to create the node.
        """
        node, missing = self.store.reach(path)
        allowed = self.access(node.permissions)
        denied = wanted & allowed == 0 if missing else wanted & ~allowed != 0
        if isinstance(self.transaction, Tracked):
            self._look(path, None if missing else node)
            if missing or denied:
                above = path
                for _ in missing or [path]:
                    above = parent(above)
                    self._look(above, self.store.get(above))
        if missing:
            if denied and (creates or self.dialect.hides_missing):
                raise self.failed("EACCES")
            self.met("ENOENT")
            return None
        if denied:
            raise self.failed("EACCES")
        return node

    def node(self, path: str, wanted: int) -> Node:
        """The node at `path`; ENOENT or EACCES."""
        node = self.find(path, wanted)
        if node is None:
            raise Refusal("ENOENT")
        return node

    def read(self, path: str) -> Node:
        """The node at `path`, of which the client is told; ENOENT or EACCES."""
        node = self.node(path, Access.READ)
        if isinstance(self.transaction, Logged):
            self.transaction = self.transaction.read(path)
        return node

    # Changes of the store. `find` has been asked for the node before.

    def write(self, path: str, node: Node, *, old: Permissions | None = None) -> None:
        """Put `node` at `path`, where there is one, and tell the watchers. `old`: permissions that
        it had before, which count for who may hear of it, too."""
        self._check_record(node, node.listed)
        before = self.store
        self.store = before.put(path, node)
        if not self.dialect.replays or old is not None or before.get(path) != node:
            self.wrote(path)
        elif path != ROOT:
            # To write the same value leaves the node, and makes a new one above (`set_value`).
            self.wrote(parent(path))
        self._tell(path, before, old)

    def create(self, path: str, value: bytes) -> None:
        """Make `path` and the missing nodes above it, with the permissions of the nearest one
        above that exists, and tell the watchers of `path`."""
        above, missing = self.store.reach(path)
        permissions = above.permissions
        if self.bound and self.dialect.creator_owns:
            owner = Permission(self.connection.domid, permissions[0].access)
            permissions = (owner, *permissions[1:])
        self._check_nodes(permissions[0].domid, len(missing))
        bare = Node(value, permissions)
        for name in reversed(missing):
            self._check_record(bare, bare.listed)
            bare = Node(b"", permissions, listed=len(name) + 1)
        self._check_record(above, above.listed + len(missing[0]) + 1)
        before = self.store
        self.store = before.create(path, value, permissions)
        steps = [path]
        for _ in missing:
            steps.append(parent(steps[-1]))
        nearest = steps.pop()
        self.wrote(nearest)
        for step in reversed(steps):
            self.wrote(step, made=True)
        self._tell(path, before, low=nearest)

    def make_above(self, path: str) -> None:
        """Make the nodes that are missing above `path`, one by one; they are told to nobody, and
        stay, whatever becomes of the request."""
        nearest, missing = self.store.reach(path)
        if len(missing) < 2:
            return
        if not self.access(nearest.permissions) & Access.WRITE:
            raise self.failed("EACCES")
        above = path
        for _ in missing:
            above = parent(above)
        low = above
        self.wrote(low)
        for name in missing[:-1]:
            self._check_nodes(nearest.permissions[0].domid, 1)
            above = join(above, name)
            self.store = self.store.create(above, b"", nearest.permissions)
            self.wrote(above, made=True)
            if isinstance(self.transaction, Logged):
                self.transaction = self.transaction.reached(low)

    def touch_root(self) -> None:
        """What oxenstored makes of MKDIR `/`: nothing changes, and the watchers are told."""
        self._tell(ROOT, self.store)

    def remove(self, path: str) -> None:
        """Take the node at `path` away with all below it, and tell the watchers. A node that goes
        with its parent is told only to those who watch that very node. The root stays, and only
        what is below it goes."""
        gone = list(self.store.descend(path))
        above = parent(path)
        if isinstance(self.transaction, Tracked):
            self._look(above, self.store.get(above))
            for step, node in gone:
                self._look(step, node)
            if isinstance(self.store, Torn) and not self.store.removable(path):
                if self.store.get(above):
                    raise self.failed("EIO")
                self.met("ENOENT")
                raise Refusal("EINVAL")
        self.wrote(above)
        for step, _ in gone:
            self.wrote(step)
        if isinstance(self.transaction, Tracked):
            for step, _ in gone:
                self._tell(step, exact=step != path)
            self.store = self.store.remove(path)
            return
        before = self.tree
        if self.dialect.replays:
            root = before.top.children[""]
            if path == ROOT:
                self.store = before.put(ROOT, Node(root.value, root.permissions))
            else:
                self.store = before.remove(path)
            self._tell(path, before, low=above)
            return
        # While the nodes' permissions can still be seen.
        for step, _ in before.walk(path):
            self._tell(step, exact=step != path)
        self.store = before.remove(path)

    def _check_nodes(self, owner: int, count: int) -> None:
        quotas, domid = self.quotas, self.connection.domid
        account = domid if self.dialect.creator_owns else owner
        if not self.bound or not account:
            return
        if isinstance(self.transaction, Tracked):
            # What the transaction itself has made is counted when it ends.
            over = self.committed.owned.get(account, 0) >= quotas.nodes
        else:
            over = self.store.owned.get(account, 0) + count > quotas.nodes
        if over:
            raise self.failed(quotas.nodes_error)

    def _check_record(self, node: Node, listed: int) -> None:
        limit = self.quotas.record
        if limit is None or not self.bound:
            return
        size = RECORD + RECORD_PERMISSION * len(node.permissions) + len(node.value) + listed
        if size > limit:
            self._fail()
            raise self.failed("ENOSPC")

    # Transactions.

    def enter_transaction(self) -> None:
        """Work on the view of the transaction that the request names, if it names one."""
        number = self.message.tx_id
        if not number or self.transaction is not None:
            return
        transaction = self.connection.transactions.get(number)
        if transaction is None:
            raise Refusal(self.dialect.unknown_transaction)
        self.work_on(transaction)
        if isinstance(transaction, Logged) and self.over(transaction):
            raise Refusal("EQUOTA")

    def over(self, transaction: Logged) -> bool:
        """Whether the transaction has had all the requests that it may have."""
        limit = self.quotas.requests
        return limit is not None and self.bound and len(transaction.steps) >= limit

    def work_on(self, transaction: Transaction) -> None:
        """Make all that follows part of `transaction`."""
        self.transaction = transaction
        self.store = transaction.view
        if isinstance(transaction, Tracked) and transaction.torn is not None:
            self.store = Torn(transaction.torn, self.committed)

    def step_out(self) -> None:
        """Work on the store itself, whatever transaction the request names: it goes on as it is."""
        self.transaction = None
        self.store = self.committed

    def leave_transaction(self) -> Transaction:
        """End the request's transaction: the rest of the request works on the store itself."""
        transaction = self.transaction
        if transaction is None:
            raise Refusal("ENOENT")
        left = self.connection.transactions.without(self.message.tx_id)
        self.connection = msgspec.structs.replace(self.connection, transactions=left)
        self.step_out()
        return transaction

    def forget(self) -> None:
        """Drop the client's watches and transactions, the request's own included."""
        self.connection = msgspec.structs.replace(
            self.connection, watches=(), transactions=FrozenMap()
        )
        self.step_out()

    def _look(self, path: str, node: Node | None) -> None:
        """Remember that the transaction has seen this node, or that it is not there."""
        transaction = self.transaction
        assert isinstance(transaction, Tracked)
        if path in transaction.touched:
            return
        limit = self.quotas.touched
        if limit is not None and self.bound and len(transaction.touched) >= limit:
            self._fail()
            raise self.failed("ENOSPC")
        if isinstance(self.store, Torn):
            self.store = self.store.keep(path)
        touch = Touch(None if node is None else node.permissions)
        self.transaction = msgspec.structs.replace(
            transaction, touched=transaction.touched.set(path, touch)
        )

    def _fail(self) -> None:
        if isinstance(self.transaction, Tracked):
            self.transaction = msgspec.structs.replace(self.transaction, failed=True)

    def _touch(self, path: str, touch: Touch) -> None:
        transaction = self.transaction
        assert isinstance(transaction, Tracked)
        self.transaction = msgspec.structs.replace(
            transaction, touched=transaction.touched.set(path, touch)
        )

    def wrote(self, path: str, *, made: bool = False) -> None:
        """Remember that the node at `path` is not what it was; `made`: that it is a new one."""
        transaction = self.transaction
        if transaction is None:
            self._written[path] = made
        elif isinstance(transaction, Tracked):
            touch = transaction.touched[path]._replace(changed=True)
            known = transaction.made
            if made:
                known = (known.without(path) if path in known else known).set(path, None)
            self.transaction = msgspec.structs.replace(
                transaction, touched=transaction.touched.set(path, touch), made=known
            )
        elif path not in transaction.changed:
            changed = tuple(sorted((*transaction.changed, path)))
            self.transaction = msgspec.structs.replace(transaction, changed=changed)

    # Events.

    def listeners(self) -> tuple[Listener, ...]:
        """The connections that have watches."""
        return ACTIVE.of(self.connections, self.domains).listeners

    def _tell(
        self,
        path: str,
        before: Store | Torn | None = None,
        old: Permissions | None = None,
        *,
        exact: bool = False,
        low: str | None = None,
    ) -> None:
        """Tell the watchers of `path`, or remember to when the transaction is committed. `before`:
        the store as it was, which only oxenstored asks for; `low`: the node at or below which all
        is that has changed, if not `path`."""
        transaction = self.transaction
        if isinstance(transaction, Tracked):
            touch = transaction.touched[path]
            exact = exact and (touch.exact or not touch.told)
            self._touch(path, touch._replace(told=True, exact=exact))
            return
        kind = self.message.type
        if isinstance(transaction, Logged):
            self.transaction = transaction.wrote(kind, path, path if low is None else low)
        elif self.dialect.replays:
            assert isinstance(before, Store)
            self.tell_logged(kind, path, before, self.tree)
        else:
            grants = () if old is None else (old,)
            self.events += change_events(self.listeners(), self.tree, path, exact=exact, old=grants)

    def tell_logged(self, kind: int, path: str, base: Store, store: Store) -> None:
        """The events of oxenstored for a request of that type, which made `store` of `base`."""
        if kind == XsdSockmsgType.XS_RM:
            self.events += removal_events(self.listeners(), base, path)
            return
        old: list[Permissions] = []
        if kind == XsdSockmsgType.XS_SET_PERMS:
            nodes = (base.get(path), base.get(parent(path)))
            old = [node.permissions for node in nodes if node is not None]
        self.events += change_events(self.listeners(), store, path, old=old, by_path=True)

    def tell_special(self, name: str, domid: int) -> None:
        """Tell the watchers of `@introduceDomain` or `@releaseDomain`."""
        if self.dialect.special_nodes:
            grants = around(self.tree, f"/{name}")
        else:
            node = self.tree.get(name)
            grants = () if node is None else (node.permissions,)
        self.before += special_events(
            self.listeners(), grants, name, domid, depth=self.dialect.watch_depth
        )

    # The end.

    def result(self) -> ServerState:
        """The state after the request."""
        state, connection = self._state, self.connection
        transaction = self.transaction
        if transaction is None:
            store = self.tree
        else:
            store = state.store
            if isinstance(self.store, Torn):
                transaction = msgspec.structs.replace(transaction, torn=self.store.own)
            elif transaction.view is not self.store:
                transaction = msgspec.structs.replace(transaction, view=self.store)
            if transaction is not connection.transactions.get(self.message.tx_id):
                opened = connection.transactions.set(self.message.tx_id, transaction)
                connection = msgspec.structs.replace(connection, transactions=opened)
        connections = self.connections
        known = connections.get(self.key)
        if known is not None and known is not connection:
            connections = connections.set(self.key, connection)
        if self._written:
            connections = self._moved_along(connections, store)
        if (
            store is state.store
            and connections is state.connections
            and self.domains is state.domains
            and self.errno == state.errno
            and self.settings is state.settings
        ):
            return state
        return ServerState(store, connections, self.domains, self.errno, settings=self.settings)

    def _moved_along(
        self, connections: FrozenMap[int, Connection], store: Store
    ) -> FrozenMap[int, Connection]:
        """The connections, their open transactions knowing of what was written."""
        for key in ACTIVE.of(connections, self.domains).holders:
            client = connections[key]
            opened = client.transactions
            for number, transaction in client.transactions.items():
                if isinstance(transaction, Tracked):
                    opened = opened.set(number, transaction.after(store, self._written))
                else:
                    opened = opened.set(number, transaction.after(self._written))
            client = msgspec.structs.replace(client, transactions=opened)
            connections = connections.set(key, client)
        return connections
