"""Who hears of a change.

Source: docs/misc/xenstore.txt (WATCH, WATCH_EVENT); `fire_watches`, `watch_permitted` and
`is_child` of tools/xenstored/watch.c; `Connections.fire_watches` of tools/ocaml/xenstored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from guestsim.abi.xs_wire import XENSTORE_PAYLOAD_MAX, XsdSockmsgType
from guestsim.xenstore.message import Message
from guestsim.xenstore.path import ROOT, is_below, names, parent
from guestsim.xenstore.permission import Access, Permissions, access_of
from guestsim.xenstore.state import Connection, Watch
from guestsim.xenstore.store import Store

__all__ = [
    "Event",
    "Listener",
    "around",
    "change_events",
    "removal_events",
    "special_events",
    "watch_event",
]

Event = tuple[int, Message]
"""The key of the connection that it is for, and what to send."""


class Listener(NamedTuple):
    """A connection that has watches."""

    key: int
    client: Connection
    target: int | None

    def may_read(self, grants: Iterable[Permissions]) -> bool:
        """Whether one of these lets it read."""
        client = self.client
        return any(
            access_of(client.domid, client.privileged, permissions, self.target) & Access.READ
            for permissions in grants
        )


def watch_event(watch: Watch, path: str) -> Message | None:
    """The event of `watch` for a change of `path`; None if it is too long to be sent."""
    payload = path[watch.skip :].encode("latin-1") + b"\0" + watch.token + b"\0"
    if len(payload) > XENSTORE_PAYLOAD_MAX:
        return None
    return Message(XsdSockmsgType.XS_WATCH_EVENT, 0, 0, payload)


def change_events(
    listeners: Iterable[Listener],
    store: Store,
    path: str,
    *,
    exact: bool = False,
    old: Iterable[Permissions] = (),
    by_path: bool = False,
) -> list[Event]:
    """The events for a change of the node at `path`, for clients that may read it or its parent.

    `store`: where their permissions are looked up; C xenstored finds none if the node is not there
    any more.
    `old`: permissions that it had before, which count, too. `exact`: only those who watch this
    very path hear of it. `by_path`: from the root down, the newest first, and nobody hears of the
    root itself (`lookup_watch_perm` of connection.ml finds no permissions for it).
    """
    found: list[Event] = []
    if by_path and path == ROOT:
        return found
    grants: tuple[Permissions, ...] | None = None
    for listener in listeners:
        heard = [
            watch
            for watch in listener.client.watches
            if path == watch.path or (not exact and is_below(path, watch.path, watch.depth))
        ]
        if not heard:
            continue
        if grants is None:
            grants = (*old, *(around(store, path) if by_path else _grants(store, path)))
        if not listener.may_read(grants):
            continue
        if by_path:
            heard.reverse()
            heard.sort(key=lambda watch: len(names(watch.path)))
        _add(found, listener.key, ((watch, path) for watch in heard))
    return found


def removal_events(listeners: Iterable[Listener], store: Store, path: str) -> list[Event]:
    """The events of oxenstored for a removal, `store` being as before: for the node, and then for
    each watch below it, in the order of their paths and the newest first, with its own path."""
    listeners = tuple(listeners)
    found = change_events(listeners, store, path, by_path=True)
    for listener in listeners:
        below = [w for w in listener.client.watches if w.path != path and is_below(w.path, path)]
        below.reverse()
        below.sort(key=lambda watch: names(watch.path))
        for watch in below:
            if listener.may_read(around(store, watch.path)):
                _add(found, listener.key, [(watch, watch.path)])
    return found


def special_events(
    listeners: Iterable[Listener],
    grants: Sequence[Permissions],
    name: str,
    domid: int,
    *,
    depth: bool,
) -> list[Event]:
    """The events for `name` (`@introduceDomain`, `@releaseDomain`), which concerns that domain,
    for clients that one of `grants` lets read.

    `depth`: the server knows of depths; then a watch with one, or on the domain alone, is told
    which domain it was (`fire_special_watches` of newer versions).
    """
    found: list[Event] = []
    which = f"{name}/{domid}"
    for listener in listeners:
        if not listener.may_read(grants):
            continue
        for watch in listener.client.watches:
            if watch.path == name and (watch.depth is None or not depth):
                _add(found, listener.key, [(watch, name)])
            elif depth and (watch.path == which or (watch.path == name and watch.depth)):
                _add(found, listener.key, [(watch, which)])
    return found


def _grants(store: Store, path: str) -> tuple[Permissions, ...]:
    node, above = store.get(path), store.get(parent(path))
    return (node.permissions, above.permissions) if node and above else ()


def around(store: Store, path: str) -> tuple[Permissions, ...]:
    """The permissions that count for oxenstored: the parent's, and the node's if it is there."""
    nodes = (store.get(parent(path)), store.get(path))
    return tuple(node.permissions for node in nodes if node and nodes[0])


def _add(found: list[Event], key: int, heard: Iterable[tuple[Watch, str]]) -> None:
    for watch, path in heard:
        event = watch_event(watch, path)
        if event is not None:
            found.append((key, event))
