"""`[[others]]`: what others do to the store while the guest runs, and what makes no sense of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from guestsim.errors import InputError
from guestsim.scenario.grammar import VERBS, Request, check_path, parse_request
from guestsim.scenario.problem import Key, Problem
from guestsim.trace.daemons import DaemonModel
from guestsim.trace.spelling import hint, not_one_of
from guestsim.trace.text import quoted

__all__ = ["ACTS", "Other", "When", "absolute_path", "check_others", "lanes", "parse_act"]

ACTS: Final = ("introduce", "release", "live-update", "restore", "resume")
"""What the toolstack asks the daemon to do with the domain."""

_ASKS: Final = frozenset(
    {
        "read",
        "write",
        "mkdir",
        "rm",
        "directory",
        "get-perms",
        "set-perms",
        "transaction",
        "commit",
        "abort",
        "message",
    }
)
_NAMES: Final = ("guest", "daemon", *DaemonModel)
"""Whoever has a lane already, and how people call it."""
_DOMAINS_MAX = 0x7FEF
_GUEST = 1


class When(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one waits for: a watch of one's own, and a look when it has fired."""

    path: Annotated[
        str | None, Meta(description="A node: absolute, or relative to the guest's own path.")
    ] = None
    # "is" is a word of Python.
    value: Annotated[
        str | None, Meta(description="The value that it must have; without, it must be gone.")
    ] = msgspec.field(default=None, name="is")
    suspended: Annotated[
        bool, Meta(description="Instead of a node: the guest has suspended itself.")
    ] = False


