"""Lines of text that are no wider than a column."""

from __future__ import annotations

from rich.cells import cell_len

__all__ = ["wrap"]


def wrap(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` cells, broken at spaces where that is possible."""
    lines: list[str] = []
    line = ""
    for number, word in enumerate(text.split(" ")):
        longer = f"{line} {word}" if number else word
        if cell_len(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        line = ""
        for sign in word:
            if line and cell_len(line + sign) > width:
                lines.append(line)
                line = ""
            line += sign
    return [*lines, line]
