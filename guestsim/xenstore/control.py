"""CONTROL: what a tool may ask of the server itself.

Source: docs/misc/xenstore.txt (CONTROL); tools/xenstored/control.c and domain.c
(`domain_get_quota`); `do_debug` of tools/ocaml/xenstored/process.ml. What needs a process behind
the server, a log file or another binary, is answered as if there were none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from guestsim.xenstore.asking import Refusal
from guestsim.xenstore.call import RECORD, RECORD_PERMISSION, Call
from guestsim.xenstore.numbers import number, ocaml_number
from guestsim.xenstore.path import ROOT
from guestsim.xenstore.settings import HARD, SOFT, Setting, shown

__all__ = ["control"]

_OK = b"OK\0"
_NO_UPDATE = b"guestsim is no program that could be replaced while it runs"
_MOST = 1 << 31


def control(call: Call) -> bytes:
    """The answer to CONTROL. For an unknown command or wrong parameters C xenstored gives EINVAL,
    oxenstored OK."""
    if call.dialect.ocaml_tools:
        return _oxenstored(call)
    command, *parameters = call.strings() or [b""]
    known = _COMMANDS.get(command)
    if known is None:
        raise Refusal("EINVAL")
    return known[0](call, parameters)


def _check(_: Call, parameters: list[bytes]) -> bytes:
    # A store that is a value cannot be out of order.
    if parameters:
        raise Refusal("EINVAL")
    return _OK


def _log(_: Call, parameters: list[bytes]) -> bytes:
    if parameters not in ([b"on"], [b"off"]):
        raise Refusal("EINVAL")
    return _OK


def _one(_: Call, parameters: list[bytes]) -> bytes:
    if len(parameters) != 1:
        raise Refusal("EINVAL")
    return _OK


def _memreport(_: Call, __: list[bytes]) -> bytes:
    # There is no allocator to report on. So C xenstored answers one without a log file.
    raise Refusal("EINVAL")


def _live_update(_: Call, parameters: list[bytes]) -> bytes:
    match parameters:
        case [b"-a"]:
            return b"No live-update session active.\0"
        case [b"-c", _] | [b"-s", *_]:
            return b"Not in live-update session.\0"
        case [b"-f", _]:
            return _NO_UPDATE + b"\0"
    raise Refusal("EINVAL")


def _quota(call: Call, parameters: list[bytes], *, soft: bool = False) -> bytes:
    known = SOFT if soft else HARD
    match parameters:
        case []:
            return shown(known, call.settings).encode() + b"\0"
        case [b"set", name, value]:
            return _set_quota(call, known, name.decode("latin-1"), value)
        case [raw] if raw != b"set" and not soft:
            return _usage(call, number(raw))
    raise Refusal("EINVAL")


def _set_quota(call: Call, known: tuple[Setting, ...], name: str, raw: bytes) -> bytes:
    value = number(raw)
    found = [setting for setting in known if setting.name == name]
    if not found or not 1 <= value < _MOST:
        raise Refusal("EINVAL")
    call.settings = call.settings.set(found[0].key, value)
    return _OK


def _usage(call: Call, domid: int) -> bytes:
    """What the domain has of each. Its memory is that of its nodes, and of the watches that it has,
    domain 0's with those of the tools; copies that open transactions keep are left out."""
    if domid not in call.domains:
        raise Refusal("ENOENT")
    memory = sum(_sizes(call, domid))
    watches = transactions = 0
    for _, client in call.connections.items():
        if client.domid == domid:
            memory += sum(len(watch.path) + len(watch.token) for watch in client.watches)
            watches += 0 if client.privileged else len(client.watches)
            transactions += 0 if client.privileged else len(client.transactions)
    counts = {
        "nodes": call.committed.owned.get(domid, 0),
        "watches": watches,
        "transactions": transactions,
        "outstanding": 0,
        "memory": memory,
    }
    lines = "".join(f"{name:<16}: {count:8}\n" for name, count in counts.items())
    return f"Domain {domid}:\n{lines}\0".encode()


def _sizes(call: Call, domid: int) -> Iterator[int]:
    """Bytes of each node of the domain as C xenstored keeps it, its path included."""
    for path, node in call.committed.descend():
        if node.permissions[0].domid == domid:
            permissions = RECORD_PERMISSION * len(node.permissions)
            yield len(path) + RECORD + permissions + len(node.value) + node.listed


def _help(_: Call, parameters: list[bytes]) -> bytes:
    if parameters:
        raise Refusal("EINVAL")
    lines = (f"{name.decode()}\t{usage}\n" for name, (_, usage) in _COMMANDS.items())
    return "".join(lines).encode() + b"\0"


def _oxenstored(call: Call) -> bytes:
    command, *parameters = call.message.payload.split(b"\0")
    if command == b"quota" and parameters:
        domid = ocaml_number(parameters[0].decode("latin-1"))
        if domid is not None:
            return _owned(call, domid)
    if command == b"live-update" and parameters[:-1] != [b"-a"]:
        return _NO_UPDATE
    return _OK


def _owned(call: Call, domid: int) -> bytes:
    """How many nodes the domain owns; the root is nobody's (`Quota.to_string` of quota.ml)."""
    root = call.store.reach(ROOT)[0].permissions[0].domid
    count = call.store.owned.get(domid, 0) - (root == domid)
    told = f"{count}/{call.quotas.nodes}" if count else "not set"
    return f"dom{domid} quota: {told}\0".encode()


_Command = Callable[[Call, list[bytes]], bytes]

_COMMANDS: dict[bytes, tuple[_Command, str]] = {
    b"check": (_check, ""),
    b"log": (_log, "on|off"),
    b"live-update": (_live_update, "[-c <cmdline>] [-F] [-t <timeout>] <file>"),
    b"logfile": (_one, "<file>"),
    b"memreport": (_memreport, "[<file>]"),
    b"print": (_one, "<string>"),
    b"quota": (_quota, "[set <name> <val>|<domid>]"),
    b"quota-soft": (partial(_quota, soft=True), "[set <name> <val>]"),
    b"help": (_help, ""),
}
"""What does it, and its parameters as `help` tells them."""