class Other(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One entry: somebody does something. Entries of one name are done in their order."""

    name: Annotated[
        str, Meta(description="Who: lower-case letters, digits and -. A lane of its own.")
    ]
    do: Annotated[
        tuple[str, ...],
        Meta(
            min_length=1,
            description="Requests, one line each, and introduce, release, live-update, restore, "
            "resume.",
        ),
    ]
    when: Annotated[When | None, Meta(description="Begin once a node has a value, or is gone.")] = (
        None
    )
    after: Annotated[
        str | None, Meta(description="Begin once another has done everything: its name.")
    ] = None
    domain: Annotated[
        int, Meta(ge=0, le=_DOMAINS_MAX, description="Who asks: 0 is the toolstack's domain.")
    ] = 0


def absolute_path(path: str, domain: int) -> str:
    """The path that one means: the tools' relative ones are under the guest's own."""
    if path.startswith("/"):
        return path
    return f"/local/domain/{domain or _GUEST}/{path}"


def parse_act(line: str) -> Request:
    """One line of `do`. InputError, one sentence, where it is none."""
    word = line.split(" ", maxsplit=1)[0].split("!", maxsplit=1)[0].split("=", maxsplit=1)[0]
    if word in ACTS:
        if line != word:
            raise InputError(f'nothing stands behind "{word}"')
        return Request(word)
    known = (*sorted(_ASKS), *ACTS)
    if word in VERBS and word not in _ASKS:
        raise InputError(f'others do no "{word}"; there are: {", ".join(known)}')
    if word != "tx" and word not in VERBS:
        raise InputError(not_one_of(word, known))
    request = parse_request(line)
    if request.tx is not None or request.tx_name is not None:
        raise InputError('others have one transaction at a time, and no "tx"')
    if request.verb == "transaction" and request.key is not None:
        raise InputError("the transactions of others have no names")
    return request


def lanes(others: Sequence[Other]) -> tuple[str, ...]:
    """Everybody's name, in the order of the file."""
    return tuple(dict.fromkeys(other.name for other in others))


def check_others(
    others: Sequence[Other],
    store: Mapping[str, str],
    guest: Sequence[str] | None,
    stages: Sequence[str],
) -> None:
    """Raise a Problem for the first entry that makes no sense. `store`: what is there at the start;
    `guest`: the requests of all stages, None where they are not known; `stages`: names that are
    taken."""
    names = lanes(others)
    for index, other in enumerate(others):
        key: Key = ("others", index)
        _check_name(other, stages, key)
        domains = {each.domain for each in others if each.name == other.name}
        if len(domains) > 1:
            raise Problem((*key, "domain"), f"{quoted(other.name)} is in two domains")
        if other.domain == _GUEST:
            raise Problem((*key, "domain"), f"{_GUEST} is the guest itself")
        if other.after is not None and other.after not in names:
            raise Problem((*key, "after"), not_one_of(other.after, names))
    _check_order(others)
    for name in names:
        _check_acts(others, name)
    if guest is not None:
        _check_conditions(others, store, guest)


def _check_name(other: Other, stages: Sequence[str], key: Key) -> None:
    name = other.name
    if not name or name.strip("abcdefghijklmnopqrstuvwxyz0123456789-") or name[0] in "-0123456789":
        raise Problem(
            (*key, "name"),
            f"{quoted(name)} is not a name; lower-case letters, digits and - make one",
        )
    if name in (*_NAMES, *stages):
        raise Problem((*key, "name"), f"{quoted(name)} is the name of somebody else here")


def _check_order(others: Sequence[Other]) -> None:
    """Who waits for whom, directly or not: nobody for themselves."""
    waits: dict[str, set[str]] = {}
    for other in others:
        waits.setdefault(other.name, set())
        if other.after is not None:
            waits[other.name].add(other.after)
    for index, other in enumerate(others):
        seen: set[str] = set()
        left = [] if other.after is None else [other.after]
        while left:
            name = left.pop()
            if name == other.name:
                raise Problem(
                    ("others", index, "after"),
                    f"{quoted(other.name)} would wait for itself"
                    + (f", by way of {quoted(str(other.after))}" if other.after != name else ""),
                )
            if name not in seen:
                seen.add(name)
                left += sorted(waits[name])


def _check_acts(others: Sequence[Other], name: str) -> None:
    """Everything that one does, in order: whether it can be done."""
    is_open, introduced = False, True
    for index, other in enumerate(others):
        if other.name != name:
            continue
        if other.when is not None:
            key: Key = ("others", index, "when")
            _check_when(other.when, key)
            if is_open:
                raise Problem(key, "the transaction before it is still open")
        for at, line in enumerate(other.do):
            here: Key = ("others", index, "do", at)
            try:
                request = parse_act(line)
            except InputError as error:
                raise Problem(here, str(error)) from None
            verb = request.verb
            if verb in ACTS and other.domain:
                raise Problem(here, f'"{verb}" is for the toolstack, which is in domain 0')
            if verb == "transaction":
                if is_open:
                    raise Problem(here, "a transaction is open already")
                is_open = request.error is None
            elif verb in ("commit", "abort"):
                if not is_open:
                    raise Problem(here, 'no transaction is open here; "transaction" begins one')
                is_open = False
            elif verb in ACTS and is_open:
                raise Problem(here, "the transaction before it is still open")
            elif verb == "release":
                if not introduced:
                    raise Problem(here, "the domain is released already")
                introduced = False
            elif verb == "introduce":
                introduced = True
    if is_open:
        raise Problem(("others", index, "do"), "its transaction is never ended")


def _check_when(when: When, key: Key) -> None:
    if when.path is None:
        if not when.suspended:
            raise Problem(key, "names no path, and suspended is not true")
        if when.value is not None:
            raise Problem((*key, "is"), "is a node's, and no path is named")
        return
    if when.suspended:
        raise Problem((*key, "suspended"), "stands instead of a path")
    try:
        check_path(when.path)
    except InputError as error:
        raise Problem((*key, "path"), str(error)) from None


def _written(
    others: Sequence[Other], guest: Sequence[str]
) -> Iterator[tuple[str, str, str | None]]:
    """(path, verb, value) of all that changes a node."""
    changes = ("write", "rm", "mkdir")
    for line in guest:
        request = parse_request(line)
        if request.verb in changes:
            yield absolute_path(request.key or "", _GUEST), request.verb, request.value
        elif request.verb in ("raw", "message"):
            yield "", request.verb, None
    for other in others:
        for line in other.do:
            request = parse_act(line)
            if request.verb in changes:
                path = absolute_path(request.key or "", other.domain)
                yield path, request.verb, request.value
            elif request.verb in ("message", "release"):
                yield "", request.verb, None


def _check_conditions(
    others: Sequence[Other], store: Mapping[str, str], guest: Sequence[str]
) -> None:
    """A node that nobody ever changes to what somebody waits for."""
    found = list(_written(others, guest))
    if any(not path for path, _, _ in found):
        return  # it may be anything
    start = {absolute_path(path, _GUEST): value for path, value in store.items()}
    for index, other in enumerate(others):
        if other.when is None:
            continue
        if other.when.path is None:
            if "suspend" not in guest:
                raise Problem(("others", index, "when", "suspended"), "no stage ever suspends")
            continue
        path = absolute_path(other.when.path, other.domain)
        value = other.when.value
        key: Key = ("others", index, "when")
        if value is None:
            if path in start and not any(
                verb == "rm" and (path == gone or path.startswith(f"{gone}/"))
                for gone, verb, _ in found
            ):
                raise Problem(key, f"nobody removes {quoted(other.when.path)}")
            continue
        values = [its for at, verb, its in found if at == path and verb == "write"]
        if start.get(path) == value or value in values:
            continue
        if values:
            near = hint(value, [its for its in values if its is not None])
            raise Problem(
                (*key, "is"), f"nobody writes {quoted(value)} to {quoted(other.when.path)}{near}"
            )
        paths = [at for at, verb, _ in found if verb == "write"]
        near = hint(path, paths)
        raise Problem((*key, "path"), f"nobody writes {quoted(other.when.path)}{near}")
