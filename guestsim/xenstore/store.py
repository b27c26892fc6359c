"""The store: an immutable tree of nodes.

Changing a node gives a new store that shares every node that did not change, so a copy is free.
A node computes a digest of itself and all below it once, when it is first compared: two stores
are equal when they look the same from the wire (values, permissions, children in their order),
and that costs one comparison of 16 bytes. There is no generation count: it would make two stores
with the same content differ for ever. Nothing here recurses, because a guest chooses how deep
the tree is.

A store also counts the nodes of each owner (quotas ask for that), and a node the bytes of its
children's names, so that no write has to look at all children of a directory.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Mapping

from guestsim.xenstore.frozen import FrozenMap
from guestsim.xenstore.path import ROOT, join, names, parent
from guestsim.xenstore.permission import Access, Permission, Permissions

__all__ = ["EMPTY", "SPECIAL", "TOOLS_ONLY", "Node", "Store"]

SPECIAL = ("@releaseDomain", "@introduceDomain")
"""Names that stand beside the root."""

TOOLS_ONLY: Permissions = (Permission(0, Access.NONE),)
"""Owned by domain 0, and nobody else's business."""

_NO_CHILDREN: FrozenMap[str, Node] = FrozenMap()


class Node:
    """A value, its permissions, and its children by name, oldest first."""

    __slots__ = ("_digest", "children", "listed", "permissions", "value")

    def __init__(
        self,
        value: bytes,
        permissions: Permissions,
        children: FrozenMap[str, Node] = _NO_CHILDREN,
        listed: int | None = None,
    ) -> None:
        self.value = value
        self.permissions = permissions
        self.children = children
        self.listed = sum(len(name) + 1 for name in children) if listed is None else listed
        """Bytes of the children's names, with a nul behind each: the length of a DIRECTORY."""
        self._digest: bytes | None = None

    def with_value(self, value: bytes) -> Node:
        """The same with another value."""
        return Node(value, self.permissions, self.children, self.listed)

    def with_permissions(self, permissions: Permissions) -> Node:
        """The same with other permissions."""
        return Node(self.value, permissions, self.children, self.listed)

    def with_child(self, name: str, child: Node) -> Node:
        """The same with `child` in the place that `name` has, or as the last."""
        if name in self.children:
            return self.with_other(name, child)
        listed = self.listed + len(name) + 1
        return Node(self.value, self.permissions, self.children.set(name, child), listed)

    def with_other(self, name: str, child: Node) -> Node:
        """The same with `child` in the place that `name` has."""
        return Node(self.value, self.permissions, self.children.set(name, child), self.listed)

    def without_child(self, name: str) -> Node:
        """The same without the child `name`, which has to be there."""
        children = self.children.without(name)
        return Node(self.value, self.permissions, children, self.listed - len(name) - 1)

    @property
    def digest(self) -> bytes:
        """16 bytes that stand for this node and all below it, the same in every process."""
        if self._digest is None:
            todo = [self]
            while todo:
                node = todo[-1]
                unknown = [child for _, child in node.children.items() if child._digest is None]
                if unknown:
                    todo.extend(unknown)
                    continue
                node._digest = node._compute_digest()
                todo.pop()
        assert self._digest is not None
        return self._digest

    def _compute_digest(self) -> bytes:
        state = hashlib.blake2b(digest_size=16)
        state.update(struct.pack("<II", len(self.permissions), len(self.value)))
        for domid, access in self.permissions:
            state.update(struct.pack("<II", domid, access))
        state.update(self.value)
        for name, child in self.children.items():
            state.update(name.encode() + b"\0" + child.digest)
        return state.digest()

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return self.digest == other.digest if isinstance(other, Node) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Node({self.value!r}, {self.permissions!r}, children: {list(self.children)})"


