"""Each operation, each error, as docs/misc/xenstore.txt and C xenstored have them."""

from __future__ import annotations

import pytest
from xenstore_session import GUEST, OTHER, TOOLS, Session

from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.daemon import oxenstored
from guestsim.xenstore import Connection, Dialect, Message, connect, disconnect, handle, reset


@pytest.fixture
def s() -> Session:
    return Session()


def test_read(s: Session) -> None:
    assert s.ask(T.XS_READ, b"hvmloader/bios\0") == b"seabios"
    assert s.ask(T.XS_READ, b"/local/domain/1/hvmloader/bios\0") == b"seabios"
    assert s.ask(T.XS_READ, b"hvmloader\0") == b""


@pytest.mark.parametrize("payload", [b"", b"a", b"a\0b", b"a\0b\0", b"\0", b"a/\0", b"a b\0"])
def test_one_argument_means_one_string_that_is_a_path(s: Session, payload: bytes) -> None:
    for kind in (T.XS_READ, T.XS_DIRECTORY, T.XS_MKDIR, T.XS_RM, T.XS_GET_PERMS):
        assert s.error(kind, payload) == "EINVAL", kind


def test_missing_is_told_where_the_guest_may_look(s: Session) -> None:
    assert s.error(T.XS_READ, b"hvmloader/none\0") == "ENOENT"
    assert s.error(T.XS_READ, b"hvmloader/none/deeper\0") == "ENOENT"
    assert s.error(T.XS_READ, b"/none\0") == "EACCES"


def test_permissions_bind_the_guest_and_not_the_tools(s: Session) -> None:
    assert s.error(T.XS_READ, b"/tool/xenstored\0") == "EACCES"
    assert s.error(T.XS_DIRECTORY, b"/\0") == "EACCES"
    assert s.error(T.XS_WRITE, b"hvmloader/bios\0x") == "EACCES"
    assert s.error(T.XS_WRITE, b"mine\0x") == "EACCES"
    assert s.error(T.XS_RM, b"hvmloader\0") == "EACCES"
    assert s.ask(T.XS_READ, b"/tool/xenstored\0", key=TOOLS) == b""
    assert s.ask(T.XS_WRITE, b"/local/domain/1/mine\0x", key=TOOLS) == b"OK\0"
    assert s.ask(T.XS_DIRECTORY, b"/\0", key=TOOLS) == b"tool\0local\0"


def test_directory_lists_in_order_of_creation(s: Session) -> None:
    for name in (b"z", b"a", b"m"):
        s.ask(T.XS_WRITE, b"data/" + name + b"\0")
    assert s.ask(T.XS_DIRECTORY, b"data\0") == b"x\0z\0a\0m\0"
    assert s.ask(T.XS_DIRECTORY, b"data/x\0") == b""


def test_directory_over_4096_bytes_is_too_big(s: Session) -> None:
    for number in range(700):
        s.ask(T.XS_WRITE, b"/local/domain/1/data/node%03d\0" % number, key=TOOLS)
    assert s.error(T.XS_DIRECTORY, b"data\0") == "E2BIG"


def test_write(s: Session) -> None:
    assert s.ask(T.XS_WRITE, b"data/x\0new") == b"OK\0"
    assert s.ask(T.XS_READ, b"data/x\0") == b"new"
    assert s.ask(T.XS_WRITE, b"data/x\0") == b"OK\0"
    assert s.ask(T.XS_READ, b"data/x\0") == b""
    # A value is any bytes, nuls too.
    assert s.ask(T.XS_WRITE, b"data/x\0a\0b\xff") == b"OK\0"
    assert s.ask(T.XS_READ, b"data/x\0") == b"a\0b\xff"
    assert s.error(T.XS_WRITE, b"data/x") == "EINVAL"
    assert s.error(T.XS_WRITE, b"data//x\0v") == "EINVAL"


