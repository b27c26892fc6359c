"""The guest as an actor: what surfaces as ops, what stays private, and how guests end."""

from __future__ import annotations

from pathlib import Path

import pytest
from code86 import (
    CMPSD,
    CPUID,
    DATA,
    HAND_OVER,
    HLT,
    PORT,
    RDTSC,
    REP_STOSB,
    RING,
    SET_UP,
    SHARED_INFO,
    SPIN,
    UD2,
    guest,
    hypercall,
    jump,
    load,
    load16,
    map_shared_info,
    mov_eax,
    mov_ecx,
    mov_edi,
    mov_esi,
    out,
    poke,
    shutdown,
    store,
    u32,
)

from guestsim.errors import InputError
from guestsim.execute import execute, fair
from guestsim.report.rows import rows
from guestsim.rules import Monitor
from guestsim.rules.monitor import Watch
from guestsim.search import Problem, explore
from guestsim.trace import shared
from guestsim.trace.memory_model import MemoryModel
from guestsim.trace.ops import Flag, Kind, Op, Outcome, is_yield

REQ_CONS, REQ_PROD = RING + 2048, RING + 2052


def brief(ops: tuple[Op, ...]) -> list[tuple[str, str, int]]:
    return [(op.kind.name, shared.place(op.address, op.size), op.value) for op in ops]


def end_of(ops: tuple[Op, ...]) -> tuple[Outcome | None, str]:
    last = ops[-1]
    assert last.kind is Kind.HALT, f"expected a halt, got {last}"
    assert last.end is not None
    return last.end.outcome, last.end.message


# -- shared accesses ------------------------------------------------------------------------------


def test_stores_are_collected_up_to_the_next_load(tmp_path: Path) -> None:
    code = mov_edi(RING) + mov_ecx(3) + mov_eax(0xFF) + REP_STOSB + poke(REQ_PROD, 7)
    burst = guest(tmp_path, code + load(REQ_CONS)).start()
    assert brief(burst.ops) == [
        ("STORE", "req[0]", 0xFF),
        ("STORE", "req[1]", 0xFF),
        ("STORE", "req[2]", 0xFF),
        ("STORE", "req_prod", 7),
        ("LOAD", "req_cons", 0),
    ]


def test_a_load_gets_the_value_it_is_given(tmp_path: Path) -> None:
    machine = guest(tmp_path, load(REQ_CONS) + store(REQ_PROD) + load(REQ_CONS))
    first = machine.start()
    second = machine.resume(first.point, 0xDEADBEEF)
    assert brief(second.ops)[0] == ("STORE", "req_prod", 0xDEADBEEF)


def test_accesses_of_two_bytes_and_unaligned_ones_keep_their_size(tmp_path: Path) -> None:
    machine = guest(tmp_path, load16(RING + 1023) + b"\x66" + store(RING + 5) + load(REQ_CONS))
    first = machine.start()
    assert (first.ops[0].address, first.ops[0].size) == (1023, 2)
    second = machine.resume(first.point, 0xBEEF)
    assert brief(second.ops)[0] == ("STORE", "req[5..6]", 0xBEEF)


ATOMICS = {
    "lock btr dword [req_cons], 1": (b"\xf0\x0f\xba\x35" + u32(REQ_CONS) + b"\x01", 0b111, 0b101),
    "lock add [req_cons], eax": (b"\xf0\x01\x05" + u32(REQ_CONS), 5, 5 + 9),
    "xchg [req_cons], eax": (b"\x87\x05" + u32(REQ_CONS), 5, 9),
    "lock cmpxchg [req_cons], ecx, equal": (b"\xf0\x0f\xb1\x0d" + u32(REQ_CONS), 9, 0),
    "lock cmpxchg [req_cons], ecx, other": (b"\xf0\x0f\xb1\x0d" + u32(REQ_CONS), 8, 8),
}


@pytest.mark.parametrize(("code", "old", "new"), ATOMICS.values(), ids=ATOMICS)
def test_atomics_are_a_load_and_a_locked_store(
    tmp_path: Path, code: bytes, old: int, new: int
) -> None:
    machine = guest(tmp_path, mov_eax(9) + mov_ecx(0) + code + poke(REQ_CONS, 1) + load(REQ_CONS))
    first = machine.start()
    assert first.ops[-1].kind is Kind.RMW
    second = machine.resume(first.point, old)
    assert brief(second.ops)[:2] == [("STORE", "req_cons", new), ("STORE", "req_cons", 1)]
    assert [op.flags for op in second.ops[:2]] == [Flag.LOCKED, Flag.NONE]


