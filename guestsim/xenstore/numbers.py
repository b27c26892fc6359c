"""Numbers in requests, as the servers read them."""

from __future__ import annotations

import re

__all__ = ["first_digits", "number", "ocaml_number"]

_NUMBER = re.compile(rb"[ \t-\r]*([+-]?[0-9]+)")
_DIGITS = re.compile(rb"[0-9]+")
_LITERAL = re.compile(
    r"[+-]?(0[xX][0-9a-fA-F][0-9a-fA-F_]*|0[oO][0-7][0-7_]*|0[bB][01][01_]*|0[uU][0-9][0-9_]*"
    r"|[0-9][0-9_]*)\Z"
)
_BASES = {"x": 16, "o": 8, "b": 2, "u": 10}
_LARGEST = 1 << 62
"""An int of OCaml has 63 bits."""


def number(raw: bytes, *, signed: bool = False) -> int:
    """As atoi reads it: what is not a number is 0. Unless `signed`, modulo 2^32."""
    match = _NUMBER.match(raw)
    value = int(match[1]) if match else 0
    return value if signed else value & 0xFFFFFFFF


def ocaml_number(text: str) -> int | None:
    """As `int_of_string` of OCaml reads it; None for what it refuses."""
    match = _LITERAL.match(text)
    if match is None:
        return None
    digits, negative = match[1].replace("_", ""), text.startswith("-")
    base = _BASES.get(digits[1:2].lower())
    value = int(digits) if base is None else int(digits[2:], base)
    # What has a base in front may use the sign's bit, too.
    if value >= _LARGEST << 1 or (value >= _LARGEST + negative and base in (None, 10)):
        return None
    return -value if negative else value


def first_digits(raw: bytes) -> int:
    """As `c_int_of_string` of oxenstored's process.ml reads it: the first digits that there are,
    whatever stands around them, modulo 2^63; 0 without any."""
    match = _DIGITS.search(raw)
    return int(match[0]) & ((_LARGEST << 1) - 1) if match else 0
