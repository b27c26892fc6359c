"""Accesses of several words at once, and over the edges of the ring page."""

from __future__ import annotations

import itertools

import pytest
from code86 import (
    BASE,
    DATA,
    RING,
    SET_UP,
    load,
    mov_eax,
    mov_ecx,
    mov_edi,
    mov_esi,
    mov_esp,
    poke,
    store,
    u32,
)
from faithful_checks import (
    POWER_OFF,
    REQ_CONS,
    REQ_PROD,
    UNUSED,
    brief,
    followed,
    verdict,
)
from guest_programs import Program
from litmus_threads import Judge, R, Scripted
from program_checks import check_answers, guest_of

from guestsim.errors import InputError
from guestsim.trace import Flag, Kind, shared

# -- several words at once ------------------------------------------------------------------------

WORDS = {
    "popa": b"\x89\xe5" + mov_esp(UNUSED) + b"\x61" + mov_esp(DATA) + store(RING + 3000),
    "les": b"\xc4\x05" + u32(UNUSED) + store(RING + 3000),
    "lgdt": b"\x0f\x01\x15" + u32(UNUSED),
    "lidt": b"\x0f\x01\x1d" + u32(UNUSED),
    "bound": b"\x31\xc0\x62\x05" + u32(UNUSED),
    "cmpsd": mov_esi(UNUSED) + mov_edi(UNUSED + 64) + b"\xa7\x74\x01\x40" + store(RING + 3000),
    "repe cmpsb": mov_esi(UNUSED) + mov_edi(UNUSED + 64) + mov_ecx(3) + b"\xf3\xa6\x74\x01\x41"
    + b"\x89\x0d" + u32(RING + 3000),
}  # fmt: skip


@pytest.mark.parametrize("answers", [(0, 0, 0), (0, 1, 2), (1, 1, 3)])
@pytest.mark.parametrize("name", WORDS)
def test_each_word_of_an_instruction_is_an_op_or_it_is_refused(
    name: str, answers: tuple[int, ...]
) -> None:
    code = SET_UP + WORDS[name] + POWER_OFF
    program = Program(code, (("words", BASE + len(SET_UP)),), name.endswith(("cmpsd", "cmpsb")))
    given = itertools.cycle(answers)
    check_answers(program, lambda: next(given))


@pytest.mark.parametrize("operand", ["esi", "edi"])
def test_comparing_private_bytes_with_the_ring_is_one_load_for_each(operand: str) -> None:
    places = (UNUSED, DATA + 0x300) if operand == "esi" else (DATA + 0x300, UNUSED)
    code = SET_UP + poke(DATA + 0x300, 0x00030201) + mov_esi(places[0]) + mov_edi(places[1])
    code += mov_ecx(4) + b"\xf3\xa6\x89\x0d" + u32(RING + 3000) + POWER_OFF
    ops = followed(guest_of(code), [1, 2, 9])
    assert brief(ops) == [
        "LOAD 0xf00/1 0x0",
        "LOAD 0xf01/1 0x0",
        "LOAD 0xf02/1 0x0",
        "STORE 0xbb8/4 0x1",
        "HALT connected",
    ]


ODD_LOADS = {
    "far jump through memory": b"\xff\x2d" + u32(UNUSED),
    "far call through memory": b"\xff\x1d" + u32(UNUSED),
    "lds": b"\xc5\x05" + u32(UNUSED),
    "lss": b"\x0f\xb2\x05" + u32(UNUSED),
    "ret far": mov_esp(UNUSED) + b"\xcb",
    "iret": mov_esp(UNUSED) + b"\xcf",
    "enter 8, 3": b"\xbd" + u32(UNUSED + 64) + b"\xc8\x08\x00\x03",
    "fldenv": b"\xd9\x25" + u32(UNUSED),
    "frstor": b"\xdd\x25" + u32(UNUSED),
    "fxrstor": b"\x0f\xae\x0d" + u32(UNUSED),
    "fld tbyte": b"\xdb\x2d" + u32(UNUSED),
    "fild qword": b"\xdf\x2d" + u32(UNUSED),
    "movups": b"\x0f\x10\x05" + u32(UNUSED),
    "movq mm0": b"\x0f\x6f\x05" + u32(UNUSED),
}


@pytest.mark.parametrize("name", ODD_LOADS)
def test_no_instruction_is_fed_the_same_word_twice(name: str) -> None:
    machine = guest_of(SET_UP + ODD_LOADS[name] + POWER_OFF)
    try:
        ops = followed(machine, [0] * 300)
    except InputError:
        return
    assert ops[-1].kind is Kind.HALT, f"goes on for ever: {brief(ops)[:12]}"
    words = [(op.site.pc, op.address) for op in ops if op.kind is Kind.LOAD]
    assert len(words) == len(set(words))


@pytest.mark.parametrize("name", [*WORDS, *ODD_LOADS])
def test_a_search_over_such_an_instruction_never_says_hung(name: str) -> None:
    code = {**WORDS, **ODD_LOADS}[name]
    daemon = Scripted("daemon", [], 1)
    try:
        outcomes = verdict(guest_of(SET_UP + code + POWER_OFF), daemon)
    except InputError:
        return
    assert "hung" not in outcomes


