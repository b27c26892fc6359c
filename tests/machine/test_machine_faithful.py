"""The machine surfaces what the guest did: one test for each way in which it once did not."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
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
    shutdown,
    store,
    u32,
)
from guest_programs import Program
from litmus_threads import Judge, R, Scripted, W
from program_checks import check_answers, guest_of

from guestsim.errors import InputError, InternalError
from guestsim.machine.guest import Guest, Stage
from guestsim.machine.image import load_image
from guestsim.search import Reductions, explore
from guestsim.trace import Actor, Flag, Kind, Op, shared

REQ_CONS, REQ_PROD, RSP_CONS, RSP_PROD = (RING + 2048 + 4 * at for at in range(4))
UNUSED = RING + 0xF00
MASK = 0xFFFFFFFF
POWER_OFF = shutdown(0)


def followed(machine: Guest, answers: Sequence[int]) -> list[Op]:
    """All ops up to the end, or up to the load after the last answer."""
    burst = machine.start()
    ops = list(burst.ops)
    for answer in answers:
        if burst.point is None:
            break
        burst = machine.resume(burst.point, answer)
        ops += burst.ops
    return ops


def brief(ops: Sequence[Op]) -> list[str]:
    return [
        f"{op.kind.name} {op.address:#x}/{op.size} {op.value:#x}"
        if op.end is None
        else f"HALT {op.end.outcome}"
        for op in ops
    ]


def outcomes_of(machine: Guest, *others: Actor, reductions: Reductions | None = None) -> set[str]:
    machine.keep_states = True
    actors = (machine, *others)
    found = explore(actors, bytes(shared.SHARED_SIZE), reductions=reductions)
    assert found.certificate.complete
    return {str(outcome) for outcome in found.outcomes}


def verdict(machine: Guest, *others: Actor, reductions: Reductions | None = None) -> set[str]:
    """Outcomes of a whole search; nothing but `InternalError` where guestsim says that it failed:
    no verdict is better than a wrong one."""
    try:
        return outcomes_of(machine, *others, reductions=reductions)
    except InternalError:
        return {"InternalError"}


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


# -- code over a page's edge, and code that the running code changes -------------------------------


@pytest.mark.parametrize("back", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("kind", ["an immediate", "a private store", "a ring load"])
def test_an_instruction_over_a_page_s_edge(kind: str, back: int) -> None:
    instruction = {
        "an immediate": mov_eax(5),
        "a private store": store(DATA + 0x101),
        "a ring load": load(REQ_CONS),
    }[kind]
    filler = b"\xcc" * (0x1000 - 5 - back)
    code = b"\xe9" + u32(len(filler)) + filler + instruction + SET_UP + POWER_OFF
    ops = brief(followed(guest_of(code), [0]))
    assert ops == ["LOAD 0x800/4 0x0"] * (kind == "a ring load") + ["HALT connected"]


@pytest.mark.parametrize("gap", [0, 1, 3, 20, 60])
@pytest.mark.parametrize(("size", "offset"), [(1, 1), (1, 4), (2, 1), (2, 2), (2, 3), (4, 1)])
def test_a_store_to_what_runs_next(gap: int, size: int, offset: int) -> None:
    # Both in one run of instructions: Unicorn has translated them together by then.
    form = {1: b"\xc6\x05", 2: b"\x66\xc7\x05", 4: b"\xc7\x05"}[size]
    new = b"\xaa\xbb\xcc\xdd"[:size]
    target = BASE + len(SET_UP) + len(form) + 4 + size + gap
    code = SET_UP + form + u32(target + offset) + new + b"\x90" * gap + mov_ecx(0x11223344)
    code += b"\x89\x0d" + u32(UNUSED) + POWER_OFF
    value = bytearray(u32(0x11223344))
    value[offset - 1 : offset - 1 + size] = new
    stored = int.from_bytes(value, "little")
    assert brief(followed(guest_of(code), [])) == [f"STORE 0xf00/4 {stored:#x}", "HALT connected"]


@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("count", [1, 3, 7, 12])
def test_copying_from_the_ring_into_a_page_of_code_loads_each_element_once(
    size: int, count: int
) -> None:
    # Code runs at the page's beginning; the copy goes to its end.
    slot = DATA + 0x1000
    code = SET_UP + poke(slot, 0x9090C390) + mov_eax(slot) + b"\xff\xd0"
    copy = b"\xf3" + (b"\xa4" if size == 1 else b"\xa5")
    code += mov_esi(UNUSED) + mov_edi(slot + 0x800) + mov_ecx(count) + copy
    code += mov_eax(slot) + b"\xff\xd0" + load(slot + 0x800 + size * (count - 1)) + store(RING)
    ops = followed(guest_of(code + POWER_OFF), list(range(1, count + 1)))
    loads = [f"LOAD {0xF00 + size * at:#x}/{size} 0x0" for at in range(count)]
    assert brief(ops) == [*loads, f"STORE 0x0/4 {count:#x}", "HALT connected"]


# -- code that another path wrote -----------------------------------------------------------------

PATCH = DATA + 0x800


def patching(patch: int) -> bytes:
    """Loads v, writes it into `mov al, imm8; ret` at `patch`, loads again, calls: al must be v."""
    code = SET_UP + b"\xc7\x05" + u32(patch) + b"\xb0\x00\xc3\x90"
    code += load(REQ_CONS) + b"\x89\xc3" + b"\xa2" + u32(patch + 1)  # mov ebx, eax
    code += load(REQ_PROD) + mov_eax(patch) + b"\xff\xd0\x38\xd8\x74\x02" + UD2
    return code + store(RING + 3000) + POWER_OFF


PATCHES = pytest.mark.parametrize("patch", [PATCH, PATCH + 3, PATCH + 0x7FE, BASE + 0xF00], ids=hex)


@PATCHES
def test_code_that_another_path_wrote_does_not_run(patch: int) -> None:
    machine = guest_of(patching(patch))
    machine.keep_states = True
    first = machine.start()
    points = {value: machine.resume(first.point, value).point for value in (1, 2, 3)}
    for value in (1, 2, 1, 3, 3, 2, 1):
        ops = machine.resume(points[value], 0).ops
        assert [op.kind.name for op in ops] == ["STORE", "HALT"], ops[-1].end
        assert ops[0].value & 0xFF == value


@PATCHES
@pytest.mark.parametrize("reduced", [True, False])
def test_a_search_over_code_that_is_rewritten(patch: int, reduced: bool) -> None:
    reductions = Reductions(macro_steps=reduced, justified_turns=reduced)
    daemon = Scripted("daemon", [W("x", 1), W("y", 1), W("x", 2), W("y", 2), W("x", 3)], 1)
    machine = guest_of(patching(patch))
    assert verdict(machine, daemon, reductions=reductions) == {"connected"}


@pytest.mark.parametrize(
    "address", [DATA + 0x3FD, DATA + 0x3FF, DATA + 0x5FE, DATA + 0xFFF], ids=hex
)
def test_a_store_that_begins_where_the_guest_always_writes_is_kept_whole(address: int) -> None:
    # What is written between all points is copied at each; other memory only when it is stored to.
    # The store begins in the one and ends in the other.
    begins = b"\x01\x05" + u32(address & ~0xFF)  # add [there], eax
    code = SET_UP + (load(UNUSED) + begins) * 20 + load(UNUSED) + store(address)
    code += load(UNUSED) + load(address) + store(RING) + POWER_OFF
    machine = guest_of(code)
    machine.keep_states = True
    burst = machine.start()
    for _ in range(20):
        burst = machine.resume(burst.point, 1)
    points = {value: machine.resume(burst.point, value).point for value in (0x11223344, 0x55667788)}
    for value in (0x11223344, 0x55667788, 0x11223344):
        assert brief(machine.resume(points[value], 0).ops)[0] == f"STORE 0x0/4 {value:#x}"


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


@pytest.mark.parametrize("start", [0xF0000, 0xFFF00, 0xFFFE0, 0x80000], ids=hex)
def test_sliding_through_zeroes_is_no_hand_over(tmp_path: Path, start: int) -> None:
    slide = mov_ecx(start) + mov_eax(0x200000) + b"\xff\xe1"
    for chain in ((slide,), (slide, SET_UP + POWER_OFF)):
        machine = guest(tmp_path, *chain, budget=1_000_000)
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
