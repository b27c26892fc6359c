"""What the machine does not have: a notice that names it, and what hardware would answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from code86 import (
    BASE,
    DATA,
    HAND_OVER,
    HLT,
    REP_STOSD,
    RING,
    SET_UP,
    SHARED_INFO,
    UD2,
    guest,
    hypercall,
    load,
    map_shared_info,
    mov_eax,
    mov_ecx,
    mov_edi,
    mov_edx,
    out,
    poke,
    store,
)

from guestsim.machine.guest import Guest
from guestsim.machine.profile import Profile
from guestsim.trace.ops import Kind

REQ_CONS, REQ_PROD = RING + 2048, RING + 2052
MISSING = 0xF1234000
POPULATED = 0xFC00A


def values(machine: Guest) -> list[int]:
    return [op.value for op in machine.start().ops if op.kind is Kind.STORE]


def said(machine: Guest) -> list[str]:
    return [f"{notice.what}: {notice.answer}" for notice in machine.notices]


CASES = {
    "hypercall": (SET_UP + hypercall(55, 1), -38, ["hypercall 55: ENOSYS"]),
    "memory_op": (SET_UP + hypercall(12, 99), -38, ["memory_op 99: ENOSYS"]),
    "in": (
        mov_eax(0) + b"\xe5\x99",
        -1,
        ["port 0x99 (in, 4 bytes): all ones"],
    ),
    "out": (
        mov_eax(0x77) + b"\xe6\x99",
        0x77,
        ["port 0x99 (out, 1 byte, 0x77): nothing happens"],
    ),
    "load": (
        load(MISSING + 16),
        -1,
        ["a device at 0xf1234010 (load, 4 bytes): all ones"],
    ),
    "store": (
        mov_eax(5) + store(MISSING),
        5,
        ["a device at 0xf1234000 (store, 4 bytes): it is lost"],
    ),
    "a loop over a device": (
        mov_edi(MISSING) + mov_ecx(461) + mov_eax(5) + REP_STOSD,
        5,
        ["a device at 0xf1234000..0xf1234730 (store, 4 bytes each, 461 places): it is lost"],
    ),
    "a loop over ports": (
        mov_edx(0x200) + b"\xec\xfe\xc2\x80\xfa\x10\x75\xf8" + mov_eax(3),
        3,
        ["ports 0x200..0x20f (in, 1 byte each, 16 places): all ones"],
    ),
    "many values": (
        mov_eax(9) + b"\xe6\x99\xfe\xc8\x75\xfa",  # out 0x99, al; dec al; jnz
        0,
        ["port 0x99 (out, 1 byte each, 9 values): nothing happens"],
    ),
    "two places in the program": (
        mov_eax(5) + store(MISSING + 4) + store(MISSING) + load(MISSING),
        -1,
        [
            "a device at 0xf1234004 (store, 4 bytes): it is lost",
            "a device at 0xf1234000 (store, 4 bytes): it is lost",
            "a device at 0xf1234000 (load, 4 bytes): all ones",
        ],
    ),
    "a port that is always empty": (mov_eax(0) + b"\xe5\x80", -1, []),
}


@pytest.mark.parametrize(("code", "answer", "notices"), CASES.values(), ids=CASES)
def test_it_is_named_and_answered(
    tmp_path: Path, code: bytes, answer: int, notices: list[str]
) -> None:
    machine = guest(tmp_path, code + store(REQ_PROD) + load(REQ_CONS))
    assert values(machine) == [answer & 0xFFFFFFFF]
    assert said(machine) == notices
    assert values(machine) == [answer & 0xFFFFFFFF]
    assert said(machine) == notices, "said once, however often it is asked for"


def test_a_notice_tells_where(tmp_path: Path) -> None:
    machine = guest(tmp_path, load(MISSING) + load(REQ_CONS))
    machine.start()
    assert str(machine.notices[0]) == (
        f"a device at {MISSING:#x} (load, 4 bytes) is not provided: all ones "
        f"(asked for at {BASE:#x} in stage0)"
    )


def populate(command: int, pfn: int = POPULATED) -> bytes:
    """populate_physmap (6) or decrease_reservation (1) of one page."""
    words = (DATA + 64, 1, 0, 0)
    pokes = b"".join(poke(DATA + 4 * at, word) for at, word in enumerate(words))
    return pokes + poke(DATA + 64, pfn) + hypercall(12, command, DATA)


def test_a_page_comes_and_goes_with_the_hypercalls(tmp_path: Path) -> None:
    page = POPULATED << 12
    look = load(page) + store(REQ_PROD)
    change = poke(page, 77) + look
    code = SET_UP + look + populate(6) + look + change + populate(1) + look
    assert values(guest(tmp_path, code + load(REQ_CONS))) == [0xFFFFFFFF, 0, 77, 0xFFFFFFFF]


def test_shared_info_can_come_where_there_was_nothing(tmp_path: Path) -> None:
    look = load(SHARED_INFO + 0x900) + store(REQ_PROD)
    machine = guest(tmp_path, SET_UP + look + map_shared_info() + look + load(REQ_CONS))
    assert values(machine) == [0xFFFFFFFF, 0]
    assert values(machine) == [0xFFFFFFFF, 0]


def test_going_back_takes_a_page_away(tmp_path: Path) -> None:
    page = POPULATED << 12
    machine = guest(
        tmp_path,
        SET_UP
        + load(REQ_CONS)
        + b"\x85\xc0\x74\x05"  # test eax, eax; je over the jump
        + b"\xe9"
        + len(populate(6)).to_bytes(4, "little")
        + populate(6)
        + load(page)
        + store(REQ_PROD)
        + poke(page, 77)
        + load(REQ_CONS),
    )
    machine.keep_states = True
    first = machine.start()
    for value, expected in ((0, 0), (1, 0xFFFFFFFF), (0, 0), (1, 0xFFFFFFFF)):
        assert machine.resume(first.point, value).ops[0].value == expected


def test_memory_and_version_are_the_platforms(tmp_path: Path) -> None:
    code = SET_UP + hypercall(17, 0) + store(REQ_PROD) + load((24 << 20) - 4) + store(REQ_PROD)
    profile = Profile(memory=24 << 20, xen=(4, 19))
    assert values(guest(tmp_path, code + load(REQ_CONS), profile=profile)) == [4 << 16 | 19, 0]


# -- stages that did nothing ----------------------------------------------------------------------

SAYS = poke(DATA + 64, 0x2A2A2A2A)
SILENT = "stage stage0 touched neither ring nor console"

STAGES: dict[str, tuple[bytes, list[str]]] = {
    "nothing": (b"", [SILENT]),
    "a store to the ring": (poke(REQ_PROD, 1), []),
    "a load of the ring": (load(REQ_CONS), []),
    "port 0xe9": (out(0xE9, 0x2A), []),
    "console_io": (SET_UP + SAYS + hypercall(18, 0, 1, DATA + 64), []),
    "an answered hypercall": (SET_UP + hypercall(17, 0), [SILENT]),
    "a port of nobody's": (
        b"\xe6\x99",
        ["port 0x99 (out, 1 byte, 0x0) is not provided: nothing happens "
         f"(asked for at {BASE:#x} in stage0)", SILENT],
    ),
}  # fmt: skip


@pytest.mark.parametrize("keep_states", [False, True])
@pytest.mark.parametrize(("code", "notices"), STAGES.values(), ids=STAGES)
def test_a_stage_that_did_nothing_is_named(
    tmp_path: Path, code: bytes, notices: list[str], keep_states: bool
) -> None:
    machine = guest(tmp_path, code + HAND_OVER, load(REQ_CONS) + HAND_OVER)
    machine.keep_states = keep_states
    for _ in range(2):
        burst = machine.start()
        while burst.point is not None:
            machine.resume(burst.point, 1)
            burst = machine.resume(burst.point, 0)
        assert [str(notice) for notice in machine.notices] == notices


def test_so_is_one_that_crashed_at_once_and_the_last_one(tmp_path: Path) -> None:
    for end in (UD2, HAND_OVER, HLT):
        machine = guest(tmp_path, poke(REQ_PROD, 1) + HAND_OVER, end)
        assert machine.start().ops[-1].kind is Kind.HALT
        assert [str(notice) for notice in machine.notices] == [
            "stage stage1 touched neither ring nor console"
        ]