def test_an_unlocked_read_modify_write_is_a_load_and_a_store(tmp_path: Path) -> None:
    # Another party can move in between: on a multiprocessor this is not atomic.
    machine = guest(tmp_path, mov_eax(9) + b"\x01\x05" + u32(REQ_CONS) + load(REQ_PROD))
    first = machine.start()
    assert first.ops[-1].kind is Kind.LOAD
    second = machine.resume(first.point, 5)
    assert (second.ops[0].kind, second.ops[0].value, second.ops[0].flags) == (Kind.STORE, 14, 0)


@pytest.mark.parametrize("keep_states", [False, True])
def test_an_instruction_that_loads_two_words_gives_two_loads(
    tmp_path: Path, keep_states: bool
) -> None:
    code = mov_esi(REQ_CONS) + mov_edi(REQ_PROD) + CMPSD
    equal = b"\x0f\x94\xc0" + store(REQ_PROD)  # sete al
    machine = guest(tmp_path, code + equal + load(REQ_CONS))
    machine.keep_states = keep_states
    first = machine.start()
    assert brief(first.ops) == [("LOAD", "req_prod", 0)]  # in the order of the emulator
    for one, other in ((5, 5), (5, 6), (6, 6)):
        second = machine.resume(first.point, one)
        assert brief(second.ops) == [("LOAD", "req_cons", 0)]
        third = machine.resume(second.point, other)
        assert third.ops[0].value & 0xFF == (one == other)


def test_a_wide_access_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"at 0x100000, fild qword ptr .* \(df 2d .*8 bytes"):
        guest(tmp_path, b"\xdf\x2d" + u32(REQ_CONS)).start()  # fild qword [req_cons]


# -- shared_info ----------------------------------------------------------------------------------


def test_only_the_event_words_of_shared_info_are_shared(tmp_path: Path) -> None:
    private = SHARED_INFO + 0x900  # wallclock
    code = (
        SET_UP
        + map_shared_info()
        + poke(private, 0x1234)
        + load(private)
        + store(SHARED_INFO + 0x800)  # evtchn_pending
        + load(SHARED_INFO + 4)  # evtchn_pending_sel
    )
    burst = guest(tmp_path, code).start()
    assert brief(burst.ops) == [
        ("STORE", "evtchn_pending", 0x1234),
        ("LOAD", "evtchn_pending_sel", 0),
    ]


def test_shared_info_moves_with_its_contents(tmp_path: Path) -> None:
    elsewhere = SHARED_INFO + 0x5000
    code = (
        SET_UP
        + map_shared_info()
        + poke(SHARED_INFO + 0x900, 77)
        + map_shared_info().replace(u32(SHARED_INFO >> 12), u32(elsewhere >> 12))
        + load(elsewhere + 0x900)
        + store(REQ_PROD)
        + load(REQ_CONS)
    )
    burst = guest(tmp_path, code).start()
    assert brief(burst.ops)[0] == ("STORE", "req_prod", 77)


@pytest.mark.parametrize("keep_states", [False, True])
def test_the_time_is_right_again_for_each_stage(tmp_path: Path, keep_states: bool) -> None:
    # As hvmloader does at its end: it clears vcpu_info. The next stage divides by this word.
    mul = SHARED_INFO + 32 + 24
    look = load(mul) + store(REQ_PROD) + load(REQ_CONS)
    first = SET_UP + map_shared_info() + poke(mul, 0) + look + HAND_OVER
    machine = guest(tmp_path, first, look)
    machine.keep_states = keep_states
    burst = machine.start()
    assert brief(burst.ops)[0] == ("STORE", "req_prod", 0)
    for _ in range(2):
        assert brief(machine.resume(burst.point, 0).ops)[0] == ("STORE", "req_prod", 0x80000000)


# -- hypercalls -----------------------------------------------------------------------------------


