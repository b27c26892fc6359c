"""Code over a page's edge, and code that the running code or another path has changed."""

from __future__ import annotations

import pytest
from code86 import (
    BASE,
    DATA,
    RING,
    SET_UP,
    UD2,
    load,
    mov_eax,
    mov_ecx,
    mov_edi,
    mov_esi,
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
from litmus_threads import Scripted, W
from program_checks import guest_of

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
def test_a_search_over_code_that_is_rewritten(patch: int) -> None:
    daemon = Scripted("daemon", [W("x", 1), W("y", 1), W("x", 2), W("y", 2), W("x", 3)], 1)
    machine = guest_of(patching(patch))
    assert verdict(machine, daemon) == {"connected"}


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
