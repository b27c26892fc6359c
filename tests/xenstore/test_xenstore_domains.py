"""Requests about domains, the special watches, and CONTROL: the tools' side of the protocol."""

from __future__ import annotations

import pytest
from xenstore_session import GUEST, OTHER, TOOLS, Session

from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.daemon import oxenstored
from guestsim.xenstore import Connection, Dialect, Message, connect, handle, reset

HERE = b"/local/domain/1/"


@pytest.fixture
def s() -> Session:
    return Session()


def test_domain_path(s: Session) -> None:
    assert s.ask(T.XS_GET_DOMAIN_PATH, b"7\0") == b"/local/domain/7\0"
    assert s.ask(T.XS_GET_DOMAIN_PATH, b" 007x\0") == b"/local/domain/7\0"
    assert s.ask(T.XS_GET_DOMAIN_PATH, b"x\0") == b"/local/domain/0\0"
    assert s.ask(T.XS_GET_DOMAIN_PATH, b"-1\0") == b"/local/domain/4294967295\0"
    assert s.error(T.XS_GET_DOMAIN_PATH, b"") == "EINVAL"


def is_introduced(s: Session, domid: int) -> bool:
    reply = s.ask(T.XS_IS_DOMAIN_INTRODUCED, b"%d\0" % domid, key=TOOLS)
    assert reply in (b"T\0", b"F\0")
    return reply == b"T\0"


def test_who_has_connected_is_introduced(s: Session) -> None:
    assert is_introduced(s, 0)
    assert is_introduced(s, 1)
    assert not is_introduced(s, 9)
    # DOMID_SELF.
    assert is_introduced(s, 0x7FF0)
    s.state = connect(s.state, OTHER, Connection(2))
    assert is_introduced(s, 2)


def test_introduce_and_release(s: Session) -> None:
    s.ask(T.XS_WATCH, b"@introduceDomain\0in\0", key=TOOLS)
    s.ask(T.XS_WATCH, b"@releaseDomain\0out\0", key=TOOLS)
    assert s.ask(T.XS_INTRODUCE, b"9\x001044476\x005\0", key=TOOLS) == b"OK\0"
    assert s.events == [(TOOLS, b"@introduceDomain\0in\0")]
    assert is_introduced(s, 9)
    # Once more is another event channel, and no event.
    assert s.ask(T.XS_INTRODUCE, b"9\x001044476\x006\0", key=TOOLS) == b"OK\0"
    assert s.events == []
    assert s.ask(T.XS_RESUME, b"9\0", key=TOOLS) == b"OK\0"
    assert s.ask(T.XS_RELEASE, b"9\0", key=TOOLS) == b"OK\0"
    assert s.events == [(TOOLS, b"@releaseDomain\0out\0")]
    assert not is_introduced(s, 9)


@pytest.mark.parametrize(
    ("kind", "payload", "error"),
    [
        (T.XS_INTRODUCE, b"", "EINVAL"),
        (T.XS_INTRODUCE, b"9\x001\0", "EINVAL"),
        (T.XS_INTRODUCE, b"9\x001\x000\0", "EINVAL"),
        (T.XS_INTRODUCE, b"9\x001\0-1\0", "EINVAL"),
        (T.XS_INTRODUCE, b"32752\x001\x005\0", "EINVAL"),
        (T.XS_RELEASE, b"9\0", "ENOENT"),
        (T.XS_RELEASE, b"0\0", "EINVAL"),
        (T.XS_RELEASE, b"9", "EINVAL"),
        (T.XS_RESUME, b"9\0", "ENOENT"),
        (T.XS_RESUME, b"0\0", "EINVAL"),
        (T.XS_SET_TARGET, b"1\0", "EINVAL"),
        (T.XS_SET_TARGET, b"9\x001\0", "ENOENT"),
        (T.XS_SET_TARGET, b"1\x009\0", "ENOENT"),
        (T.XS_IS_DOMAIN_INTRODUCED, b"1", "EINVAL"),
    ],
)
def test_errors(s: Session, kind: T, payload: bytes, error: str) -> None:
    assert s.error(kind, payload, key=TOOLS) == error


