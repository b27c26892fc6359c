"""The framing of GDB's remote serial protocol, without I/O.

Source: the GDB manual, appendix "Remote Protocol", sections "Overview" and "Interrupts".
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

__all__ = ["LARGEST", "Framer", "Mark", "Packet", "frame"]

LARGEST = 0x4000
"""Bytes of the largest packet, as told to GDB; one that is larger counts as damaged."""

_BEGIN, _END, _ESCAPE, _REPEAT = b"$#}*"
_XOR = 0x20
_DIGITS = b"0123456789abcdefABCDEF"


class Mark(Enum):
    """What else comes besides packets."""

    ACK = "+"
    RESEND = "-"
    INTERRUPT = "Ctrl-C"
    DAMAGED = "a packet with a wrong checksum"


class Packet(NamedTuple):
    """A whole one, without its frame."""

    data: bytes


def frame(data: bytes) -> bytes:
    """The packet around `data`."""
    body = bytearray()
    for byte in data:
        if byte in (_BEGIN, _END, _ESCAPE, _REPEAT):
            body += bytes((_ESCAPE, byte ^ _XOR))
        else:
            body.append(byte)
    return b"$%b#%02x" % (bytes(body), sum(body) & 0xFF)


class Framer:
    """Takes bytes as they come, in any portions. What stands between packets is skipped."""

    def __init__(self) -> None:
        self._body: bytearray | None = None
        self._digits: bytearray | None = None
        self._too_large = False

    def feed(self, data: bytes) -> list[Packet | Mark]:
        """What has become whole."""
        found: list[Packet | Mark] = []
        for byte in data:
            item = self._take(byte)
            if item is not None:
                found.append(item)
        return found

    def _take(self, byte: int) -> Packet | Mark | None:
        if self._digits is not None:
            self._digits.append(byte)
            return self._whole() if len(self._digits) == 2 else None
        if byte == _BEGIN:  # inside a packet, too: the rest of that one has been lost
            self._body, self._too_large = bytearray(), False
        elif self._body is None:
            return _MARKS.get(byte)
        elif byte == _END:
            self._digits = bytearray()
        elif len(self._body) < LARGEST:
            self._body.append(byte)
        else:
            self._too_large = True
        return None

    def _whole(self) -> Packet | Mark:
        assert self._body is not None
        assert self._digits is not None
        body, digits = bytes(self._body), bytes(self._digits)
        self._body = self._digits = None
        if self._too_large or any(byte not in _DIGITS for byte in digits):
            return Mark.DAMAGED
        if int(digits, 16) != sum(body) & 0xFF:
            return Mark.DAMAGED
        return Packet(_unescaped(body))


_MARKS = {ord("+"): Mark.ACK, ord("-"): Mark.RESEND, 3: Mark.INTERRUPT}


def _unescaped(body: bytes) -> bytes:
    first, *others = body.split(b"}")
    return first + b"".join(bytes((part[0] ^ _XOR,)) + part[1:] if part else b"" for part in others)