def test_write_creates_parents_and_the_guest_owns_them(s: Session) -> None:
    assert s.ask(T.XS_WRITE, b"data/p/q/r\0v") == b"OK\0"
    assert s.ask(T.XS_READ, b"data/p/q\0") == b""
    assert s.ask(T.XS_GET_PERMS, b"data/p\0") == b"n1\0r0\0"


def test_what_the_tools_create_keeps_its_parents_owner(s: Session) -> None:
    s.ask(T.XS_WRITE, b"/local/domain/1/hvmloader/new\0", key=TOOLS)
    assert s.ask(T.XS_GET_PERMS, b"hvmloader/new\0") == b"n0\0r1\0"


def test_mkdir_leaves_a_value_alone(s: Session) -> None:
    assert s.ask(T.XS_MKDIR, b"data/x\0") == b"OK\0"
    assert s.ask(T.XS_READ, b"data/x\0") == b"old"
    assert s.ask(T.XS_MKDIR, b"data/p/q\0") == b"OK\0"
    assert s.ask(T.XS_READ, b"data/p/q\0") == b""


def test_rm(s: Session) -> None:
    s.ask(T.XS_WRITE, b"data/p/q\0")
    assert s.ask(T.XS_RM, b"data/p\0") == b"OK\0"
    assert s.error(T.XS_READ, b"data/p/q\0") == "ENOENT"
    assert s.ask(T.XS_RM, b"data/p\0") == b"OK\0"
    assert s.error(T.XS_RM, b"data/p/q\0") == "ENOENT"
    assert s.error(T.XS_RM, b"/\0", key=TOOLS) == "EINVAL"


def test_perms(s: Session) -> None:
    assert s.ask(T.XS_GET_PERMS, b"hvmloader\0") == b"n0\0r1\0"
    assert s.ask(T.XS_SET_PERMS, b"data/x\0b1\0w2\0") == b"OK\0"
    assert s.ask(T.XS_GET_PERMS, b"data/x\0") == b"b1\0w2\0"
    assert s.error(T.XS_SET_PERMS, b"data/x\0n2\0") == "EPERM"
    assert s.error(T.XS_SET_PERMS, b"hvmloader\0n1\0") == "EACCES"
    assert s.error(T.XS_SET_PERMS, b"data/none\0n1\0") == "ENOENT"
    assert s.ask(T.XS_SET_PERMS, b"/local/domain/1/data/x\0n2\0", key=TOOLS) == b"OK\0"


@pytest.mark.parametrize("payload", [b"data/x\0", b"data/x", b"data/x\0q1\0", b"data/x\0n\0", b""])
def test_set_perms_wants_a_path_and_entries(s: Session, payload: bytes) -> None:
    assert s.error(T.XS_SET_PERMS, payload) == "EINVAL"


def test_permission_letters(s: Session) -> None:
    s.state = connect(s.state, OTHER, Connection(2))
    for letter, may_read, may_write in (("n", 0, 0), ("r", 1, 0), ("w", 0, 1), ("b", 1, 1)):
        # By an entry of its own, and by the default for all without one.
        for entries in (f"n1\0{letter}2\0", f"{letter}1\0"):
            s.ask(T.XS_SET_PERMS, b"data/x\0" + entries.encode())
            s.ask(T.XS_READ, b"/local/domain/1/data/x\0", key=OTHER)
            assert s.failed == (not may_read), entries
            s.ask(T.XS_WRITE, b"/local/domain/1/data/x\0", key=OTHER)
            assert s.failed == (not may_write), entries


def test_watch_fires_at_once_behind_the_reply(s: Session) -> None:
    _, outgoing = handle(s.state, GUEST, Message(T.XS_WATCH, 5, 0, b"data\0tok\0"))
    assert [out.message for out in outgoing] == [
        Message(T.XS_WATCH, 5, 0, b"OK\0"),
        Message(T.XS_WATCH_EVENT, 0, 0, b"data\0tok\0"),
    ]


