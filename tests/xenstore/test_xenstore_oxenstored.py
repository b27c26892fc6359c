"""Conversations with Debian's oxenstored 4.17, as they were on its ring: these bytes went in, these
came out."""

from __future__ import annotations

import pytest

from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.daemon import oxenstored
from guestsim.xenstore import Message, Parser, build_store, handle, serve_domain

GUEST = 1

Said = tuple[T, bytes, int]
"""Type, payload, tx_id."""

START, END, EVENT, ERROR = (
    T.XS_TRANSACTION_START,
    T.XS_TRANSACTION_END,
    T.XS_WATCH_EVENT,
    T.XS_ERROR,
)
READ, WRITE, MKDIR, RM = T.XS_READ, T.XS_WRITE, T.XS_MKDIR, T.XS_RM
DIRECTORY, GET_PERMS, SET_PERMS = T.XS_DIRECTORY, T.XS_GET_PERMS, T.XS_SET_PERMS
WATCH, UNWATCH = T.XS_WATCH, T.XS_UNWATCH

SESSIONS: dict[str, list[tuple[Said, list[Said]]]] = {
    "watches know no transaction, and their replies neither": [
        ((START, b"\0", 0), [(START, b"1\0", 0)]),
        ((WATCH, b"data/x\0t\0", 1), [(WATCH, b"OK\0", 0), (EVENT, b"data/x\0t\0", 0)]),
        ((UNWATCH, b"data/x\0t\0", 1), [(UNWATCH, b"OK\0", 0)]),
        ((WATCH, b"data/x\0t\0", 9), [(WATCH, b"OK\0", 0), (EVENT, b"data/x\0t\0", 0)]),
        ((WATCH, b"data/x\0t\0", 1), [(ERROR, b"EEXIST\0", 0)]),
        ((UNWATCH, b"data/x\0other\0", 9), [(ERROR, b"ENOENT\0", 0)]),
        ((READ, b"data/x\0", 9), [(ERROR, b"EIO\0", 9)]),
    ],
    "nothing may stand behind the token": [
        ((WATCH, b"data/x\0t\0junk", 0), [(ERROR, b"EINVAL\0", 0)]),
        ((WATCH, b"data/x\0t\0z\0", 0), [(ERROR, b"EINVAL\0", 0)]),
        ((WATCH, b"data/x\0t", 0), [(ERROR, b"EINVAL\0", 0)]),
        ((WATCH, b"\0t\0", 0), [(ERROR, b"EINVAL\0", 0)]),
        ((WATCH, b"data/x\0t\0", 0), [(WATCH, b"OK\0", 0), (EVENT, b"data/x\0t\0", 0)]),
        ((UNWATCH, b"data/x\0t\0junk", 0), [(ERROR, b"EINVAL\0", 0)]),
        ((UNWATCH, b"data/x\0t\0", 0), [(UNWATCH, b"OK\0", 0)]),
    ],
    "the end of a transaction is its first string": [
        ((START, b"\0", 0), [(START, b"1\0", 0)]),
        ((END, b"T", 1), [(END, b"OK\0", 1)]),
        ((START, b"\0", 0), [(START, b"2\0", 0)]),
        ((END, b"F\0junk\0", 2), [(END, b"OK\0", 2)]),
        ((START, b"\0", 0), [(START, b"3\0", 0)]),
        ((END, b"X\0", 3), [(ERROR, b"EINVAL\0", 3)]),
        ((END, b"\0", 3), [(ERROR, b"EINVAL\0", 3)]),
        ((END, b"T\0", 3), [(END, b"OK\0", 3)]),
    ],
    "the root can be made, and nothing else done to it": [
        ((MKDIR, b"/\0", 0), [(MKDIR, b"OK\0", 0)]),
        ((MKDIR, b"/local\0", 0), [(ERROR, b"EACCES\0", 0)]),
        ((MKDIR, b"/nope\0", 0), [(ERROR, b"EACCES\0", 0)]),
        ((WRITE, b"/\0v", 0), [(ERROR, b"EACCES\0", 0)]),
        ((RM, b"/\0", 0), [(ERROR, b"EACCES\0", 0)]),
        ((READ, b"/\0", 0), [(ERROR, b"EACCES\0", 0)]),
    ],
    "a special name is a node of the tools": [
        ((READ, b"@releaseDomain\0", 0), [(ERROR, b"EACCES\0", 0)]),
        ((DIRECTORY, b"@introduceDomain\0", 0), [(ERROR, b"EACCES\0", 0)]),
        ((GET_PERMS, b"@releaseDomain\0", 0), [(ERROR, b"EACCES\0", 0)]),
        ((WRITE, b"@releaseDomain\0v", 0), [(ERROR, b"EACCES\0", 0)]),
        ((MKDIR, b"@releaseDomain\0", 0), [(ERROR, b"EACCES\0", 0)]),
        ((RM, b"@releaseDomain\0", 0), [(ERROR, b"EACCES\0", 0)]),
        ((SET_PERMS, b"@releaseDomain\0n1\0", 0), [(ERROR, b"EACCES\0", 0)]),
        ((SET_PERMS, b"@releaseDomain\0n0\0r1\0", 0), [(ERROR, b"EACCES\0", 0)]),
    ],
    "any name that begins with @ is special": [
        ((READ, b"@other\0", 0), [(ERROR, b"ENOENT\0", 0)]),
        ((DIRECTORY, b"@other\0", 0), [(ERROR, b"ENOENT\0", 0)]),
        ((GET_PERMS, b"@other\0", 0), [(ERROR, b"ENOENT\0", 0)]),
        ((WRITE, b"@other\0v", 0), [(ERROR, b"EACCES\0", 0)]),
        ((MKDIR, b"@other\0", 0), [(ERROR, b"EACCES\0", 0)]),
        ((RM, b"@other\0", 0), [(RM, b"OK\0", 0)]),
        ((SET_PERMS, b"@other\0n1\0", 0), [(ERROR, b"ENOENT\0", 0)]),
        ((WATCH, b"@other\0t\0", 0), [(WATCH, b"OK\0", 0), (EVENT, b"@other\0t\0", 0)]),
        ((READ, b"@" + b"x" * 2048 + b"\0", 0), [(ERROR, b"EINVAL\0", 0)]),
    ],
    "events come behind the reply, but before that to the end of a transaction": [
        ((START, b"\0", 0), [(START, b"1\0", 0)]),
        ((WATCH, b"data/p/n\0t\0", 0), [(WATCH, b"OK\0", 0), (EVENT, b"data/p/n\0t\0", 0)]),
        ((WRITE, b"data/p/n\0w", 1), [(WRITE, b"OK\0", 1)]),
        ((END, b"T\0", 1), [(EVENT, b"data/p/n\0t\0", 0), (END, b"OK\0", 1)]),
        ((WRITE, b"data/p/n\0v", 0), [(WRITE, b"OK\0", 0), (EVENT, b"data/p/n\0t\0", 0)]),
    ],
    "what cannot be replayed does not matter if nobody has touched the subtree": [
        ((MKDIR, b"data/r\0", 0), [(MKDIR, b"OK\0", 0)]),
        ((START, b"\0", 0), [(START, b"1\0", 0)]),
        ((START, b"\0", 1), [(ERROR, b"EBUSY\0", 1)]),
        ((MKDIR, b"data/x/y\0", 0), [(MKDIR, b"OK\0", 0)]),
        ((WRITE, b"data/r/z\0", 1), [(WRITE, b"OK\0", 1)]),
        ((END, b"T\0", 1), [(END, b"OK\0", 1)]),
        ((DIRECTORY, b"data\0", 0), [(DIRECTORY, b"r\0x\0", 0)]),
        ((DIRECTORY, b"data/x\0", 0), [(DIRECTORY, b"y\0", 0)]),
        ((START, b"\0", 0), [(START, b"2\0", 0)]),
    ],
    "but it does if somebody has": [
        ((START, b"\0", 0), [(START, b"1\0", 0)]),
        ((START, b"\0", 1), [(ERROR, b"EBUSY\0", 1)]),
        ((MKDIR, b"data/x/y\0", 0), [(MKDIR, b"OK\0", 0)]),
        ((WRITE, b"data/r/z\0", 1), [(WRITE, b"OK\0", 1)]),
        ((END, b"T\0", 1), [(ERROR, b"EAGAIN\0", 1)]),
        ((START, b"\0", 0), [(START, b"3\0", 0)]),
    ],
    "and if permissions above have changed": [
        ((START, b"\0", 0), [(START, b"1\0", 0)]),
        ((START, b"\0", 1), [(ERROR, b"EBUSY\0", 1)]),
        ((SET_PERMS, b"data\0n1\0r0\0r2\0", 0), [(SET_PERMS, b"OK\0", 0)]),
        ((WRITE, b"data/x\0new", 1), [(WRITE, b"OK\0", 1)]),
        ((END, b"T\0", 1), [(ERROR, b"EAGAIN\0", 1)]),
    ],
    "a replay uses up an id": [
        ((START, b"\0", 0), [(START, b"1\0", 0)]),
        ((WRITE, b"data/p/n\0v", 0), [(WRITE, b"OK\0", 0)]),
        ((RM, b"data\0", 1), [(RM, b"OK\0", 1)]),
        ((END, b"T\0", 1), [(END, b"OK\0", 1)]),
        ((START, b"x\0", 0), [(START, b"3\0", 0)]),
    ],
    "a change elsewhere makes no replay": [
        ((START, b"\0", 0), [(START, b"1\0", 0)]),
        ((WRITE, b"error/p\0v", 0), [(WRITE, b"OK\0", 0)]),
        ((WRITE, b"data/p\0v", 1), [(WRITE, b"OK\0", 1)]),
        ((END, b"T\0", 1), [(END, b"OK\0", 1)]),
        ((READ, b"error/p\0", 0), [(READ, b"v", 0)]),
        ((READ, b"data/p\0", 0), [(READ, b"v", 0)]),
        ((START, b"\0", 0), [(START, b"2\0", 0)]),
    ],
    "what was not found is not counted": [
        ((START, b"\0", 0), [(START, b"1\0", 0)]),
        ((READ, b"data/new\0", 1), [(ERROR, b"ENOENT\0", 1)]),
        ((WRITE, b"data/x\0v", 1), [(WRITE, b"OK\0", 1)]),
        ((WRITE, b"data/new\0w", 0), [(WRITE, b"OK\0", 0)]),
        ((END, b"T\0", 1), [(END, b"OK\0", 1)]),
        ((START, b"\0", 0), [(START, b"2\0", 0)]),
    ],
    "the same value leaves the node as it is": [
        ((START, b"\0", 0), [(START, b"1\0", 0)]),
        ((READ, b"data/x\0", 1), [(READ, b"old", 1)]),
        ((WRITE, b"data/x\0old", 0), [(WRITE, b"OK\0", 0)]),
        ((WRITE, b"data/x\0new", 1), [(WRITE, b"OK\0", 1)]),
        ((END, b"T\0", 1), [(END, b"OK\0", 1)]),
        ((START, b"\0", 0), [(START, b"2\0", 0)]),
    ],
    "and makes a new one above it": [
        ((START, b"\0", 0), [(START, b"1\0", 0)]),
        ((DIRECTORY, b"data\0", 1), [(DIRECTORY, b"x\0", 1)]),
        ((WRITE, b"data/x\0old", 0), [(WRITE, b"OK\0", 0)]),
        ((WRITE, b"data/x\0new", 1), [(WRITE, b"OK\0", 1)]),
        ((END, b"T\0", 1), [(END, b"OK\0", 1)]),
        ((START, b"\0", 0), [(START, b"3\0", 0)]),
    ],
    "a read of what it has made itself": [
        ((START, b"\0", 0), [(START, b"1\0", 0)]),
        ((WRITE, b"data/q\0new", 1), [(WRITE, b"OK\0", 1)]),
        ((READ, b"data/q\0", 1), [(READ, b"new", 1)]),
        ((WRITE, b"error/p\0v", 0), [(WRITE, b"OK\0", 0)]),
        ((END, b"T\0", 1), [(END, b"OK\0", 1)]),
        ((START, b"\0", 0), [(START, b"2\0", 0)]),
    ],
    "MKDIR of the root changes nothing, and counts": [
        ((START, b"\0", 0), [(START, b"1\0", 0)]),
        ((MKDIR, b"/\0", 1), [(MKDIR, b"OK\0", 1)]),
        ((WRITE, b"data/x\0y", 0), [(WRITE, b"OK\0", 0)]),
        ((END, b"T\0", 1), [(END, b"OK\0", 1)]),
        ((START, b"\0", 0), [(START, b"3\0", 0)]),
    ],
}


def wire(said: Said, req_id: int) -> bytes:
    kind, payload, tx_id = said
    return Message(kind, 0 if kind is EVENT else req_id, tx_id, payload).encode()


@pytest.mark.parametrize("name", SESSIONS)
def test_a_session_gives_the_bytes_of_the_real_one(name: str) -> None:
    state = serve_domain(build_store({"data/x": "old", "error": ""}))
    parser = Parser()
    for number, (request, expected) in enumerate(SESSIONS[name], 1):
        parser, messages = parser.feed(wire(request, number))
        (message,) = messages
        state, outgoing = handle(state, GUEST, message, oxenstored.DIALECT)
        replies = b"".join(out.message.encode() for out in outgoing)
        assert replies == b"".join(wire(said, number) for said in expected), request
