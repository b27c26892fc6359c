"""Open transactions: what they see, and what they would change.

C xenstored (tools/xenstored/transaction.c) keeps a private copy of each node that a transaction
has looked at, and a generation count of it; what it has not looked at is read from the store. The
transaction fails if the generation of any such node has changed. `Tracked` says the same without
counts, which would make two equal stores differ for ever: whoever changes the store tells every
open transaction. One that has touched a changed node cannot be committed any more (see `torn`). Any
other one moves along: its view is kept what the store would be if it were committed now, so a
commit costs nothing.

oxenstored (tools/ocaml/xenstored/transaction.ml, process.ml) copies the store at the start. On a
commit, if the store has changed, it puts the smallest subtree with all that it has changed into the
store, if that and the one with all that it has read are the very nodes that they were; else it
replays the requests. `Logged` has what that takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from guestsim.xenstore.frozen import FrozenMap
from guestsim.xenstore.path import common
from guestsim.xenstore.permission import Permissions
from guestsim.xenstore.store import EMPTY, Node, Store
from guestsim.xenstore.torn import Copies, copies

__all__ = ["Logged", "Step", "Touch", "Tracked", "Transaction", "follow"]


class Touch(NamedTuple):
    """What a transaction has done to one node."""

    old: Permissions | None
    """The node's permissions at the first look; None: there was no node."""
    changed: bool = False
    told: bool = False
    """Watchers hear of it on commit."""
    exact: bool = False
    """Only those who watch this very path hear of it: it went with its parent."""


class Tracked(msgspec.Struct, frozen=True):
    """A transaction of C xenstored."""

    view: Store
    """The store as a commit would leave it."""
    touched: FrozenMap[str, Touch] = FrozenMap()
    """In the order of the first look, in which a commit tells of changes."""
    torn: Copies | None = None
    """A node that it has touched was changed by another: EAGAIN. There is no view any more, but
    these nodes."""
    failed: bool = False
    """It has gone over a quota in a way that cannot be undone: ENOMEM."""
    made: FrozenMap[str, None] = FrozenMap()
    """Nodes that it has created, in that order, gone again or not."""

    def after(self, store: Store, changes: Mapping[str, bool]) -> Tracked:
        """The same after another's changes (see `follow`), which gave `store`."""
        if self.torn is not None:
            return self
        if any(path in self.touched for path in changes):
            torn = copies(self.view, self.touched)
            return msgspec.structs.replace(self, view=EMPTY, torn=torn)
        return msgspec.structs.replace(self, view=follow(self.view, store, changes))


class Step(NamedTuple):
    """One request in a transaction of oxenstored, and how it was answered."""

    kind: int
    payload: bytes
    reply_kind: int
    reply: bytes


class Logged(msgspec.Struct, frozen=True):
    """A transaction of oxenstored."""

    base: Store
    """The store at its start."""
    view: Store
    steps: tuple[Step, ...] = ()
    writes: tuple[tuple[int, str], ...] = ()
    """Type and path of each request that changed something."""
    read_low: str | None = None
    """`read_lowpath`: all that it has read is at or below this node."""
    write_low: str | None = None
    """`write_lowpath`: and all that it has changed."""
    changed: tuple[str, ...] = ()
    """Nodes of which the commit makes new ones, sorted."""
    outside: tuple[str, ...] = ()
    """Nodes of which others have made new ones since the start, sorted."""

    def read(self, path: str) -> Logged:
        """After the node at `path` was read."""
        low = path if self.read_low is None else common(path, self.read_low)
        return msgspec.structs.replace(self, read_low=low)

    def wrote(self, kind: int, path: str, low: str) -> Logged:
        """After a request of that type for `path`, which changed nothing outside of `low`."""
        return msgspec.structs.replace(self.reached(low), writes=(*self.writes, (kind, path)))

    def reached(self, low: str) -> Logged:
        """After a change at or below `low`, which by itself is none to commit."""
        if self.write_low is not None:
            low = common(low, self.write_low)
        return msgspec.structs.replace(self, write_low=low)

    def after(self, changes: Mapping[str, bool]) -> Logged:
        """The same after another's changes."""
        outside = tuple(sorted({*self.outside, *changes}))
        return msgspec.structs.replace(self, outside=outside)


Transaction = Tracked | Logged


def follow(view: Store, store: Store, changes: Mapping[str, bool]) -> Store:
    """`view` with the nodes at the paths in `changes` as they are in `store`, each with its value
    and permissions only.

    `changes` says of each path whether the node is a new one; these come last, in the order of
    their creation, which is that of a directory's children.
    """
    for path, made in changes.items():
        new, old = store.get(path), view.get(path)
        if old is not None and (made or new is None):
            view, old = view.remove(path), None
        if new is None:
            continue
        if old is None:
            view = view.put(path, Node(new.value, new.permissions))
        elif (old.value, old.permissions) != (new.value, new.permissions):
            view = view.put(path, old.with_value(new.value).with_permissions(new.permissions))
    return view