def test_watch_fires_on_the_node_and_below(s: Session) -> None:
    s.ask(T.XS_WATCH, b"data\0tok\0")
    for kind, payload, path in (
        (T.XS_WRITE, b"data/x\0v", b"data/x"),
        (T.XS_WRITE, b"data/new/deep\0v", b"data/new/deep"),
        (T.XS_MKDIR, b"data/dir\0", b"data/dir"),
        (T.XS_SET_PERMS, b"data/dir\0b1\0", b"data/dir"),
        (T.XS_RM, b"data/dir\0", b"data/dir"),
        (T.XS_WRITE, b"data\0v", b"data"),
    ):
        s.ask(kind, payload)
        assert s.events == [(GUEST, path + b"\0tok\0")], kind
    for kind, payload in (
        (T.XS_WRITE, b"error/x\0v"),
        (T.XS_MKDIR, b"data\0"),
        (T.XS_READ, b"data/x\0"),
        (T.XS_RM, b"data/none\0"),
    ):
        s.ask(kind, payload)
        assert s.events == [], kind


def test_an_absolute_watch_gets_absolute_paths(s: Session) -> None:
    s.ask(T.XS_WATCH, b"/local/domain/1/data\0tok\0")
    assert s.events == [(GUEST, b"/local/domain/1/data\0tok\0")]
    s.ask(T.XS_WRITE, b"data/x\0")
    assert s.events == [(GUEST, b"/local/domain/1/data/x\0tok\0")]


def test_removing_a_parent_tells_each_watcher_its_own_path(s: Session) -> None:
    s.ask(T.XS_WRITE, b"data/p/q/r\0")
    s.ask(T.XS_WATCH, b"data/p/q\0q\0")
    s.ask(T.XS_WATCH, b"data\0top\0")
    s.ask(T.XS_RM, b"data/p\0")
    assert s.events == [(GUEST, b"data/p/q\0q\0"), (GUEST, b"data/p\0top\0")]


def test_events_reach_others_as_far_as_they_may_read(s: Session) -> None:
    s.state = connect(s.state, OTHER, Connection(2))
    s.ask(T.XS_WATCH, b"/local/domain/1/data/x\0o\0", key=OTHER)
    s.ask(T.XS_WATCH, b"/local/domain/1\0t\0", key=TOOLS)
    s.ask(T.XS_WRITE, b"data/x\0v")
    assert s.events == [(TOOLS, b"/local/domain/1/data/x\0t\0")]
    s.ask(T.XS_SET_PERMS, b"data/x\0n1\0r2\0")
    assert (OTHER, b"/local/domain/1/data/x\0o\0") in s.events
    # Who loses the right hears of that; then no more.
    s.ask(T.XS_SET_PERMS, b"data/x\0n1\0")
    assert (OTHER, b"/local/domain/1/data/x\0o\0") in s.events
    s.ask(T.XS_WRITE, b"data/x\0v")
    assert s.events == [(TOOLS, b"/local/domain/1/data/x\0t\0")]


def test_watch_errors(s: Session) -> None:
    s.ask(T.XS_WATCH, b"data\0tok\0")
    assert s.error(T.XS_WATCH, b"data\0tok\0") == "EEXIST"
    assert s.error(T.XS_WATCH, b"/local/domain/1/data\0tok\0") == "EEXIST"
    assert s.ask(T.XS_WATCH, b"data\0other\0") == b"OK\0"
    assert s.error(T.XS_WATCH, b"data\0") == "EINVAL"
    assert s.error(T.XS_WATCH, b"da ta\0tok\0") == "EINVAL"
    # Without the feature, a depth is one string too many.
    assert s.error(T.XS_WATCH, b"data\0tok\0001\0") == "EINVAL"
    assert s.ask(T.XS_WATCH, b"@introduceDomain\0tok\0") == b"OK\0"
    assert s.events == [(GUEST, b"@introduceDomain\0tok\0")]
    # A special name may be anything, within its length.
    assert s.ask(T.XS_WATCH, b"@any thing\xff\0tok\0") == b"OK\0"
    assert s.events == [(GUEST, b"@any thing\xff\0tok\0")]
    assert s.ask(T.XS_WATCH, b"@" * 2048 + b"\0tok\0") == b"OK\0"
    assert s.error(T.XS_WATCH, b"@" * 2049 + b"\0tok\0") == "EINVAL"


