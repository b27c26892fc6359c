"""What keeps Unicorn honest: each guard is taken away, and the witness behind it has to tell."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
from code86 import (
    BASE,
    HAND_OVER,
    RING,
    SET_UP,
    guest,
    hypercall,
    load,
    map_shared_info,
    mov_eax,
    poke,
    shutdown,
    store,
    u32,
)
from unicorn import unicorn_const as const

from guestsim.errors import InternalError
from guestsim.machine import guard
from guestsim.machine.cpu import Cpu
from guestsim.machine.guest import Guest
from guestsim.machine.windows import Windows
from guestsim.trace import Kind
from guestsim.trace.ops import Op

REQ_PROD, RSP_CONS, RSP_PROD = RING + 2052, RING + 2056, RING + 2060


def blinding(start: int) -> bytes:
    """Eight stores of four bytes each from `start` on, then a load, a store and a call."""
    again = b"\xc7\x03" + u32(0x20000B20) + b"\x83\xc3\x04\x81\xfb" + u32(start + 32)
    code = SET_UP + b"\xbb" + u32(start) + again + b"\x72" + struct.pack("b", -len(again) - 2)
    return code + load(RSP_PROD) + b"\xa2" + u32(RING) + load(RSP_CONS) + shutdown(0)


def ops(machine: Guest, answers: Sequence[int]) -> list[Op]:
    burst = machine.start()
    found = list(burst.ops)
    for answer in answers:
        burst = machine.resume(burst.point, answer)
        found += burst.ops
    return found


# -- the fault itself -----------------------------------------------------------------------------


def test_unaligned_stores_to_ram_hide_nothing(tmp_path: Path) -> None:
    found = ops(guest(tmp_path, blinding(0x11001)), [0x1234, 0])
    kinds = [(op.kind, op.address) for op in found]
    assert kinds == [(Kind.LOAD, 2060), (Kind.STORE, 0), (Kind.LOAD, 2056), (Kind.HALT, 0)]
    assert found[1].value == 0x34


def self_changing(after: bytes) -> bytes:
    """An unaligned store to the bytes behind it, which Unicorn has translated with it."""
    store_ahead = b"\xc7\x05" + u32(BASE + len(SET_UP) + 10 + 1) + b"\x90" * 4
    if (BASE + len(SET_UP) + 11) % 4 == 0:
        store_ahead = b"\x90" + store_ahead  # one further: unaligned
    return SET_UP + store_ahead + b"\x90" * 8 + after


def without_guards(monkeypatch: pytest.MonkeyPatch) -> None:
    """RAM as it was: all of it writable and executable."""
    monkeypatch.setattr(guard, "_DATA", const.UC_PROT_ALL)


def test_code_that_changes_the_code_behind_it_hides_nothing(tmp_path: Path) -> None:
    found = ops(guest(tmp_path, self_changing(load(RSP_PROD) + shutdown(0))), [0])
    assert [op.kind for op in found] == [Kind.LOAD, Kind.HALT]


def test_without_the_guards_it_ends_in_an_error_and_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_guards(monkeypatch)
    with pytest.raises(InternalError, match="fell silent"):
        guest(tmp_path, self_changing(load(RSP_PROD) + shutdown(0))).start()


def test_a_hypercall_is_seen_even_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_guards(monkeypatch)
    machine = guest(tmp_path, self_changing(hypercall(17, 0) + shutdown(0)))
    calls = []
    answer = machine.machine._hypercall

    def called(number: int) -> int:
        calls.append(number)
        return answer(number)

    monkeypatch.setattr(machine.machine, "_hypercall", called)
    with pytest.raises(InternalError, match="fell silent"):
        machine.start()
    assert calls == [17, 29], "the port of the hypercall page is no memory"


def test_a_store_of_which_no_hook_hears_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deaf(self: Windows) -> object:
        return lambda *_: None

    monkeypatch.setattr(Windows, "_store_hook", deaf)
    machine = guest(tmp_path, mov_eax(5) + store(REQ_PROD) + load(RSP_CONS))
    with pytest.raises(InternalError, match="wrote to 0xfeffc804"):
        machine.start()


def test_what_the_ring_page_holds_between_runs_means_nothing(tmp_path: Path) -> None:
    # No value that was stored or loaded stays where a load that goes unseen would find it.
    machine = guest(tmp_path, mov_eax(5) + store(REQ_PROD) + load(RSP_CONS) + load(RSP_CONS))
    burst = machine.start()
    machine.resume(burst.point, 0x11223344)
    (window,) = (window for _, window in machine.machine.engine._checked)
    window.begin()
    assert window.host[2052:2060] == guard._PATTERN[2052:2060]
    words = {guard._PATTERN[at : at + 4] for at in range(0, 4096, 4)}
    assert len(words) == 1024, "no two words of the pattern are alike"


# -- notes of Unicorn's own -----------------------------------------------------------------------


def test_the_notes_are_where_they_were_looked_for() -> None:
    cpu = Cpu()
    notes = guard.Notes(cpu.handle.value)
    cpu.uc.mem_map(0x10000, 0x1000)
    cpu.uc.mem_write(0x10000, b"\x90" * 9 + b"\xf4")
    cpu.start(0x10000, 100)
    assert notes.counted == 10
    assert not notes.is_split


@pytest.mark.parametrize("length", [7, 8, 9])
def test_the_budget_is_counted_to_the_instruction(tmp_path: Path, length: int) -> None:
    # Also where runs are interrupted for pages that become code: twelve instructions and a load.
    far = BASE + 0x3000
    code = mov_eax(far) + b"\xff\xe0"
    code = code.ljust(0x3000, b"\xcc") + b"\x90" * length + load(RSP_CONS)
    machine = guest(tmp_path, code, budget=10)
    for _ in range(2):  # the second time nothing is interrupted
        kinds = [op.kind for op in machine.start().ops]
        assert kinds == [Kind.LOAD if length + 3 <= 10 else Kind.HALT], length


# -- pages ----------------------------------------------------------------------------------------


def test_a_page_is_data_until_it_is_executed_and_again_when_it_is_written(tmp_path: Path) -> None:
    page = 0x30000
    write = poke(page, 0x9090C390)  # nop; ret
    call = mov_eax(page) + b"\xff\xd0"
    fill = b"\xbf" + u32(page + 0x800) + b"\xb9" + u32(64) + b"\xf3\xaa"  # rep stosb
    machine = guest(
        tmp_path, SET_UP + write + load(RSP_CONS) + call + load(RSP_CONS) + fill + load(RSP_CONS)
    )
    burst = machine.start()
    pages = machine.machine.engine._pages
    assert page not in pages.code
    burst = machine.resume(burst.point, 0)
    assert page in pages.code
    machine.resume(burst.point, 0)
    assert page not in pages.code


def test_a_stage_loads_over_the_code_of_the_one_before(tmp_path: Path) -> None:
    first = mov_eax(1) + store(REQ_PROD) + HAND_OVER
    second = mov_eax(2) + store(REQ_PROD) + load(RSP_CONS)
    machine = guest(tmp_path, first, second)
    for _ in range(2):
        assert [op.value for op in machine.start().ops] == [1, 2, 0]


def test_an_access_over_the_edge_of_shared_info_is_split(tmp_path: Path) -> None:
    # The page before it has nothing: two bytes of ones, and two of what vcpu 0 was told.
    code = SET_UP + map_shared_info() + load(0xFEE10000 - 2) + store(REQ_PROD) + load(RSP_CONS)
    machine = guest(tmp_path, code)
    burst = machine.start()
    (last,) = burst.ops
    assert (last.kind, last.address, last.size) == (Kind.LOAD, 0x1000, 2)
    stored = machine.resume(burst.point, 0x0102).ops[0]
    assert stored.value == 0x0102FFFF
