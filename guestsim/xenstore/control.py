"""CONTROL: what a tool may ask of the server itself.

Source: docs/misc/xenstore.txt (CONTROL); tools/xenstored/control.c. Of its commands those are here
that mean something without a process behind them; any other is an unknown one.
"""

from __future__ import annotations

from collections.abc import Callable

from guestsim.xenstore.asking import Refusal
from guestsim.xenstore.call import Call

__all__ = ["control"]

_OK = b"OK\0"


def control(call: Call) -> bytes:
    """The answer to CONTROL; EINVAL for an unknown command or wrong parameters."""
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


_COMMANDS: dict[bytes, tuple[Callable[[list[bytes]], bytes], str]] = {
    b"check": (_check, ""),
    b"log": (_log, "on|off"),
    b"print": (_print, "<string>"),
    b"help": (_help, ""),
}
"""What does it, and its parameters as `help` tells them."""
