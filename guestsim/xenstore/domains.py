"""The requests that are about domains.

Source: docs/misc/xenstore.txt ("Domain management"); tools/xenstored/domain.c. What INTRODUCE and
RELEASE do to a ring page is the daemon's matter; here is what they do to what the server knows.
"""

from __future__ import annotations

from collections.abc import Callable

from guestsim.abi.xen import DOMID_SELF
from guestsim.abi.xs_wire import XsdSockmsgType
from guestsim.xenstore.asking import Refusal
from guestsim.xenstore.call import Call
from guestsim.xenstore.numbers import first_digits, number, ocaml_number
from guestsim.xenstore.path import domain_path
from guestsim.xenstore.permission import Access, Permissions
from guestsim.xenstore.state import Connection, Domain
from guestsim.xenstore.store import SPECIAL

__all__ = ["DOMAIN_HANDLERS"]

_OK = b"OK\0"


def _introduce(call: Call) -> bytes:
    strings = _parts(call)
    if len(strings) < 3:
        raise Refusal("EINVAL")
    domid, port = _number(call, strings[0]), _number(call, strings[2], signed=True)
    if port <= 0 or not 0 <= domid < DOMID_SELF:
        raise Refusal("EINVAL")
    call.step_out()
    if domid not in call.domains:
        call.domains = call.domains.set(domid, Domain())
        call.tell_special("@introduceDomain", domid)
    for key, client in _connections(call, domid) if call.dialect.introduce_resets else ():
        fresh = Connection(domid, next_transaction=client.next_transaction)
        call.connections = call.connections.set(key, fresh)
    return _OK


def _release(call: Call) -> bytes:
    domid = _introduced(call, call.one_string())
    call.step_out()
    call.domains = call.domains.without(domid)
    for key, _ in _connections(call, domid):
        call.connections = call.connections.without(key)
    _remove_owned(call, domid)
    _ignore_entries(call, domid)
    if call.dialect.replays:
        # Store.reset_permissions makes every node anew.
        for path, _ in call.tree.descend():
            call.wrote(path)
    call.tell_special("@releaseDomain", domid)
    return _OK


def _connections(call: Call, domid: int) -> list[tuple[int, Connection]]:
    """The domain's own; a tool's connection is not its domain's."""
    clients = call.connections.items()
    return [(key, it) for key, it in clients if it.domid == domid and not it.privileged]


def _remove_owned(call: Call, domid: int) -> None:
    """A domain's nodes go with it, and what is below them."""
    for path, node in list(call.store.descend()):
        if not call.store.owned.get(domid):
            return
        if node.permissions[0].domid == domid and call.store.get(path) is not None:
            call.remove(path)


def _ignore_entries(call: Call, domid: int) -> None:
    """Entries for the domain grant nothing to a later one of the same number."""
    for path, node in list(call.store.descend()):
        entries = tuple(
            entry._replace(access=entry.access | Access.IGNORED) if entry.domid == domid else entry
            for entry in node.permissions[1:]
        )
        _set(call, path, (node.permissions[0], *entries))
    for name in SPECIAL:
        special = call.store.get(name)
        if special is not None:
            first, *others = special.permissions
            owner = first._replace(domid=0) if first.domid == domid else first
            _set(call, name, (owner, *(entry for entry in others if entry.domid != domid)))


def _set(call: Call, path: str, permissions: Permissions) -> None:
    node = call.store.get(path)
    if node is not None and node.permissions != permissions:
        call.store = call.store.put(path, node.with_permissions(permissions))
        call.wrote(path)


def _resume(call: Call) -> bytes:
    # That a domain has shut down is not remembered, so there is nothing to forget.
    if call.dialect.ocaml_tools:
        if _number(call, _parts(call)[0]) not in call.domains:
            raise Refusal("EINVAL")
        return _OK
    _introduced(call, call.one_string())
    return _OK


def _set_target(call: Call) -> bytes:
    strings = call.strings()
    if call.dialect.ocaml_tools:
        if len(strings) != 2 or not call.message.payload.endswith(b"\0"):
            raise Refusal("EINVAL")
        domid, target = first_digits(strings[0]), first_digits(strings[1])
        known = domid in call.domains
    elif len(strings) < 2:
        raise Refusal("EINVAL")
    else:
        domid, target = number(strings[0]), number(strings[1])
        known = domid in call.domains and target in call.domains
    if not known:
        raise Refusal("ENOENT")
    call.domains = call.domains.set(domid, Domain(target))
    return _OK


def _introduced(call: Call, raw: bytes) -> int:
    """The domain of that number, which has to be there and not domain 0. (oxenstored would release
    domain 0, too, and remove all that it owns.)"""
    domid = _number(call, raw)
    if not domid:
        raise Refusal("EINVAL")
    if domid not in call.domains:
        raise Refusal("EINVAL" if call.dialect.ocaml_tools else "ENOENT")
    return domid


def _parts(call: Call) -> list[bytes]:
    """The payload's strings; of oxenstored's, the last one needs no nul."""
    return call.message.payload.split(b"\0") if call.dialect.ocaml_tools else call.strings()


def _number(call: Call, raw: bytes, *, signed: bool = False) -> int:
    if call.dialect.ocaml_tools:
        found = ocaml_number(raw.decode("latin-1"))
        if found is None:
            raise Refusal("EINVAL")
        return found
    return number(raw, signed=signed)


def _get_domain_path(call: Call) -> bytes:
    raw = call.one_string()
    domid = first_digits(raw) if call.dialect.ocaml_tools else number(raw)
    return f"{domain_path(domid)}\0".encode()


def _is_domain_introduced(call: Call) -> bytes:
    raw = _parts(call)[0] if call.dialect.ocaml_tools else call.one_string()
    domid = _number(call, raw)
    return b"T\0" if domid == DOMID_SELF or domid in call.domains else b"F\0"


DOMAIN_HANDLERS: dict[int, Callable[[Call], bytes]] = {
    XsdSockmsgType.XS_INTRODUCE: _introduce,
    XsdSockmsgType.XS_RELEASE: _release,
    XsdSockmsgType.XS_GET_DOMAIN_PATH: _get_domain_path,
    XsdSockmsgType.XS_IS_DOMAIN_INTRODUCED: _is_domain_introduced,
    XsdSockmsgType.XS_RESUME: _resume,
    XsdSockmsgType.XS_SET_TARGET: _set_target,
}
