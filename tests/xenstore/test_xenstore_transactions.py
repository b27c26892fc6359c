"""Transactions: conflicts are of nodes, in C; of answers, in OCaml."""

from __future__ import annotations

import pytest
from xenstore_session import GUEST, OTHER, TOOLS, Session

from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.daemon import oxenstored
from guestsim.xenstore import Connection, connect

HERE = b"/local/domain/1/"

LOOKS: dict[str, tuple[T, bytes]] = {
    "read": (T.XS_READ, b"data/x\0"),
    "directory": (T.XS_DIRECTORY, b"data\0"),
    "directory part": (T.XS_DIRECTORY_PART, b"data\x000\0"),
    "get perms": (T.XS_GET_PERMS, b"data/x\0"),
    "write": (T.XS_WRITE, b"data/x\0mine"),
    "create": (T.XS_WRITE, b"data/new\0mine"),
    "create deep": (T.XS_WRITE, b"data/p/q\0mine"),
    "mkdir": (T.XS_MKDIR, b"data/x\0"),
    "rm": (T.XS_RM, b"data/x\0"),
    "set perms": (T.XS_SET_PERMS, b"data/x\0b1\0"),
    "miss": (T.XS_READ, b"data/none\0"),
    "miss deep": (T.XS_READ, b"data/none/deeper\0"),
}
CHANGES: dict[str, tuple[T, bytes]] = {
    "write x": (T.XS_WRITE, HERE + b"data/x\0theirs"),
    "same value": (T.XS_WRITE, HERE + b"data/x\0old"),
    "create": (T.XS_WRITE, HERE + b"data/new\0theirs"),
    "write other": (T.XS_WRITE, HERE + b"hvmloader/bios\0theirs"),
    "rm x": (T.XS_RM, HERE + b"data/x\0"),
    "rm data": (T.XS_RM, HERE + b"data\0"),
    "set perms": (T.XS_SET_PERMS, HERE + b"data/x\0b1\0r2\0"),
    "nothing": (T.XS_READ, HERE + b"data/x\0"),
    "rm nothing": (T.XS_RM, HERE + b"data/none\0"),
}
ON_X = {"write x", "same value", "rm x", "rm data", "set perms"}
ON_DATA = {"create", "rm x", "rm data"}
CONFLICTS: dict[str, set[str]] = {
    "read": ON_X,
    "directory": ON_DATA,
    "directory part": ON_DATA,
    "get perms": ON_X,
    "write": ON_X,
    "create": ON_DATA,
    "create deep": ON_DATA,
    "mkdir": ON_X,
    "rm": ON_X | ON_DATA,
    "set perms": ON_X,
    "miss": ON_DATA,
    "miss deep": ON_DATA,
}
"""A node changes when its value is written, be it the same, when its permissions are, and when a
child comes or goes (tools/xenstored/transaction.c; `access_node` of each write)."""


@pytest.mark.parametrize("change", sorted(CHANGES))
@pytest.mark.parametrize("look", sorted(LOOKS))
def test_a_conflict_is_a_change_of_a_node_that_was_looked_at(look: str, change: str) -> None:
    s = Session()
    s.ask(T.XS_TRANSACTION_START, b"\0")
    s.ask(*LOOKS[look], tx_id=1)
    s.ask(T.XS_WRITE, b"error/mine\0v", tx_id=1)
    s.ask(*CHANGES[change], key=TOOLS)
    reply = s.ask(T.XS_TRANSACTION_END, b"T\0", tx_id=1)
    conflict = change in CONFLICTS[look]
    assert reply == (b"EAGAIN\0" if conflict else b"OK\0")
    s.ask(T.XS_READ, b"error/mine\0")
    assert s.failed == conflict
    if not conflict and change == "write x":
        assert s.ask(T.XS_READ, b"data/x\0") == b"theirs"
    assert s.error(T.XS_TRANSACTION_END, b"T\0", tx_id=1) == "ENOENT"


def test_what_it_has_not_looked_at_moves_on() -> None:
    s = Session()
    s.ask(T.XS_TRANSACTION_START, b"\0")
    s.ask(T.XS_WRITE, b"error/mine\0v", tx_id=1)
    s.ask(T.XS_WRITE, HERE + b"data/x\0theirs", key=TOOLS)
    s.ask(T.XS_WRITE, HERE + b"data/p/q\0theirs", key=TOOLS)
    assert s.ask(T.XS_READ, b"data/x\0", tx_id=1) == b"theirs"
    assert s.ask(T.XS_DIRECTORY, b"data\0", tx_id=1) == b"x\0p\0"
    assert s.ask(T.XS_TRANSACTION_END, b"T\0", tx_id=1) == b"OK\0"
    assert s.ask(T.XS_READ, b"data/p/q\0", key=GUEST) == b"theirs"