class Store:
    """All nodes. It knows nothing of who asks: permissions are the server's matter.

    Above the root stands one more node: its children are the root (name `""`) and the special
    names (`@introduceDomain`, `@releaseDomain`), which have permissions like a node.
    """

    __slots__ = ("owned", "top")

    def __init__(self, top: Node, owned: Mapping[int, int]) -> None:
        self.top = top
        self.owned = owned
        """How many nodes each domain owns, special names left out. Not to be changed."""

    def get(self, path: str) -> Node | None:
        """The node at `path`, a canonical path."""
        node: Node | None = self.top
        for name in names(path):
            if node is None:
                return None
            node = node.children.get(name)
        return node

    def reach(self, path: str) -> tuple[Node, list[str]]:
        """The deepest node on the way to `path` that exists, and the names that are missing
        behind it, none if it is the one at `path`. Above a special name that is the root."""
        steps = names(path)
        node = self.top
        for depth, name in enumerate(steps):
            child = node.children.get(name)
            if child is None:
                return (node if depth else self.top.children[""]), steps[depth:]
            node = child
        return node, []

    def create(self, path: str, value: bytes, permissions: Permissions) -> Store:
        """With a new node at `path`, and with the missing ones above it, empty; all with the
        same permissions."""
        _, missing = self.reach(path)
        node = Node(value, permissions)
        for name in missing[:0:-1]:
            node = Node(b"", permissions, FrozenMap({name: node}), len(name) + 1)
            path = parent(path)
        *above, name = names(path)
        *holders, holder = self._along(above)
        top = _rebuilt(above, holders, holder.with_child(name, node))
        return Store(top, self._counted(permissions[0].domid, len(missing)))

    def put(self, path: str, node: Node) -> Store:
        """With `node` at `path`, whose parent has to exist; a new child becomes the last."""
        *above, name = names(path)
        holders = self._along(above)
        old = holders[-1].children.get(name)
        top = _rebuilt(above, holders[:-1], holders[-1].with_child(name, node))
        if path.startswith("@"):
            return Store(top, self.owned)
        if old is not None and old.children is node.children:
            before, after = old.permissions[0].domid, node.permissions[0].domid
            if before == after:
                return Store(top, self.owned)
            return Store(top, _sum(self._counted(before, -1), {after: 1}, 1))
        owned = self.owned if old is None else _sum(self.owned, _owners(old), -1)
        return Store(top, _sum(owned, _owners(node), 1))

    def remove(self, path: str) -> Store:
        """Without the node at `path`, which has to exist, and without all below it."""
        *above, name = names(path)
        *nodes, holder = self._along(above)
        owned = _sum(self.owned, _owners(holder.children[name]), -1)
        return Store(_rebuilt(above, nodes, holder.without_child(name)), owned)

    def _counted(self, owner: int, change: int) -> Mapping[int, int]:
        return _sum(self.owned, {owner: 1}, change)

    def _along(self, steps: list[str]) -> list[Node]:
        nodes = [self.top]
        for step in steps:
            nodes.append(nodes[-1].children[step])
        return nodes

    def walk(self, path: str = ROOT) -> Iterator[tuple[str, Node]]:
        """The node at `path` and all below it, children before their parent."""
        start = self.get(path)
        if start is None:
            return
        todo = [(path, start, iter(start.children.items()))]
        while todo:
            path, node, children = todo[-1]
            for name, child in children:
                todo.append((join(path, name), child, iter(child.children.items())))
                break
            else:
                todo.pop()
                yield path, node

    def descend(self, path: str = ROOT) -> Iterator[tuple[str, Node]]:
        """The node at `path` and all below it, parents before their children."""
        start = self.get(path)
        todo = [] if start is None else [(path, start)]
        while todo:
            path, node = todo.pop()
            yield path, node
            below = [(join(path, name), child) for name, child in node.children.items()]
            todo.extend(reversed(below))

    def __eq__(self, other: object) -> bool:
        return self.top == other.top if isinstance(other, Store) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.top)

    def __repr__(self) -> str:
        return f"<Store {self.top.digest.hex()[:8]}>"


def _rebuilt(steps: list[str], holders: list[Node], node: Node) -> Node:
    """The top, with `node` in place of the one behind the last step; `holders` stand before each
    step."""
    for step, holder in zip(reversed(steps), reversed(holders), strict=True):
        node = holder.with_other(step, node)
    return node


def _owners(node: Node) -> dict[int, int]:
    """How many nodes of `node` and all below it each domain owns."""
    found: dict[int, int] = {}
    todo = [node]
    while todo:
        node = todo.pop()
        owner = node.permissions[0].domid
        found[owner] = found.get(owner, 0) + 1
        todo.extend(child for _, child in node.children.items())
    return found


def _sum(owned: Mapping[int, int], more: Mapping[int, int], sign: int) -> Mapping[int, int]:
    total = dict(owned)
    for owner, count in more.items():
        total[owner] = total.get(owner, 0) + sign * count
        if not total[owner]:
            del total[owner]
    return total


EMPTY = Store(
    Node(
        b"",
        TOOLS_ONLY,
        FrozenMap(
            {
                "": Node(b"", TOOLS_ONLY),
                **{name: Node(b"", TOOLS_ONLY) for name in SPECIAL},
            }
        ),
    ),
    {0: 1},
)
"""A root, the two special names, nothing else."""
