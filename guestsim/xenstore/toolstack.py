"""The store as the toolstack leaves it when it starts a domain.

Permissions follow what libxl does for an HVM domain (tools/libs/light/libxl_create.c,
`libxl__domain_make`; libxl_device.c, `libxl__device_generic_add`): the domain may read what the
toolstack wrote, and write only in the places that are its own: its frontends under `device/`, and
`data`, `drivers`, `feature`, `attr`, `error`, `control/shutdown` and the like.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from guestsim.errors import InputError
from guestsim.xenstore.path import ROOT, canonical, domain_path, is_below, parent
from guestsim.xenstore.permission import Access, Permission, Permissions
from guestsim.xenstore.state import Connection, ServerState, connect
from guestsim.xenstore.store import EMPTY, TOOLS_ONLY, Node, Store

__all__ = ["GUEST_OWNED", "build_store", "serve_domain"]

GUEST_OWNED = (
    "attr",
    "control/feature-poweroff",
    "control/feature-reboot",
    "control/feature-s3",
    "control/feature-suspend",
    "control/shutdown",
    "control/sysrq",
    "data",
    "device/suspend/event-channel",
    "drivers",
    "error",
    "feature",
)
"""Nodes under the domain's own path that belong to it. A frontend (`device/CLASS/ID`) does, too."""

_INNER = frozenset({ROOT, "/local", "/local/domain", "/tool", "/tool/xenstored", "/vm"})
"""Nodes that no guest may look at."""


def build_store(
    entries: Mapping[str, str | bytes], domid: int = 1, *, more: Iterable[int] = ()
) -> Store:
    """The store with `entries`, in their order: paths (absolute, or relative to the domain's
    own) and values. The domain's own path and its places exist even if no entry names them; so do
    those of `more` domains.

    Raises `InputError` for a path that xenstore would refuse.
    """
    base = domain_path(domid)
    store = _add(EMPTY, "/tool/xenstored", b"", domid)
    for domain in (domid, *more):
        own = domain_path(domain)
        for place in (own, *(f"{own}/{name}" for name in GUEST_OWNED)):
            store = _add(store, place, b"", domain)
    for name, value in entries.items():
        path = canonical(name.encode("utf-8"), base)
        if path is None:
            raise InputError(f"not a xenstore path: {name!r}")
        content = value.encode("utf-8") if isinstance(value, str) else value
        store = _add(store, path, content, domid)
    return store


def serve_domain(store: Store, domid: int = 1) -> ServerState:
    """A server with that store and one connection, the domain's, whose key is `domid`."""
    return connect(ServerState(store), domid, Connection(domid))


def _add(store: Store, path: str, value: bytes, domid: int) -> Store:
    node = store.get(path)
    if node is not None:
        return store.put(path, node.with_value(value))
    missing = [path]
    while store.get(parent(missing[-1])) is None:
        missing.append(parent(missing[-1]))
    for step in reversed(missing):
        content = value if step == path else b""
        store = store.put(step, Node(content, _permissions(step, domid)))
    return store


def _permissions(path: str, domid: int) -> Permissions:
    if path in _INNER:
        return TOOLS_ONLY
    base = domain_path(domid)
    if any(is_below(path, f"{base}/{name}") for name in GUEST_OWNED) or _in_frontend(path, base):
        return (Permission(domid, Access.NONE), Permission(0, Access.READ))
    return (Permission(0, Access.NONE), Permission(domid, Access.READ))


def _in_frontend(path: str, base: str) -> bool:
    return is_below(path, f"{base}/device") and path.count("/") - base.count("/") >= 3