def test_what_it_has_looked_at_stays_as_it_was() -> None:
    s = Session()
    s.ask(T.XS_TRANSACTION_START, b"\0")
    assert s.ask(T.XS_READ, b"data/x\0", tx_id=1) == b"old"
    s.ask(T.XS_WRITE, HERE + b"data/x\0theirs", key=TOOLS)
    assert s.ask(T.XS_READ, b"data/x\0", tx_id=1) == b"old"
    # Nothing was written in it, and still: what was read is not true any more.
    assert s.ask(T.XS_TRANSACTION_END, b"T\0", tx_id=1) == b"EAGAIN\0"


def test_who_is_denied_a_node_has_looked_at_its_parent() -> None:
    for path, reply in ((b"/tool/new\0", b"EAGAIN\0"), (b"/vm/new\0", b"OK\0")):
        s = Session()
        s.ask(T.XS_TRANSACTION_START, b"\0")
        assert s.error(T.XS_READ, b"/tool/xenstored\0", tx_id=1) == "EACCES"
        s.ask(T.XS_WRITE, path, key=TOOLS)
        assert s.ask(T.XS_TRANSACTION_END, b"T\0", tx_id=1) == reply


def test_one_commit_makes_another_fail() -> None:
    s = Session()
    for _ in range(3):
        s.ask(T.XS_TRANSACTION_START, b"\0")
    s.ask(T.XS_READ, b"data/x\0", tx_id=1)
    s.ask(T.XS_READ, b"error\0", tx_id=3)
    s.ask(T.XS_WRITE, b"data/x\0v", tx_id=2)
    assert s.ask(T.XS_TRANSACTION_END, b"T\0", tx_id=2) == b"OK\0"
    assert s.ask(T.XS_TRANSACTION_END, b"T\0", tx_id=1) == b"EAGAIN\0"
    assert s.ask(T.XS_TRANSACTION_END, b"T\0", tx_id=3) == b"OK\0"


def test_a_failed_commit_tells_nobody() -> None:
    s = Session()
    s.ask(T.XS_TRANSACTION_START, b"\0")
    s.ask(T.XS_WRITE, b"data/x\0mine", tx_id=1)
    s.ask(T.XS_WRITE, HERE + b"data/x\0theirs", key=TOOLS)
    s.ask(T.XS_WATCH, b"data\0tok\0")
    assert s.error(T.XS_TRANSACTION_END, b"T\0", tx_id=1) == "EAGAIN"
    assert s.events == []
    assert s.ask(T.XS_READ, b"data/x\0") == b"theirs"


def test_a_commit_tells_in_the_order_of_the_first_looks() -> None:
    s = Session()
    s.ask(T.XS_WRITE, b"data/p/q\0")
    s.ask(T.XS_WATCH, b"data\0tok\0")
    s.ask(T.XS_WATCH, b"data/p/q\0q\0")
    s.ask(T.XS_TRANSACTION_START, b"\0")
    s.ask(T.XS_READ, b"data/p\0", tx_id=1)
    s.ask(T.XS_WRITE, b"data/x\0v", tx_id=1)
    s.ask(T.XS_RM, b"data/p\0", tx_id=1)
    s.ask(T.XS_TRANSACTION_END, b"T\0", tx_id=1)
    paths = [(b"data/p", b"tok"), (b"data/x", b"tok"), (b"data/p/q", b"q")]
    assert s.events == [(GUEST, path + b"\0" + token + b"\0") for path, token in paths]


def test_what_is_made_and_removed_in_it_is_told_to_nobody() -> None:
    s = Session()
    s.ask(T.XS_WATCH, b"data\0tok\0")
    s.ask(T.XS_TRANSACTION_START, b"\0")
    s.ask(T.XS_WRITE, b"data/new\0v", tx_id=1)
    s.ask(T.XS_RM, b"data/new\0", tx_id=1)
    assert s.ask(T.XS_TRANSACTION_END, b"T\0", tx_id=1) == b"OK\0"
    assert s.events == []


def test_events_of_a_commit_reach_who_could_read_before() -> None:
    s = Session()
    s.state = connect(s.state, OTHER, Connection(2))
    s.ask(T.XS_SET_PERMS, b"data/x\0n1\0r2\0")
    s.ask(T.XS_WATCH, HERE + b"data/x\0o\0", key=OTHER)
    for kind, payload in ((T.XS_SET_PERMS, b"data/x\0n1\0"), (T.XS_RM, b"data/x\0")):
        s.ask(T.XS_TRANSACTION_START, b"\0")
        tx_id = int(s.state.connections[GUEST].next_transaction) - 1
        s.ask(kind, payload, tx_id=tx_id)
        assert s.ask(T.XS_TRANSACTION_END, b"T\0", tx_id=tx_id) == b"OK\0"
        heard = s.events == [(OTHER, HERE + b"data/x\0o\0")]
        assert heard == (kind is T.XS_SET_PERMS), s.events


# oxenstored.


def ox() -> Session:
    return Session(oxenstored.DIALECT)