def test_a_released_domain_gets_no_answer_and_its_nodes_are_gone(s: Session) -> None:
    s.ask(T.XS_WRITE, b"data/p/q\0v")
    s.ask(T.XS_WATCH, b"data\0mine\0")
    s.ask(T.XS_WATCH, HERE + b"data\0t\0", key=TOOLS)
    s.ask(T.XS_WATCH, HERE + b"data/p/q\0q\0", key=TOOLS)
    assert s.ask(T.XS_RELEASE, b"1\0", key=TOOLS) == b"OK\0"
    # Nodes go from the leaves up; only a watch on the very node hears of one that is not the top.
    assert s.events == [(TOOLS, HERE + b"data/p/q\0q\0"), (TOOLS, HERE + b"data\0t\0")]
    assert s.error(T.XS_READ, HERE + b"data\0", key=TOOLS) == "ENOENT"
    assert s.ask(T.XS_READ, HERE + b"hvmloader/bios\0", key=TOOLS) == b"seabios"
    assert s.state.store.owned.get(1, 0) == 0
    assert handle(s.state, GUEST, Message(T.XS_READ, 1, 0, b"hvmloader/bios\0")) == (s.state, ())
    assert reset(s.state, GUEST) == s.state


def test_a_later_domain_of_the_same_number_inherits_nothing(s: Session) -> None:
    s.ask(T.XS_WRITE, b"/other\0v", key=TOOLS)
    s.ask(T.XS_SET_PERMS, b"/other\0n0\0b1\0r2\0", key=TOOLS)
    assert s.ask(T.XS_READ, b"/other\0") == b"v"
    s.ask(T.XS_RELEASE, b"1\0", key=TOOLS)
    s.state = connect(connect(s.state, GUEST, Connection(1)), OTHER, Connection(2))
    assert s.error(T.XS_READ, b"/other\0") == "EACCES"
    assert s.ask(T.XS_READ, b"/other\0", key=OTHER) == b"v"
    # The entry is still told.
    assert s.ask(T.XS_GET_PERMS, b"/other\0", key=TOOLS) == b"n0\0b1\0r2\0"
    s.ask(T.XS_SET_PERMS, b"/other\0n0\0r1\0", key=TOOLS)
    assert s.ask(T.XS_READ, b"/other\0") == b"v"


def test_introducing_again_drops_what_the_domain_had_set_up(s: Session) -> None:
    s.ask(T.XS_WATCH, b"data\0tok\0")
    s.ask(T.XS_TRANSACTION_START, b"\0")
    s.ask(T.XS_INTRODUCE, b"1\x001\x005\0", key=TOOLS)
    assert s.error(T.XS_READ, b"data/x\0", tx_id=1) == "ENOENT"
    s.ask(T.XS_WRITE, b"data/x\0v")
    assert s.events == []


def test_a_target_lends_its_rights(s: Session) -> None:
    s.state = connect(s.state, OTHER, Connection(2))
    s.ask(T.XS_WATCH, HERE + b"data\0w\0", key=OTHER)
    assert s.error(T.XS_READ, HERE + b"hvmloader/bios\0", key=OTHER) == "EACCES"
    assert s.error(T.XS_WRITE, HERE + b"data/x\0v", key=OTHER) == "EACCES"
    s.ask(T.XS_WRITE, b"data/x\0v")
    assert s.events == []
    assert s.ask(T.XS_SET_TARGET, b"2\x001\0", key=TOOLS) == b"OK\0"
    # By an entry of the target's, as the owner, and for events.
    assert s.ask(T.XS_READ, HERE + b"hvmloader/bios\0", key=OTHER) == b"seabios"
    assert s.ask(T.XS_WRITE, HERE + b"data/x\0v", key=OTHER) == b"OK\0"
    assert s.events == [(OTHER, HERE + b"data/x\0w\0")]
    assert s.ask(T.XS_SET_PERMS, HERE + b"data/x\0n1\0", key=OTHER) == b"OK\0"
    # What it creates is its own.
    s.ask(T.XS_WRITE, HERE + b"data/new\0v", key=OTHER)
    assert s.ask(T.XS_GET_PERMS, HERE + b"data/new\0", key=OTHER) == b"n2\0r0\0"
    # Not the other way round.
    assert s.error(T.XS_WRITE, b"data/new\0v") == "EACCES"