def test_hvm_params_name_the_ring_and_its_port(tmp_path: Path) -> None:
    def param(index: int) -> bytes:
        return (
            poke(DATA, 0x7FF0)
            + poke(DATA + 4, index)
            + hypercall(34, 1, DATA)
            + load(DATA + 8)
            + store(REQ_PROD)
        )

    burst = guest(tmp_path, SET_UP + param(1) + param(2) + load(REQ_CONS)).start()
    assert [value for _, _, value in brief(burst.ops)] == [RING >> 12, PORT, 0]


def test_poll_is_a_wait_for_the_pending_bit(tmp_path: Path) -> None:
    ports = DATA + 64
    code = (
        SET_UP
        + poke(ports, PORT)
        + poke(DATA, ports)
        + poke(DATA + 4, 1)
        + poke(DATA + 8, 0)
        + poke(DATA + 12, 0)
        + hypercall(29, 3, DATA)
        + store(REQ_PROD)
        + load(REQ_CONS)
    )
    machine = guest(tmp_path, code)
    first = machine.start()
    assert first.ops[-1] == Op(Kind.WAIT, *shared.pending_place(PORT), site=first.ops[-1].site)
    second = machine.resume(first.point, 1)
    assert brief(second.ops)[0] == ("STORE", "req_prod", 0), "poll returns 0"


def test_send_signals_the_server_and_unmask_the_guest(tmp_path: Path) -> None:
    code = SET_UP + poke(DATA, PORT) + hypercall(32, 4, DATA) + hypercall(32, 9, DATA)
    burst = guest(tmp_path, code + load(REQ_CONS)).start()
    assert brief(burst.ops)[:2] == [("SEND", "server_pending", 1), ("UNMASK", "evtchn_pending", 16)]


def test_unknown_hypercalls_return_enosys_and_are_noted(tmp_path: Path) -> None:
    machine = guest(tmp_path, SET_UP + hypercall(20, 5) + store(REQ_PROD) + load(REQ_CONS))
    burst = machine.start()
    assert brief(burst.ops)[0] == ("STORE", "req_prod", -38 & 0xFFFFFFFF)
    assert [(notice.what, notice.answer) for notice in machine.notices] == [
        ("grant_table_op 5", "ENOSYS")
    ]


def test_cpuid_finds_xen(tmp_path: Path) -> None:
    code = mov_eax(0x40000000) + CPUID + b"\x89\x1d" + u32(REQ_PROD) + load(REQ_CONS)
    burst = guest(tmp_path, code).start()
    assert burst.ops[0].value.to_bytes(4, "little") == b"XenV"


def test_time_moves_only_when_it_is_read(tmp_path: Path) -> None:
    code = RDTSC + store(REQ_PROD) + RDTSC + store(REQ_PROD) + load(REQ_CONS)
    burst = guest(tmp_path, code).start()
    assert [op.value for op in burst.ops[:2]] == [1000, 2000]


# -- ends -----------------------------------------------------------------------------------------

ENDS = {
    "spins for ever": (SPIN, Outcome.HUNG, "executed 100,000 instructions without a load"),
    "executes hlt": (HLT, Outcome.HUNG, "executed HLT"),
    "jumps to nothing": (jump(0x4000_0000), Outcome.CRASHED, "jumped to 0x40000000"),
    "reads nothing": (load(0x5000_0000), Outcome.CRASHED, "read 0x50000000, where there is no"),
    "writes nothing": (store(0x5000_0000), Outcome.CRASHED, "wrote to 0x50000000"),
    "executes ud2": (UD2, Outcome.CRASHED, "triple fault"),
    "divides by zero": (b"\x31\xc9\xf7\xf1", Outcome.CRASHED, "exception 0 (divide error)"),
    "int3": (b"\xcc", Outcome.CRASHED, "exception 3 (breakpoint)"),
    "runs code on the ring": (jump(RING), Outcome.CRASHED, "a page that holds no code"),
    "shuts down": (SET_UP + shutdown(0), Outcome.CONNECTED, "stage0 ended well"),
    "crashes": (SET_UP + shutdown(3), Outcome.CRASHED, "reason crash"),
    "reboots": (SET_UP + shutdown(1), Outcome.CRASHED, "reason 1"),
    "took a wrong reply": (
        SET_UP + out(0x80, 0xE0) + shutdown(3),
        Outcome.CORRUPTED,
        "took a wrong reply for a right one",
    ),
    "hands over to nobody": (HAND_OVER, Outcome.CONNECTED, "handed over at F000:FFF0"),
}


