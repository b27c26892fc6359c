"""The small languages inside a scenario's strings: store paths and request lines.

That of script events is `guestsim.trace.events`. Each parser raises an InputError of one sentence
that does not name the key: the caller knows it.
"""

from __future__ import annotations

import re

import msgspec

from guestsim.abi.xs_wire import (
    XENSTORE_ABS_PATH_MAX,
    XENSTORE_PAYLOAD_MAX,
    XENSTORE_REL_PATH_MAX,
    XSD_ERRORS,
)
from guestsim.errors import InputError
from guestsim.trace.spelling import one_of
from guestsim.trace.text import quoted

__all__ = [
    "VERBS",
    "Request",
    "check_path",
    "check_value",
    "parse_request",
]

_SPECIAL_WATCHES = ("@introduceDomain", "@releaseDomain")

_NOT_IN_PATH = re.compile(r"[^A-Za-z0-9\-/_@]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TX_ID = re.compile(r"[0-9]{1,10}")
_REQUEST = re.compile(
    r"(?P<verb>[^ !=]*)(?: (?P<key>[^!=]*))?(?:!(?P<error>[^=]*))?(?:=(?P<value>.*))?"
)


class _Form(msgspec.Struct, frozen=True):
    """What may stand in a request line after its verb."""

    key: bool = True
    value: bool = False
    error: bool = True
    tx: bool = True


_FORMS = {
    "read": _Form(value=True),
    "write": _Form(value=True),
    "mkdir": _Form(),
    "rm": _Form(),
    "watch": _Form(),
    "unwatch": _Form(),
    "event": _Form(error=False, tx=False),
    "reset-watches": _Form(key=False),
    "transaction": _Form(key=False),
    "commit": _Form(key=False),
    "abort": _Form(key=False),
    "send": _Form(error=False),
    "partial": _Form(error=False),
}
_ERRORS = (*XSD_ERRORS, "EQUOTA")
"""Those of xs_wire.h, and one that only oxenstored gives (tools/ocaml/xenstored/define.ml)."""

_WATCH_VERBS = frozenset({"watch", "unwatch", "event"})

VERBS = tuple(_FORMS)
"""What a request line begins with, if not with `tx ID`."""


class Request(msgspec.Struct, frozen=True):
    """One parsed request line. What the line does not say is None."""

    verb: str
    key: str | None = None
    value: str | None = None
    """write: what to write. read: what the reply must be."""
    error: str | None = None
    """The error that the reply must be, by name."""
    tx: int | None = None
    """The transaction id to use."""


def check_path(path: str) -> None:
    """A node's path, absolute or relative to the guest's own (xenstore.txt, "Paths")."""
    if not path:
        raise InputError("a path may not be empty")
    if wrong := _NOT_IN_PATH.search(path):
        raise InputError(
            f"{quoted(wrong.group())} may not stand in a path; "
            "letters, digits, and the characters - / _ @ may"
        )
    if path.startswith("@"):
        raise InputError(f'{quoted(path)} is a special watch ("@"), not a node')
    if "//" in path:
        raise InputError('a path may not have "//"')
    if path.endswith("/") and path != "/":
        raise InputError('a path may not end in "/"')
    kind, most = (
        ("an absolute", XENSTORE_ABS_PATH_MAX)
        if path.startswith("/")
        else ("a relative", XENSTORE_REL_PATH_MAX)
    )
    if len(path) > most:
        raise InputError(f"{kind} path has at most {most} characters, this one has {len(path)}")


def check_value(value: str) -> None:
    """A node's value: one payload of a message at most, in UTF-8."""
    if (size := len(value.encode())) > XENSTORE_PAYLOAD_MAX:
        raise InputError(f"a value has at most {XENSTORE_PAYLOAD_MAX} bytes, this one has {size}")


def parse_request(line: str) -> Request:
    """One line of an image's list of requests: `[tx ID ]VERB[ KEY][!ERROR][=VALUE]`.

    The reference (`docs/scenarios.md`) says what each verb means; the images read the same grammar
    (`firmware/include/requests.h`).
    """
    if not line:
        raise InputError("a request may not be empty")
    if wrong := _CONTROL.search(line):
        raise InputError(
            f"a request is one line of text; {quoted(wrong.group())} may not stand in it"
        )
    tx = None
    if line == "tx" or line.startswith("tx "):
        tx, line = _parse_tx(line)
    match = _REQUEST.fullmatch(line)
    if match is None:
        raise InputError(f"{quoted(line)}: a request is VERB KEY!ERROR=VALUE, in this order")
    verb, key, error, value = match.group("verb", "key", "error", "value")
    form = _FORMS[one_of(verb, VERBS)]
    if tx is not None and not form.tx:
        raise InputError(f'"{verb}" sends nothing, so it has no "tx ID"')
    if key and not form.key:
        raise InputError(f'"{verb}" has no key, but here stands {quoted(key)}')
    if form.key:
        if not key:
            needed = "KEY=VALUE" if verb == "write" else "KEY"
            raise InputError(f'"{verb}" needs {needed} after it')
        if not (verb in _WATCH_VERBS and key in _SPECIAL_WATCHES):
            check_path(key)
    elif key is not None:
        raise InputError(f'a space after "{verb}"')
    if error is not None:
        if not form.error:
            raise InputError(f'"{verb}" waits for no answer, so it expects no error')
        one_of(error, _ERRORS)
    _check_request_value(verb, key or "", value, error)
    return Request(verb, key, value, error, tx)


def _check_request_value(verb: str, key: str, value: str | None, error: str | None) -> None:
    if value is None:
        if verb == "write":
            raise InputError('"write" needs KEY=VALUE after it')
        return
    if not _FORMS[verb].value:
        raise InputError(f'"{verb}" has no value, but here stands {quoted("=" + value)}')
    if verb == "read" and error is not None:
        raise InputError("the answer to one read is an error or a value, not both")
    # The payload of WRITE is the path, a NUL, and the value; the answer to READ is the value.
    size = len(value.encode()) + (len(key) + 1 if verb == "write" else 0)
    if size > XENSTORE_PAYLOAD_MAX:
        raise InputError(f"a payload has at most {XENSTORE_PAYLOAD_MAX} bytes, this one has {size}")


def _parse_tx(line: str) -> tuple[int, str]:
    _, _, rest = line.partition(" ")
    number, _, request = rest.partition(" ")
    if _TX_ID.fullmatch(number) is None or int(number) >= 1 << 32:
        raise InputError(
            f'after "tx" stands a transaction id, 0 to {(1 << 32) - 1}, then a request'
        )
    if not request:
        raise InputError('after "tx ID" stands a request')
    return int(number), request
