"""How the servers read a number."""

from __future__ import annotations

import pytest

from guestsim.xenstore.numbers import first_digits, number, ocaml_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0), ("12", 12), ("012", 12), ("-1", -1), ("+1", 1), ("1_0", 10), ("1_", 1),
        ("0x1F", 31), ("0o17", 15), ("0b101", 5), ("0u9", 9), ("-0x10", -16),
        (str(2**62 - 1), 2**62 - 1), (str(-(2**62)), -(2**62)), (str(2**62), None),
        ("", None), ("_1", None), (" 1", None), ("1 ", None), ("x", None), ("0x", None),
        ("0x_1", None), ("0b2", None), ("1a", None), ("--1", None), ("\u0661", None),
    ],
)  # fmt: skip
def test_ocaml_s_literals(text: str, value: int | None) -> None:
    assert ocaml_number(text) == value


def test_atoi_takes_what_it_can() -> None:
    assert [number(raw) for raw in (b" 12x", b"x", b"-1", b"")] == [12, 0, 2**32 - 1, 0]
    assert number(b"-1", signed=True) == -1


def test_oxenstored_s_own_takes_the_first_digits() -> None:
    assert [first_digits(raw) for raw in (b"-1", b"a12b3", b"", b"4294967297")] == [
        1, 12, 0, 4294967297,
    ]  # fmt: skip
    assert first_digits(b"99999999999999999999") == 7766279631452241919