def test_special_watches_need_permission(s: Session) -> None:
    s.ask(T.XS_WATCH, b"@releaseDomain\0tok\0")
    s.ask(T.XS_INTRODUCE, b"9\x001\x005\0", key=TOOLS)
    s.ask(T.XS_RELEASE, b"9\0", key=TOOLS)
    assert s.events == []
    assert s.error(T.XS_SET_PERMS, b"@releaseDomain\0n0\0r1\0") == "EACCES"
    assert s.error(T.XS_SET_PERMS, b"@other\0n0\0r1\0", key=TOOLS) == "EINVAL"
    assert s.error(T.XS_GET_PERMS, b"@releaseDomain\0", key=TOOLS) == "EINVAL"
    assert s.ask(T.XS_SET_PERMS, b"@releaseDomain\0n0\0r1\0", key=TOOLS) == b"OK\0"
    s.ask(T.XS_INTRODUCE, b"9\x001\x005\0", key=TOOLS)
    s.ask(T.XS_RELEASE, b"9\0", key=TOOLS)
    assert s.events == [(GUEST, b"@releaseDomain\0tok\0")]
    # The right ends with the domain.
    s.ask(T.XS_RELEASE, b"1\0", key=TOOLS)
    s.state = connect(s.state, GUEST, Connection(1))
    s.ask(T.XS_WATCH, b"@releaseDomain\0tok\0")
    s.ask(T.XS_INTRODUCE, b"9\x001\x005\0", key=TOOLS)
    s.ask(T.XS_RELEASE, b"9\0", key=TOOLS)
    assert s.events == []


def test_oxenstored_tells_the_permissions_of_special_names() -> None:
    s = Session(oxenstored.DIALECT)
    assert s.ask(T.XS_GET_PERMS, b"@releaseDomain\0", key=TOOLS) == b"n0\0"
    assert s.error(T.XS_GET_PERMS, b"@releaseDomain\0") == "EACCES"
    assert s.error(T.XS_GET_PERMS, b"@other\0", key=TOOLS) == "ENOENT"


def test_with_depth_a_special_watch_tells_the_domain() -> None:
    s = Session(Dialect(watch_depth=True))
    for watch in (b"@releaseDomain\0all\0", b"@releaseDomain\0deep\x001\0",
                  b"@releaseDomain/9\0nine\0", b"@releaseDomain/8\0eight\0",
                  b"@releaseDomain\0none\x000\0"):  # fmt: skip
        assert s.ask(T.XS_WATCH, watch, key=TOOLS) == b"OK\0", watch
    s.ask(T.XS_INTRODUCE, b"9\x001\x005\0", key=TOOLS)
    s.ask(T.XS_RELEASE, b"9\0", key=TOOLS)
    assert s.events == [
        (TOOLS, b"@releaseDomain\0all\0"),
        (TOOLS, b"@releaseDomain/9\0deep\0"),
        (TOOLS, b"@releaseDomain/9\0nine\0"),
    ]


