"""The little of x86 decoding that the machine needs, on top of Capstone.

Sources: Intel SDM volume 2 (what an instruction loads and stores), volume 3, 8.2 (memory ordering)
and 8.3 (serializing instructions).
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import NamedTuple

from capstone import CS_ARCH_X86, CS_MODE_16, CS_MODE_32, Cs

__all__ = ["LONGEST", "Instruction", "decode", "special"]

LONGEST = 15
"""Bytes of the longest instruction."""

# fmt: off
_LOADS_ONCE = frozenset((
    "adc", "add", "and", "bsf", "bsr", "bt", "btc", "btr", "bts", "cmp", "cmpxchg", "cmpxchg8b",
    "dec", "div", "idiv", "imul", "inc", "lodsb", "lodsd", "lodsw", "mov", "movsb", "movsd",
    "movsw", "movsx", "movzx", "mul", "neg", "not", "or", "rcl", "rcr", "rol", "ror", "sal", "sar",
    "sbb", "scasb", "scasd", "scasw", "shl", "shld", "shr", "shrd", "sub", "test", "xadd", "xchg",
    "xor",
))
"""These load at most one word of memory, and store nowhere but where they have loaded; MOVS does,
but counts in ESI whether it has been executed. Any other that loads a shared word is executed
alone: see `guestsim.machine.engine`."""

_SERIALIZING = frozenset((
    "invd", "invlpg", "iret", "iretd", "iretw", "lgdt", "lidt", "lldt", "ltr", "mfence", "rsm",
    "serialize", "wbinvd", "wrmsr",
))
"""Those that a CPU executes only when its store buffer is empty (SDM volume 3, 8.2.2 and 8.3), but
for CPUID and port I/O, of which Unicorn tells. SFENCE and LFENCE are none: stores to ordinary
memory are in order anyway, and may wait for all that LFENCE does."""
# fmt: on

_REP = frozenset((0xF2, 0xF3))
_STRING_STORES = frozenset((0xA4, 0xA5, 0xAA, 0xAB))  # MOVS and STOS

_CANDIDATES = re.compile(
    rb"\x0f\xae[\xf0-\xf7]|\xf0|[\x86\x87][\x00-\xbf]|\xcf|\x0f[\x00\x01\x08\x09\x22\x23\x30\xaa]",
    re.DOTALL,
)
"""Bytes without which there is no ordering instruction: quicker than to decode."""
_WRMSR = b"\x0f\x30"


class Instruction(NamedTuple):
    """One instruction, as far as the machine has to know it."""

    text: str
    """In Intel's notation; `(bad)` where there is none."""
    code: bytes
    is_atomic: bool
    """LOCK-prefixed, or XCHG with memory, which locks by itself."""
    is_cmpxchg8b: bool
    """The only general-register instruction that accesses 8 bytes at once."""
    loads_once: bool
    """It loads at most one word, and stores nowhere but there, or is MOVS."""
    loads_again: bool
    """LOCK NEG: where hardware loads once, Unicorn loads again to find the value still there."""
    repeats_store: bool
    """REP MOVS or REP STOS."""

    def __str__(self) -> str:
        return f"{self.text} ({self.code.hex(' ')})"


@cache
def _decoder(bits: int) -> Cs:
    return Cs(CS_ARCH_X86, CS_MODE_16 if bits == 16 else CS_MODE_32)


@lru_cache(maxsize=4096)
def decode(code: bytes, bits: int = 32) -> Instruction:
    """The instruction at the beginning of `code`, in a segment of 16 or 32 bits."""
    for _, size, mnemonic, operands in _decoder(bits).disasm_lite(code, 0, 1):
        name = mnemonic.rpartition(" ")[2]
        return Instruction(
            f"{mnemonic} {operands}".rstrip(),
            bytes(code[:size]),
            _is_atomic(mnemonic, operands),
            name == "cmpxchg8b",
            name in _LOADS_ONCE,
            mnemonic == "lock neg",
            # All bytes but the last are prefixes; Capstone does not show F2 here.
            code[size - 1] in _STRING_STORES and not _REP.isdisjoint(code[: size - 1]),
        )
    return Instruction("(bad)", bytes(code[:LONGEST]), False, False, False, False, False)


def special(code: bytes, bits: int, *, ordering: bool) -> list[int]:
    """Where in a run of instructions WRMSR is, and with `ordering` also each other instruction that
    waits until the store buffer is empty. CPUID and port I/O are left out."""
    if not (_CANDIDATES.search(code) if ordering else _WRMSR in code):
        return []
    return [
        offset
        for offset, _, mnemonic, operands in _decoder(bits).disasm_lite(code, 0)
        if mnemonic == "wrmsr" or (ordering and _orders(mnemonic, operands))
    ]


def _orders(mnemonic: str, operands: str) -> bool:
    if mnemonic == "mov":
        return operands[:2] in ("cr", "dr")
    return mnemonic in _SERIALIZING or _is_atomic(mnemonic, operands)


def _is_atomic(mnemonic: str, operands: str) -> bool:
    return mnemonic.startswith("lock") or (mnemonic == "xchg" and "[" in operands)
