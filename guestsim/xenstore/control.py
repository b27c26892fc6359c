"""CONTROL: what a tool may ask of the server itself.

Source: docs/misc/xenstore.txt (CONTROL); tools/xenstored/control.c; `do_debug` of
tools/ocaml/xenstored/process.ml. Of its commands those are here
that mean something without a process behind them; any other is an unknown one.
"""

from __future__ import annotations

from collections.abc import Callable

from guestsim.xenstore.asking import Refusal
from guestsim.xenstore.call import Call
from guestsim.xenstore.numbers import ocaml_number
from guestsim.xenstore.path import ROOT

__all__ = ["control"]

_OK = b"OK\0"
_NO_UPDATE = b"guestsim is no program that could be replaced while it runs"


def control(call: Call) -> bytes:
    """The answer to CONTROL. For an unknown command or wrong parameters C xenstored gives EINVAL,
    oxenstored OK."""
    if call.dialect.ocaml_tools:
        return _oxenstored(call)
    command, *parameters = call.strings() or [b""]
    known = _COMMANDS.get(command)
    if known is None:
        raise Refusal("EINVAL")
    return known[0](parameters)


def _check(parameters: list[bytes]) -> bytes:
    # A store that is a value cannot be out of order.
    if parameters:
        raise Refusal("EINVAL")
    return _OK


def _log(parameters: list[bytes]) -> bytes:
    if parameters not in ([b"on"], [b"off"]):
        raise Refusal("EINVAL")
    return _OK


def _print(parameters: list[bytes]) -> bytes:
    if len(parameters) != 1:
        raise Refusal("EINVAL")
    return _OK


def _help(parameters: list[bytes]) -> bytes:
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
    told = f"{count}/{call.dialect.quotas.nodes}" if count else "not set"
    return f"dom{domid} quota: {told}\0".encode()


_COMMANDS: dict[bytes, tuple[Callable[[list[bytes]], bytes], str]] = {
    b"check": (_check, ""),
    b"log": (_log, "on|off"),
    b"print": (_print, "<string>"),
    b"help": (_help, ""),
}
"""What does it, and its parameters as `help` tells them."""
