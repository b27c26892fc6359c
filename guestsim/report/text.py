"""Plain text for reports: bytes as words, numbers as people say them, ASCII fallbacks."""

from __future__ import annotations

from collections.abc import Iterable

from guestsim.trace.text import shorten
from guestsim.trace.wire import HEADER_SIZE, parse_header

__all__ = ["asciify", "data_words", "printable", "signed", "spoken"]

_ASCII = {
    "→": "->",
    "←": "<-",
    "×": "x",
    "…": "...",
    "─": "-",
    "│": "|",
    "┼": "+",
    "◀": "<<",
    "·": ".",
    "✗": "!",
}


def asciify(text: str) -> str:
    """`text` in ASCII only: our own signs get a likeness, anything else an escape."""
    spelled = "".join(_ASCII.get(char, char) for char in text)
    return spelled.encode("ascii", "backslashreplace").decode("ascii")


def signed(difference: int) -> str:
    """A difference of two u32 counters, read as people do: 4294967274 is -22."""
    difference %= 1 << 32
    return f"-{(1 << 32) - difference}" if difference >> 31 else str(difference)


def spoken(parts: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def printable(data: bytes, limit: int) -> str:
    """`data` as text of at most `limit` signs, other bytes as escapes."""
    text = "".join(
        chr(byte) if 0x20 <= byte < 0x7F else "\\0" if byte == 0 else f"\\x{byte:02x}"
        for byte in data[: limit + 1]
    )
    return shorten(text, limit)


def data_words(data: bytes, *, limit: int = 28) -> str:
    """What `data` is: `0xff ×1024`, `READ "bios\\0"`, `"seabios"`, `02 00 00 00 …`.

    A message header is recognised where one could begin; quoted text has at most `limit` signs.
    """
    if len(set(data)) == 1 and (len(data) > 4 or not 0x20 <= data[0] < 0x7F):
        return f"{data[0]:#04x}" + (f" ×{len(data)}" if len(data) > 1 else "")
    header = parse_header(data)
    if header is not None:
        body = data[HEADER_SIZE : HEADER_SIZE + header.len]
        if body:
            return f'{header.type} "{printable(body, limit)}"'
        return f"{header.type} header" + (f", {header.len} to come" if header.len else "")
    readable = sum(0x20 <= byte < 0x7F for byte in data)
    if readable + data.count(0) == len(data) and readable * 2 >= len(data):
        return f'"{printable(data, limit)}"'
    shown = " ".join(f"{byte:02x}" for byte in data[:8])
    return shown + (" …" if len(data) > 8 else "")
