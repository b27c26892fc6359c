"""The small languages inside a scenario's strings: store paths and request lines.

That of script events is `guestsim.trace.events`. Each parser raises an InputError of one sentence
that does not name the key: the caller knows it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from guestsim.abi.xs_wire import (
    XENSTORE_ABS_PATH_MAX,
    XENSTORE_PAYLOAD_MAX,
    XENSTORE_REL_PATH_MAX,
    XSD_ERRORS,
)
from guestsim.errors import InputError
from guestsim.scenario.escapes import spelled_bytes, spelled_list
from guestsim.trace.spelling import one_of
from guestsim.trace.text import quoted

__all__ = [
    "ERRORS",
    "VERBS",
    "Request",
    "check_path",
    "check_value",
    "parse_request",
]

ERRORS = (*XSD_ERRORS, "EQUOTA")
"""Those of xs_wire.h, and one that only oxenstored gives (tools/ocaml/xenstored/define.ml)."""

_NOT_IN_PATH = re.compile(r"[^A-Za-z0-9\-/_@]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_WORD_MAX = 1 << 32
_NUMBER = re.compile(r"[0-9]{1,10}")
_DEPTH = re.compile(r"[0-9]{1,9}")
_SPECIAL = re.compile(r"@(?:introduceDomain|releaseDomain)(?:/[0-9]{1,5})?")
_TX_NAME = re.compile(r"[a-z][a-z0-9-]*")
_NAME = re.compile(r"[A-Za-z0-9\-_@]+")
_PERMISSION = re.compile(r"[nrwb]-?[0-9]{1,10}")
_REQUEST = re.compile(
    r"(?P<verb>[^ !=]*)(?: (?P<key>[^!=]*))?(?:!(?P<error>[^=]*))?(?:=(?P<value>.*))?"
)


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


class Request(msgspec.Struct, frozen=True):
    """One parsed request line. What the line does not say is None."""

    verb: str
    key: str | None = None
    """A path; of `transaction` the name, of `message` the type, of `get-domain-path` the domain."""
    value: str | None = None
    """What to write, to set or to send, or what the reply must be, as the line spells it."""
    error: str | None = None
    """The error that the reply must be, by name."""
    tx: int | None = None
    """The transaction id to use."""
    tx_name: str | None = None
    """The open transaction to use, by its name."""
    token: str | None = None
    """A watch's own, as the line spells it."""
    depth: int | None = None
    """A watch's."""
    offset: int | None = None
    """directory-part: the byte of the list at which the part begins."""


_Parts = dict[str, Any]
"""Fields of a Request."""


def _path(key: str) -> _Parts:
    check_path(key)
    return {"key": key}


def _path_or_special(key: str) -> _Parts:
    return {"key": key} if _SPECIAL.fullmatch(key) else _path(key)


def _watch(key: str, *, with_depth: bool = False) -> _Parts:
    path, *words = key.split(" ")
    parts = _path_or_special(path)
    if not words:
        return parts
    if len(words) > (2 if with_depth else 1):
        form = "PATH TOKEN DEPTH" if with_depth else "PATH TOKEN"
        raise InputError(rf"{quoted(key)} has more words than {form}; a space in a token is \x20")
    size = len(path) + 1
    for word in words:
        if not word:
            raise InputError(f"an empty word in {quoted(key)}: one space stands between two words")
        size += len(spelled_bytes(word)) + 1
    if b"\0" in spelled_bytes(words[0]):
        raise InputError("a token has no NUL in it: there it ends")
    if size > XENSTORE_PAYLOAD_MAX:
        raise InputError(
            f"a payload has at most {XENSTORE_PAYLOAD_MAX} bytes; with this token it has {size}"
        )
    parts["token"] = words[0]
    if words[1:]:
        if not _DEPTH.fullmatch(words[1]):
            raise InputError(f"{quoted(words[1])} is no depth; a number is")
        parts["depth"] = int(words[1])
    return parts


def _watch_with_depth(key: str) -> _Parts:
    return _watch(key, with_depth=True)


def _path_and_offset(key: str) -> _Parts:
    path, space, offset = key.partition(" ")
    parts = _path(path)
    if space:
        parts["offset"] = _number(offset, "an offset")
    return parts


def _transaction_name(key: str) -> _Parts:
    if _TX_NAME.fullmatch(key) is None or key in _FORMS:
        raise InputError(
            f"{quoted(key)} cannot be the name of a transaction; lower-case letters, digits and - "
            "make one, a letter first, and it is none of the verbs"
        )
    return {"key": key}


def _domain(key: str) -> _Parts:
    _number(key, "a domain")
    return {"key": key}


def _type(key: str) -> _Parts:
    _number(key, "the type of a message")
    return {"key": key}


def _number(text: str, what: str) -> int:
    if _NUMBER.fullmatch(text) is None or int(text) >= _WORD_MAX:
        raise InputError(f"{quoted(text)} is not {what}; a number up to {_WORD_MAX - 1} is")
    return int(text)


_NEVER, _MAYBE, _ALWAYS = range(3)


class _Form(msgspec.Struct, frozen=True):
    """What may stand in a request line after its verb."""

    parse_key: Callable[[str], _Parts] | None = _path
    needs: str = "KEY"
    """What must stand there, in words of the documentation."""
    key: int = _ALWAYS
    value: int = _NEVER
    """`_MAYBE`: it is what the answer must be."""
    error: bool = True
    tx: bool = True


