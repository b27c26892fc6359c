"""Quotas, with the errors of C xenstored 4.17 and of oxenstored. The tools have none."""

from __future__ import annotations

import pytest
from xenstore_session import GUEST, OTHER, TOOLS, Session

from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.daemon import oxenstored
from guestsim.xenstore import Connection, Dialect, Quotas, connect
from guestsim.xenstore.toolstack import GUEST_OWNED

HERE = b"/local/domain/1/"


@pytest.fixture
def s() -> Session:
    return Session()


def ox() -> Session:
    return Session(oxenstored.DIALECT)


def owned(s: Session, domid: int = GUEST) -> int:
    return s.state.store.owned.get(domid, 0)


def fill(s: Session, count: int) -> None:
    """Make nodes until the guest owns `count`; each directory takes 100."""
    number = 0
    while owned(s) < count:
        # The tools' nodes get their parent's owner, and no limit stops them.
        s.ask(T.XS_WRITE, HERE + b"data/f%d/%d\0" % (number // 100, number), key=TOOLS)
        assert not s.failed
        number += 1


def test_nodes_are_counted_for_their_owner(s: Session) -> None:
    # What GUEST_OWNED names, `data/x`, and `device/suspend` above one of those.
    before = owned(s)
    assert before == len(GUEST_OWNED) + 1
    s.ask(T.XS_WRITE, b"data/p/q/r\0")
    assert owned(s) == before + 3
    s.ask(T.XS_RM, b"data/p/q\0")
    assert owned(s) == before + 1
    s.ask(T.XS_SET_PERMS, HERE + b"data/p\0n2\0", key=TOOLS)
    assert (owned(s), owned(s, OTHER)) == (before, 1)


def test_a_domain_owns_1000_nodes(s: Session) -> None:
    fill(s, 999)
    assert s.error(T.XS_WRITE, b"error/p/q\0v") == "ENOSPC"
    assert s.error(T.XS_MKDIR, b"error/p/q\0") == "ENOSPC"
    assert s.ask(T.XS_MKDIR, b"error/p\0") == b"OK\0"
    assert owned(s) == 1000
    assert s.error(T.XS_MKDIR, b"error/q\0") == "ENOSPC"
    # What is there can be written, what goes makes room.
    assert s.ask(T.XS_WRITE, b"error/p\0v") == b"OK\0"
    s.ask(T.XS_RM, b"error/p\0")
    assert s.ask(T.XS_MKDIR, b"error/q\0") == b"OK\0"


def test_a_transaction_may_not_end_with_1000_nodes(s: Session) -> None:
    # It compares the sum with the quota itself: one less than without a transaction.
    fill(s, 998)
    for number, names in ((1, b"pq"), (2, b"p")):
        s.ask(T.XS_TRANSACTION_START, b"\0")
        for name in names:
            assert s.ask(T.XS_MKDIR, b"error/%c\0" % name, tx_id=number) == b"OK\0"
        reply = s.ask(T.XS_TRANSACTION_END, b"T\0", tx_id=number)
        assert reply == (b"ENOSPC\0" if len(names) == 2 else b"OK\0")
    assert owned(s) == 999


def test_a_full_domain_makes_nothing_in_a_transaction_either(s: Session) -> None:
    fill(s, 1000)
    s.ask(T.XS_TRANSACTION_START, b"\0")
    assert s.error(T.XS_MKDIR, b"error/q\0", tx_id=1) == "ENOSPC"
    # Nothing was made, so the rest of it can be committed.
    s.ask(T.XS_WRITE, b"data/x\0v", tx_id=1)
    assert s.ask(T.XS_TRANSACTION_END, b"T\0", tx_id=1) == b"OK\0"


def test_a_node_takes_2047_bytes(s: Session) -> None:
    # 24, two permissions of 8, and the value.
    assert s.ask(T.XS_WRITE, b"data/x\0" + bytes(2047 - 40)) == b"OK\0"
    assert s.error(T.XS_WRITE, b"data/x\0" + bytes(2048 - 40)) == "ENOSPC"
    assert s.error(T.XS_WRITE, b"data/new\0" + bytes(2048 - 40)) == "ENOSPC"
    assert s.ask(T.XS_WRITE, HERE + b"data/x\0" + bytes(4000), key=TOOLS) == b"OK\0"
    # Three more permissions are 24 more bytes.
    s.ask(T.XS_WRITE, b"data/y\0" + bytes(2047 - 40))
    assert s.error(T.XS_SET_PERMS, b"data/y\0n1\0r0\0r2\0") == "ENOSPC"


def test_the_names_of_its_children_count(s: Session) -> None:
    for number in range(1000):
        s.ask(T.XS_MKDIR, b"error/node%05d\0" % number)
        if s.failed:
            break
    # 24, two permissions, and 10 bytes for each name.
    assert number == (2047 - 40) // 10
    assert s.ask(T.XS_DIRECTORY, b"error\0").count(b"\0") == number


def test_a_transaction_that_went_over_a_nodes_size_cannot_be_committed(s: Session) -> None:
    s.ask(T.XS_TRANSACTION_START, b"\0")
    assert s.error(T.XS_WRITE, b"data/x\0" + bytes(2048), tx_id=1) == "ENOSPC"
    assert s.ask(T.XS_WRITE, b"data/x\0v", tx_id=1) == b"OK\0"
    assert s.error(T.XS_TRANSACTION_END, b"T\0", tx_id=1) == "ENOMEM"
    assert s.ask(T.XS_READ, b"data/x\0") == b"old"


def test_five_permissions(s: Session) -> None:
    entries = b"".join(b"r%d\0" % domid for domid in range(2, 6))
    assert s.ask(T.XS_SET_PERMS, b"data/x\0n1\0" + entries) == b"OK\0"
    assert s.error(T.XS_SET_PERMS, b"data/x\0n1\0" + entries + b"r6\0") == "ENOSPC"
    tools = HERE + b"data/x\0n1\0" + entries + b"r6\0"
    assert s.ask(T.XS_SET_PERMS, tools, key=TOOLS) == b"OK\0"


@pytest.mark.parametrize(("dialect", "most", "error"), [
    (Dialect(), 129, "E2BIG"), (oxenstored.DIALECT, 101, "EQUOTA"),
])  # fmt: skip
def test_watches(dialect: Dialect, most: int, error: str) -> None:
    s = Session(dialect)
    for number in range(most):
        assert s.ask(T.XS_WATCH, b"data\0%d\0" % number) == b"OK\0"
    assert s.error(T.XS_WATCH, b"data\0one more\0") == error
    s.ask(T.XS_UNWATCH, b"data\x000\0")
    assert s.ask(T.XS_WATCH, b"data\0one more\0") == b"OK\0"
    for number in range(most + 1):
        assert s.ask(T.XS_WATCH, b"data\0%d\0" % number, key=TOOLS) == b"OK\0"


@pytest.mark.parametrize(("dialect", "error"), [
    (Dialect(), "ENOSPC"), (oxenstored.DIALECT, "EQUOTA"),
])  # fmt: skip
def test_transactions(dialect: Dialect, error: str) -> None:
    s = Session(dialect)
    for number in range(11):
        assert s.ask(T.XS_TRANSACTION_START, b"\0") == b"%d\0" % (number + 1)
    assert s.error(T.XS_TRANSACTION_START, b"\0") == error
    s.ask(T.XS_TRANSACTION_END, b"F\0", tx_id=3)
    assert s.ask(T.XS_TRANSACTION_START, b"\0") == b"12\0"
    for _ in range(12):
        s.ask(T.XS_TRANSACTION_START, b"\0", key=TOOLS)
        assert not s.failed


def test_nodes_that_a_transaction_looks_at() -> None:
    s = Session(Dialect(quotas=Quotas(touched=3)))
    s.ask(T.XS_TRANSACTION_START, b"\0")
    s.ask(T.XS_READ, b"data/x\0", tx_id=1)
    s.ask(T.XS_READ, b"data\0", tx_id=1)
    s.ask(T.XS_READ, b"data/x\0", tx_id=1)
    s.ask(T.XS_READ, b"error\0", tx_id=1)
    assert s.error(T.XS_READ, b"drivers\0", tx_id=1) == "ENOSPC"
    assert s.error(T.XS_TRANSACTION_END, b"T\0", tx_id=1) == "ENOMEM"
    assert Dialect().quotas.touched == 1024


# oxenstored.


def test_oxenstored_counts_for_the_owner_of_the_parent() -> None:
    s = ox()
    s.state = connect(s.state, OTHER, Connection(2))
    s.ask(T.XS_SET_PERMS, b"error\0b1\0")
    s.ask(T.XS_WRITE, HERE + b"error/p\0v", key=OTHER)
    assert s.ask(T.XS_GET_PERMS, b"error/p\0") == b"b1\0"
    fill(s, 1000)
    assert s.error(T.XS_WRITE, HERE + b"error/q\0v", key=OTHER) == "EQUOTA"
    assert s.error(T.XS_WRITE, b"error/q\0v") == "EQUOTA"


def test_oxenstored_limits_values_the_tools_too() -> None:
    s = ox()
    assert s.ask(T.XS_WRITE, b"data/x\0" + bytes(2048)) == b"OK\0"
    assert s.error(T.XS_WRITE, b"data/x\0" + bytes(2049)) == "E2BIG"
    assert s.error(T.XS_WRITE, HERE + b"data/x\0" + bytes(2049), key=TOOLS) == "E2BIG"


def test_oxenstored_limits_requests_in_a_transaction() -> None:
    s = ox()
    s.ask(T.XS_TRANSACTION_START, b"\0")
    for _ in range(1024):
        assert s.ask(T.XS_READ, b"data/x\0", tx_id=1) == b"old"
    for kind, payload in ((T.XS_READ, b"data/x\0"), (T.XS_TRANSACTION_END, b"F\0")):
        assert s.error(kind, payload, tx_id=1) == "EQUOTA"
    s.ask(T.XS_RESET_WATCHES, b"\0")
    assert s.error(T.XS_READ, b"data/x\0", tx_id=1) == "EIO"


def test_oxenstored_replays_a_refusal_for_a_quota() -> None:
    s = ox()
    fill(s, 1000)
    s.ask(T.XS_TRANSACTION_START, b"\0")
    assert s.error(T.XS_MKDIR, b"error/q\0", tx_id=1) == "EQUOTA"
    s.ask(T.XS_WRITE, b"data/x\0v", tx_id=1)
    # Now there would be room, so the answer would be another one.
    s.ask(T.XS_RM, HERE + b"data/f0\0", key=TOOLS)
    s.ask(T.XS_WRITE, HERE + b"data/x\0theirs", key=TOOLS)
    assert s.error(T.XS_TRANSACTION_END, b"T\0", tx_id=1) == "EAGAIN"


def test_requests_that_are_refused_do_not_make_a_transaction_grow() -> None:
    s = Session(Dialect(replays=True, quotas=Quotas(requests=2)))
    s.ask(T.XS_TRANSACTION_START, b"\0")
    for _ in range(2):
        s.ask(T.XS_READ, b"data/x\0", tx_id=1)
    before = s.state
    assert s.error(T.XS_READ, b"data/x\0", tx_id=1) == "EQUOTA"
    assert s.state == before
