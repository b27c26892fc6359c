"""What each request does: nodes, watches, transactions. One function per operation: it gives the
reply's payload.

Source: docs/misc/xenstore.txt; the `do_*` functions of tools/xenstored (core.c, watch.c,
transaction.c). The requests of the tools are in `domains` and `control`. Operations that are
nowhere are answered ENOSYS.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from guestsim.abi.xs_wire import XENSTORE_PAYLOAD_MAX, XsdSockmsgType
from guestsim.xenstore.asking import Death, Refusal
from guestsim.xenstore.call import Call
from guestsim.xenstore.commit import Handlers, commit
from guestsim.xenstore.control import control
from guestsim.xenstore.domains import DOMAIN_HANDLERS
from guestsim.xenstore.events import watch_event
from guestsim.xenstore.numbers import number
from guestsim.xenstore.path import ROOT, is_relative, parent
from guestsim.xenstore.permission import (
    Access,
    Permission,
    Permissions,
    format_permission,
    parse_permission,
)
from guestsim.xenstore.state import Watch
from guestsim.xenstore.store import Node
from guestsim.xenstore.torn import Torn, listing
from guestsim.xenstore.transaction import Logged, Tracked, Transaction

__all__ = ["HANDLERS", "NO_TRANSACTION", "PRIVILEGED"]

_OK = b"OK\0"

# Nodes.


def _read(call: Call) -> bytes:
    return call.read(call.one_path()).value


def _directory(call: Call) -> bytes:
    return _children(call, call.read(call.one_path()))


def _children(call: Call, node: Node) -> bytes:
    if isinstance(call.store, Torn):
        children: Iterable[str] = listing(node)
    else:
        children = sorted(node.children) if call.dialect.sorted_directory else node.children
    return "".join(f"{name}\0" for name in children).encode()


def _directory_part(call: Call) -> bytes:
    """The generation count is a digest here: the same as long as the node is the same."""
    if not call.dialect.directory_part:
        raise Refusal("ENOSYS")
    if call.message.payload.count(b"\0") != 2:
        raise Refusal("EINVAL")
    raw, offset = call.strings()
    node = call.node(call.path(raw), Access.READ)
    names = _children(call, node)
    count = _generation(node, names)
    start = number(offset)
    if start >= len(names):
        return count + b"\0"
    room = XENSTORE_PAYLOAD_MAX - len(count) - 1
    part = names[start : start + room]
    end = part.rfind(b"\0") + 1
    return count + part[:end] + (b"\0" if start + end == len(names) else b"")


def _generation(node: Node, names: bytes) -> bytes:
    state = hashlib.blake2b(names, digest_size=8)
    state.update(b"\0%d\0" % len(node.value) + node.value)
    state.update("".join(map(format_permission, node.permissions)).encode())
    return b"%d\0" % int.from_bytes(state.digest(), "little")


def _write(call: Call) -> bytes:
    raw, nul, value = call.message.payload.partition(b"\0")
    if not nul:
        raise Refusal("EINVAL")
    path = call.path(raw)
    if call.dialect.makes_above_first:
        call.make_above(path)
    limit = call.quotas.value
    if limit is not None and len(value) > limit:
        raise Refusal("E2BIG")
    node = call.find(path, Access.WRITE, creates=True)
    if node is None:
        call.create(path, value)
    else:
        call.write(path, node.with_value(value))
    return _OK


def _mkdir(call: Call) -> bytes:
    path = call.one_path(creates=True)
    if path == ROOT and call.dialect.makes_root:
        call.touch_root()
        return _OK
    if call.dialect.makes_above_first:
        call.make_above(path)
    if call.find(path, Access.WRITE, creates=True) is None:
        call.create(path, b"")
    return _OK


def _rm(call: Call) -> bytes:
    path = call.one_path(creates=True)
    if call.find(path, Access.WRITE) is None:
        if call.store.get(parent(path)) is None:
            raise Refusal("ENOENT")
        return _OK
    if path == ROOT and not call.dialect.makes_root:
        raise Refusal("EINVAL")
    call.remove(path)
    call.met("")
    return _OK


def _get_perms(call: Call) -> bytes:
    node = call.read(call.one_path())
    return "".join(f"{format_permission(entry)}\0" for entry in node.permissions).encode()


def _set_perms(call: Call) -> bytes:
    strings = call.strings()
    if len(strings) < 2:
        raise Refusal("EINVAL")
    limit = call.quotas.permissions
    if limit is not None and call.bound and len(strings) - 1 > limit:
        raise Refusal("ENOSPC")
    entries = [
        parse_permission(raw.decode("latin-1"), ocaml=call.dialect.ocaml_tools)
        for raw in strings[1:]
    ]
    permissions = tuple(_granted(call, entry) for entry in entries if entry is not None)
    if len(permissions) < len(entries):
        raise call.failed("EINVAL")
    if permissions[0].access & Access.IGNORED:
        raise Refusal("ENOENT")
    if strings[0].startswith(b"@") and not call.dialect.special_nodes:
        return _set_special_perms(call, strings[0], permissions)
    path = call.path(strings[0])
    node = call.node(path, Access.WRITE | Access.OWNER)
    if call.bound and permissions[0].domid != node.permissions[0].domid:
        raise Refusal(call.dialect.owner_error)
    # Who has just lost the right to read hears of that, too.
    call.write(path, node.with_permissions(permissions), old=node.permissions)
    return _OK


def _granted(call: Call, entry: Permission) -> Permission:
    """The entry, void if its domain is not there."""
    if not call.dialect.asks_for_domains or entry.domid in (0, *call.domains):
        return entry
    if entry.domid > max(call.domains, default=0):
        # The hypervisor finds no domain of this number or a higher one: ESRCH, which has no name on
        # the wire.
        call.met("EINVAL")
    return entry._replace(access=entry.access | Access.IGNORED)


def _set_special_perms(call: Call, raw: bytes, permissions: Permissions) -> bytes:
    call.step_out()
    path = call.absolute(raw)
    node = call.store.get(path)
    if node is None:
        raise call.unset("EINVAL")
    if ~call.access(node.permissions) & (Access.WRITE | Access.OWNER):
        raise call.unset("EACCES")
    call.store = call.store.put(path, node.with_permissions(permissions))
    call.wrote(path)
    return _OK


# Watches.


def _watch(call: Call) -> bytes:
    strings = _watch_strings(call)
    depth = None
    if call.dialect.watch_depth and len(strings) == 3:
        depth = number(strings.pop(), signed=True)
        if depth < 0:
            raise Refusal("EINVAL")
    if len(strings) != 2:
        raise Refusal("EINVAL")
    raw, token = strings
    path = call.special(raw) if raw.startswith(b"@") else call.path(raw)
    call.met("")
    connection, quotas = call.connection, call.quotas
    if any(watch.path == path and watch.token == token for watch in connection.watches):
        raise Refusal("EEXIST")
    if call.bound and len(connection.watches) >= quotas.watches:
        raise Refusal(quotas.watches_error)
    skip = len(connection.base) + 1 if is_relative(raw) else 0
    watch = Watch(path, token, skip, depth)
    call.connection = msgspec.structs.replace(connection, watches=(*connection.watches, watch))
    event = watch_event(watch, path)
    if event is not None:
        call.after.append((call.key, event))
    return _OK


def _unwatch(call: Call) -> bytes:
    strings = _watch_strings(call)
    if len(strings) != 2:
        raise Refusal("EINVAL")
    path = call.absolute(strings[0])
    watches = call.connection.watches
    left = tuple(w for w in watches if (w.path, w.token) != (path, strings[1]))
    if len(left) == len(watches):
        raise Refusal("ENOENT")
    call.connection = msgspec.structs.replace(call.connection, watches=left)
    return _OK


def _watch_strings(call: Call) -> list[bytes]:
    if not call.dialect.watch_junk and not call.message.payload.endswith(b"\0"):
        raise Refusal("EINVAL")
    return call.strings()


def _reset_watches(call: Call) -> bytes:
    if call.dialect.dies_in_reset and call.transaction is not None:
        raise Death("dropped all transactions in the middle of one")
    call.forget()
    return _OK


# Transactions.


def _transaction_start(call: Call) -> bytes:
    if call.transaction is not None:
        raise Refusal("EBUSY")
    connection, quotas = call.connection, call.quotas
    if call.bound and len(connection.transactions) >= quotas.transactions:
        raise Refusal(quotas.transactions_error)
    unused = connection.next_transaction
    while unused == 0 or unused in connection.transactions:
        unused = (unused + 1) & 0xFFFFFFFF
    store = call.tree
    opened: Transaction = Logged(store, store) if call.dialect.replays else Tracked(store)
    call.connection = msgspec.structs.replace(
        connection,
        transactions=connection.transactions.set(unused, opened),
        next_transaction=(unused + 1) & 0xFFFFFFFF,
    )
    return b"%d\0" % unused


def _transaction_end(call: Call) -> bytes:
    verdict = call.message.payload.partition(b"\0")[0]
    if not call.dialect.end_junk:
        verdict = call.one_string()
    if verdict not in (b"T", b"F"):
        raise Refusal("EINVAL")
    ended = call.leave_transaction()
    if verdict == b"T":
        commit(call, ended, HANDLERS)
    return _OK


HANDLERS: Handlers = {
    XsdSockmsgType.XS_CONTROL: control,
    XsdSockmsgType.XS_DIRECTORY: _directory,
    XsdSockmsgType.XS_READ: _read,
    XsdSockmsgType.XS_GET_PERMS: _get_perms,
    XsdSockmsgType.XS_WATCH: _watch,
    XsdSockmsgType.XS_UNWATCH: _unwatch,
    XsdSockmsgType.XS_TRANSACTION_START: _transaction_start,
    XsdSockmsgType.XS_TRANSACTION_END: _transaction_end,
    XsdSockmsgType.XS_WRITE: _write,
    XsdSockmsgType.XS_MKDIR: _mkdir,
    XsdSockmsgType.XS_RM: _rm,
    XsdSockmsgType.XS_SET_PERMS: _set_perms,
    XsdSockmsgType.XS_RESET_WATCHES: _reset_watches,
    XsdSockmsgType.XS_DIRECTORY_PART: _directory_part,
    **DOMAIN_HANDLERS,
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
