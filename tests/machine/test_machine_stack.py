"""Where images keep their stacks; what is dead there is cleared, and tells nothing apart."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest
from code86 import BASE, HAND_OVER, PORT, RING, SPIN, elf, load, mov_esp, store

from guestsim.errors import InternalError
from guestsim.machine.guest import Guest, Stage
from guestsim.machine.image import load_image
from guestsim.machine.images import find_image
from guestsim.machine.stack import HVMLOADER_STACK_SIZE
from guestsim.trace.ops import Kind

REQ_CONS, REQ_PROD = RING + 2048, RING + 2052
TOP = 0x190000
STACK = range(TOP - 0x1000, TOP)
PUSH_EAX, POP_ECX = b"\x50", b"\x59"
CLEAR_EAX, CLEAR_ECX = b"\x31\xc0", b"\x31\xc9"


def machine(folder: Path, code: bytes, stack: range = STACK) -> Guest:
    path = folder / "image.elf"
    path.write_bytes(elf([(BASE, code)]))
    made = Guest([Stage(replace(load_image("image", path), stack=stack))], PORT)
    made.keep_states = True
    return made


@pytest.mark.parametrize(("stack", "same"), [(STACK, True), (range(0), False)])
def test_what_lies_below_the_stack_pointer_does_not_tell_points_apart(
    tmp_path: Path, stack: range, same: bool
) -> None:
    code = mov_esp(TOP) + load(REQ_CONS) + PUSH_EAX + POP_ECX + CLEAR_EAX + CLEAR_ECX
    guest = machine(tmp_path, code + load(REQ_PROD), stack)
    first = guest.start()
    one, two = (guest.resume(first.point, value) for value in (1, 2))
    assert (guest.key(one.point) == guest.key(two.point)) is same


def test_what_lies_above_it_does(tmp_path: Path) -> None:
    code = mov_esp(TOP) + load(REQ_CONS) + PUSH_EAX + CLEAR_EAX
    guest = machine(tmp_path, code + load(REQ_PROD))
    first = guest.start()
    one, two = (guest.resume(first.point, value) for value in (1, 2))
    assert guest.key(one.point) != guest.key(two.point)


def test_who_reads_it_is_told_of_and_never_judged(tmp_path: Path) -> None:
    # push eax; pop ecx; load; then mov eax, [esp - 4]: on hardware it may still be there.
    below = b"\x8b\x44\x24\xfc"
    code = mov_esp(TOP) + load(REQ_CONS) + PUSH_EAX + POP_ECX + load(REQ_CONS)
    guest = machine(tmp_path, code + below + store(REQ_PROD) + load(REQ_CONS))
    guest.keep_states = False
    burst = guest.resume(guest.start().point, 77)
    assert guest.resume(burst.point, 0).ops[0].value == 77
    guest.keep_states = True
    burst = guest.resume(guest.start().point, 77)
    with pytest.raises(InternalError, match=r"mov eax, dword ptr \[esp - 4\] .*, reads 4 bytes"):
        guest.resume(burst.point, 0)


def test_what_was_stored_since_may_be_read(tmp_path: Path) -> None:
    # load; push eax; mov ecx, [esp]; pop eax; push ecx; mov cl, [esp + 1]; pop ecx
    use = PUSH_EAX + b"\x8b\x0c\x24" + b"\x58\x51" + b"\x8a\x4c\x24\x01" + POP_ECX
    guest = machine(tmp_path, mov_esp(TOP) + (load(REQ_CONS) + use) * 2 + load(REQ_CONS))
    guest.keep_states = True
    burst = guest.resume(guest.start().point, 77)
    assert guest.resume(burst.point, 78).ops[0].kind is Kind.LOAD


def test_a_stage_that_begins_again_has_no_dead_stack_yet(tmp_path: Path) -> None:
    # Nothing has been cleared when it reads what lies below its stack pointer: it is as loaded.
    first = load(REQ_CONS) + HAND_OVER
    second = mov_esp(TOP) + b"\x8b\x44\x24\xf8" + store(REQ_PROD) + load(REQ_CONS) + load(REQ_PROD)
    chain = []
    for name, code in (("first", first), ("second", second)):
        path = tmp_path / f"{name}.elf"
        path.write_bytes(elf([(BASE, code)]))
        chain.append(Stage(replace(load_image(name, path), stack=STACK)))
    guest = Guest(chain, PORT)
    guest.keep_states = True
    before = guest.start()
    there = guest.resume(before.point, 0)
    guest.resume(there.point, 0)  # its dead stack is cleared, and watched
    assert guest.resume(before.point, 0).ops == there.ops


def test_who_goes_on_there_for_long_is_watched_where_it_is_still_dead(tmp_path: Path) -> None:
    # Thousands of times push eax; pop ecx: it costs as much as anywhere. Then what is below.
    spin = b"\xbb" + struct.pack("<I", 20_000) + PUSH_EAX + POP_ECX + b"\x4b\x75\xfb"
    guest = machine(tmp_path, mov_esp(TOP) + load(REQ_CONS) + spin + load(REQ_CONS) + SPIN)
    burst = guest.start()
    calls: list[int] = []
    stack = guest.machine._dead_stacks[0]
    count = stack._count

    def counted() -> None:
        calls.append(1)
        count()

    stack._count = counted  # type: ignore[method-assign]
    guest.resume(burst.point, 7)
    assert 1000 < len(calls) < 1200
    below = b"\x8b\x44\x24\xf8"
    guest = machine(tmp_path, mov_esp(TOP) + load(REQ_CONS) + spin + below + load(REQ_CONS))
    burst = guest.start()
    with pytest.raises(InternalError, match=r"reads 4 bytes at 0x18fff8"):
        guest.resume(burst.point, 7)


def hvmloader_like(top: int, bss: int) -> bytes:
    """An ELF file that begins as every hvmloader does; `bss` bytes of zeroes follow its code."""
    code = (
        b"\xfc\xfa\x0f\x01\x15"
        + struct.pack("<I", BASE)
        + b"\x66\xb8\x20\x00\x8e\xd8\x8e\xd0\xea"
        + struct.pack("<IH", BASE + 24, 0x18)
        + mov_esp(top)
        + b"\x89\xe5\x89\x1d"
        + struct.pack("<I", TOP)
        + b"\xe8"
        + bytes(4)
    )
    return elf([(BASE, code)], memory_size=len(code) + bss)


def test_an_hvmloader_without_symbols_is_known_by_its_entry(tmp_path: Path) -> None:
    path = tmp_path / "hvmloader"
    top = BASE + 0x8000
    path.write_bytes(hvmloader_like(top, 0x10000))
    stack = load_image("hvmloader", path).stack
    assert stack == range(top - HVMLOADER_STACK_SIZE, top)


def test_a_stack_that_is_not_zeroed_memory_of_the_image_is_none(tmp_path: Path) -> None:
    path = tmp_path / "hvmloader"
    path.write_bytes(hvmloader_like(BASE + 0x8000, 0x100))
    assert load_image("hvmloader", path).stack == range(0)


def test_our_images_have_a_symbol_for_it() -> None:
    assert len(load_image("frontend", find_image("frontend")).stack) == 0x4000


def test_any_other_image_has_none(tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(elf([(BASE, load(REQ_CONS))]))
    assert load_image("other", path).stack == range(0)
