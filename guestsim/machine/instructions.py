"""The little of x86 decoding that the machine needs: what kind of access an instruction makes.

Source: Intel SDM volume 2, instruction format (prefixes) and the opcode maps.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

__all__ = ["LONGEST", "Access", "access_of", "repeats_store"]

LONGEST = 15
"""Bytes of the longest instruction."""

_LOCK = 0xF0
_REP = frozenset((0xF2, 0xF3))
_STRING_STORES = frozenset((0xA4, 0xA5, 0xAA, 0xAB))
"""MOVS and STOS."""
_PREFIXES = frozenset((0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, _LOCK, 0xF2, 0xF3))


class Access(NamedTuple):
    """How an instruction that loads from memory does so."""

    is_atomic: bool
    """LOCK-prefixed, or XCHG with memory, which locks by itself."""
    is_cmpxchg8b: bool
    """The only general-register instruction that loads 8 bytes at once."""
    loads_twice: bool
    """CMPS: two loads in one instruction."""


@lru_cache(maxsize=4096)
def access_of(instruction: bytes) -> Access:
    """What the instruction at the beginning of these bytes does."""
    prefixes, rest = _split(instruction)
    return Access(
        is_atomic=_LOCK in prefixes or rest[:1] in (b"\x86", b"\x87"),
        is_cmpxchg8b=rest[:2] == b"\x0f\xc7",
        loads_twice=rest[:1] in (b"\xa6", b"\xa7"),
    )


@lru_cache(maxsize=4096)
def repeats_store(instruction: bytes) -> bool:
    """Whether the instruction at the beginning of these bytes is REP MOVS or REP STOS."""
    prefixes, rest = _split(instruction)
    return not _REP.isdisjoint(prefixes) and not _STRING_STORES.isdisjoint(rest[:1])


def _split(instruction: bytes) -> tuple[bytes, bytes]:
    """The prefixes, and what comes after them."""
    length = next((at for at, byte in enumerate(instruction) if byte not in _PREFIXES), LONGEST)
    return instruction[:length], instruction[length:]
