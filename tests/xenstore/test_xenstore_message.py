"""The parser is fed by a ring that cuts the stream anywhere: how it is cut must not matter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guestsim.xenstore import Message, Need, Overlong, Parser, parse, type_name

U32 = st.integers(0, 2**32 - 1)
MESSAGES = st.builds(Message, U32, U32, U32, st.binary(max_size=100))


def test_layout_is_four_little_endian_words_and_the_payload() -> None:
    encoded = Message(2, 0x11223344, 5, b"ab\0").encode()
    assert encoded == bytes.fromhex("02000000 44332211 05000000 03000000 616200")
    assert Message(2, 0x11223344, 5, b"ab\0").size == len(encoded)


@pytest.mark.parametrize("have", [0, 1, 15])
def test_part_of_a_header_needs_its_rest(have: int) -> None:
    assert parse(Message(2, payload=b"abc").encode()[:have]) == Need(16 - have)


def test_a_header_alone_needs_its_payload() -> None:
    assert parse(Message(2, payload=b"abc").encode()[:16]) == Need(3)
    assert parse(Message(2, payload=b"abc").encode()[:18]) == Need(1)


def test_length_4096_is_allowed_and_4097_is_not() -> None:
    longest = Message(11, payload=bytes(4096))
    assert parse(longest.encode()) == longest
    assert parse(Message(11, payload=bytes(4097)).encode()) == Overlong(4097)


def test_a_ring_filled_with_ones_is_overlong() -> None:
    assert parse(b"\xff" * 16) == Overlong(0xFFFFFFFF)


def test_a_ring_of_zeroes_holds_control_requests() -> None:
    _, messages = Parser().feed(bytes(40))
    assert messages == (Message(0), Message(0))


def test_nothing_behind_an_overlong_header_is_parsed() -> None:
    good = Message(2, payload=b"a\0")
    parser, messages = Parser().feed(good.encode() + b"\xff" * 16)
    assert messages == (good,)
    assert (parser.overlong, parser.need) == (0xFFFFFFFF, 0)
    assert parser.feed(good.encode()) == (parser, ())


@given(st.lists(MESSAGES, max_size=5), st.binary(max_size=30), st.data())
def test_any_cut_gives_what_the_whole_gives(
    messages: list[Message], tail: bytes, data: st.DataObject
) -> None:
    stream = b"".join(message.encode() for message in messages) + tail
    whole, expected = Parser().feed(stream)
    parser, found, rest = Parser(), list[Message](), stream
    while rest:
        count = data.draw(st.integers(1, len(rest)))
        parser, more = parser.feed(rest[:count])
        found.extend(more)
        rest = rest[count:]
    assert tuple(found) == expected
    assert expected[: len(messages)] == tuple(messages)
    assert (parser.overlong, parser.need) == (whole.overlong, whole.need)


@given(st.lists(MESSAGES, min_size=1, max_size=3))
def test_byte_by_byte_equals_whole(messages: list[Message]) -> None:
    parser, found = Parser(), list[Message]()
    for byte in b"".join(message.encode() for message in messages):
        need = parser.need
        parser, more = parser.feed(bytes([byte]))
        found.extend(more)
        # One byte is one less to wait for, unless a new part begins.
        assert more or parser.need == need - 1 or need == 1
    assert found == messages


def test_names() -> None:
    assert type_name(2) == "READ"
    assert type_name(20) == "type 0x14"
