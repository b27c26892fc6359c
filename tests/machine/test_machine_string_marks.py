"""Which stores of a guest say that one string instruction made them."""

from __future__ import annotations

from pathlib import Path

import pytest
from code86 import (
    DATA,
    REP_STOSB,
    RING,
    guest,
    load,
    mov_ecx,
    mov_edi,
    mov_esi,
    poke,
    u32,
)

from guestsim.machine.instructions import decode
from guestsim.trace.ops import Flag

REQ_CONS = RING + 2048


def marks(tmp_path: Path, code: bytes) -> list[bool]:
    machine = guest(tmp_path, code + load(REQ_CONS))
    machine.mark_strings = True
    return [bool(op.flags & Flag.STRING) for op in machine.start().ops[:-1]]


STOSD, REP_MOVSB, STD = b"\xab", b"\xf3\xa4", b"\xfd"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (mov_edi(RING) + mov_ecx(3) + REP_STOSB, "-ss"),
        (mov_edi(RING + 2048) + mov_ecx(4) + b"\xf3" + STOSD, "-sss"),
        (mov_edi(RING + 2060) + mov_ecx(4) + STD + b"\xf3" + STOSD, "-sss"),
        (mov_edi(RING) + mov_esi(DATA) + mov_ecx(3) + REP_MOVSB, "-ss"),
        (2 * (mov_edi(RING) + mov_ecx(2) + REP_STOSB), "-s-s"),
        # The second begins where the first ends.
        (mov_edi(RING) + 2 * (mov_ecx(2) + REP_STOSB), "-s-s"),
        (poke(RING, 1) + poke(RING + 4, 1), "--"),
        (mov_edi(RING) + STOSD + STOSD, "--"),
        # loop: stosd; loop loop: one instruction each time, and ECX counts down as well.
        (mov_edi(RING) + mov_ecx(3) + STOSD + b"\xe2\xfd", "---"),
        # mov edx, 3; loop: mov ecx, 1; rep stosb; dec edx; jnz loop: three of one store each.
        (
            mov_edi(RING) + b"\xba" + u32(3) + mov_ecx(1) + REP_STOSB + b"\x4a\x75\xf6",
            "---",
        ),
        # Down and out of the ring with ECX = 3, and once more from elsewhere with ECX = 2.
        (
            STD
            + (mov_edi(RING + 1) + mov_ecx(4) + b"\xba" + u32(2) + REP_STOSB)
            + (mov_edi(RING + 100) + mov_ecx(2) + b"\x4a\x75\xf1"),
            "-s-s",
        ),
        # Begins in memory that is not shared.
        (mov_edi(RING - 2) + mov_ecx(4) + REP_STOSB, "-s"),
    ],
    ids=[
        *("stosb", "stosd", "down", "movsb", "twice", "adjoining", "no string instruction"),
        *("without rep", "a loop", "rep in a loop", "out and elsewhere", "from outside"),
    ],
)
def test_stores_of_one_string_instruction_say_so(
    tmp_path: Path, code: bytes, expected: str
) -> None:
    assert "".join("s" if mark else "-" for mark in marks(tmp_path, code)) == expected


def test_stores_say_nothing_where_nobody_asks(tmp_path: Path) -> None:
    code = mov_edi(RING) + mov_ecx(3) + REP_STOSB
    burst = guest(tmp_path, code + load(REQ_CONS)).start()
    assert not any(op.flags for op in burst.ops)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("f3aa", True),
        ("f3ab", True),
        ("f3a4", True),
        ("f2a5", True),
        ("66f3ab", True),
        ("f367aa", True),
        ("aa", False),
        ("f3ac", False),
        ("f3c3", False),
        ("66ab", False),
        ("b8f3aa0000", False),
        ("f3" * 15, False),
    ],
)
def test_rep_stos_and_rep_movs_are_recognised(code: str, expected: bool) -> None:
    assert decode(bytes.fromhex(code)).repeats_store is expected
