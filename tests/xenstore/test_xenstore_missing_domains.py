"""SET_PERMS for a domain that is not there, as Debian's C xenstored (4.17.7+13) answers it.

Domains 0 and 1 were there, and domain 2 where a session says so.
"""

from __future__ import annotations

import pytest
from xenstore_session import TOOLS, Session

from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.daemon import oxenstored, xenstored
from guestsim.xenstore import Dialect


def session(*, second: bool = False) -> Session:
    s = Session(xenstored.DIALECT)
    s.ask(T.XS_WRITE, b"/tool\0", key=TOOLS)
    if second:
        assert s.ask(T.XS_INTRODUCE, b"2\0001\0002\0", key=TOOLS) == b"OK\0"
    return s


@pytest.mark.parametrize("path", [b"data", b"/tool", b"/nope", b"//", b"@releaseDomain", b"@nope"])
def test_nobody_can_own_anything_who_is_not_there(path: bytes) -> None:
    s = session()
    store = s.state.store
    assert s.ask(T.XS_SET_PERMS, path + b"\0n7\0") == b"ENOENT\0"
    assert s.state.store == store


def test_what_is_there_may_still_not_be_given_away() -> None:
    assert session(second=True).error(T.XS_SET_PERMS, b"data\0n2\0") == "EPERM"
    assert session().ask(T.XS_SET_PERMS, b"data\0n2\0") == b"ENOENT\0"


def test_too_many_entries_are_told_first() -> None:
    assert session().error(T.XS_SET_PERMS, b"data\0n7\0" + b"r1\0" * 5) == "ENOSPC"


def test_a_further_entry_is_told_back_and_grants_nothing_to_who_comes_later() -> None:
    for second in (False, True):
        s = session(second=second)
        assert s.ask(T.XS_SET_PERMS, b"data\0n1\0r2\0") == b"OK\0"
        assert s.ask(T.XS_GET_PERMS, b"data\0") == b"n1\0r2\0"
        node = s.state.store.get("/local/domain/1/data")
        assert node is not None
        assert (node.permissions[1].access == 1) == second


@pytest.mark.parametrize("dialect", [Dialect(), oxenstored.DIALECT])
def test_others_do_not_ask(dialect: Dialect) -> None:
    s = Session(dialect)
    assert s.ask(T.XS_SET_PERMS, b"/local/domain/1/data\0n7\0", key=TOOLS) == b"OK\0"
