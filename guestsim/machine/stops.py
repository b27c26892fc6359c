"""Where a stage is over that neither shuts down nor hands over: somebody else's program, which goes
on to a prompt, or to sleep."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NEVER", "Awaited", "StopAt"]


@dataclass(frozen=True)
class StopAt:
    """What ends a stage, and ends it well. By itself: nothing."""

    console: bytes = b""
    """This text on its console. Empty: no text does."""
    requests: int = 0
    """So many requests sent, and no request without its answer. 0: no number does."""
    hlt: bool = False
    """HLT."""


NEVER = StopAt()


class Awaited:
    """Waits for a text in what a stage prints."""

    def __init__(self) -> None:
        self.text = b""
        self.seen = b""
        """The longest part of `text`'s beginning with which what was printed ends. A state."""

    def begin(self, text: bytes) -> None:
        """Nothing has been printed, and `text` is waited for. Empty: for nothing."""
        self.text, self.seen = text, b""

    def hear(self, more: bytes) -> bool:
        """`more` is printed; whether the text is there now."""
        if not self.text:
            return False
        printed = self.seen + more
        if self.text in printed:
            return True
        sizes = range(min(len(self.text) - 1, len(printed)), 0, -1)
        ends = (printed[-size:] for size in sizes)
        self.seen = next((end for end in ends if self.text.startswith(end)), b"")
        return False