def test_unwatch(s: Session) -> None:
    s.ask(T.XS_WATCH, b"data\0tok\0")
    assert s.error(T.XS_UNWATCH, b"data\0other\0") == "ENOENT"
    assert s.error(T.XS_UNWATCH, b"data\0") == "EINVAL"
    # Whether it is a path at all is not looked at.
    assert s.error(T.XS_UNWATCH, b"da ta\0tok\0") == "ENOENT"
    assert s.error(T.XS_UNWATCH, b"\0tok\0") == "ENOENT"
    assert s.ask(T.XS_UNWATCH, b"/local/domain/1/data\0tok\0") == b"OK\0"
    s.ask(T.XS_WRITE, b"data/x\0")
    assert s.events == []


def test_reset_watches_drops_watches_and_transactions(s: Session) -> None:
    s.ask(T.XS_WATCH, b"data\0tok\0")
    assert s.ask(T.XS_TRANSACTION_START, b"\0") == b"1\0"
    assert s.ask(T.XS_RESET_WATCHES) == b"OK\0"
    assert s.error(T.XS_READ, b"data/x\0", tx_id=1) == "ENOENT"
    s.ask(T.XS_WRITE, b"data/x\0")
    assert s.events == []


def test_reset_watches_inside_a_transaction(s: Session) -> None:
    s.ask(T.XS_TRANSACTION_START, b"\0")
    s.ask(T.XS_WRITE, b"data/x\0lost", tx_id=1)
    assert s.ask(T.XS_RESET_WATCHES, tx_id=1) == b"OK\0"
    assert s.ask(T.XS_READ, b"data/x\0") == b"old"
    assert s.error(T.XS_TRANSACTION_END, b"T\0", tx_id=1) == "ENOENT"


def test_a_transaction_is_a_copy_until_it_is_committed(s: Session) -> None:
    s.ask(T.XS_WATCH, b"data\0tok\0")
    assert s.ask(T.XS_TRANSACTION_START, b"\0") == b"1\0"
    s.ask(T.XS_WRITE, b"data/x\0new", tx_id=1)
    s.ask(T.XS_WRITE, b"data/y\0new", tx_id=1)
    s.ask(T.XS_WRITE, b"data/x\0newer", tx_id=1)
    assert s.events == []
    assert s.ask(T.XS_READ, b"data/x\0", tx_id=1) == b"newer"
    assert s.ask(T.XS_READ, b"data/x\0") == b"old"
    assert s.ask(T.XS_TRANSACTION_END, b"T\0", tx_id=1) == b"OK\0"
    assert s.events == [(GUEST, b"data/x\0tok\0"), (GUEST, b"data/y\0tok\0")]
    assert s.ask(T.XS_READ, b"data/x\0") == b"newer"
    assert s.error(T.XS_TRANSACTION_END, b"T\0", tx_id=1) == "ENOENT"


def test_an_aborted_transaction_leaves_nothing(s: Session) -> None:
    s.ask(T.XS_WATCH, b"data\0tok\0")
    s.ask(T.XS_TRANSACTION_START, b"\0")
    s.ask(T.XS_WRITE, b"data/x\0new", tx_id=1)
    assert s.ask(T.XS_TRANSACTION_END, b"F\0", tx_id=1) == b"OK\0"
    assert s.events == []
    assert s.ask(T.XS_READ, b"data/x\0") == b"old"


def test_removal_in_a_transaction_tells_on_commit(s: Session) -> None:
    s.ask(T.XS_WATCH, b"data/x\0tok\0")
    s.ask(T.XS_TRANSACTION_START, b"\0")
    s.ask(T.XS_RM, b"data\0", tx_id=1)
    s.ask(T.XS_TRANSACTION_END, b"T\0", tx_id=1)
    assert s.events == [(GUEST, b"data/x\0tok\0")]


