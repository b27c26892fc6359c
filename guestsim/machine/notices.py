"""What a guest asked for and this machine does not provide."""

from __future__ import annotations

from typing import NamedTuple

from guestsim.trace.ops import Site

__all__ = ["Notice"]


class Notice(NamedTuple):
    """One thing, asked for at one place; not said twice."""

    what: str
    """`hypercall 55`, `port 0x1234 (in, 1 byte)`…"""
    answer: str
    """What it got instead: `ENOSYS`, `all ones`…"""
    site: Site
    """Where in the guest's program."""

    def __str__(self) -> str:
        line = f", {self.site}" if self.site.function or self.site.file else ""
        where = f" (asked for at {self.site.pc:#x} in {self.site.stage}{line})"
        return f"{self.what} is not provided: {self.answer}{where}"
