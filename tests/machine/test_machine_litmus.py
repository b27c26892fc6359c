"""Litmus tests in real instructions: what x86 allows two parties to see, no more and no less.

Sewell, Sarkar, Owens, Zappa Nardelli, Myreen: "x86-TSO: a rigorous and usable programmer's model
for x86 multiprocessors", CACM 2010, and the examples of Intel's white paper (iwp) and AMD's manual
(amd) that it lists. What orders memory: Intel SDM volume 3, 8.2.5 and 8.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest
from code86 import CPUID, DATA, PORT, RING, hypercall, load, mov_eax, mov_ecx, mov_edx, poke, u32
from litmus_threads import Judge, R, Results, Scripted, Step, W, Weak, X, guest_thread
from program_checks import guest_of

from guestsim.machine.guest import Guest
from guestsim.search import Problem, explore
from guestsim.trace import Actor, Kind, Outcome, shared
from guestsim.trace.memory_model import MemoryModel

SC, TSO = MemoryModel.SC, MemoryModel.TSO
MF = Step("F")

models = pytest.mark.parametrize("model", [SC, TSO])


def tso_guest(steps: Sequence[Step], model: MemoryModel = TSO, before: bytes = b"") -> Guest:
    """A guest that knows whether fences matter, as the runner makes it."""
    return guest_thread(steps, fences=model is TSO, before=before)


def weak_is_seen(
    threads: Sequence[Sequence[Step]], weak: Weak, model: MemoryModel, before: bytes = b""
) -> bool:
    """Whether the weak result can happen, of all interleavings; the first thread is the guest."""
    first, *between, last = threads
    loads = [sum(step.kind in "RX" for step in steps) for steps in threads]
    actors: list[Actor] = [tso_guest(first, model, before)]
    actors += [Scripted(f"other{at}", steps, at) for at, steps in enumerate(between, 1)]
    actors.append(Judge(last, loads, weak))
    found = explore(Problem(actors=actors, memory=bytes(shared.SHARED_SIZE), model=model))
    assert found.certificate.complete
    assert set(found.outcomes) <= {Outcome.CONNECTED, Outcome.CORRUPTED}
    assert Outcome.CONNECTED in found.outcomes, "every test has a strong result, too"
    return Outcome.CORRUPTED in found.outcomes


class Litmus(NamedTuple):
    threads: tuple[list[Step], ...]
    weak: Weak
    allowed: bool
    """Under tso. Under sc none of them is."""


def two(first: list[Step], second: list[Step], allowed: bool, weak: Weak) -> Litmus:
    return Litmus((first, second), weak, allowed)


def both(*loads: tuple[int, ...]) -> Weak:
    """The threads saw exactly this."""
    return lambda results: results.loads == loads


TESTS = {
    "MP (iwp2.1, amd1)": two(
        [W("x", 1), W("y", 1)], [R("y"), R("x")], False, lambda r: r.loads[1] == (1, 0)
    ),
    "LB (iwp2.2, amd2)": two(
        [R("x"), W("y", 1)], [R("y"), W("x", 1)], False, both((1,), (1,))
    ),
    "SB (iwp2.3a, amd4)": two(
        [W("x", 1), R("y")], [W("y", 1), R("x")], True, both((0,), (0,))
    ),
    "own stores are seen (iwp2.3b)": two(
        [W("x", 1), R("x")], [W("y", 1), R("y")], False, lambda r: r.loads != ((1,), (1,))
    ),
    "forwarding (iwp2.4, amd9)": two(
        [W("x", 1), R("x"), R("y")], [W("y", 1), R("y"), R("x")], True, both((1, 0), (1, 0))
    ),
    "xchg on both sides (iwp2.8a)": two(
        [X("x", 1), R("y")], [X("y", 1), R("x")], False, both((0, 0), (0, 0))
    ),
    "xchg, then a store (iwp2.8b)": two(
        [X("x", 1), W("y", 1)], [R("y"), R("x")], False, lambda r: r.loads[1] == (1, 0)
    ),
    "xchg on one side": two(
        [X("x", 1), R("y")], [W("y", 1), R("x")], True, both((0, 0), (0,))
    ),
    "stores wait in order (amd3)": two(
        [W("x", 1), W("x", 2), R("y")], [W("y", 1), W("y", 2), R("x")], True, both((1,), (1,))
    ),
    "SB with mfences (amd5)": two(
        [W("x", 1), MF, R("y")], [W("y", 1), MF, R("x")], False, both((0,), (0,))
    ),
    "SB with one mfence": two(
        [W("x", 1), MF, R("y")], [W("y", 1), R("x")], True, both((0,), (0,))
    ),
    "forwarding with mfences (amd10)": two(
        [W("x", 1), MF, R("x"), R("y")], [W("y", 1), MF, R("y"), R("x")], False,
        both((1, 0), (1, 0)),
    ),
    "2+2W": two(
        [W("x", 1), W("y", 2)], [W("y", 1), W("x", 2)], False,
        lambda r: (r.memory["x"], r.memory["y"]) == (1, 1),
    ),
    "R": two(
        [W("x", 1), W("y", 1)], [W("y", 2), R("x")], True,
        lambda r: r.memory["y"] == 2 and r.loads[1] == (0,),
    ),
    "R with mfence": two(
        [W("x", 1), W("y", 1)], [W("y", 2), MF, R("x")], False,
        lambda r: r.memory["y"] == 2 and r.loads[1] == (0,),
    ),
    "S": two(
        [W("x", 2), W("y", 1)], [R("y"), W("x", 1)], False,
        lambda r: r.memory["x"] == 2 and r.loads[1] == (1,),
    ),
    "n6": two(
        [W("x", 1), R("x"), R("y")], [W("y", 2), W("x", 2)], True,
        lambda r: r.loads[0] == (1, 0) and r.memory["x"] == 1,
    ),
    "n5": two(
        [W("x", 1), R("x")], [W("x", 2), R("x")], False, both((2,), (1,))
    ),
    "n4b": two(
        [R("x"), W("x", 1)], [R("x"), W("x", 2)], False, both((2,), (1,))
    ),
    "CoRR": two(
        [W("x", 1)], [R("x"), R("x")], False, lambda r: r.loads[1] == (1, 0)
    ),
    "CoRR of two stores": two(
        [W("x", 1), W("x", 2)], [R("x"), R("x")], False, lambda r: r.loads[1] == (2, 1)
    ),
    "forwarding of a byte (mixed sizes)": two(
        [W("x:1", 1), R("x:2"), R("y")], [W("x+1:1", 1), W("y", 1), R("x+1:1"), R("x:1")], True,
        lambda r: r.loads[0] == (1, 0) and r.loads[1] == (1, 0),
    ),
    "two bytes in order (mixed sizes)": two(
        [W("x:1", 1), W("x+1:1", 1)], [R("x+1:1"), R("x:2")], False,
        lambda r: r.loads[1] == (1, 0x100),
    ),
}  # fmt: skip


@models
@pytest.mark.parametrize("name", TESTS)
def test_the_guest_as_the_first_thread(name: str, model: MemoryModel) -> None:
    test = TESTS[name]
    assert weak_is_seen(test.threads, test.weak, model) == (test.allowed and model is TSO)


@models
@pytest.mark.parametrize("name", TESTS)
def test_the_guest_as_the_second_thread(name: str, model: MemoryModel) -> None:
    test = TESTS[name]

    def weak(results: Results) -> bool:
        return test.weak(Results(results.loads[::-1], results.memory))

    assert weak_is_seen(test.threads[::-1], weak, model) == (test.allowed and model is TSO)


MORE = {
    "IRIW (iwp2.6, amd6)": Litmus(
        ([R("x"), R("y")], [W("x", 1)], [W("y", 1)], [R("y"), R("x")]),
        lambda r: (r.loads[0], r.loads[3]) == ((1, 0), (1, 0)),
        False,
    ),
    "WRC (iwp2.5, amd8)": Litmus(
        ([R("x"), W("y", 1)], [W("x", 1)], [R("y"), R("x")]),
        lambda r: r.loads[0] == (1,) and r.loads[2] == (1, 0),
        False,
    ),
    "n7": Litmus(
        ([W("x", 1), R("x"), R("y")], [W("y", 1)], [R("y"), R("x")]),
        lambda r: r.loads[0] == (1, 0) and r.loads[2] == (1, 0),
        True,
    ),
    "n7 with mfence": Litmus(
        ([W("x", 1), MF, R("x"), R("y")], [W("y", 1)], [R("y"), R("x")]),
        lambda r: r.loads[0] == (1, 0) and r.loads[2] == (1, 0),
        False,
    ),
    "RWC": Litmus(
        ([W("y", 1), R("x")], [W("x", 1)], [R("x"), R("y")]),
        lambda r: r.loads[0] == (0,) and r.loads[2] == (1, 0),
        True,
    ),
}


@models
@pytest.mark.parametrize("name", MORE)
def test_the_guest_among_several(name: str, model: MemoryModel) -> None:
    test = MORE[name]
    assert weak_is_seen(test.threads, test.weak, model) == (test.allowed and model is TSO)


# -- what is a fence ------------------------------------------------------------------------------

PRIVATE = DATA + 0x100
GDT = DATA + 0x200
_DESCRIPTORS = (0, 0, 0x0000FFFF, 0x00CF9A00, 0x0000FFFF, 0x00CF9200)

TABLES = (
    b"".join(poke(GDT + 4 * at, word) for at, word in enumerate(_DESCRIPTORS))
    + poke(GDT + 0x40, (GDT & 0xFFFF) << 16 | 23)
    + poke(GDT + 0x44, GDT >> 16)
    + b"\x0f\x01\x15" + u32(GDT + 0x40)
    + b"\xb8\x10\x00\x00\x00\x8e\xd8\x8e\xc0\x8e\xd0"  # ds, es, ss
    + b"\x6a\x08\xe8\x00\x00\x00\x00\x83\x04\x24\x05\xcb"  # push 8; call $+5; add [esp], 5; retf
)  # fmt: skip
"""A GDT with flat segments, and all of them from it: IRET needs that."""

ORDERING = {
    "mfence": b"\x0f\xae\xf0",
    "lock add [esp], 0": b"\xf0\x83\x04\x24\x00",
    "lock or [private], 0": b"\xf0\x83\x0d" + u32(PRIVATE) + b"\x00",
    "lock inc byte [private]": b"\xf0\xfe\x05" + u32(PRIVATE),
    "lock xadd [private], eax": b"\xf0\x0f\xc1\x05" + u32(PRIVATE),
    "lock bts [private], 0": b"\xf0\x0f\xba\x2d" + u32(PRIVATE) + b"\x00",
    "lock cmpxchg [private], ecx": b"\xf0\x0f\xb1\x0d" + u32(PRIVATE),
    "lock cmpxchg8b [private]": b"\xf0\x0f\xc7\x0d" + u32(PRIVATE),
    "lock add, with more prefixes": b"\x3e\xf0\x66\x83\x05" + u32(PRIVATE) + b"\x00",
    "xchg [private], eax": b"\x87\x05" + u32(PRIVATE),
    "xchg byte [private], al": b"\x86\x05" + u32(PRIVATE),
    "cpuid": mov_eax(0x40000000) + CPUID,
    "cpuid of the CPU's own": b"\x31\xc0" + CPUID,
    "out imm8, al": b"\xb0\x00\xe6\x80",
    "out dx, al": mov_edx(0x80) + b"\xb0\x00\xee",
    "in al, imm8": b"\xe4\x80",
    "in eax, dx": mov_edx(0xCF8) + b"\xed",
    "wrmsr": mov_ecx(0x174) + b"\x31\xc0\x31\xd2\x0f\x30",
    "lgdt": b"\x0f\x01\x15" + u32(GDT + 0x40),
    "lidt": b"\x0f\x01\x1d" + u32(PRIVATE),
    "lldt": b"\x31\xc0\x0f\x00\xd0",
    "mov cr3, eax": b"\x0f\x20\xd8\x0f\x22\xd8",
    "mov cr0, eax": b"\x0f\x20\xc0\x0f\x22\xc0",
    "mov cr4, eax": b"\x0f\x20\xe0\x0f\x22\xe0",
    "mov dr7, eax": b"\xb8\x00\x04\x00\x00\x0f\x23\xf8",
    "invlpg": b"\x0f\x01\x3d" + u32(PRIVATE),
    "wbinvd": b"\x0f\x09",
    "iret": b"\x9c\x0e\xe8\x00\x00\x00\x00\x83\x04\x24\x05\xcf",  # pushf; push cs; the next; iret
    "hypercall xen_version": hypercall(17, 0),
    "hypercall unknown": hypercall(20, 5),
}

SHARED_ORDERING = {
    "lock or [ring unused], 0": b"\xf0\x83\x0d" + u32(RING + 0xF00) + b"\x00",
    "xchg [ring unused], eax": b"\x87\x05" + u32(RING + 0xF00),
    "hypercall evtchn_send": poke(DATA, PORT) + hypercall(32, 4, DATA),
}
"""These have ops of their own, which order as well."""

NOT_ORDERING = {
    "nothing": b"",
    "sfence": b"\x0f\xae\xf8",
    "lfence": b"\x0f\xae\xe8",
    "pause": b"\xf3\x90",
    "private accesses": poke(PRIVATE, 1) + load(PRIVATE),
    "add [private], eax": b"\x01\x05" + u32(PRIVATE),
    "cmpxchg [private], ecx": b"\x0f\xb1\x0d" + u32(PRIVATE),
    "xchg eax, ecx": b"\x91",
    "xchg of registers, long form": b"\x87\xc8",
    "call and ret": b"\xe8\x02\x00\x00\x00\xeb\x01\xc3",
    "mov eax, cr0": b"\x0f\x20\xc0",
    "sgdt": b"\x0f\x01\x05" + u32(PRIVATE),
    "rdtsc": b"\x0f\x31",
    "mfence in an immediate": b"\xb8\x0f\xae\xf0\x90",
    "mfence that is jumped over": b"\xeb\x03\x0f\xae\xf0",
}


ALL_ORDERING: dict[str, bytes] = ORDERING | SHARED_ORDERING
EVERYTHING: dict[str, bytes] = ALL_ORDERING | NOT_ORDERING


def sb(barrier: bytes) -> tuple[list[Step], list[Step]]:
    """Store buffering with a fence at the other side."""
    return [W("x", 1), Step("F", barrier=barrier), R("y")], [W("y", 1), MF, R("x")]


@pytest.mark.parametrize("name", ALL_ORDERING)
def test_store_buffering_is_cured_by(name: str) -> None:
    barrier = ALL_ORDERING[name]
    assert not weak_is_seen(sb(barrier), both((0,), (0,)), TSO, TABLES)


@pytest.mark.parametrize("name", NOT_ORDERING)
def test_store_buffering_is_not_cured_by(name: str) -> None:
    assert weak_is_seen(sb(NOT_ORDERING[name]), both((0,), (0,)), TSO, TABLES)


@pytest.mark.parametrize("name", EVERYTHING)
def test_under_sc_no_barrier_is_an_op_and_none_is_needed(name: str) -> None:
    barrier = EVERYTHING[name]
    assert not weak_is_seen(sb(barrier), both((0,), (0,)), SC, TABLES)
    guest = tso_guest(sb(barrier)[0], SC, TABLES)
    assert all(op.kind is not Kind.FENCE for op in guest.start().ops)


# -- where the ops are ----------------------------------------------------------------------------


def kinds_up_to(guest: Guest, answers: Sequence[int] = ()) -> list[str]:
    """Kinds of all ops up to the load that comes after so many answers, set-up's left out."""
    burst = guest.start()
    kinds = [op.kind.name for op in burst.ops]
    for answer in answers:
        burst = guest.resume(burst.point, answer)
        kinds += [op.kind.name for op in burst.ops]
    return kinds


