"""What a guest prints: bytes that only grow, and a value of them when somebody asks."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Printed"]


class Printed:
    """To add a byte costs the same however much there is."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._text: bytes | None = b""
        self.heard: Callable[[bytes], None] | None = None
        """Called with all that is added."""

    def add(self, more: bytes) -> None:
        """Print `more`."""
        self._bytes += more
        self._text = None
        if self.heard is not None:
            self.heard(more)

    @property
    def text(self) -> bytes:
        """All of it; the same object while nothing is added."""
        if self._text is None:
            self._text = bytes(self._bytes)
        return self._text

    @text.setter
    def text(self, text: bytes) -> None:
        if text is not self._text:
            self._bytes[:] = self._text = text
