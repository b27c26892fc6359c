"""The store: an immutable tree of nodes.

Changing a node gives a new store that shares every node that did not change, so a copy is free.
A node computes a digest of itself and all below it once, when it is first compared: two stores
are equal when they look the same from the wire (values, permissions, children in their order),
and that costs one comparison of 16 bytes. There is no generation count: it would make two stores
with the same content differ for ever. Nothing here recurses, because a guest chooses how deep
the tree is.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator

from guestsim.xenstore.frozen import FrozenMap
from guestsim.xenstore.path import ROOT, join, names, parent
from guestsim.xenstore.permission import Access, Permission, Permissions

__all__ = ["EMPTY", "TOOLS_ONLY", "Node", "Store"]

TOOLS_ONLY: Permissions = (Permission(0, Access.NONE),)
"""Owned by domain 0, and nobody else's business."""

_NO_CHILDREN: FrozenMap[str, Node] = FrozenMap()


class Node:
    """A value, its permissions, and its children by name, oldest first."""

    __slots__ = ("_digest", "children", "permissions", "value")

    def __init__(
        self,
        value: bytes,
        permissions: Permissions,
        children: FrozenMap[str, Node] = _NO_CHILDREN,
    ) -> None:
        self.value = value
        self.permissions = permissions
        self.children = children
        self._digest: bytes | None = None

    def with_value(self, value: bytes) -> Node:
        """The same with another value."""
        return Node(value, self.permissions, self.children)

    def with_permissions(self, permissions: Permissions) -> Node:
        """The same with other permissions."""
        return Node(self.value, permissions, self.children)

    def with_children(self, children: FrozenMap[str, Node]) -> Node:
        """The same with other children."""
        return Node(self.value, self.permissions, children)

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

    __slots__ = ("top",)

    def __init__(self, top: Node) -> None:
        self.top = top

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
        if steps[0] not in self.top.children:
            return self.top.children[""], steps
        node = self.top
        for depth, name in enumerate(steps):
            child = node.children.get(name)
            if child is None:
                return node, steps[depth:]
            node = child
        return node, []

    def create(self, path: str, value: bytes, permissions: Permissions) -> Store:
        """With a new node at `path`, and with the missing ones above it, empty; all with the
        same permissions."""
        _, missing = self.reach(path)
        node = Node(value, permissions)
        for name in missing[:0:-1]:
            node = Node(b"", permissions, FrozenMap({name: node}))
            path = parent(path)
        return self.put(path, node)

    def put(self, path: str, node: Node) -> Store:
        """With `node` at `path`, whose parent has to exist; a new child becomes the last."""
        *above, name = names(path)
        nodes = self._along(above)
        for step, holder in zip([*above, name][::-1], nodes[::-1], strict=True):
            node = holder.with_children(holder.children.set(step, node))
        return Store(node)

    def remove(self, path: str) -> Store:
        """Without the node at `path`, which has to exist, and without all below it."""
        *above, name = names(path)
        *nodes, holder = self._along(above)
        node = holder.with_children(holder.children.without(name))
        for step, holder in zip(above[::-1], nodes[::-1], strict=True):
            node = holder.with_children(holder.children.set(step, node))
        return Store(node)

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

    def __eq__(self, other: object) -> bool:
        return self.top == other.top if isinstance(other, Store) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.top)

    def __repr__(self) -> str:
        return f"<Store {self.top.digest.hex()[:8]}>"


EMPTY = Store(
    Node(
        b"",
        TOOLS_ONLY,
        FrozenMap(
            {
                "": Node(b"", TOOLS_ONLY),
                "@releaseDomain": Node(b"", TOOLS_ONLY),
                "@introduceDomain": Node(b"", TOOLS_ONLY),
            }
        ),
    )
)
"""A root, the two special names, nothing else."""
