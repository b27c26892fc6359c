"""Text of users and guests made safe to print: on one line, and not too long."""

from __future__ import annotations

import json

__all__ = ["escaped", "printable", "quoted", "shorten"]

_LONGEST = 72
"""Characters of the user's own text that a message repeats."""


def escaped(text: str) -> str:
    """`text` on one line: characters that do not print are written as escapes."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, the last an ellipsis where something was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def printable(text: str) -> str:
    """`text` on one line, and cut where it is long."""
    return escaped(shorten(text, _LONGEST))


def quoted(text: str) -> str:
    """`text` in double quotes, as TOML would have it, on one line."""
    inside = json.dumps(text[: _LONGEST + 1], ensure_ascii=False)[1:-1]
    return f'"{printable(inside)}"'