def test_a_change_that_is_removed_with_its_parent_is_told_as_a_change(s: Session) -> None:
    s.ask(T.XS_WRITE, b"data/p/q\0")
    s.ask(T.XS_WATCH, b"data/p\0tok\0")
    s.ask(T.XS_TRANSACTION_START, b"\0")
    s.ask(T.XS_WRITE, b"data/p/q\0new", tx_id=1)
    s.ask(T.XS_RM, b"data/p\0", tx_id=1)
    s.ask(T.XS_TRANSACTION_END, b"T\0", tx_id=1)
    assert s.events == [(GUEST, b"data/p/q\0tok\0"), (GUEST, b"data/p\0tok\0")]


def test_transaction_errors(s: Session) -> None:
    assert s.error(T.XS_READ, b"data/x\0", tx_id=9) == "ENOENT"
    assert s.error(T.XS_TRANSACTION_END, b"T\0") == "ENOENT"
    s.ask(T.XS_TRANSACTION_START, b"\0")
    assert s.error(T.XS_TRANSACTION_START, b"\0", tx_id=1) == "EBUSY"
    for payload in (b"", b"T", b"X\0", b"T\0F\0"):
        assert s.error(T.XS_TRANSACTION_END, payload, tx_id=1) == "EINVAL"
    assert s.ask(T.XS_TRANSACTION_START, b"\0") == b"2\0"
    # WATCH and UNWATCH do not look at tx_id.
    assert s.ask(T.XS_WATCH, b"data\0tok\0", tx_id=99) == b"OK\0"


@pytest.mark.parametrize(
    "kind",
    [
        T.XS_CONTROL,
        T.XS_INTRODUCE,
        T.XS_RELEASE,
        T.XS_RESUME,
        T.XS_SET_TARGET,
        T.XS_IS_DOMAIN_INTRODUCED,
    ],
)
def test_domain_0_only(s: Session, kind: T) -> None:
    assert s.error(kind) == "EACCES"


@pytest.mark.parametrize("kind", [15, 16, 20, 23, 24, 25, 26, 99, 0xFFFF, 0xFFFFFFFF])
def test_what_is_not_there_is_enosys(s: Session, kind: int) -> None:
    _, outgoing = handle(s.state, GUEST, Message(kind, 3, 9, b"a\0"))
    assert [out.message for out in outgoing] == [Message(T.XS_ERROR, 3, 9, b"ENOSYS\0")]


def test_dialects_differ_where_the_daemons_do() -> None:
    s = Session(
        Dialect(
            control_ok=True,
            unknown_transaction="EIO",
            transaction_first=True,
            events_first=False,
        )
    )
    assert s.ask(T.XS_CONTROL) == b"OK\0"
    assert s.error(T.XS_READ, b"data/x\0", tx_id=9) == "EIO"
    assert s.error(T.XS_RELEASE, tx_id=9) == "EIO"
    assert Session().error(T.XS_RELEASE, tx_id=9) == "EACCES"
    s.ask(T.XS_WATCH, b"data\0tok\0")
    for dialect, order in ((s.dialect, [T.XS_WRITE, T.XS_WATCH_EVENT]), (Dialect(), None)):
        _, out = handle(s.state, GUEST, Message(T.XS_WRITE, 0, 0, b"data/x\0"), dialect)
        kinds = [sent.message.type for sent in out]
        assert kinds == (order or [T.XS_WATCH_EVENT, T.XS_WRITE])


def test_reset_drops_what_the_connection_set_up(s: Session) -> None:
    s.ask(T.XS_WATCH, b"data\0tok\0")
    s.ask(T.XS_TRANSACTION_START, b"\0")
    s.ask(T.XS_WRITE, b"data/x\0kept")
    s.state = reset(s.state, GUEST)
    assert s.error(T.XS_READ, b"data/x\0", tx_id=1) == "ENOENT"
    assert s.ask(T.XS_READ, b"data/x\0") == b"kept"
    s.ask(T.XS_WRITE, b"data/x\0")
    assert s.events == []
    assert s.ask(T.XS_TRANSACTION_START, b"\0") == b"2\0"
    s.state = reset(s.state, GUEST, restart_ids=True)
    assert s.ask(T.XS_TRANSACTION_START, b"\0") == b"1\0"