_FORMS = {
    "read": _Form(value=_MAYBE),
    "write": _Form(needs="KEY=VALUE", value=_ALWAYS),
    "mkdir": _Form(),
    "rm": _Form(),
    "directory": _Form(value=_MAYBE),
    "directory-part": _Form(_path_and_offset, value=_MAYBE),
    "get-perms": _Form(_path_or_special, value=_MAYBE),
    "set-perms": _Form(_path_or_special, "KEY=PERMISSIONS", value=_ALWAYS),
    "watch": _Form(_watch_with_depth),
    "unwatch": _Form(_watch),
    "event": _Form(_watch, error=False, tx=False),
    "until": _Form(needs="KEY=VALUE", value=_MAYBE),
    "reset-watches": _Form(None, key=_NEVER),
    "transaction": _Form(_transaction_name, key=_MAYBE),
    "commit": _Form(None, key=_NEVER),
    "abort": _Form(None, key=_NEVER),
    "get-domain-path": _Form(_domain, "ID", value=_MAYBE),
    "message": _Form(_type, "TYPE=BYTES", value=_ALWAYS),
    "send": _Form(error=False),
    "raw": _Form(None, "=BYTES", key=_NEVER, value=_ALWAYS, error=False, tx=False),
    "partial": _Form(error=False),
    "suspend": _Form(None, key=_NEVER, error=False, tx=False),
}

VERBS = tuple(_FORMS)
"""What a request line begins with, if not with `tx ID`."""


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
    tx: _Parts = {}
    if line == "tx" or line.startswith("tx "):
        tx, line = _parse_tx(line)
    match = _REQUEST.fullmatch(line)
    if match is None:
        raise InputError(f"{quoted(line)}: a request is VERB KEY!ERROR=VALUE, in this order")
    verb, key, error, value = match.group("verb", "key", "error", "value")
    form = _FORMS[one_of(verb, VERBS)]
    if tx and not form.tx:
        why = "sends nothing" if verb in ("event", "suspend") else "has its own header"
        raise InputError(f'"{verb}" {why}, so it has no "tx ID"')
    parts = _parse_key(verb, form, key)
    if error is not None:
        if not form.error:
            raise InputError(f'"{verb}" waits for no answer, so it expects no error')
        one_of(error, ERRORS)
    _check_request_value(verb, form, value, error)
    if verb == "until" and value is None and error is None:
        raise InputError('"until" needs KEY=VALUE or KEY!ERROR after it')
    _check_size(verb, key or "", value)
    return Request(verb, value=value, error=error, **tx, **parts)


def _parse_key(verb: str, form: _Form, key: str | None) -> _Parts:
    if key and form.parse_key is None:
        raise InputError(f'"{verb}" has no key, but here stands {quoted(key)}')
    if key and form.parse_key is not None:
        return form.parse_key(key)
    if form.key == _ALWAYS:
        raise InputError(f'"{verb}" needs {form.needs} after it')
    if key is not None:
        raise InputError(f'a space after "{verb}"')
    return {}


def _check_request_value(verb: str, form: _Form, value: str | None, error: str | None) -> None:
    if value is None:
        if form.value == _ALWAYS:
            raise InputError(f'"{verb}" needs {form.needs} after it')
        return
    if form.value == _NEVER:
        raise InputError(f'"{verb}" has no value, but here stands {quoted("=" + value)}')
    if form.value == _MAYBE and error is not None:
        raise InputError(f"the answer to one {verb} is an error or a value, not both")
    entries = spelled_list(value)
    match verb:
        case "directory" | "directory-part":
            names = value.removesuffix(",") if verb == "directory-part" else value
            _check_entries(names, _NAME, "the name of a node", empty=names == value)
        case "get-perms":
            _check_entries(value, _PERMISSION, "a permission, as r0 is", empty=False)
        case "set-perms" if error is None:
            _check_entries(value, _PERMISSION, "a permission, as r0 is", empty=False)
        case "get-domain-path" if len(entries) != 1:
            raise InputError(f"{quoted(value)} is no path")


def _check_entries(value: str, form: re.Pattern[str], what: str, *, empty: bool) -> None:
    if not value and empty:
        return
    for entry in value.split(","):
        if form.fullmatch(entry) is None:
            raise InputError(f"{quoted(entry)} is not {what}; commas stand between two")


def _check_size(verb: str, key: str, value: str | None) -> None:
    """The payload of WRITE is the path, a NUL, and the value; the answer to READ is the value."""
    if value is None:
        return
    size = len(spelled_bytes(value))
    if verb in ("write", "set-perms"):
        size += len(key) + 1
    if verb in ("directory", "get-perms", "set-perms", "get-domain-path") and value:
        size += 1
    if size > XENSTORE_PAYLOAD_MAX:
        raise InputError(f"a payload has at most {XENSTORE_PAYLOAD_MAX} bytes, this one has {size}")


def _parse_tx(line: str) -> tuple[_Parts, str]:
    _, _, rest = line.partition(" ")
    word, _, request = rest.partition(" ")
    parts: _Parts
    if _TX_NAME.fullmatch(word) and word not in _FORMS:
        parts = {"tx_name": word}
    elif _NUMBER.fullmatch(word) and int(word) < _WORD_MAX:
        parts = {"tx": int(word)}
    else:
        raise InputError(
            f'after "tx" stands a transaction id, 0 to {_WORD_MAX - 1}, or the name of an open '
            "transaction, then a request"
        )
    if not request:
        raise InputError('after "tx ID" stands a request')
    return parts, request
