"""Conversations with Debian's oxenstored 4.17, as they were on its ring: these bytes went in, these
came out."""

from __future__ import annotations

import pytest
from xenstore_session import Session

from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.daemon import oxenstored
from guestsim.xenstore import (
    Message,
    Parser,
    build_store,
    handle,
    serve_domain,
    with_special_nodes,
)

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
    store = build_store({"data/x": "old", "error": ""})
    state = serve_domain(with_special_nodes(store))
    parser = Parser()
    for number, (request, expected) in enumerate(SESSIONS[name], 1):
        parser, messages = parser.feed(wire(request, number))
        (message,) = messages
        state, outgoing = handle(state, GUEST, message, oxenstored.DIALECT)
        replies = b"".join(out.message.encode() for out in outgoing)
        assert replies == b"".join(wire(said, number) for said in expected), request


TOOLS = 100


@pytest.fixture
def s() -> Session:
    return Session(oxenstored.DIALECT)


def test_what_a_value_that_is_too_big_leaves(s: Session) -> None:
    s.ask(T.XS_WATCH, b"data\0t\0")
    for kind, payload, error in (
        (WRITE, b"data/p/q/r\0" + b"v" * 2049, "E2BIG"),
        (WRITE, b"/vm/p/q\0" + b"v" * 2049, "EACCES"),
    ):
        s.ask(kind, payload)
        assert (s.failed, s.events) == (True, []), error
    assert s.ask(DIRECTORY, b"data/p\0") == b"q\0"
    assert s.ask(DIRECTORY, b"data/p/q\0") == b""
    assert s.ask(GET_PERMS, b"data/p/q\0") == s.ask(GET_PERMS, b"data\0")
    assert s.error(READ, b"/vm\0", key=TOOLS) == "ENOENT"


def test_a_value_that_is_too_big_is_so_before_the_right_to_write_it(s: Session) -> None:
    assert s.error(WRITE, b"hvmloader/bios\0" + b"v" * 2049) == "E2BIG"
    assert s.error(WRITE, b"hvmloader/bios\0v") == "EACCES"


def test_a_quota_of_nodes_leaves_those_above_that_it_allowed(s: Session) -> None:
    count = s.state.store.owned[GUEST]
    for number in range(998 - count):
        s.ask(WRITE, b"data/f%d/%d\0" % (number // 100, number), key=TOOLS)
    while s.state.store.owned[GUEST] < 998:
        s.ask(WRITE, b"/local/domain/1/data/g%d\0" % s.state.store.owned[GUEST], key=TOOLS)
    s.ask(WRITE, b"error/p/q/r/s\0v")
    assert s.failed
    assert s.ask(DIRECTORY, b"error/p\0") == b"q\0"
    assert s.ask(DIRECTORY, b"error/p/q\0") == b""


def test_what_they_leave_in_a_transaction_comes_with_another_change_only(s: Session) -> None:
    for others, there in (([], False), ([b"data/other\0v"], True)):
        number = int(s.ask(START, b"\0")[:-1])
        s.ask(WRITE, b"data/p/q\0" + b"v" * 2049, tx_id=number)
        for payload in others:
            s.ask(WRITE, payload, tx_id=number)
        assert s.ask(END, b"T\0", tx_id=number) == b"OK\0"
        s.ask(READ, b"data/p\0")
        assert s.failed is not there


def test_special_names_are_nodes_below_the_root(s: Session) -> None:
    s.ask(WATCH, b"/\0root\0", key=TOOLS)
    s.ask(WATCH, b"@new\0special\0", key=TOOLS)
    s.ask(WRITE, b"@new\0v", key=TOOLS)
    assert s.events == [(TOOLS, b"/@new\0root\0")]
    assert s.ask(READ, b"/@new\0", key=TOOLS) == b"v"
    assert s.ask(DIRECTORY, b"/\0", key=TOOLS).startswith(b"@introduceDomain\0@new\0@release")
    s.ask(SET_PERMS, b"/@releaseDomain\0n0\0r1\0", key=TOOLS)
    assert s.ask(GET_PERMS, b"@releaseDomain\0") == b"n0\0r1\0"
    s.ask(WATCH, b"@releaseDomain\0out\0")
    s.ask(T.XS_INTRODUCE, b"9\x001\x005\0", key=TOOLS)
    s.ask(T.XS_RELEASE, b"9\0", key=TOOLS)
    assert s.events == [(GUEST, b"@releaseDomain\0out\0")]


def test_the_tools_can_empty_the_root_and_nobody_hears_of_it_itself(s: Session) -> None:
    s.ask(WATCH, b"/\0root\0", key=TOOLS)
    s.ask(WATCH, b"/local\0local\0", key=TOOLS)
    for kind, payload in ((WRITE, b"/\0v"), (MKDIR, b"/\0"), (SET_PERMS, b"/\0n0\0r1\0")):
        s.ask(kind, payload, key=TOOLS)
        assert s.events == []
    s.ask(RM, b"/\0", key=TOOLS)
    assert s.events == [(TOOLS, b"/local\0local\0")]
    assert s.ask(DIRECTORY, b"/\0", key=TOOLS) == b""
    assert s.ask(READ, b"/\0", key=TOOLS) == b"v"
    assert dict(s.state.store.owned) == {0: 1}


def test_a_node_that_has_gone_again_is_told_to_those_who_may_read_its_parent(s: Session) -> None:
    s.ask(WATCH, b"data/p\0t\0")
    number = int(s.ask(START, b"\0")[:-1])
    for kind in (WRITE, RM):
        s.ask(kind, b"data/p\0", tx_id=number)
    s.ask(END, b"T\0", tx_id=number)
    assert s.events == [(GUEST, b"data/p\0t\0")] * 2
