"""What a scenario file says about itself: the comment at its top."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

from guestsim.files import MIB, read_text

__all__ = ["story_of"]


def story_of(path: Path) -> str:
    """The comment lines at the top of the file without their marks; "" where there are none."""
    lines = read_text(path, MIB, "scenario").splitlines()
    comment = takewhile(lambda line: line.startswith("#"), lines)
    return "\n".join(line.lstrip("#").strip() for line in comment).strip()
