"""Bytes and signs as plain text."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guestsim.report.text import asciify, data_words, signed, spoken
from guestsim.trace.text import escaped, shorten
from guestsim.trace.wire import parse_header


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff" * 1024, "0xff ×1024"),
        (b"\0", "0x00"),
        (b"a", '"a"'),
        (b"aaaa", '"aaaa"'),
        (b"seabios", '"seabios"'),
        (b"bios\0\0", '"bios\\0\\0"'),
        (b"\1\2\3", "01 02 03"),
        (bytes(range(200, 220)), "c8 c9 ca cb cc cd ce cf …"),
        (struct.pack("<IIII", 2, 0, 0, 5), "READ header, 5 to come"),
        (struct.pack("<IIII", 21, 0, 0, 0), "RESET_WATCHES header"),
        (struct.pack("<IIII", 2, 0, 0, 5) + b"bios\0", 'READ "bios\\0"'),
        (b"x" * 99 + b"y", '"' + "x" * 27 + '…"'),
    ],
)
def test_data_in_words(data: bytes, words: str) -> None:
    assert data_words(data) == words


@given(st.binary(min_size=1, max_size=64))
def test_data_in_words_is_short_and_printable(data: bytes) -> None:
    words = data_words(data)
    assert words.isprintable()
    assert 0 < len(words) <= 60


@given(st.text(max_size=40))
def test_safe_text_is_one_printable_line(text: str) -> None:
    assert escaped(text).isprintable() or not text
    assert asciify(text).isascii()


def test_our_own_signs_have_a_likeness() -> None:
    assert asciify("→ ← × … ─ │ ┼ ◀ · ✗ é") == "-> <- x ... - | + << . ! \\xe9"


@pytest.mark.parametrize(
    ("difference", "text"), [(0, "0"), (22, "22"), (-22, "-22"), (4294967274, "-22")]
)
def test_differences_are_read_with_their_sign(difference: int, text: str) -> None:
    assert signed(difference) == text


def test_lists_are_spoken() -> None:
    assert [spoken("a"), spoken("ab"), spoken("abc")] == ["a", "a and b", "a, b and c"]


def test_shortening_counts_the_ellipsis() -> None:
    assert [shorten("abcd", 4), shorten("abcde", 4)] == ["abcd", "abc…"]


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<IIII", 20, 0, 0, 0),  # a hole in the numbers
        struct.pack("<IIII", 0xFFFF, 0, 0, 0),  # guaranteed invalid
        struct.pack("<IIII", 2, 0, 0, 4097),  # too long
        bytes(15),
    ],
)
def test_no_message_begins_like_that(data: bytes) -> None:
    assert parse_header(data) is None