@pytest.mark.parametrize("name", ORDERING)
def test_a_barrier_behind_a_store_is_a_fence(name: str) -> None:
    steps = [W("x", 1), Step("F", barrier=ORDERING[name]), R("y")]
    assert kinds_up_to(tso_guest(steps, before=TABLES)) == ["STORE", "FENCE", "LOAD"]


@pytest.mark.parametrize("name", ORDERING)
def test_a_barrier_with_nothing_to_order_is_no_fence(name: str) -> None:
    barrier = Step("F", barrier=ORDERING[name])
    steps = [barrier, R("x"), barrier, W("x", 1), barrier, barrier, R("y")]
    kinds = kinds_up_to(tso_guest(steps, before=TABLES), [0])
    assert kinds == ["LOAD", "STORE", "FENCE", "LOAD"]


@pytest.mark.parametrize("name", SHARED_ORDERING)
def test_what_is_an_op_that_orders_needs_no_fence_behind_it(name: str) -> None:
    steps = [W("x", 1), Step("F", barrier=SHARED_ORDERING[name]), MF, R("y")]
    kinds = kinds_up_to(tso_guest(steps, before=TABLES))
    if kinds[-1] == "RMW":
        kinds = kinds_up_to(tso_guest(steps, before=TABLES), [0])
    assert kinds in (["STORE", "RMW", "STORE", "LOAD"], ["STORE", "SEND", "LOAD"])


