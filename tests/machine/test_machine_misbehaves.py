"""Whatever a guest's code does is an outcome of its execution, or refused by name: never an error
of guestsim's own. Random programs with privileged instructions and hypercalls, and what was found.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from pathlib import Path

import pytest
from code86 import (
    DATA,
    HYPERCALL_PAGE,
    RING,
    SET_UP,
    SHARED_INFO,
    SPIN,
    WRMSR,
    guest,
    hypercall,
    load,
    map_shared_info,
    mov_eax,
    mov_ecx,
    mov_edx,
    mov_esp,
    poke,
    store,
)
from wild_programs import play

from guestsim.errors import InputError, StoppedError
from guestsim.machine.profile import Profile
from guestsim.trace.ops import End, Outcome

PROGRAMS = int(os.environ.get("GUESTSIM_PROGRAMS", "100000")) // 4


def end_of(folder: Path, code: bytes, profile: Profile | None = None) -> End:
    """How a guest ends that waits for nobody."""
    end = guest(folder, code, profile=profile).start().ops[-1].end
    assert end is not None
    return end


def result_of(folder: Path, code: bytes, profile: Profile | None = None) -> int:
    """What it stores to the ring at last: the result of its last hypercall."""
    machine = guest(folder, SET_UP + code + store(RING) + SPIN, profile=profile)
    value = machine.start().ops[-2].value
    return value - (1 << 32) if value >> 31 else value


def words(*values: int) -> bytes:
    """These at DATA."""
    return b"".join(poke(DATA + 4 * at, value) for at, value in enumerate(values))


EFAULT, EINVAL, ENOSYS = -14, -22, -38
RESULTS = {
    "vcpu_op with a bad pointer": (hypercall(24, 0, 1, 0x90000000), EFAULT),
    "shared_info beyond 4 GiB": (words(0x7FF0, 0, 0, 0x100000) + hypercall(12, 7, DATA), EINVAL),
    "parameter without a number": (words(0x7FF0, 39) + hypercall(34, 0, DATA), EINVAL),
    "print all memory": (hypercall(18, 0, 0xFFFFFFFF, 0), ENOSYS),
    "populate the ring page": (words(DATA + 16, 1, 0, 0, RING >> 12) + hypercall(12, 6, DATA), 0),
    "populate shared_info": (
        map_shared_info()
        + words(DATA + 16, 2, 0, 0, 0xF8000, SHARED_INFO >> 12)
        + hypercall(12, 6, DATA),
        1,
    ),
    "populate too large an extent": (
        words(DATA + 16, 1, 31, 0, 0xF8000) + hypercall(12, 6, DATA),
        0,
    ),
    "populate too many extents": (
        words(DATA + 16, 0xFFFFFFFF, 0, 0, 0) + hypercall(12, 6, DATA),
        0,
    ),
    "populate more than there is": (
        words(DATA + 16, *(16, 9), 0, *range(0xF0000, 0xF2000, 512)) + hypercall(12, 6, DATA),
        8,
    ),
    "give back too large an extent": (
        words(DATA + 16, 1, 31, 0, 0xF8000) + hypercall(12, 1, DATA),
        0,
    ),
}


@pytest.mark.parametrize(("code", "result"), RESULTS.values(), ids=RESULTS)
def test_what_hypercalls_say_to_nonsense(tmp_path: Path, code: bytes, result: int) -> None:
    assert result_of(tmp_path, code, Profile(vcpus=2)) == result


MSR = mov_ecx(0x40000000)
ENDS = {
    "hypercall page nowhere": (
        MSR + mov_eax(0x90000000) + mov_edx(0) + WRMSR,
        "put the hypercall page at 0x90000000, where there is no RAM",
    ),
    "hypercall page beyond 4 GiB": (
        MSR + mov_eax(0) + mov_edx(1) + WRMSR,
        "put the hypercall page at 0x100000000, where there is no RAM",
    ),
    "hypercall page on the ring": (
        MSR + mov_eax(RING) + mov_edx(0) + WRMSR,
        f"put the hypercall page at {RING:#x}, where there is no RAM",
    ),
    "a hypercall with its stack nowhere": (
        SET_UP + mov_esp(0x90000000) + mov_eax(HYPERCALL_PAGE + 32 * 55) + b"\xff\xe0",
        "read 0x90000000, where there is no memory",
    ),
    "a stack nowhere": (mov_esp(0x90000000) + b"\x50", "wrote to 0x8ffffffc, where there is no"),
    "a jump to nowhere": (mov_eax(0x90000000) + b"\xff\xe0", "jumped to 0x90000000, where there"),
    "a descriptor table nowhere": (
        words(0xFFFF, 0x9000) + b"\x0f\x01\x15" + struct.pack("<I", DATA) + b"\xea\0\0\0\0\x08\0",
        "where there is no memory",
    ),
}


@pytest.mark.parametrize(("code", "message"), ENDS.values(), ids=ENDS)
def test_a_guest_that_cannot_go_on_has_crashed(tmp_path: Path, code: bytes, message: str) -> None:
    end = end_of(tmp_path, code + SPIN)
    assert end.outcome is Outcome.CRASHED, end
    assert message in end.message


def test_a_hypercall_page_over_the_code_is_where_it_runs_on(tmp_path: Path) -> None:
    code = mov_esp(DATA) + MSR + mov_eax(0x100FFF) + mov_edx(0) + WRMSR + load(RING)
    assert end_of(tmp_path, code).outcome in (Outcome.CRASHED, Outcome.HUNG)


FOUND = [1257]
"""Seeds outside the range below in which something was found once: vcpu_op with a bad pointer."""


@pytest.mark.parametrize("seed", [*FOUND, *range(1000, 1250)])
def test_a_wild_program_ends(tmp_path: Path, seed: int) -> None:
    with suppress(InputError, StoppedError):
        play(seed, tmp_path)


@pytest.mark.heavy
def test_many_wild_programs_end(tmp_path: Path) -> None:
    for seed in range(2000, 2000 + PROGRAMS):
        test_a_wild_program_ends(tmp_path, seed)
