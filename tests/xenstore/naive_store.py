"""Servers in the plainest words, to compare the real one with: nodes are a dictionary of full
paths, and transactions are what the sources say they are: in C private copies of nodes with their
generation counts, in OCaml a copy of everything and a replay.

For privileged clients only, so that permissions and quotas do not matter.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

from guestsim.abi.xs_wire import XsdSockmsgType as T


@dataclass
class Record:
    value: bytes = b""
    children: list[str] = field(default_factory=list)
    generation: int = 0


@dataclass
class Open:
    """A transaction."""

    seen: dict[str, int | None] = field(default_factory=dict)
    """In C: the generation of each node at the first look."""
    mine: dict[str, Record | None] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    fires: dict[str, bool] = field(default_factory=dict)
    """Path, and whether only exact watches hear of it."""
    copied: dict[str, Record] = field(default_factory=dict)
    """In OCaml: the store as the transaction sees it."""
    steps: list[tuple[T, str, bytes, bytes]] = field(default_factory=list)
    wrote: bool = False
    low: dict[bool, str] = field(default_factory=dict)
    """The deepest node that has all below it that was read (False), and written (True)."""
    base: dict[str, Record] = field(default_factory=dict)


def above(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def below(path: str, ancestor: str) -> bool:
    return ancestor in ("/", path) or path.startswith(ancestor + "/")


class NaiveServer:
    def __init__(self, *, replays: bool) -> None:
        self.replays = replays
        self.nodes: dict[str, Record] = {"/": Record()}
        self.clock = 0
        self.open: dict[tuple[int, int], Open] = {}
        self.next: dict[int, int] = {}
        self.watches: list[tuple[int, str]] = []
        """Key and path; the token is always the same."""
        self.fired: list[tuple[int, str]] = []
        self.inside: Open | None = None

    # Nodes, as the current transaction sees them.

    def get(self, path: str) -> Record | None:
        if self.inside is None:
            return self.nodes.get(path)
        if self.replays:
            return self.inside.copied.get(path)
        if path not in self.inside.seen:
            found = self.nodes.get(path)
            self.inside.seen[path] = found.generation if found else None
            self.inside.mine[path] = copy.deepcopy(found)
        return self.inside.mine[path]

    def put(self, path: str, record: Record | None) -> None:
        self.clock += 1
        if record is not None:
            record.generation = self.clock
        if self.inside is None:
            nodes = self.nodes
        elif self.replays:
            nodes = self.inside.copied
        else:
            self.inside.mine[path] = record
            self.inside.changed.add(path)
            return
        if record is None:
            del nodes[path]
        else:
            nodes[path] = record

    def stale(self, found: Open) -> bool:
        now = {path: self.nodes.get(path) for path in found.seen}
        return any((now[p].generation if now[p] else None) != g for p, g in found.seen.items())  # type: ignore[union-attr]

    # Requests.

    def ask(self, key: int, kind: T, path: str, value: bytes, tx: int) -> bytes:
        self.fired = []
        if kind is T.XS_WATCH:
            if (key, path) in self.watches:
                return b"EEXIST\0"
            self.watches.append((key, path))
            self.fired = [(key, path)]
            return b"OK\0"
        if kind is T.XS_UNWATCH:
            if (key, path) not in self.watches:
                return b"ENOENT\0"
            self.watches.remove((key, path))
            return b"OK\0"
        if kind is T.XS_RESET_WATCHES:
            self.watches = [watch for watch in self.watches if watch[0] != key]
            known = not tx or (key, tx) in self.open
            if known:
                self.open = {name: one for name, one in self.open.items() if name[0] != key}
                return b"OK\0"
        if tx and (key, tx) not in self.open:
            return b"EIO\0" if self.replays else b"ENOENT\0"
        if kind is T.XS_TRANSACTION_START:
            return self.start(key, tx)
        if kind is T.XS_TRANSACTION_END:
            return self.end(key, tx, value) if tx else b"ENOENT\0"
        self.inside = self.open[key, tx] if tx else None
        reply = self.do(kind, path, value)
        if self.inside is not None:
            self.inside.steps.append((kind, path, value, reply))
        self.inside = None
        return reply

    def start(self, key: int, tx: int) -> bytes:
        if tx:
            self.open[key, tx].steps.append((T.XS_TRANSACTION_START, "", b"", b"EBUSY\0"))
            return b"EBUSY\0"
        number = self.next.get(key, 1)
        self.next[key] = number + 1
        now = copy.deepcopy(self.nodes)
        self.open[key, number] = Open(copied=now, base=copy.deepcopy(now))
        return b"%d\0" % number

    def end(self, key: int, tx: int, value: bytes) -> bytes:
        found = self.open.pop((key, tx))
        if value == b"F\0":
            return b"OK\0"
        if self.replays:
            return self.replay(key, found)
        if self.stale(found):
            return b"EAGAIN\0"
        for path, record in found.mine.items():
            if path in found.changed:
                self.clock += 1
                if record is not None:
                    record.generation = self.clock
                    self.nodes[path] = record
                elif path in self.nodes:
                    del self.nodes[path]
        for path in found.seen:
            was_there = found.seen[path] is not None
            if path in found.fires and (path in self.nodes or was_there):
                self.fire(path, exact=found.fires[path])
        return b"OK\0"

    def replay(self, key: int, found: Open) -> bytes:
        if not found.wrote:
            return b"OK\0"
        if self.same(found, "/"):
            self.nodes = found.copied
            return b"OK\0"
        if all(self.same(found, low) for low in found.low.values()):
            low = found.low[True]
            self.nodes = {p: r for p, r in self.nodes.items() if not below(p, low)}
            self.nodes |= {p: r for p, r in found.copied.items() if below(p, low)}
            return b"OK\0"
        self.next[key] += 1
        before = copy.deepcopy(self.nodes)
        for kind, path, value, expected in found.steps:
            busy = kind is T.XS_TRANSACTION_START
            if busy or self.do(kind, path, value) != expected:
                self.nodes = before
                return b"EAGAIN\0"
        return b"OK\0"

    def same(self, found: Open, path: str) -> bool:
        """Whether the node and all below it are the very ones of the transaction's start."""
        then, now = (
            {p: r.generation for p, r in nodes.items() if below(p, path)}
            for nodes in (found.base, self.nodes)
        )
        if not then and not now:
            return above(path) in found.base and above(path) in self.nodes
        return then == now

    def lower(self, path: str, *, writing: bool) -> None:
        if self.inside is not None:
            low = self.inside.low.setdefault(writing, path)
            while not below(path, low):
                low = above(low)
            self.inside.low[writing] = low

    def do(self, kind: T, path: str, value: bytes) -> bytes:
        node = self.get(path)
        if node is None:
            # Whoever misses a node asks its parents.
            step = path
            while True:
                step = above(step)
                if self.get(step) is not None:
                    break
            if kind in (T.XS_WRITE, T.XS_MKDIR):
                self.lower(step, writing=True)
        elif kind in (T.XS_READ, T.XS_DIRECTORY):
            self.lower(path, writing=False)
        elif kind in (T.XS_WRITE, T.XS_RM):
            self.lower(path if kind is T.XS_WRITE else above(path), writing=True)
        if kind is T.XS_READ:
            return b"ENOENT\0" if node is None else node.value
        if kind is T.XS_DIRECTORY:
            if node is None:
                return b"ENOENT\0"
            names = sorted(node.children) if self.replays else node.children
            return b"".join(name.encode() + b"\0" for name in names)
        if kind is T.XS_RM:
            return self.remove(path, node)
        if node is None:
            self.create(path, value)
        elif kind is T.XS_WRITE and value == node.value and self.replays:
            parent = self.get(above(path))
            assert parent is not None
            self.put(above(path), Record(parent.value, parent.children))
        elif kind is T.XS_WRITE:
            self.put(path, Record(value, list(node.children)))
        if node is None or kind is T.XS_WRITE:
            self.tell(path, exact=False)
        return b"OK\0"

    def create(self, path: str, value: bytes) -> None:
        if path == "/":
            return
        parent = self.get(above(path))
        if parent is None:
            self.create(above(path), b"")
            parent = self.get(above(path))
        assert parent is not None
        name = path.rpartition("/")[2]
        self.put(above(path), Record(parent.value, [*parent.children, name]))
        self.put(path, Record(value))

    def remove(self, path: str, node: Record | None) -> bytes:
        if node is None:
            return b"OK\0" if self.get(above(path)) is not None else b"ENOENT\0"
        parent = self.get(above(path))
        tree = self.tree(path, parents_first=True)
        if parent is None:
            return b"EINVAL\0"
        if path.rpartition("/")[2] not in parent.children or tree is None:
            return b"EIO\0"
        direct = self.inside is None
        for step in (self.tree(path) if direct else tree) or []:
            self.tell(step, exact=step != path)
        for step in tree:
            self.put(step, None)
        name = path.rpartition("/")[2]
        left = [child for child in parent.children if child != name]
        self.put(above(path), Record(parent.value, left))
        return b"OK\0"

    def tree(self, path: str, *, parents_first: bool = False) -> list[str] | None:
        """The node and all below it; None if one is named but not there."""
        node = self.get(path)
        if node is None:
            return None
        found: list[str] = []
        whole = True
        for name in list(node.children):
            below = self.tree(f"{path}/{name}", parents_first=parents_first)
            whole = whole and below is not None
            found += below or []
        if not whole:
            return None
        return [path, *found] if parents_first else [*found, path]

    # Watches.

    def tell(self, path: str, *, exact: bool) -> None:
        if self.inside is None:
            self.fire(path, exact=exact)
            return
        self.inside.wrote = True
        self.inside.fires[path] = self.inside.fires.get(path, True) and exact

    def fire(self, path: str, *, exact: bool) -> None:
        for key, watched in self.watches:
            if path == watched or (not exact and below(path, watched)):
                self.fired.append((key, path))
