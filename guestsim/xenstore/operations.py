"""What each request does. One function per operation: it gives the reply's payload.

Source: docs/misc/xenstore.txt; the `do_*` functions of tools/xenstored (core.c, domain.c, watch.c,
transaction.c). Operations that are not here are answered ENOSYS.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from guestsim.abi.xs_wire import XsdSockmsgType
from guestsim.xenstore.call import Call, Refusal, watch_event
from guestsim.xenstore.path import ROOT, domain_path, is_relative, parent
from guestsim.xenstore.permission import (
    Access,
    Permission,
    format_permission,
    parse_permission,
)
from guestsim.xenstore.state import Transaction, Watch

__all__ = ["HANDLERS", "NO_TRANSACTION", "PRIVILEGED"]

_OK = b"OK\0"
_NUMBER = re.compile(rb"\s*([+-]?[0-9]+)")


def _read(call: Call) -> bytes:
    return call.node(call.path(call.one_string()), Access.READ).value


def _directory(call: Call) -> bytes:
    node = call.node(call.path(call.one_string()), Access.READ)
    return "".join(f"{name}\0" for name in node.children).encode()


def _write(call: Call) -> bytes:
    raw, nul, value = call.message.payload.partition(b"\0")
    if not nul:
        raise Refusal("EINVAL")
    path = call.path(raw)
    node = call.find(path, Access.WRITE)
    if node is None:
        _create(call, path, value)
    else:
        call.store = call.store.put(path, node.with_value(value))
    call.changed(path)
    return _OK


def _mkdir(call: Call) -> bytes:
    path = call.path(call.one_string())
    if call.find(path, Access.WRITE) is None:
        _create(call, path, b"")
        call.changed(path)
    return _OK


def _create(call: Call, path: str, value: bytes) -> None:
    """Make `path` and the missing nodes above it, with the permissions of the nearest one above
    that exists. A domain without privilege owns what it creates."""
    above, _ = call.store.reach(path)
    permissions = above.permissions
    if not call.connection.privileged:
        owner = Permission(call.connection.domid, permissions[0].access)
        permissions = (owner, *permissions[1:])
    call.store = call.store.create(path, value, permissions)


def _rm(call: Call) -> bytes:
    path = call.path(call.one_string())
    if call.find(path, Access.WRITE) is None:
        if call.store.get(parent(path)) is None:
            raise Refusal("ENOENT")
        return _OK
    if path == ROOT:
        raise Refusal("EINVAL")
    # Watches fire while the nodes' permissions can still be seen. A node that goes with its
    # parent is told only to those who watch that very node.
    for gone, _ in call.store.walk(path):
        call.changed(gone, exact=gone != path)
    call.store = call.store.remove(path)
    return _OK


def _get_perms(call: Call) -> bytes:
    node = call.node(call.path(call.one_string(), special=True), Access.READ)
    return "".join(f"{format_permission(entry)}\0" for entry in node.permissions).encode()


def _set_perms(call: Call) -> bytes:
    strings = call.strings()
    if len(strings) < 2:
        raise Refusal("EINVAL")
    entries = [parse_permission(raw.decode("latin-1")) for raw in strings[1:]]
    permissions = tuple(entry for entry in entries if entry is not None)
    if len(permissions) < len(entries):
        raise Refusal("EINVAL")
    path = call.path(strings[0], special=True)
    node = call.node(path, Access.WRITE | Access.OWNER)
    if not call.connection.privileged and permissions[0].domid != node.permissions[0].domid:
        raise Refusal("EPERM")
    call.store = call.store.put(path, node.with_permissions(permissions))
    # Who has just lost the right to read hears of that, too.
    call.changed(path, old=node.permissions)
    return _OK


def _watch(call: Call) -> bytes:
    strings = call.strings()
    if len(strings) != 2:
        raise Refusal("EINVAL")
    raw, token = strings
    path = call.path(raw, special=True)
    connection = call.connection
    if any(watch.path == path and watch.token == token for watch in connection.watches):
        raise Refusal("EEXIST")
    skip = len(connection.base) + 1 if is_relative(raw) else 0
    watch = Watch(path, token, skip)
    call.connection = msgspec.structs.replace(connection, watches=(*connection.watches, watch))
    event = watch_event(watch, path)
    if event is not None:
        call.after.append((call.key, event))
    return _OK


def _unwatch(call: Call) -> bytes:
    strings = call.strings()
    if len(strings) != 2:
        raise Refusal("EINVAL")
    path = call.path(strings[0], special=True)
    watches = call.connection.watches
    left = tuple(w for w in watches if (w.path, w.token) != (path, strings[1]))
    if len(left) == len(watches):
        raise Refusal("ENOENT")
    call.connection = msgspec.structs.replace(call.connection, watches=left)
    return _OK


def _reset_watches(call: Call) -> bytes:
    call.forget()
    return _OK


def _transaction_start(call: Call) -> bytes:
    if call.transaction is not None:
        raise Refusal("EBUSY")
    connection = call.connection
    number = connection.next_transaction
    while number == 0 or number in connection.transactions:
        number = (number + 1) & 0xFFFFFFFF
    opened = connection.transactions.set(number, Transaction(call.store, call.store))
    call.connection = msgspec.structs.replace(
        connection, transactions=opened, next_transaction=(number + 1) & 0xFFFFFFFF
    )
    return f"{number}\0".encode()


def _transaction_end(call: Call) -> bytes:
    """Commit, or drop.

    Conflict: a commit needs the store to be equal to what it was at the start of the
    transaction, else EAGAIN. That is the documented rule (any other write in between makes the
    end fail) read by content: a change that has been undone again is none. It is sound, and
    stricter than C xenstored, which looks only at the nodes that the transaction used.
    """
    verdict = call.one_string()
    if verdict not in (b"T", b"F"):
        raise Refusal("EINVAL")
    ended = call.leave_transaction()
    if verdict == b"F":
        return _OK
    if call.store != ended.base:
        raise Refusal("EAGAIN")
    call.store = ended.store
    for change in ended.changes:
        old = ended.base.get(change.path)
        permissions = old.permissions if old is not None else None
        call.before.extend(call.events(change.path, exact=change.exact, old=permissions))
    return _OK


def _get_domain_path(call: Call) -> bytes:
    return f"{domain_path(_domid(call.one_string()))}\0".encode()


def _is_domain_introduced(call: Call) -> bytes:
    return b"T\0" if call.introduced(_domid(call.one_string())) else b"F\0"


def _domid(raw: bytes) -> int:
    """As atoi reads it, which C xenstored 4.17 uses: what is not a number is 0."""
    match = _NUMBER.match(raw)
    return int(match[1]) & 0xFFFFFFFF if match else 0


HANDLERS: dict[int, Callable[[Call], bytes]] = {
    XsdSockmsgType.XS_DIRECTORY: _directory,
    XsdSockmsgType.XS_READ: _read,
    XsdSockmsgType.XS_GET_PERMS: _get_perms,
    XsdSockmsgType.XS_WATCH: _watch,
    XsdSockmsgType.XS_UNWATCH: _unwatch,
    XsdSockmsgType.XS_TRANSACTION_START: _transaction_start,
    XsdSockmsgType.XS_TRANSACTION_END: _transaction_end,
    XsdSockmsgType.XS_GET_DOMAIN_PATH: _get_domain_path,
    XsdSockmsgType.XS_WRITE: _write,
    XsdSockmsgType.XS_MKDIR: _mkdir,
    XsdSockmsgType.XS_RM: _rm,
    XsdSockmsgType.XS_SET_PERMS: _set_perms,
    XsdSockmsgType.XS_IS_DOMAIN_INTRODUCED: _is_domain_introduced,
    XsdSockmsgType.XS_RESET_WATCHES: _reset_watches,
}

PRIVILEGED = frozenset(
    {
        XsdSockmsgType.XS_CONTROL,
        XsdSockmsgType.XS_INTRODUCE,
        XsdSockmsgType.XS_RELEASE,
        XsdSockmsgType.XS_IS_DOMAIN_INTRODUCED,
        XsdSockmsgType.XS_RESUME,
        XsdSockmsgType.XS_SET_TARGET,
    }
)
"""Domain 0's alone; EACCES for others."""

NO_TRANSACTION = frozenset({XsdSockmsgType.XS_WATCH, XsdSockmsgType.XS_UNWATCH})
"""Their tx_id is ignored."""
