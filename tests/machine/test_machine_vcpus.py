"""vcpus besides vcpu 0: started by the APIC or by hypercalls, run to their HLT at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from code86 import (
    CPUID,
    DATA,
    HLT,
    RING,
    SET_UP,
    SPIN,
    UD2,
    guest,
    hypercall,
    load,
    mov_eax,
    out,
    poke,
    store,
    u32,
)

from guestsim.errors import InputError
from guestsim.machine.guest import Guest
from guestsim.machine.profile import Profile
from guestsim.machine.vcpus import APIC_ICR_HIGH, APIC_ICR_LOW
from guestsim.trace.ops import Kind, Outcome

REQ_CONS, REQ_PROD = RING + 2048, RING + 2052
FLAG = DATA + 0x100
TRAMPOLINE = 0x9000
INIT, STARTUP = 0x500, 0x600 | TRAMPOLINE >> 12


def real_mode(*instructions: bytes) -> bytes:
    """Pokes that put code where STARTUP begins."""
    code = b"".join(instructions)
    code += bytes(-len(code) % 4)
    return b"".join(
        poke(TRAMPOLINE + at, int.from_bytes(code[at : at + 4], "little"))
        for at in range(0, len(code), 4)
    )


# mov ax, cs; mov ds, ax; inc word [0x80]; hlt: its own segment, so 0x9080.
COUNT = b"\x8c\xc8\x8e\xd8\xff\x06\x80\x00" + HLT
COUNTED = load(TRAMPOLINE + 0x80) + store(REQ_PROD)


def interrupt(vcpu: int, *commands: int) -> bytes:
    return b"".join(
        poke(APIC_ICR_HIGH, 2 * vcpu << 24) + poke(APIC_ICR_LOW, command) for command in commands
    )


def values(machine: Guest) -> list[int]:
    return [op.value for op in machine.start().ops if op.kind is Kind.STORE]


def made(folder: Path, code: bytes, vcpus: int = 2) -> Guest:
    return guest(folder, code + load(REQ_CONS), profile=Profile(vcpus=vcpus))


STARTS = {
    "once": (2, interrupt(1, INIT, STARTUP), 1),
    "a second startup means nothing": (2, interrupt(1, INIT, STARTUP, STARTUP), 1),
    "nor does one without init": (2, interrupt(1, STARTUP), 0),
    "twice": (2, interrupt(1, INIT, STARTUP, INIT, STARTUP), 2),
    "one vcpu only": (1, interrupt(1, INIT, STARTUP), 0),
    "a vcpu that is not there": (2, interrupt(2, INIT, STARTUP), 0),
    "itself": (2, interrupt(0, INIT, STARTUP), 0),
    "two of four": (4, interrupt(1, INIT, STARTUP) + interrupt(3, INIT, STARTUP), 2),
}


@pytest.mark.parametrize(("vcpus", "code", "times"), STARTS.values(), ids=STARTS)
def test_init_and_startup_run_a_vcpu_to_its_halt(
    tmp_path: Path, vcpus: int, code: bytes, times: int
) -> None:
    assert values(made(tmp_path, real_mode(COUNT) + code + COUNTED, vcpus)) == [times]


def context(esp: int, eip: int, eax: int, mode: int = 0) -> bytes:
    """Pokes of a struct vcpu_hvm_context at DATA."""
    words = (mode, 0, eax, 0, 0, 0, esp, 0, 0, 0, eip, 0)
    return b"".join(poke(DATA + 4 * at, word) for at, word in enumerate(words))


def vcpu_op(command: int, vcpu: int) -> bytes:
    return hypercall(24, command, vcpu, DATA) + store(REQ_PROD)


def test_vcpu_op_runs_a_vcpu_in_flat_protected_mode(tmp_path: Path) -> None:
    # mov [FLAG], eax; push eax; hlt
    code = b"\xa3" + u32(FLAG) + b"\x50" + HLT
    code += bytes(-len(code) % 4)
    pokes = b"".join(
        poke(DATA + 0x200 + at, int.from_bytes(code[at : at + 4], "little"))
        for at in range(0, len(code), 4)
    )
    machine = made(
        tmp_path,
        SET_UP
        + pokes
        + vcpu_op(1, 1)
        + context(DATA + 0x400, DATA + 0x200, 77)
        + vcpu_op(0, 1)
        + vcpu_op(3, 1)
        + vcpu_op(1, 1)
        + vcpu_op(3, 1)
        + vcpu_op(2, 1)
        + vcpu_op(3, 1)
        + load(FLAG)
        + store(REQ_PROD)
        + load(DATA + 0x400 - 4)
        + store(REQ_PROD),
    )
    assert values(machine) == [-22 & 0xFFFFFFFF, 0, 0, 0, 1, 0, 0, 77, 77]
    assert machine.notices == ()


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (vcpu_op(1, 2), -2),
        (vcpu_op(0, 0), -22),
        (vcpu_op(3, 0), 1),
        (context(0, 0, 0, mode=1) + vcpu_op(0, 1), -22),
    ],
    ids=["no such vcpu", "vcpu 0", "vcpu 0 is up", "64 bits"],
)
def test_what_vcpu_op_refuses(tmp_path: Path, code: bytes, answer: int) -> None:
    assert values(made(tmp_path, SET_UP + code)) == [answer & 0xFFFFFFFF]


def test_another_vcpu_op_is_noted(tmp_path: Path) -> None:
    machine = made(tmp_path, SET_UP + vcpu_op(10, 1))
    assert values(machine) == [-38 & 0xFFFFFFFF]
    assert [notice.what for notice in machine.notices] == ["vcpu_op 10"]


def test_a_vcpu_knows_its_apic_id(tmp_path: Path) -> None:
    # In real mode: mov eax, 1; cpuid; mov [0x80], ebx. Twice the vcpu's number is its id.
    identity = b"\x8c\xc8\x8e\xd8\x66" + mov_eax(1) + CPUID + b"\x66\x89\x1e\x80\x00" + HLT
    machine = made(tmp_path, real_mode(identity) + interrupt(3, INIT, STARTUP) + COUNTED, 4)
    assert values(machine)[0] >> 24 == 6


def test_what_it_prints_is_on_the_console(tmp_path: Path) -> None:
    machine = made(tmp_path, real_mode(out(0xE9, ord("!")), HLT) + interrupt(1, INIT, STARTUP))
    machine.start()
    assert machine.console == "!"


@pytest.mark.parametrize(
    ("code", "outcome", "message"),
    [
        (SPIN, Outcome.HUNG, "vcpu 1 executed 100,000 instructions without halting"),
        (UD2, Outcome.CRASHED, "vcpu 1 met an instruction that is not valid"),
    ],
)
def test_a_vcpu_in_trouble_ends_the_guest(
    tmp_path: Path, code: bytes, outcome: Outcome, message: str
) -> None:
    last = made(tmp_path, real_mode(code) + interrupt(1, INIT, STARTUP)).start().ops[-1]
    assert last.end is not None
    assert last.end.outcome is outcome
    assert message in last.end.message


def test_a_vcpu_that_touches_what_is_shared_is_refused(tmp_path: Path) -> None:
    ring = context(0, DATA + 0x200, 0) + poke(DATA + 0x200, 0xA1) + poke(DATA + 0x201, RING)
    code = SET_UP + ring + vcpu_op(0, 1) + vcpu_op(1, 1)
    with pytest.raises(InputError, match=r"vcpu 1 touches 0xfeffc000.*only vcpu 0 can"):
        made(tmp_path, code).start()


def test_what_waits_for_startup_is_part_of_a_point(tmp_path: Path) -> None:
    code = load(REQ_CONS) + interrupt(1, STARTUP) + load(TRAMPOLINE + 0x80) + store(REQ_PROD)
    machine = made(tmp_path, real_mode(COUNT) + load(REQ_CONS) + interrupt(1, INIT) + code)
    machine.keep_states = True
    before = machine.start().point
    after = machine.resume(before, 0).point
    assert before.state.vcpus != after.state.vcpus
    for _ in range(2):
        assert machine.resume(after, 0).ops[0].value == 1, "not started: it does not wait any more"


def test_code_that_was_changed_is_what_runs(tmp_path: Path) -> None:
    # add word [0x80], 5 in place of inc word [0x80].
    more = b"\x8c\xc8\x8e\xd8\x83\x06\x80\x00\x05" + HLT
    start = interrupt(1, INIT, STARTUP)
    code = real_mode(COUNT) + start + real_mode(more) + start + COUNTED
    assert values(made(tmp_path, code)) == [6]
