"""What C xenstored shows in a transaction that cannot be committed any more.

Of each node that the transaction has looked at or changed it has a copy of its own; all others it
reads from the store as it is (`transaction_prepend` of tools/xenstored/transaction.c). As long as
nobody has changed a node that was looked at, that is a tree. Afterwards it need not be: a directory
may name a child that is not there, and a node may be there without its parent. So here each node
stands for itself. And where a child that is named is not there, to create it names it once more
(`add_child` of tools/xenstored/core.c): in `children` the second has a slash behind its name, which
no name can have, the third two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from guestsim.xenstore.frozen import FrozenMap
from guestsim.xenstore.path import ROOT, join, names, parent
from guestsim.xenstore.permission import Permissions
from guestsim.xenstore.store import TOOLS_ONLY, Node, Store

__all__ = ["Copies", "Torn", "copies", "listing"]

Copies = FrozenMap[str, Node | None]
"""A transaction's own nodes, None where it knows that there is none. Of a node's children only the
names mean anything."""

_BARE = Node(b"", TOOLS_ONLY)


def copies(view: Store, paths: Iterable[str]) -> Copies:
    """What a transaction with this view has copied, if it has touched these paths."""
    return FrozenMap({path: _alone(view.get(path)) for path in paths})


def _alone(node: Node | None) -> Node | None:
    if node is None:
        return None
    children = FrozenMap(dict.fromkeys(node.children, _BARE))
    return Node(node.value, node.permissions, children, node.listed)


def listing(node: Node) -> list[str]:
    """The names of the node's children as DIRECTORY tells them."""
    return [name.rstrip("/") for name in node.children]


def _naming(node: Node, name: str) -> Node:
    """`node`, naming the child `name` once more."""
    mark = name
    while mark in node.children:
        mark += "/"
    children = node.children.set(mark, _BARE)
    return Node(node.value, node.permissions, children, node.listed + len(name) + 1)


def _not_naming(node: Node, name: str) -> Node:
    """`node`, naming the child `name`, which it does, once less: the first is gone."""
    children: FrozenMap[str, Node] = FrozenMap()
    for mark in node.children:
        if mark.rstrip("/") != name:
            children = children.set(mark, _BARE)
        elif mark != name:
            children = children.set(mark[:-1], _BARE)
    return Node(node.value, node.permissions, children, node.listed - len(name) - 1)


class Torn:
    """Has the methods of a `Store` as far as requests need them."""

    __slots__ = ("own", "store")

    def __init__(self, own: Copies, store: Store) -> None:
        self.own = own
        self.store = store

    @property
    def owned(self) -> Mapping[int, int]:
        """How many nodes each domain owns in the store."""
        return self.store.owned

    def get(self, path: str) -> Node | None:
        """The transaction's own node at `path`, or else the store's."""
        return self.own[path] if path in self.own else self.store.get(path)

    def keep(self, path: str) -> Torn:
        """With a copy of the node at `path` as it is."""
        return Torn(self.own.set(path, _alone(self.get(path))), self.store)

    def reach(self, path: str) -> tuple[Node, list[str]]:
        """The node at `path` and nothing, or the nearest one above it, and the names behind."""
        steps = names(path)
        for depth in range(len(steps), 0, -1):
            node = self.get(path)
            if node is not None:
                return node, steps[depth:]
            path = parent(path)
        return self.store.reach(ROOT)[0], steps[1:]

    def create(self, path: str, value: bytes, permissions: Permissions) -> Torn:
        """With a new node at `path`, and with the missing ones above it, empty."""
        above, missing = self.reach(path)
        own = self.own.set(path, Node(value, permissions))
        for name in missing[:0:-1]:
            path = parent(path)
            own = own.set(path, Node(b"", permissions, FrozenMap({name: _BARE})))
        return Torn(own.set(parent(path), _naming(above, missing[0])), self.store)

    def put(self, path: str, node: Node) -> Torn:
        """With `node` at `path`, where there is one."""
        return Torn(self.own.set(path, node), self.store)

    def remove(self, path: str) -> Torn:
        """Without the node at `path` and all below it; see `removable`."""
        own = self.own
        for step, _ in self.descend(path):
            own = own.set(step, None)
        above, _, name = path.rpartition("/")
        holder = self.get(above or ROOT)
        assert holder is not None
        return Torn(own.set(above or ROOT, _not_naming(holder, name)), self.store)

    def removable(self, path: str) -> bool:
        """Whether the node at `path`, which has to be there, is named by its parent, and each
        child that it or one below it names is there. (Else C xenstored fails half-way.)"""
        above, _, name = path.rpartition("/")
        holder = self.get(above or ROOT)
        return (
            holder is not None
            and name in holder.children
            and all(
                self.get(join(step, child)) is not None
                for step, node in self.descend(path)
                for child in node.children
            )
        )

    def descend(self, path: str = ROOT) -> Iterator[tuple[str, Node]]:
        """The node at `path` and all below it that are there, parents before their children."""
        todo = [path]
        while todo:
            path = todo.pop()
            node = self.get(path)
            if node is not None:
                yield path, node
                below = [join(path, name) for name in node.children]
                todo.extend(reversed(below))
