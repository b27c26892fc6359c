"""`[[others]]` made ready: the messages that they send, and the order of their steps."""

from __future__ import annotations

from collections.abc import Sequence

from guestsim.abi.xs_wire import XsdSockmsgType
from guestsim.daemon.others import Act, Ask, Look, Other, Step
from guestsim.scenario import Other as Entry
from guestsim.scenario import Request, absolute_path, lanes, parse_act
from guestsim.scenario.escapes import spelled_bytes, spelled_list
from guestsim.xenstore import Message

__all__ = ["others_of"]

_TYPES = {
    "read": XsdSockmsgType.XS_READ,
    "write": XsdSockmsgType.XS_WRITE,
    "mkdir": XsdSockmsgType.XS_MKDIR,
    "rm": XsdSockmsgType.XS_RM,
    "directory": XsdSockmsgType.XS_DIRECTORY,
    "get-perms": XsdSockmsgType.XS_GET_PERMS,
    "set-perms": XsdSockmsgType.XS_SET_PERMS,
    "transaction": XsdSockmsgType.XS_TRANSACTION_START,
    "commit": XsdSockmsgType.XS_TRANSACTION_END,
    "abort": XsdSockmsgType.XS_TRANSACTION_END,
    "introduce": XsdSockmsgType.XS_INTRODUCE,
    "release": XsdSockmsgType.XS_RELEASE,
    "live-update": XsdSockmsgType.XS_CONTROL,
    "restore": XsdSockmsgType.XS_CONTROL,
    "resume": XsdSockmsgType.XS_RESUME,
}

_ACTS = {
    "introduce": Act.INTRODUCE,
    "release": Act.RELEASE,
    "live-update": Act.LIVE_UPDATE,
    "restore": Act.RESTORE,
    "resume": Act.RESUME,
}

_GUEST = b"1\0"
_PAYLOADS = {
    "transaction": b"\0",
    "commit": b"T\0",
    "abort": b"F\0",
    # The domain, its ring's frame, and its port, which no model looks at.
    "introduce": _GUEST + b"1\0" + b"1\0",
    "release": _GUEST,
    "resume": _GUEST,
    # Not a request, but what happens to the daemon: any request will do.
    "live-update": b"check\0",
    "restore": b"check\0",
}


_WORDS = {
    "live-update": "a newer daemon takes over",
    "restore": "the guest comes to life elsewhere",
}


def others_of(entries: Sequence[Entry]) -> tuple[Other, ...]:
    """Everybody of the scenario, in the order of their lanes."""
    names = lanes(entries)
    return tuple(_other(entries, name, names) for name in names)


def _other(entries: Sequence[Entry], name: str, names: Sequence[str]) -> Other:
    steps: list[Step] = []
    after: list[tuple[int, int]] = []
    domain = 0
    for entry in entries:
        if entry.name != name:
            continue
        domain = entry.domain
        if entry.after is not None:
            after.append((len(steps), names.index(entry.after)))
        if entry.when is not None:
            steps.append(_look(entry))
        is_open = False  # between entries, none is
        for line in entry.do:
            request = parse_act(line)
            steps.append(_ask(request, line, domain, in_transaction=is_open))
            if request.verb == "transaction":
                is_open = request.error is None
            elif request.verb in ("commit", "abort"):
                is_open = False
    return Other(name, domain, tuple(steps), tuple(after))


def _look(entry: Entry) -> Look:
    assert entry.when is not None
    path, value = entry.when.path, entry.when.value
    if path is None:
        return Look(None, None, "sees that the guest stands still")
    words = f"sees {path} = {value}" if value is not None else f"sees that {path} is gone"
    wanted = None if value is None else spelled_bytes(value)
    return Look(absolute_path(path, entry.domain), wanted, words)


def _ask(request: Request, line: str, domain: int, *, in_transaction: bool) -> Ask:
    verb = request.verb
    value: bytes | None = None
    payload: bytes | None
    if verb == "message":
        kind, payload = int(request.key or ""), spelled_bytes(request.value or "")
    else:
        kind, payload = int(_TYPES[verb]), _PAYLOADS.get(verb)
    if payload is None:
        payload = absolute_path(request.key or "", domain).encode()
        if verb == "write":
            payload += b"\0" + spelled_bytes(request.value or "")
        elif verb == "set-perms":
            payload += b"\0" + _list(request.value or "")
        else:
            payload += b"\0"
        if request.value is not None and verb in ("directory", "get-perms"):
            value = _list(request.value)
        elif request.value is not None and verb == "read":
            value = spelled_bytes(request.value)
    words = _WORDS.get(verb, line)
    return Ask(
        Message(kind, payload=payload),
        words,
        in_transaction=in_transaction,
        error=request.error,
        value=value,
        act=_ACTS.get(verb, Act.NOTHING),
    )


def _list(value: str) -> bytes:
    return b"".join(entry + b"\0" for entry in spelled_list(value))
