"""Quotas that a tool sets bind the domains from then on; those of a path, the tools, too."""

from __future__ import annotations

import pytest
from xenstore_session import TOOLS, Session

from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.xenstore import ServerState
from guestsim.xenstore.settings import HARD, SOFT
from guestsim.xenstore.toolstack import GUEST_OWNED

HERE = b"/local/domain/1/"


@pytest.fixture
def s() -> Session:
    return Session()


def settle(s: Session, name: bytes, value: int) -> None:
    assert s.ask(T.XS_CONTROL, b"quota\0set\0%b\0%d\0" % (name, value), key=TOOLS) == b"OK\0"


def test_nodes(s: Session) -> None:
    settle(s, b"nodes", len(GUEST_OWNED) + 2)
    assert s.ask(T.XS_WRITE, b"data/y\0") == b"OK\0"
    assert s.error(T.XS_WRITE, b"data/z\0") == "ENOSPC"
    assert s.ask(T.XS_WRITE, HERE + b"data/z\0", key=TOOLS) == b"OK\0"


def test_watches_and_transactions_are_compared_before_they_are_counted(s: Session) -> None:
    settle(s, b"watches", 1)
    settle(s, b"transactions", 1)
    for number in range(2):
        assert s.ask(T.XS_WATCH, b"data\0%d\0" % number) == b"OK\0"
        assert s.ask(T.XS_TRANSACTION_START, b"\0") == b"%d\0" % (number + 1)
    assert s.error(T.XS_WATCH, b"data\0more\0") == "E2BIG"
    assert s.error(T.XS_TRANSACTION_START, b"\0") == "ENOSPC"


def test_nodes_of_a_transaction(s: Session) -> None:
    settle(s, b"transaction-nodes", 2)
    s.ask(T.XS_TRANSACTION_START, b"\0")
    assert s.ask(T.XS_READ, b"data/x\0", tx_id=1) == b"old"
    assert s.error(T.XS_READ, b"data/none\0", tx_id=1) == "ENOSPC"


def test_the_size_of_a_node(s: Session) -> None:
    # 24 bytes of its record, 8 for each of two permissions.
    settle(s, b"node-size", 24 + 16 + 5 + 1)
    assert s.ask(T.XS_WRITE, b"data/x\0five!") == b"OK\0"
    assert s.error(T.XS_WRITE, b"data/x\0six!!!") == "ENOSPC"


def test_permissions(s: Session) -> None:
    settle(s, b"permissions", 1)
    assert s.ask(T.XS_SET_PERMS, b"data/x\0n1\0") == b"OK\0"
    assert s.error(T.XS_SET_PERMS, b"data/x\0n1\0r0\0") == "ENOSPC"


def test_paths_of_the_tools_too(s: Session) -> None:
    settle(s, b"path-max", 6)
    assert s.ask(T.XS_READ, b"data/x\0") == b"old"
    assert s.ask(T.XS_WRITE, b"/five!\0".replace(b"!", b""), key=TOOLS) == b"OK\0"
    assert s.error(T.XS_WRITE, b"/sixsix\0", key=TOOLS) == "EINVAL"
    assert s.error(T.XS_WATCH, b"@toolong\0t\0", key=TOOLS) == "EINVAL"


@pytest.mark.parametrize("name", ["outstanding", "memory"])
def test_what_binds_nobody_is_told_all_the_same(s: Session, name: str) -> None:
    settle(s, name.encode(), 7)
    told = s.ask(T.XS_CONTROL, b"quota\0", key=TOOLS).decode()
    label = next(each.label for each in HARD if each.name == name)
    assert f"{name:<17}:        7 {label}\n" in told
    assert s.ask(T.XS_WRITE, b"data/x\0more") == b"OK\0"


def test_the_soft_one_is_another_than_the_hard_one(s: Session) -> None:
    assert s.ask(T.XS_CONTROL, b"quota-soft\0set\0memory\x007\0", key=TOOLS) == b"OK\0"
    assert " 2621440 " in s.ask(T.XS_CONTROL, b"quota\0", key=TOOLS).decode()
    assert f" 7 {SOFT[0].label}" in s.ask(T.XS_CONTROL, b"quota-soft\0", key=TOOLS).decode()


def test_what_a_domain_has(s: Session) -> None:
    s.ask(T.XS_WATCH, b"data\0tok\0")
    s.ask(T.XS_TRANSACTION_START, b"\0")
    lines = s.ask(T.XS_CONTROL, b"quota\x001\0", key=TOOLS).decode().splitlines()
    assert lines[:5] == [
        "Domain 1:",
        f"nodes           : {len(GUEST_OWNED) + 1:8}",
        "watches         :        1",
        "transactions    :        1",
        "outstanding     :        0",
    ]


def test_a_guest_sets_nothing(s: Session) -> None:
    assert s.error(T.XS_CONTROL, b"quota\0set\0nodes\x009999\0") == "EACCES"


def test_a_setting_is_a_part_of_the_state(s: Session) -> None:
    before: ServerState = s.state
    settle(s, b"nodes", 5)
    assert s.state != before
    again = s.state
    settle(s, b"nodes", 5)
    assert s.state == again
