"""The small languages inside a scenario's strings: store paths, request lines, script events.

Each parser raises `GrammarError` with one sentence that does not name the key: the caller knows it.
"""

from __future__ import annotations

import re

import msgspec

from guestsim.abi.xs_wire import (
    XENSTORE_ABS_PATH_MAX,
    XENSTORE_PAYLOAD_MAX,
    XENSTORE_REL_PATH_MAX,
    XSD_ERRORS,
    Interface,
)
from guestsim.scenario.problem import quoted
from guestsim.scenario.spelling import hint

__all__ = [
    "KINDS",
    "PLACES",
    "VERBS",
    "GrammarError",
    "Request",
    "Until",
    "check_path",
    "check_value",
    "one_of",
    "parse_request",
    "parse_until",
]

KINDS = ("load", "store", "rmw", "send", "wait", "halt", "fence", "unmask")
"""What an op does (`guestsim.trace.Kind`, in lower case)."""

PLACES = (
    "req",
    "rsp",
    *(member.name.lower() for member in Interface if member >= Interface.REQ_CONS),
    "evtchn_pending",
    "evtchn_mask",
    "evtchn_upcall_pending",
    "evtchn_upcall_mask",
    "evtchn_pending_sel",
    "server_pending",
    "reserved",
)
"""The fields of the shared pages (`guestsim.trace.shared.field`)."""

_MEMORY_KINDS = frozenset({"load", "store", "rmw"})
_EVENT_KINDS = frozenset({"send", "wait"})
_PLACELESS_KINDS = frozenset({"halt", "fence"})
_SPECIAL_WATCHES = ("@introduceDomain", "@releaseDomain")

