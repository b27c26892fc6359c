"""DIRECTORY_PART: lists that are too long for one reply, read piece by piece."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xenstore_session import TOOLS, Session

from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.daemon import oxenstored

HERE = b"/local/domain/1/"


def read_all(s: Session, path: bytes) -> list[bytes]:
    """As xs_directory_part of libxenstore does: until a piece ends with an empty name."""
    names = b""
    while True:
        reply = s.ask(T.XS_DIRECTORY_PART, path + b"\0%d\0" % len(names), key=TOOLS)
        assert not s.failed, reply
        assert len(reply) <= 4096
        _, _, part = reply.partition(b"\0")
        if part.endswith(b"\0\0") or part == b"\0":
            return (names + part[:-1]).split(b"\0")[:-1]
        assert part.endswith(b"\0"), "a piece holds whole names"
        names += part


@settings(deadline=None)
@given(st.lists(st.text("abc", min_size=1, max_size=300), max_size=80, unique=True))
def test_the_pieces_make_up_the_list(names: list[str]) -> None:
    s = Session()
    for name in names:
        s.ask(T.XS_WRITE, HERE + b"error/" + name.encode() + b"\0", key=TOOLS)
    assert read_all(s, HERE + b"error") == [name.encode() for name in names]


def test_a_list_of_exactly_one_reply() -> None:
    s = Session()
    first = s.ask(T.XS_DIRECTORY_PART, b"error\x000\0")
    room = 4096 - len(first.partition(b"\0")[0]) - 2
    for length in range(room - 1, room + 3):
        s = Session()
        sizes = [1500, 1500, length - 3003]
        for letter, size in zip(b"abc", sizes, strict=True):
            s.ask(T.XS_WRITE, HERE + b"error/" + b"%c" % letter * size + b"\0", key=TOOLS)
        assert [len(name) for name in read_all(s, HERE + b"error")] == sizes


def test_the_count_changes_with_the_node_and_only_then() -> None:
    s = Session()

    def count() -> bytes:
        return s.ask(T.XS_DIRECTORY_PART, b"data\x000\0").partition(b"\0")[0]

    first = count()
    assert first.isdigit()
    s.ask(T.XS_WRITE, b"data/x\0other")
    assert count() == first
    seen = {first}
    for kind, payload in (
        (T.XS_WRITE, b"data/y\0"),
        (T.XS_WRITE, b"data\0v"),
        (T.XS_SET_PERMS, b"data\0b1\0"),
        (T.XS_RM, b"data/x\0"),
    ):
        s.ask(kind, payload)
        assert count() not in seen
        seen.add(count())


@pytest.mark.parametrize(
    "payload", [b"", b"data\0", b"data\x000", b"data\x000\x001\0", b"d a\x000\0"]
)
def test_errors(payload: bytes) -> None:
    assert Session().error(T.XS_DIRECTORY_PART, payload) == "EINVAL"


def test_offsets_behind_the_end() -> None:
    s = Session()
    for offset in (b"2", b"999999", b"-1"):
        assert s.ask(T.XS_DIRECTORY_PART, b"data\0" + offset + b"\0").endswith(b"\0\0")
    assert s.error(T.XS_DIRECTORY_PART, b"/none\x000\0") == "EACCES"


def test_oxenstored_has_none_and_sorts() -> None:
    s = Session(oxenstored.DIALECT)
    assert s.error(T.XS_DIRECTORY_PART, b"data\x000\0") == "ENOSYS"
    for name in (b"z", b"a", b"Z"):
        s.ask(T.XS_WRITE, b"data/" + name + b"\0")
    assert s.ask(T.XS_DIRECTORY, b"data\0") == b"Z\0a\0x\0z\0"