def test_depth_limits_a_watch() -> None:
    s = Session(Dialect(watch_depth=True))
    for depth in (b"0", b"1", b"2"):
        assert s.ask(T.XS_WATCH, b"data\0%b\0%b\0" % (depth, depth)) == b"OK\0"
    for path, heard in ((b"data", b"012"), (b"data/x", b"12"), (b"data/p/q", b"2"),
                        (b"data/p/q/r", b"")):  # fmt: skip
        s.ask(T.XS_WRITE, path + b"\0v")
        assert s.events == [(GUEST, b"%b\0%c\0" % (path, token)) for token in heard], path
    assert s.error(T.XS_WATCH, b"data\0x\0-1\0") == "EINVAL"
    assert s.error(T.XS_WATCH, b"data\0x\x001\x002\0") == "EINVAL"
    # It is no part of what a watch is known by.
    assert s.error(T.XS_WATCH, b"data\x001\x002\0") == "EEXIST"
    assert s.ask(T.XS_UNWATCH, b"data\x001\0") == b"OK\0"


@pytest.mark.parametrize(
    ("payload", "reply"),
    [
        (b"check\0", b"OK\0"),
        (b"log\0on\0", b"OK\0"),
        (b"log\0off\0", b"OK\0"),
        (b"print\0hello\0", b"OK\0"),
        (b"check\0now\0", b"EINVAL\0"),
        (b"log\0", b"EINVAL\0"),
        (b"log\0maybe\0", b"EINVAL\0"),
        (b"print\0", b"EINVAL\0"),
        (b"help\0me\0", b"EINVAL\0"),
        (b"unknown\0", b"EINVAL\0"),
        (b"check", b"EINVAL\0"),
        (b"", b"EINVAL\0"),
    ],
)
def test_control(s: Session, payload: bytes, reply: bytes) -> None:
    assert s.ask(T.XS_CONTROL, payload, key=TOOLS) == reply
    assert s.failed == (reply == b"EINVAL\0")


def test_help_names_every_command(s: Session) -> None:
    lines = s.ask(T.XS_CONTROL, b"help\0", key=TOOLS).decode().splitlines()
    names = [line.partition("\t")[0] for line in lines[:-1]]
    assert names == ["check", "log", "live-update", "logfile", "memreport", "print", "quota",
                     "quota-soft", "help"]  # fmt: skip
    assert lines[-1] == "\0"


@pytest.mark.parametrize("dialect", [Dialect(), oxenstored.DIALECT])
def test_domains_and_special_names_are_no_part_of_a_transaction(dialect: Dialect) -> None:
    s = Session(dialect)
    s.state = connect(s.state, OTHER, Connection(2))
    s.ask(T.XS_WATCH, b"@introduceDomain\0in\0", key=TOOLS)
    s.ask(T.XS_TRANSACTION_START, b"\0", key=TOOLS)
    s.ask(T.XS_WRITE, b"/mine\0v", key=TOOLS, tx_id=1)
    for kind, payload in (
        (T.XS_SET_PERMS, b"@releaseDomain\0n0\0r2\0"),
        (T.XS_INTRODUCE, b"9\x001\x005\0"),
        (T.XS_RELEASE, b"1\0"),
    ):
        assert s.ask(kind, payload, key=TOOLS, tx_id=1) == b"OK\0"
        assert bool(s.events) == (kind is T.XS_INTRODUCE)
    assert is_introduced(s, 9)
    assert s.error(T.XS_READ, HERE + b"data\0", key=TOOLS) == "ENOENT"
    s.ask(T.XS_WATCH, b"@releaseDomain\0out\0", key=OTHER)
    # And a commit does not undo them.
    assert s.ask(T.XS_TRANSACTION_END, b"T\0", key=TOOLS, tx_id=1) == b"OK\0"
    assert s.ask(T.XS_READ, b"/mine\0", key=TOOLS) == b"v"
    assert s.error(T.XS_READ, HERE + b"data\0", key=TOOLS) == "ENOENT"
    s.ask(T.XS_RELEASE, b"9\0", key=TOOLS)
    assert s.events == [(OTHER, b"@releaseDomain\0out\0")]
