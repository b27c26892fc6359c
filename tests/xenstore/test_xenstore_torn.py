"""A transaction that cannot be committed any more, seen from inside: copies of what it has looked
at, and for the rest the store as it is."""

from __future__ import annotations

import pytest
from xenstore_session import TOOLS, Session

from guestsim.abi.xs_wire import XsdSockmsgType as T

HERE = b"/local/domain/1/"


def torn(*looks: bytes) -> Session:
    """`data/x` and `data/p/q` are there; a transaction has looked at some nodes, and at `error`,
    which somebody has written since."""
    s = Session()
    s.ask(T.XS_WRITE, b"data/p/q\0old")
    s.ask(T.XS_TRANSACTION_START, b"\0")
    for look in (b"error", *looks):
        s.ask(T.XS_READ, look + b"\0", tx_id=1)
    s.ask(T.XS_WRITE, HERE + b"error\0theirs", key=TOOLS)
    return s


def read(s: Session, path: bytes, tx_id: int = 1) -> bytes:
    return s.ask(T.XS_READ, path + b"\0", tx_id=tx_id)


def end(s: Session) -> None:
    assert s.error(T.XS_TRANSACTION_END, b"T\0", tx_id=1) == "EAGAIN"


def test_what_it_has_seen_stays_and_the_rest_is_as_it_is() -> None:
    s = torn(b"data/p/q")
    for path in (b"data/p/q", b"data/x"):
        s.ask(T.XS_WRITE, HERE + path + b"\0theirs", key=TOOLS)
    assert read(s, b"data/p/q") == b"old"
    assert read(s, b"error") == b""
    # The first look comes after the conflict, and is kept as well.
    assert read(s, b"data/x") == b"theirs"
    s.ask(T.XS_WRITE, HERE + b"data/x\0later", key=TOOLS)
    assert read(s, b"data/x") == b"theirs"
    assert read(s, b"data/x", tx_id=0) == b"later"
    end(s)


def test_what_it_has_missed_stays_missing() -> None:
    s = torn(b"data/none")
    s.ask(T.XS_WRITE, HERE + b"data/none\0theirs", key=TOOLS)
    assert read(s, b"data/none") == b"ENOENT\0"
    # Its parent was asked, too.
    assert s.ask(T.XS_DIRECTORY, b"data\0", tx_id=1) == b"x\0p\0"
    end(s)


def test_what_it_writes_is_its_own() -> None:
    s = torn()
    assert s.ask(T.XS_WRITE, b"data/x\0mine", tx_id=1) == b"OK\0"
    assert s.ask(T.XS_WRITE, b"data/a/b\0mine", tx_id=1) == b"OK\0"
    assert s.ask(T.XS_SET_PERMS, b"data/x\0b1\0", tx_id=1) == b"OK\0"
    assert s.ask(T.XS_RM, b"data/p\0", tx_id=1) == b"OK\0"
    assert s.ask(T.XS_MKDIR, b"data/p\0", tx_id=1) == b"OK\0"
    assert read(s, b"data/x") == b"mine"
    assert read(s, b"data/a/b") == b"mine"
    assert read(s, b"data/p/q") == b"ENOENT\0"
    assert s.ask(T.XS_GET_PERMS, b"data/x\0", tx_id=1) == b"b1\0"
    assert s.ask(T.XS_DIRECTORY, b"data\0", tx_id=1) == b"x\0a\0p\0"
    assert s.ask(T.XS_DIRECTORY, b"data/a\0", tx_id=1) == b"b\0"
    end(s)
    assert read(s, b"data/x", tx_id=0) == b"old"
    assert s.ask(T.XS_DIRECTORY, b"data\0") == b"x\0p\0"


@pytest.mark.parametrize(
    ("look", "gone", "removed", "error"),
    [
        # A child that the transaction's copy still names is gone.
        (b"data/p", b"data/p/q", b"data/p", "EIO"),
        # The node is there, in a copy; its parent is not.
        (b"data/p/q", b"data/p", b"data/p/q", "EINVAL"),
    ],
)
def test_what_does_not_fit_together_cannot_be_removed(
    look: bytes, gone: bytes, removed: bytes, error: str
) -> None:
    s = torn(look)
    s.ask(T.XS_RM, HERE + gone + b"\0", key=TOOLS)
    assert s.error(T.XS_RM, removed + b"\0", tx_id=1) == error
    end(s)


def test_a_node_that_its_parent_does_not_name_cannot_be_removed() -> None:
    s = torn(b"data")
    s.ask(T.XS_WRITE, HERE + b"data/new\0theirs", key=TOOLS)
    assert s.ask(T.XS_DIRECTORY, b"data\0", tx_id=1) == b"x\0p\0"
    assert read(s, b"data/new") == b"theirs"
    assert s.error(T.XS_RM, b"data/new\0", tx_id=1) == "EIO"
    end(s)


def test_a_child_that_is_named_and_not_there_is_named_once_more() -> None:
    # Each answer is that of Debian's C xenstored (4.17.7+13).
    s = Session()

    def asks(kind: T, payload: bytes, answer: bytes, tx_id: int = 1) -> None:
        assert s.ask(kind, payload, key=TOOLS, tx_id=tx_id) == answer

    asks(T.XS_WRITE, b"/q/a\0v", b"OK\0", tx_id=0)
    asks(T.XS_TRANSACTION_START, b"\0", b"1\0", tx_id=0)
    asks(T.XS_READ, b"/q/b\0", b"ENOENT\0")
    asks(T.XS_RM, b"/q\0", b"OK\0", tx_id=0)
    asks(T.XS_WRITE, b"/q/a/b\0v", b"OK\0")
    asks(T.XS_DIRECTORY, b"/q\0", b"a\0a\0")
    asks(T.XS_WRITE, b"/q/c\0v", b"OK\0")
    # The first of the two names goes.
    asks(T.XS_RM, b"/q/a\0", b"OK\0")
    asks(T.XS_DIRECTORY, b"/q\0", b"a\0c\0")
    asks(T.XS_READ, b"/q/a\0", b"ENOENT\0")
    asks(T.XS_READ, b"/q/a/b\0", b"ENOENT\0")
    asks(T.XS_WRITE, b"/q/a\0v", b"OK\0")
    asks(T.XS_DIRECTORY, b"/q\0", b"a\0c\0a\0")
    asks(T.XS_RM, b"/q\0", b"EIO\0")
    asks(T.XS_TRANSACTION_END, b"T\0", b"EAGAIN\0")


def test_equal_histories_give_equal_states() -> None:
    # A search compares states: what a copy's children once were does not count.
    states = []
    for value in (b"one", b"two"):
        s = Session()
        s.ask(T.XS_WRITE, b"data/p/q\0" + value)
        s.ask(T.XS_TRANSACTION_START, b"\0")
        s.ask(T.XS_DIRECTORY, b"data/p\0", tx_id=1)
        s.ask(T.XS_RM, HERE + b"data/p\0", key=TOOLS)
        states.append(s.state)
    assert states[0] == states[1]
    assert hash(states[0]) == hash(states[1])