def test_what_is_disconnected_hears_nothing(s: Session) -> None:
    s.state = connect(s.state, OTHER, Connection(2))
    s.ask(T.XS_WATCH, b"/local/domain/1/data\0o\0", key=OTHER)
    s.ask(T.XS_SET_PERMS, b"data/x\0b1\0r2\0")
    assert s.events == [(OTHER, b"/local/domain/1/data/x\0o\0")]
    s.state = disconnect(s.state, OTHER)
    s.ask(T.XS_WRITE, b"data/x\0v")
    assert s.events == []
    assert handle(s.state, OTHER, Message(T.XS_READ, 1, 0, b"data/x\0")) == (s.state, ())
    # The same key again is another connection.
    s.state = connect(s.state, OTHER, Connection(2))
    s.ask(T.XS_WRITE, b"data/x\0w")
    assert s.events == []


def test_states_that_look_the_same_are_the_same(s: Session) -> None:
    before = s.state
    s.ask(T.XS_WRITE, b"data/x\0new")
    assert s.state != before
    s.ask(T.XS_WRITE, b"data/x\0old")
    assert s.state == before
    assert hash(s.state) == hash(before)
    s.ask(T.XS_READ, b"data/x\0")
    assert s.state == before


def test_the_order_of_a_clients_events() -> None:
    # In C that of its watches; in OCaml from the root down, and the newest first.
    deep, top = b"data/x\0%b\0", b"data\0%b\0"
    for dialect, written, removed in (
        (Dialect(), [deep % b"1", top % b"2", deep % b"3"], [deep % b"1", deep % b"3", top % b"2"]),
        (oxenstored.DIALECT, [top % b"2", deep % b"3", deep % b"1"],
         [top % b"2", deep % b"3", deep % b"1"]),
    ):  # fmt: skip
        s = Session(dialect)
        for watch in (deep % b"1", top % b"2", deep % b"3"):
            s.ask(T.XS_WATCH, watch)
        s.ask(T.XS_WRITE, b"data/x\0v")
        told = [b"data/x\0" + event.split(b"\0")[1] + b"\0" for event in written]
        assert s.events == [(GUEST, event) for event in told]
        s.ask(T.XS_RM, b"/local/domain/1/data\0", key=TOOLS)
        assert s.events == [(GUEST, event) for event in removed]


def test_oxenstored_tells_a_removal_to_watches_on_what_is_not_there() -> None:
    for dialect, heard in ((Dialect(), []), (oxenstored.DIALECT, [(GUEST, b"data/x/none\0n\0")])):
        s = Session(dialect)
        s.ask(T.XS_WATCH, b"data/x/none\0n\0")
        s.ask(T.XS_WATCH, b"data/x/none/deeper\0d\0")
        s.ask(T.XS_RM, b"data/x\0")
        assert s.events == heard


def test_what_oxenstored_answers_otherwise() -> None:
    s = Session(oxenstored.DIALECT)
    assert s.error(T.XS_READ, b"/none\0") == "ENOENT"
    assert s.error(T.XS_WRITE, b"/none\0v") == "EACCES"
    assert s.ask(T.XS_RM, b"/none\0") == b"OK\0"
    assert s.error(T.XS_SET_PERMS, b"data/x\0n2\0") == "EACCES"
    s.state = connect(s.state, OTHER, Connection(2))
    s.ask(T.XS_SET_PERMS, b"data/x\0b1\0")
    s.ask(T.XS_WRITE, b"/local/domain/1/data/x/theirs\0", key=OTHER)
    assert s.ask(T.XS_GET_PERMS, b"data/x/theirs\0") == b"b1\0"
