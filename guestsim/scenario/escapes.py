r"""Bytes inside of a request line: `\xNN` is any byte, `\\` a backslash, all else itself in UTF-8.

The images read the same (`firmware/lib/spelling.c`).
"""

from __future__ import annotations

import re

from guestsim.errors import InputError
from guestsim.trace.text import quoted

__all__ = ["spelled_bytes", "spelled_list"]

_ESCAPE = re.compile(rb"\\(?:x([0-9a-f]{2})|(\\))")
_WRONG = re.compile(r"(?:[^\\]|\\x[0-9a-f]{2}|\\\\)*+(\\.{0,3})")


def spelled_bytes(text: str) -> bytes:
    r"""What `text` spells. InputError where a `\` begins no escape."""
    if wrong := _WRONG.match(text):
        raise InputError(
            rf"{quoted(wrong[1])} is no escape; \xNN is a byte (two digits of 0-9 and a-f), "
            r"\\ a backslash"
        )
    return _ESCAPE.sub(lambda it: b"\\" if it[2] else bytes([int(it[1], 16)]), text.encode())


def spelled_list(text: str) -> tuple[bytes, ...]:
    """The entries of a list, between which commas stand; none where the text is empty."""
    return tuple(map(spelled_bytes, text.split(","))) if text else ()