@pytest.mark.parametrize("name", NOT_ORDERING)
def test_what_does_not_order_is_no_fence(name: str) -> None:
    steps = [W("x", 1), Step("F", barrier=NOT_ORDERING[name]), R("y")]
    assert kinds_up_to(tso_guest(steps, before=TABLES)) == ["STORE", "LOAD"]


def test_the_fence_is_at_its_instruction() -> None:
    burst = tso_guest([W("x", 1), MF, R("y")]).start()
    kinds = [op.kind for op in burst.ops]
    assert kinds == [Kind.STORE, Kind.FENCE, Kind.LOAD]
    store, fence, _ = (op.site.pc for op in burst.ops)
    assert fence == store + 10, "a store of an immediate is 10 bytes long"


def test_a_fence_in_a_loop_is_one_where_the_pass_has_stored() -> None:
    # load; jz over the store; store; mfence; back to the load
    here = load(RING + 2048) + b"\x85\xc0\x74\x0a" + poke(RING + 2052, 1) + b"\x0f\xae\xf0"
    guest = guest_of(here + b"\xeb" + bytes((256 - len(here) - 2,)), fences=True)
    assert kinds_up_to(guest, [0, 1, 0, 1]) == [
        "LOAD", "LOAD", "STORE", "FENCE", "LOAD", "LOAD", "STORE", "FENCE", "LOAD"
    ]  # fmt: skip


@pytest.mark.parametrize("keep_states", [False, True])
def test_whether_a_store_waits_belongs_to_a_point(keep_states: bool) -> None:
    # load; jz over the store; store; load; mfence; load: the second load's point knows the path.
    code = load(RING + 2048) + b"\x85\xc0\x74\x0a" + poke(RING + 2052, 1) + b"\x31\xc0"
    code += load(RING + 2056) + b"\x0f\xae\xf0" + load(RING + 2060) + b"\xeb\xfe"
    guest = guest_of(code, fences=True)
    guest.keep_states = keep_states
    first = guest.start()
    stored, plain = guest.resume(first.point, 1), guest.resume(first.point, 0)
    for _ in range(2):
        after_store = guest.resume(stored.point, 0)
        after_none = guest.resume(plain.point, 0)
        assert [op.kind.name for op in after_store.ops] == ["FENCE", "LOAD"]
        assert [op.kind.name for op in after_none.ops] == ["LOAD"]
    assert guest.key(stored.point) != guest.key(plain.point), "they go on differently"
