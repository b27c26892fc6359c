"""The machine surfaces what the guest did: one test for each way in which it once did not."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet
from code86 import (
    BASE,
    DATA,
    HAND_OVER,
    PORT,
    RING,
    SET_UP,
    SPIN,
    UD2,
    elf,
    guest,
    hypercall,
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
    MASK,
    POWER_OFF,
    REQ_CONS,
    REQ_PROD,
    RSP_CONS,
    RSP_PROD,
    UNUSED,
    brief,
    followed,
    verdict,
)
from litmus_threads import Scripted, W
from program_checks import guest_of

from guestsim.errors import InputError
from guestsim.machine.guest import Guest, Stage
from guestsim.machine.image import load_image
from guestsim.trace import Kind

# -- unaligned stores -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize(
    ("start", "step", "end"),
    [
        (0x11000, 4, 0x11020),
        (0x11001, 4, 0x11005),
        (0x11001, 4, 0x11020),
        (0x11001, 1, 0x11010),
        (0x11FFA, 2, 0x12006),  # over a page's edge
        (0x1FFFA, 1, 0x20004),  # over the edge of two pieces of RAM
        (0x10001, 4, 0x10020),
        (0x90003, 4, 0x90020),
        (0x110002, 4, 0x110020),
        (0x100801, 4, 0x100820),  # in the page that runs
    ],
    ids=hex,
)
def test_stores_to_private_memory_hide_no_op(start: int, step: int, end: int, size: int) -> None:
    stores = {1: b"\xc6\x03\x20", 2: b"\x66\xc7\x03\x20\x0b", 4: b"\xc7\x03" + u32(0x20000B20)}
    again = stores[size] + b"\x83\xc3" + bytes((step,)) + b"\x81\xfb" + u32(end)
    code = SET_UP + b"\xbb" + u32(start)
    code += again + b"\x72" + struct.pack("b", -len(again) - 2)
    code += load(RSP_PROD) + b"\xa2" + u32(RING) + mov_ecx(RSP_CONS) + b"\x8b\x01"
    code += hypercall(17, 0) + store(REQ_PROD) + POWER_OFF
    assert brief(followed(guest_of(code), [0x1234, 0])) == [
        "LOAD 0x80c/4 0x0",
        "STORE 0x0/1 0x34",
        "LOAD 0x808/4 0x0",
        f"STORE 0x804/4 {4 << 16 | 17:#x}",
        "HALT connected",
    ]


def test_a_second_stage_is_seen_after_unaligned_stores_of_the_first(tmp_path: Path) -> None:
    code = b"".join(poke(0x11001 + 4 * at, 0x20000B20) for at in range(8))
    machine = guest(tmp_path, code + HAND_OVER, code + load(REQ_CONS) + store(REQ_PROD) + SPIN)
    ops = followed(machine, [7])
    assert brief(ops)[:2] == ["LOAD 0x800/4 0x0", "STORE 0x804/4 0x7"]


# -- flags ----------------------------------------------------------------------------------------

SETS_FLAGS: dict[str, tuple[bytes, Callable[[int, int], tuple[bool, bool]]]] = {
    "cmp": (b"\x39\xc8", lambda x, y: (x < y, x == y)),
    "sub": (b"\x29\xc8", lambda x, y: (x < y, x == y)),
    "add": (b"\x01\xc8", lambda x, y: (x + y > MASK, (x + y) & MASK == 0)),
    "test": (b"\x85\xc8", lambda x, y: (False, x & y == 0)),
}
KEEPS_FLAGS = {
    "a ring load": b"\x8b\x15" + u32(UNUSED),
    "a ring store": b"\x89\x05" + u32(UNUSED),
    "xchg with the ring": b"\x87\x15" + u32(UNUSED),
    "push [ring]": b"\xff\x35" + u32(UNUSED),
    "movsd from the ring": mov_esi(UNUSED) + mov_edi(DATA + 0x100) + b"\xa5",
    "a private store": b"\x89\x05" + u32(DATA + 0x100),
    "a store beside the code": b"\x89\x05" + u32(BASE + 1),
    "mfence": b"\x0f\xae\xf0",
    "in": b"\xe4\x80",
    "sched_yield": b"\x9c" + hypercall(29, 0) + b"\x9d",  # within pushf and popf
}


@pytest.mark.parametrize("fences", [False, True])
@pytest.mark.parametrize("between", KEEPS_FLAGS)
@pytest.mark.parametrize("setter", SETS_FLAGS)
def test_flags_live_over(setter: str, between: str, fences: bool) -> None:
    sets, expected = SETS_FLAGS[setter]
    for x, y in itertools.product((0, 1, 2, 0x7FFFFFFF, 0x80000000, MASK), repeat=2):
        code = SET_UP + mov_eax(x) + mov_ecx(y) + sets + KEEPS_FLAGS[between]
        code += b"\x0f\x92\xc2\x0f\x94\xc6"  # setb dl; setz dh
        code += b"\x88\x15" + u32(REQ_CONS) + b"\x88\x35" + u32(REQ_PROD) + POWER_OFF
        ops = followed(guest_of(code, fences=fences), [0])
        stored = {op.address: op.value for op in ops if op.kind is Kind.STORE}
        assert (stored[2048], stored[2052]) == expected(x, y), f"of {x:#x} and {y:#x}"


# -- instructions whose answer is chance ----------------------------------------------------------

CHANCE = {
    "rdrand eax": b"\x0f\xc7\xf0",
    "rdrand ax": b"\x66\x0f\xc7\xf0",
    "rdseed eax": b"\x0f\xc7\xf8",
    "rdtscp": b"\x0f\x01\xf9",
    "rdpmc": b"\x31\xc9\x0f\x33",
    "rdtsc": b"\x0f\x31",
    "rdpid eax": b"\xf3\x0f\xc7\xf8",
}


@pytest.mark.parametrize("name", CHANCE)
def test_chance_is_the_same_in_each_run(name: str) -> None:
    code = mov_eax(0) + CHANCE[name] + store(REQ_PROD) + b"\x89\x15" + u32(RSP_PROD)
    code = SET_UP + (code * 2) + load(REQ_CONS) + code + POWER_OFF
    runs = [brief(followed(guest_of(code), [1])) for _ in range(8)]
    assert all(run == runs[0] for run in runs), runs
    machine = guest_of(code)
    machine.keep_states = True
    for _ in range(8):
        first = machine.start()
        again = [*first.ops]
        if first.point is not None:
            machine.resume(first.point, 2)
            again += machine.resume(first.point, 1).ops
        assert brief(again) == runs[0]


# -- stack that is not dead -----------------------------------------------------------------------

STACK, STACK_SIZE = 0x1A0000, 0x1000


def with_stack(folder: Path, code: bytes) -> Guest:
    """A guest whose image has an object called `stack`."""
    file = elf([(BASE, code)])
    names = b"\0.symtab\0.strtab\0.shstrtab\0"
    strings = b"\0stack\0\0"
    symbols = bytes(16) + struct.pack("<IIIBBH", 1, STACK, STACK_SIZE, 0x11, 0, 0xFFF1)
    body = file + bytes(-len(file) % 4)
    table = bytes(40)
    for name, kind, content, link, size in (
        (1, 2, symbols, 2, 16),
        (9, 3, strings, 0, 0),
        (17, 3, names, 0, 0),
    ):
        table += struct.pack(
            "<10I", name, kind, 0, 0, len(body), len(content), link, bool(link), 1, size
        )
        body += content
    header = body[:32] + struct.pack("<I", len(body)) + body[36:46] + struct.pack("<HHH", 40, 4, 3)
    path = folder / "stack.elf"
    path.write_bytes(header + body[52:] + table)
    image = load_image("stack", path)
    assert image.stack == range(STACK, STACK + STACK_SIZE)
    return Guest([Stage(image)], PORT, budget=100_000)


CANARY = 0xDEADBEEF
TOP = STACK + STACK_SIZE
MIDDLE = STACK + STACK_SIZE // 2

NOT_DEAD = {
    "a canary at the stack's low end": (
        poke(STACK, CANARY) + load(REQ_CONS) + b"\x81\x3d" + u32(STACK) + u32(CANARY)
    ),
    "what was popped is read again": (
        b"\x68" + u32(0x55) + b"\x59" + load(REQ_CONS) + b"\x83\x7c\x24\xfc\x55"
    ),
    "a coroutine on the lower half": (  # esp goes down: what the upper half holds is still above
        b"\x68" + u32(0x55) + b"\x89\xe3" + mov_esp(MIDDLE) + load(REQ_CONS)
        + b"\x89\xdc\x59\x83\xf9\x55"
    ),
    "a coroutine on the upper half": (
        mov_esp(MIDDLE) + b"\x68" + u32(0x55) + b"\x89\xe3" + mov_esp(TOP) + load(REQ_CONS)
        + b"\x89\xdc\x59\x83\xf9\x55"
    ),
    "two coroutines in turn": (
        mov_esp(MIDDLE) + b"\x68" + u32(0x55) + b"\x89\xe3" + mov_esp(TOP) + b"\x6a\x66\x89\xe5"
        + load(REQ_CONS) + b"\x89\xdc" + load(REQ_CONS) + b"\x89\xec" + load(REQ_CONS)
        + b"\x89\xdc\x59\x83\xf9\x55"
    ),
    "esp elsewhere for a while": (
        b"\x68" + u32(0x55) + b"\x89\xe3" + mov_esp(DATA) + load(REQ_CONS)
        + b"\x89\xdc\x59\x83\xf9\x55"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_DEAD)
def test_what_a_guest_reads_of_its_stack_is_not_dead(tmp_path: Path, name: str) -> None:
    code = SET_UP + mov_esp(TOP) + NOT_DEAD[name] + b"\x74\x02" + UD2 + POWER_OFF
    daemon = Scripted("daemon", [W("y", 1), W("x", 1)], 1)
    found = verdict(with_stack(tmp_path, code), daemon)
    assert found in ({"connected"}, {"InternalError"}), found


# -- ends that are none ---------------------------------------------------------------------------


def lasts(start: int) -> ParameterSet:
    """Ten seconds, or twenty."""
    return pytest.param(start, 50_000_000, marks=pytest.mark.heavy)


@pytest.mark.parametrize(
    ("start", "budget"),
    [lasts(0xF0000), (0xFFF00, 1_000_000), (0xFFFE0, 1_000_000), lasts(0x80000)],
    ids=["0xf0000", "0xfff00", "0xfffe0", "0x80000"],
)
def test_sliding_through_zeroes_is_no_hand_over(tmp_path: Path, start: int, budget: int) -> None:
    slide = mov_ecx(start) + mov_eax(0x200000) + b"\xff\xe1"
    for chain in ((slide,), (slide, SET_UP + POWER_OFF)):
        machine = guest(tmp_path, *chain, budget=budget)
        if start == 0x80000:  # zeroes are `add [eax], al`, and one of these hits itself
            with pytest.raises(InputError, match=r"at 0xfffff, add .* overwrites itself"):
                machine.start()
            continue
        (last,) = brief(followed(machine, []))
        assert last in ("HALT crashed", "HALT hung"), last


def test_yielding_for_ever_is_hung_in_a_search_and_an_op_each_time() -> None:
    loop = hypercall(29, 0)
    code = SET_UP + loop + b"\xeb" + struct.pack("b", -len(loop) - 2)
    ops = followed(guest_of(code), [0] * 5)
    assert [(op.kind, op.value) for op in ops] == [(Kind.WAIT, 0)] * 6
    assert verdict(guest_of(code), Scripted("daemon", [W("x", 1)], 1)) == {"hung"}


def test_yielding_a_while_is_no_end() -> None:
    loop = hypercall(29, 0) + b"\x4d"  # dec ebp
    code = SET_UP + b"\xbd" + u32(50) + loop + b"\x75" + struct.pack("b", -len(loop) - 2)
    code += POWER_OFF
    assert brief(followed(guest_of(code), [0] * 50))[-1] == "HALT connected"
    assert verdict(guest_of(code), Scripted("daemon", [W("x", 1)], 1)) == {"connected"}


def test_yielding_between_looks_at_the_ring_waits_for_the_daemon() -> None:
    loop = hypercall(29, 0) + load(REQ_CONS) + b"\x85\xc0"
    code = SET_UP + loop + b"\x74" + struct.pack("b", -len(loop) - 2) + POWER_OFF
    assert verdict(guest_of(code), Scripted("daemon", [W("x", 1)], 1)) == {"connected"}
    assert verdict(guest_of(code), Scripted("daemon", [W("y", 1)], 1)) == {"hung"}