@pytest.mark.parametrize("value", [1, 5, 0x80000000])
def test_lock_neg_is_one_atomic_access(value: int) -> None:
    code = SET_UP + b"\xf0\xf7\x1d" + u32(REQ_CONS) + POWER_OFF
    program = Program(code, (("neg", BASE + len(SET_UP)),), either_cmps=False)
    check_answers(program, lambda: value)


def test_a_far_return_takes_all_of_the_stack_pointer() -> None:
    # As firmware loads its own CS: at the entry SS is flat, and 32 bits wide (PVH).
    table = (0, 0, 0x0000FFFF, 0x00CF9A00)
    code = SET_UP + b"".join(poke(DATA + 0x200 + 4 * at, word) for at, word in enumerate(table))
    code += poke(DATA + 0x240, ((DATA + 0x200) & 0xFFFF) << 16 | 15)
    code += poke(DATA + 0x244, (DATA + 0x200) >> 16) + b"\x0f\x01\x15" + u32(DATA + 0x240)
    code += b"\x6a\x08\x68" + u32(BASE + len(code) + 8) + b"\xcb"  # push 8; push the next; retf
    assert brief(followed(guest_of(code + POWER_OFF), [])) == ["HALT connected"]


UNLOCKED = {
    "cmpxchg, equal": (b"\x0f\xb1\x0d", 0, 7),
    "cmpxchg, other": (b"\x0f\xb1\x0d", 5, 5),
    "xadd": (b"\x0f\xc1\x0d", 5, 12),
    "add": (b"\x01\x0d", 5, 12),
    "neg": (b"\xf7\x1d", 5, 0xFFFFFFFB),
}


@pytest.mark.parametrize("name", UNLOCKED)
def test_without_lock_a_change_is_a_load_and_a_store(name: str) -> None:
    # Another party can move between the two: as one atomic op, interleavings would be missed.
    form, old, new = UNLOCKED[name]
    code = SET_UP + mov_eax(0) + mov_ecx(7) + form + u32(UNUSED) + POWER_OFF
    ops = followed(guest_of(code), [old])
    assert brief(ops) == ["LOAD 0xf00/4 0x0", f"STORE 0xf00/4 {new:#x}", "HALT connected"]
    assert not any(op.flags & Flag.LOCKED for op in ops)


# -- over the page's edges ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "place", "size", "value"),
    [
        (RING + 0xFFD, 0xFFD, 3, 0x334455),
        (RING + 0xFFE, 0xFFE, 2, 0x4455),
        (RING + 0xFFF, 0xFFF, 1, 0x55),
        (RING - 1, 0, 3, 0x223344),
        (RING - 2, 0, 2, 0x2233),
        (RING - 3, 0, 1, 0x22),
    ],
    ids=hex,
)
def test_a_store_over_an_edge_is_what_lies_in_the_page(
    address: int, place: int, size: int, value: int
) -> None:
    code = SET_UP + mov_eax(0x22334455) + store(address) + load(REQ_CONS) + POWER_OFF
    assert brief(followed(guest_of(code), [])) == [
        f"STORE {place:#x}/{size} {value:#x}",
        "LOAD 0x800/4 0x0",
    ]


@pytest.mark.parametrize(
    ("address", "place", "size", "value"),
    [
        (RING + 0xFFD, 0xFFD, 3, 0xFF334455),
        (RING + 0xFFE, 0xFFE, 2, 0xFFFF4455),
        (RING + 0xFFF, 0xFFF, 1, 0xFFFFFF55),
        (RING - 1, 0, 3, 0x334455FF),
        (RING - 2, 0, 2, 0x4455FFFF),
        (RING - 3, 0, 1, 0x55FFFFFF),
    ],
    ids=hex,
)
def test_a_load_over_an_edge_has_ones_from_outside(
    address: int, place: int, size: int, value: int
) -> None:
    code = SET_UP + load(address) + store(REQ_PROD) + POWER_OFF
    assert brief(followed(guest_of(code), [0x22334455 & (1 << 8 * size) - 1])) == [
        f"LOAD {place:#x}/{size} 0x0",
        f"STORE 0x804/4 {value:#x}",
        "HALT connected",
    ]


@pytest.mark.parametrize("address", [RING + 0xFFE, RING - 2], ids=hex)
def test_an_atomic_over_an_edge_is_one_of_what_lies_in_the_page_or_refused(address: int) -> None:
    code = SET_UP + b"\xf0\x83\x05" + u32(address) + b"\x01" + POWER_OFF
    place = max(address - RING, 0)
    try:
        ops = followed(guest_of(code), [5])
    except InputError:
        return
    assert brief(ops) == [
        f"RMW {place:#x}/2 0x0",
        f"STORE {place:#x}/2 0x6",  # below the page are ones: adding one carries into it
        "HALT connected",
    ]


def test_a_store_over_the_ring_s_end_does_not_reach_the_next_page() -> None:
    # In the shared address space the event words follow the ring page; on the machine they do not.
    code = SET_UP + mov_eax(0x01010000) + store(RING + 0xFFE) + load(REQ_CONS) + b"\xeb\xf9"
    upcall = R("x")._replace(address=shared.SHARED_INFO, size=1)
    daemon = Judge([upcall], [1], lambda results: results.loads[0] != (0,))
    assert verdict(guest_of(code), daemon) == {"connected"}