@pytest.mark.parametrize(("code", "outcome", "message"), ENDS.values(), ids=ENDS)
def test_every_end_is_an_outcome(
    tmp_path: Path, code: bytes, outcome: Outcome, message: str
) -> None:
    got, text = end_of(guest(tmp_path, code).start().ops)
    assert got is outcome, text
    assert message in text


def test_a_hand_over_starts_the_next_stage_with_memory_kept(tmp_path: Path) -> None:
    first = mov_eax(0x1234) + store(DATA) + HAND_OVER
    second = load(DATA) + store(REQ_PROD) + SET_UP + shutdown(0)
    burst = guest(tmp_path, first, second).start()
    assert brief(burst.ops)[0] == ("STORE", "req_prod", 0x1234)
    assert burst.ops[0].site.stage == "stage1"
    assert end_of(burst.ops)[0] is Outcome.CONNECTED


def test_powering_off_before_the_last_stage_is_a_crash(tmp_path: Path) -> None:
    outcome, message = end_of(guest(tmp_path, SET_UP + shutdown(0), HLT).start().ops)
    assert outcome is Outcome.CRASHED
    assert message == (
        "stage0 shut down with reason 0 before stage1 ran: all but the last end by a jump to "
        "F000:FFF0"
    )


def test_the_console_is_port_e9_and_console_io(tmp_path: Path) -> None:
    text = DATA + 64
    code = (
        SET_UP
        + out(0xE9, ord("h"))
        + poke(text, int.from_bytes(b"ello", "little"))
        + hypercall(18, 0, 4, text)
        + HLT
    )
    machine = guest(tmp_path, code)
    machine.start()
    assert machine.console == "hello"


# -- yields ---------------------------------------------------------------------------------------

YIELD = hypercall(29, 0)


def test_a_yield_is_an_op_that_waits_for_nothing(tmp_path: Path) -> None:
    machine = guest(tmp_path, SET_UP + poke(REQ_PROD, 7) + YIELD + store(REQ_PROD) + shutdown(0))
    first = machine.start()
    assert [op.kind for op in first.ops] == [Kind.STORE, Kind.WAIT]
    assert is_yield(first.ops[-1])
    assert first.ops[-1].flags == Flag.SPURIOUS
    assert first.ops[-1].site.stage == "stage0"
    second = machine.resume(first.point, 0)
    assert brief(second.ops)[0] == ("STORE", "req_prod", 0), "and it returns 0"


def test_a_guest_that_waits_by_yields_owes_its_signal_and_hangs(tmp_path: Path) -> None:
    # As hvmloader did before it polled: move req_prod, then yield until there is a reply.
    loop = YIELD + load(RING + 2060) + b"\x85\xc0\x74"  # test eax, eax; jz
    code = SET_UP + poke(REQ_PROD, 7) + loop + bytes((256 - len(loop) - 1,)) + shutdown(0)
    machine = guest(tmp_path, code)
    watch = Watch(Monitor())
    run = execute(fair, (machine,), bytes(shared.SHARED_SIZE), watch.see)
    assert run.outcome is Outcome.HUNG
    assert run.end.message == "guest yields for ever with rsp_prod = 0"
    assert len(run.events) < 60
    broken = {violation.rule: violation.message for violation in run.violations}
    assert broken["signal"] == "guest yields without a signal since it moved req_prod"
    texts = [row.text for row in rows(run, {"guest": "guest"}, full=True)]
    assert texts[:3] == ["stage stage0", "store req_prod = 7", "yields"]


@pytest.mark.parametrize("model", list(MemoryModel))
def test_a_search_finds_who_yields_for_ever(tmp_path: Path, model: MemoryModel) -> None:
    loop = YIELD + load(RING + 2060) + b"\x85\xc0\x74"
    code = SET_UP + poke(REQ_PROD, 7) + loop + bytes((256 - len(loop) - 1,)) + shutdown(0)
    machine = guest(tmp_path, code)
    machine.keep_states = True
    found = explore(Problem(actors=(machine,), memory=bytes(shared.SHARED_SIZE), model=model))
    assert set(found.outcomes) == {Outcome.HUNG}
    message = found.outcomes[Outcome.HUNG].run.end.message
    assert message == "guest yields for ever with rsp_prod = 0"
    assert found.states < 20