_NOT_IN_PATH = re.compile(r"[^A-Za-z0-9\-/_@]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NUMBER = re.compile(r"0x[0-9a-fA-F]{1,32}|0|[1-9][0-9]{0,37}")
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
_WATCH_VERBS = frozenset({"watch", "unwatch", "event"})

VERBS = tuple(_FORMS)
"""What a request line begins with, if not with `tx ID`."""


class GrammarError(Exception):
    """A string does not follow its grammar. `str()` is one sentence on one line."""


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


class Until(msgspec.Struct, frozen=True):
    """One parsed script event: the op after which a step ends."""

    kind: str
    """One of `KINDS`."""
    place: str | None = None
    """One of `PLACES`; None: anywhere."""
    value: int | None = None
    """The value loaded or stored; of a send, 1 if it was news; of a wait, 1 for an event, 0 for a
    spurious end; None: any."""


def one_of(word: str, choices: tuple[str, ...]) -> str:
    """`word`, or a GrammarError that lists the choices and names the nearest."""
    if word in choices:
        return word
    near = hint(word, choices)
    raise GrammarError(f"{quoted(word)} is not one of {', '.join(choices)}{near}")


def check_path(path: str) -> None:
    """A node's path, absolute or relative to the guest's own (xenstore.txt, "Paths")."""
    if not path:
        raise GrammarError("a path may not be empty")
    if wrong := _NOT_IN_PATH.search(path):
        raise GrammarError(
            f"{quoted(wrong.group())} may not stand in a path; "
            "letters, digits, and the characters - / _ @ may"
        )
    if path.startswith("@"):
        raise GrammarError(f'{quoted(path)} is a special watch ("@"), not a node')
    if "//" in path:
        raise GrammarError('a path may not have "//"')
    if path.endswith("/") and path != "/":
        raise GrammarError('a path may not end in "/"')
    kind, most = (
        ("an absolute", XENSTORE_ABS_PATH_MAX)
        if path.startswith("/")
        else ("a relative", XENSTORE_REL_PATH_MAX)
    )
    if len(path) > most:
        raise GrammarError(f"{kind} path has at most {most} characters, this one has {len(path)}")


def check_value(value: str) -> None:
    """A node's value: one payload of a message at most, in UTF-8."""
    if (size := len(value.encode())) > XENSTORE_PAYLOAD_MAX:
        raise GrammarError(f"a value has at most {XENSTORE_PAYLOAD_MAX} bytes, this one has {size}")


def parse_request(line: str) -> Request:
    """One line of an image's list of requests: `[tx ID ]VERB[ KEY][!ERROR][=VALUE]`.

    The reference (`docs/scenarios.md`) says what each verb means; the images read the same grammar
    (`firmware/include/requests.h`).
    """
    if not line:
        raise GrammarError("a request may not be empty")
    if wrong := _CONTROL.search(line):
        raise GrammarError(
            f"a request is one line of text; {quoted(wrong.group())} may not stand in it"
        )
    tx = None
    if line == "tx" or line.startswith("tx "):
        tx, line = _parse_tx(line)
    match = _REQUEST.fullmatch(line)
    if match is None:
        raise GrammarError(f"{quoted(line)}: a request is VERB KEY!ERROR=VALUE, in this order")
    verb, key, error, value = match.group("verb", "key", "error", "value")
    form = _FORMS[one_of(verb, VERBS)]
    if tx is not None and not form.tx:
        raise GrammarError(f'"{verb}" sends nothing, so it has no "tx ID"')
    if key and not form.key:
        raise GrammarError(f'"{verb}" has no key, but here stands {quoted(key)}')
    if form.key:
        if not key:
            needed = "KEY=VALUE" if verb == "write" else "KEY"
            raise GrammarError(f'"{verb}" needs {needed} after it')
        if not (verb in _WATCH_VERBS and key in _SPECIAL_WATCHES):
            check_path(key)
    elif key is not None:
        raise GrammarError(f'a space after "{verb}"')
    if error is not None:
        if not form.error:
            raise GrammarError(f'"{verb}" waits for no answer, so it expects no error')
        one_of(error, tuple(XSD_ERRORS))
    _check_request_value(verb, key or "", value, error)
    return Request(verb, key, value, error, tx)


def _check_request_value(verb: str, key: str, value: str | None, error: str | None) -> None:
    if value is None:
        if verb == "write":
            raise GrammarError('"write" needs KEY=VALUE after it')
        return
    if not _FORMS[verb].value:
        raise GrammarError(f'"{verb}" has no value, but here stands {quoted("=" + value)}')
    if verb == "read" and error is not None:
        raise GrammarError("the answer to one read is an error or a value, not both")
    # The payload of WRITE is the path, a NUL, and the value; the answer to READ is the value.
    size = len(value.encode()) + (len(key) + 1 if verb == "write" else 0)
    if size > XENSTORE_PAYLOAD_MAX:
        raise GrammarError(
            f"a payload has at most {XENSTORE_PAYLOAD_MAX} bytes, this one has {size}"
        )


def _parse_tx(line: str) -> tuple[int, str]:
    _, _, rest = line.partition(" ")
    number, _, request = rest.partition(" ")
    if _TX_ID.fullmatch(number) is None or int(number) >= 1 << 32:
        raise GrammarError(
            f'after "tx" stands a transaction id, 0 to {(1 << 32) - 1}, then a request'
        )
    if not request:
        raise GrammarError('after "tx ID" stands a request')
    return int(number), request


def parse_until(text: str) -> Until:
    """The event that ends a step of a script: `KIND PLACE[ = VALUE]`.

    load, store and rmw need a place; send, wait and unmask may have one; halt and fence have none.
    A value is decimal, or hexadecimal with 0x, and needs a place; for send and wait it is 0 or 1,
    and unmask has none.
    """
    left, equals, right = text.partition("=")
    words = left.split()
    if not words:
        raise GrammarError("an event begins with its kind: " + ", ".join(KINDS))
    kind, places = one_of(words[0], KINDS), words[1:]
    if len(places) > 1:
        raise GrammarError(f"one place after {kind}, not {quoted(' '.join(places))}")
    if places and kind in _PLACELESS_KINDS:
        raise GrammarError(f"{kind} has no place, but here stands {quoted(places[0])}")
    if not places and kind in _MEMORY_KINDS:
        raise GrammarError(f"{kind} needs a place after it, for example {kind} req_prod")
    place = _parse_place(places[0]) if places else None
    if not equals:
        return Until(kind, place)
    if kind not in _MEMORY_KINDS | _EVENT_KINDS:
        raise GrammarError(f"{kind} has no value, but here stands {quoted('=' + right)}")
    if place is None:
        raise GrammarError(f"a value needs a place, for example {kind} server_pending = 1")
    value = _parse_number(right.strip())
    if value is None:
        raise GrammarError(f"{quoted(right.strip())} is not a value (decimal, or 0x…)")
    if kind in _EVENT_KINDS and value > 1:
        raise GrammarError(f"the value of a {kind} is 0 or 1, not {value}")
    return Until(kind, place, value)


def _parse_place(word: str) -> str:
    name, bracket, _ = word.partition("[")
    if bracket and name in PLACES:
        raise GrammarError(f"{quoted(word)}: a place is a whole field; write {quoted(name)}")
    return one_of(word, PLACES)


def _parse_number(text: str) -> int | None:
    if _NUMBER.fullmatch(text) is None:
        return None
    return int(text, 16) if text.startswith("0x") else int(text)
