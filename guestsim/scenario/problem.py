"""What is wrong with a scenario: a key path and one sentence, both safe to print on one line."""

from __future__ import annotations

import re
from datetime import date, time

from guestsim.trace.text import quoted

__all__ = ["Key", "Problem", "key_path", "show"]

Key = tuple[str | int, ...]
"""Where in a file: table keys and list indices, from the outside in."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST = 72
"""Characters of a part that may stand without quotes."""


class Problem(Exception):  # noqa: N818 (becomes an InputError once the file's name is known)
    """One thing that is wrong, before it is known in which file."""

    def __init__(self, key: Key, message: str) -> None:
        super().__init__(message)
        self.key = key
        self.message = message


def key_path(key: Key) -> str:
    """How people write a key: `search.script[2].until`, `store."hvmloader/bios"`."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _is_bare(part) else quoted(part))
    return text


def _is_bare(part: str) -> bool:
    return len(part) <= _LONGEST and _BARE.fullmatch(part) is not None


def show(value: object) -> str:
    """What a TOML value is, for "got …": `the string "x"`, `the integer 5`, `a table`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        # Python refuses to print integers of thousands of digits, and nobody wants to read them.
        return f"the integer {value}" if abs(value) < 1 << 64 else "a huge integer"
    if isinstance(value, float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the string {quoted(value)}"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, date | time):
        return f"the date or time {value}"
    raise TypeError(f"TOML has no {type(value).__name__}")
