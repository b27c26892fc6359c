"""The little of x86 decoding that the machine needs: what kind of access an instruction makes.

Source: Intel SDM volume 2, instruction format (prefixes) and the opcode maps.
"""

from __future__ import annotations

__all__ = ["LONGEST", "is_atomic", "is_cmpxchg8b", "loads_twice"]

LONGEST = 15
"""Bytes of the longest instruction."""

_LOCK = 0xF0
_PREFIXES = frozenset((0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, _LOCK, 0xF2, 0xF3))


def _opcode(instruction: bytes) -> tuple[bytes, bytes]:
    """(prefixes, the rest)."""
    for index, byte in enumerate(instruction):
        if byte not in _PREFIXES:
            return instruction[:index], instruction[index:]
    return instruction, b""


def is_atomic(instruction: bytes) -> bool:
    """LOCK-prefixed, or XCHG with memory, which locks by itself."""
    prefixes, rest = _opcode(instruction)
    return _LOCK in prefixes or rest[:1] in (b"\x86", b"\x87")


def is_cmpxchg8b(instruction: bytes) -> bool:
    """The only general-register instruction that loads 8 bytes at once."""
    return _opcode(instruction)[1][:2] == b"\x0f\xc7"


def loads_twice(instruction: bytes) -> bool:
    """CMPS: two loads in one instruction."""
    return _opcode(instruction)[1][:1] in (b"\xa6", b"\xa7")
