"""Guests that go on for ever without waiting for anybody: each ends, always at the same place, and
at once if somebody wants to stop it."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from code86 import (
    BASE,
    CPUID,
    DATA,
    HLT,
    HYPERCALL_PAGE,
    RDTSC,
    REP_STOSB,
    RING,
    SET_UP,
    SPIN,
    WRMSR,
    guest,
    hypercall,
    load,
    map_shared_info,
    mov_eax,
    mov_ecx,
    mov_edi,
    mov_edx,
    mov_esp,
    poke,
    store,
    u32,
)

from guestsim.errors import StoppedError
from guestsim.machine.guest import Guest
from guestsim.trace.actor import Burst
from guestsim.trace.ops import Outcome

NO_PORT = mov_edx(0x1234)
IN, OUT, REP_INSB, PUSHAD = b"\xec", b"\xee", b"\xf3\x6c", b"\x60"
ALL = b"\x31\xc9\x49"  # xor ecx, ecx; dec ecx
HYPERCALL_MSR = mov_ecx(0x40000000) + mov_eax(HYPERCALL_PAGE) + mov_edx(0)


def loop(body: bytes) -> bytes:
    """`body` again and again."""
    return body + b"\xe9" + struct.pack("<i", -len(body) - 5)


def extents(command: int, count: int, order: int) -> bytes:
    """memory_op with a reservation."""
    words = DATA + 16, count, order, 0x7FF0, 0xF8000
    return b"".join(poke(DATA + 4 * at, word) for at, word in enumerate(words)) + hypercall(
        12, command, DATA
    )


SPINNING = {
    "spins": loop(b""),
    "counts": loop(b"\x40\x41\x42\x43"),
    "clears all memory": mov_edi(0x200000) + ALL + REP_STOSB + SPIN,
    "clears the same memory again": loop(mov_edi(0x200000) + mov_ecx(0x10000) + REP_STOSB),
    "has too many extents": loop(SET_UP + extents(6, 0xFFFFFFFF, 0)),
    "has too large an extent": loop(SET_UP + extents(6, 1, 31)),
}
"""In instructions."""
TRAPPING = {
    "prints": mov_edx(0xE9) + loop(OUT),
    "stores to a port": NO_PORT + loop(OUT),
    "loads from a port": NO_PORT + loop(IN),
    "loads a string from a port": mov_edi(0x200000) + NO_PORT + ALL + REP_INSB + SPIN,
    "asks who the CPU is": loop(CPUID),
    "asks for Xen": loop(mov_eax(0x40000000) + CPUID),
    "looks at the clock": loop(RDTSC),
    "sets an MSR": mov_ecx(0x1B) + loop(WRMSR),
    "wants its hypercall page again": HYPERCALL_MSR + loop(WRMSR),
    "stores where no device is": mov_edi(0xF0000000) + ALL + REP_STOSB + SPIN,
    "loads where no device is": loop(load(0xF1000000)),
    "pushes from the top": mov_esp(0) + loop(PUSHAD),
    "stores to the ring": loop(store(RING)),
    "wipes the ring": loop(mov_edi(RING) + mov_ecx(1024) + REP_STOSB),
    "calls what is not there": SET_UP + loop(hypercall(55, 0)),
    "calls with a bad address": SET_UP + loop(hypercall(18, 0, 8, 0x90000000)),
    "prints by hypercall": SET_UP + loop(hypercall(18, 0, 8, DATA)),
    "prints much by hypercall": SET_UP + loop(hypercall(18, 0, 0x10000, DATA)),
    "prints all memory": SET_UP + loop(hypercall(18, 0, 0x3000000, 0)),
    "signals": SET_UP + poke(DATA, 4) + loop(hypercall(32, 4, DATA)),
    "moves shared_info": SET_UP + loop(map_shared_info()),
    "populates": SET_UP + loop(extents(6, 1, 0)),
    "gives back": SET_UP + loop(extents(1, 1, 0)),
}
"""In traps."""
WORKING = {
    "changes the code beside it": loop(store(BASE + 0x400)),
    "slides through all memory": mov_eax(0x30000) + mov_ecx(0x200000) + b"\xff\xe1",
    "calls code that it changes": mov_esp(DATA)
    + poke(0x30000, 0xC3)
    + loop(poke(0x30004, 0x90909090) + mov_eax(0x30000) + b"\xff\xd0"),
}


@pytest.mark.parametrize("code", (SPINNING | TRAPPING).values(), ids=SPINNING | TRAPPING)
def test_it_ends_hung_always_at_the_same_place(tmp_path: Path, code: bytes) -> None:
    machine = guest(tmp_path, code, budget=300_000)
    first = machine.start()
    assert first.ops[-1].end is not None
    assert first.ops[-1].end.outcome is Outcome.HUNG
    assert machine.start() == first  # what had to be translated is translated now
    machine.keep_states = True
    assert machine.start() == first
    assert guest(tmp_path, code, budget=300_000).start() == first


WAYS = "it could end by SCHEDOP_shutdown, a jump to F000:FFF0, or by a `stop` in boot.chain"


def test_it_says_what_it_has_used_up(tmp_path: Path) -> None:
    for code, what in (
        (SPIN, "executed 300,000 instructions without a load from a shared page"),
        (loop(CPUID), "used up its 20,000 traps (ports, hypercalls, stores to a shared page...) "
         "without a load from a shared page"),
    ):  # fmt: skip
        end = guest(tmp_path, code, budget=300_000).start().ops[-1].end
        assert end is not None
        assert end.message == f"{what}; {WAYS}"


def stoppable(folder: Path, code: bytes) -> Guest:
    """A guest of endless means that is stopped when somebody asks a third time."""
    asked: list[None] = []
    machine = guest(folder, code, budget=0xFFFFFFFF)

    def should_stop() -> bool:
        asked.append(None)
        return len(asked) > 2

    machine.should_stop = should_stop
    return machine


ENDLESS = SPINNING | TRAPPING | WORKING


@pytest.mark.parametrize("code", ENDLESS.values(), ids=ENDLESS)
def test_it_can_be_stopped(tmp_path: Path, code: bytes) -> None:
    machine = stoppable(tmp_path, code)
    with pytest.raises(StoppedError):
        machine.start()
    machine.should_stop = lambda: True
    with pytest.raises(StoppedError):
        machine.start()


@pytest.mark.parametrize("code", WORKING.values(), ids=WORKING)
def test_who_makes_the_emulator_work_is_given_up(
    tmp_path: Path, code: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guestsim.machine.allowance._WORK", 1000)
    with pytest.raises(StoppedError, match="given up: without an end, the guest changes its code"):
        guest(tmp_path, code, budget=0xFFFFFFFF).start()


def go_on(machine: Guest, seen: list[Burst]) -> None:
    """For ever."""
    seen.append(machine.start())
    while True:
        seen.append(machine.resume(seen[-1].point, 0))


def test_an_execution_of_long_bursts_is_given_up(tmp_path: Path) -> None:
    code = loop(mov_ecx(140_000) + b"\x49\x75\xfd" + load(RING))
    machine = guest(tmp_path, code, budget=300_000)
    counts = []
    for _ in range(2):
        seen: list[Burst] = []
        with pytest.raises(StoppedError, match=r"given up: the guest has executed 6,000,000 inst"):
            go_on(machine, seen)
        counts.append(len(seen))
    assert counts == [22, 22]
    machine.keep_states = True  # a search has other limits
    burst = machine.start()
    for _ in range(40):
        burst = machine.resume(burst.point, 0)


def test_a_stopped_guest_can_begin_again(tmp_path: Path) -> None:
    stop = [False]
    machine = guest(tmp_path, load(RING) + mov_edx(0xE9) + loop(OUT), budget=10_000_000)
    machine.should_stop = lambda: stop[0]
    first = machine.start()
    stop[0] = True
    with pytest.raises(StoppedError):
        machine.resume(first.point, 0)
    stop[0] = False
    assert machine.start().ops == first.ops
    last = machine.resume(machine.start().point, 0)
    assert last.ops[-1].end is not None
    assert last.ops[-1].end.outcome is Outcome.HUNG


@pytest.mark.parametrize("piece", [1, 2, 3, 7])
def test_where_a_run_is_cut_into_pieces_makes_no_difference(
    tmp_path: Path, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Flags across the cuts: a loop of dec, sbb and adc, whose sum is stored to the ring.
    body = b"\x83\xdb\x03\x11\xd8\x0f\x92\xc2\x01\xd0\x49\x75\xf3"
    code = mov_eax(0xDEADBEEF) + mov_ecx(40) + body + store(RING) + mov_edi(RING + 4)
    code += mov_ecx(5) + REP_STOSB + load(RING + 2048)
    code += (
        mov_edi(0x30000) + b"\xbe" + u32(RING) + mov_ecx(6) + b"\xf3\xa4" + load(RING + 2052) + HLT
    )

    def play() -> list[object]:
        machine = guest(tmp_path, code)
        burst = machine.start()
        ops: list[object] = []
        while burst.point is not None:
            ops += burst.ops
            burst = machine.resume(burst.point, 7)
        return [*ops, *burst.ops]

    whole = play()
    assert len(whole) > 10
    monkeypatch.setattr("guestsim.machine.engine._PIECE", piece)
    assert play() == whole