def test_a_replay_sees_a_copy_of_the_start() -> None:
    s = ox()
    s.ask(T.XS_TRANSACTION_START, b"\0")
    s.ask(T.XS_WRITE, HERE + b"data/x\0theirs", key=TOOLS)
    assert s.ask(T.XS_READ, b"data/x\0", tx_id=1) == b"old"
    # Only reading, it cannot fail.
    assert s.ask(T.XS_TRANSACTION_END, b"T\0", tx_id=1) == b"OK\0"


@pytest.mark.parametrize(
    ("look", "change", "reply"),
    [
        ("read", "write x", b"EAGAIN\0"),
        # The answers would be the same: these are conflicts in C.
        ("read", "same value", b"OK\0"),
        ("read", "set perms", b"OK\0"),
        ("write", "write x", b"OK\0"),
        ("create", "create", b"OK\0"),
        ("miss", "create", b"OK\0"),
        ("mkdir", "rm x", b"OK\0"),
        ("rm", "rm x", b"OK\0"),
        # These would not.
        ("directory", "create", b"EAGAIN\0"),
        ("get perms", "set perms", b"EAGAIN\0"),
        ("set perms", "rm x", b"EAGAIN\0"),
        ("read", "rm x", b"EAGAIN\0"),
        # The guest may not make its directory again.
        ("write", "rm data", b"EAGAIN\0"),
    ],
)
def test_a_replay_fails_where_an_answer_would_differ(look: str, change: str, reply: bytes) -> None:
    s = ox()
    s.ask(T.XS_TRANSACTION_START, b"\0")
    s.ask(*LOOKS[look], tx_id=1)
    s.ask(T.XS_WRITE, b"error/mine\0v", tx_id=1)
    s.ask(*CHANGES[change], key=TOOLS)
    assert s.ask(T.XS_TRANSACTION_END, b"T\0", tx_id=1) == reply
    s.ask(T.XS_READ, b"error/mine\0")
    assert s.failed == (reply == b"EAGAIN\0")


def test_what_cannot_be_replayed_fails_if_it_has_to_be() -> None:
    for change in ("nothing", "write other", "write x"):
        s = ox()
        s.ask(T.XS_TRANSACTION_START, b"\0")
        s.ask(T.XS_CONTROL, tx_id=1)
        s.ask(T.XS_WRITE, b"data/x\0mine", tx_id=1)
        s.ask(*CHANGES[change], key=TOOLS)
        reply = s.ask(T.XS_TRANSACTION_END, b"T\0", tx_id=1)
        assert reply == (b"EAGAIN\0" if change == "write x" else b"OK\0")


def test_oxenstored_tells_each_change_of_a_commit() -> None:
    s = ox()
    s.ask(T.XS_WATCH, b"data\0tok\0")
    s.ask(T.XS_WATCH, b"data/x\0x\0")
    x = [(GUEST, b"data/x\0tok\0"), (GUEST, b"data/x\0x\0")]
    s.ask(T.XS_TRANSACTION_START, b"\0")
    s.ask(T.XS_WRITE, b"data/x\0a", tx_id=1)
    s.ask(T.XS_WRITE, b"data/x\0b", tx_id=1)
    s.ask(T.XS_TRANSACTION_END, b"T\0", tx_id=1)
    assert s.events == x + x
    # Permissions are looked up as they are in the end, so that what is gone is not told.
    s.ask(T.XS_TRANSACTION_START, b"\0")
    s.ask(T.XS_WRITE, b"data/x\0a", tx_id=2)
    s.ask(T.XS_RM, b"data\0", tx_id=2)
    s.ask(T.XS_TRANSACTION_END, b"T\0", tx_id=2)
    assert s.events == [(GUEST, b"data\0tok\0"), (GUEST, b"data/x\0x\0")]


@pytest.mark.parametrize("inside", [False, True])
def test_what_is_removed_and_made_again_is_the_last_child_for_all(inside: bool) -> None:
    s = Session()
    s.ask(T.XS_WRITE, b"data/y\0")
    s.ask(T.XS_WRITE, b"data/x/deep\0")
    for _ in range(2):
        s.ask(T.XS_TRANSACTION_START, b"\0")
    s.ask(T.XS_WRITE, b"error/mine\0v", tx_id=2)
    tx_id = 1 if inside else 0
    s.ask(T.XS_RM, b"data/x\0", tx_id=tx_id)
    s.ask(T.XS_WRITE, b"data/x\0", tx_id=tx_id)
    s.ask(T.XS_TRANSACTION_END, b"T\0", tx_id=1)
    for number in (2, 0):
        assert s.ask(T.XS_DIRECTORY, b"data\0", tx_id=number) == b"y\0x\0"
        assert s.ask(T.XS_DIRECTORY, b"data/x\0", tx_id=number) == b""
    assert s.ask(T.XS_TRANSACTION_END, b"T\0", tx_id=2) == b"OK\0"
    assert s.ask(T.XS_DIRECTORY, b"data\0") == b"y\0x\0"
