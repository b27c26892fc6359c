"""Snapshots of RAM: how a write was found never shows, and one of which nobody told is found."""

from __future__ import annotations

from pathlib import Path

import pytest
from code86 import DATA, REP_STOSB, RING, guest, load, mov_ecx, mov_edi, store
from hypothesis import given, settings
from hypothesis import strategies as st

from guestsim.errors import InternalError
from guestsim.machine import snapshots
from guestsim.machine.memory import CHUNK, PAGE, Memory
from guestsim.machine.snapshots import BLOCK, Snapshot, Tracker

LOW = 2 * CHUNK
STACK = range(CHUNK + 100, CHUNK + 4000)
"""Neither end is the end of a block."""
PLACES = (0, 7, BLOCK - 1, PAGE + 3, STACK.start - 1, STACK.stop - 9, STACK.stop, LOW - 1)


def made() -> tuple[Memory, Tracker]:
    memory = Memory(lambda address: address < LOW, LOW)
    return memory, Tracker(memory, ())


def poke(memory: Memory, tracker: Tracker, address: int, value: int) -> None:
    """A write of the CPU: it tells if it has to."""
    piece = memory.piece(address)
    piece.host[address - piece.base] = value
    if any(first <= address <= last for first, last in tracker.ranges):
        tracker.tell(address, 1)


def content(memory: Memory) -> bytes:
    return memory.read(0, CHUNK) + memory.read(CHUNK, CHUNK)


def without_dead(data: bytes, pointer: int) -> bytes:
    first = -(-STACK.start // BLOCK) * BLOCK
    if not first <= pointer <= STACK.stop:
        return data
    return data[:first] + bytes(pointer - first) + data[pointer:]


WRITES = st.lists(
    st.tuples(st.sampled_from(PLACES) | st.sampled_from(STACK), st.integers(0, 2)), max_size=4
)
POINTERS = st.sampled_from((STACK.start, STACK.start + 700, STACK.stop - 8, STACK.stop, 5))
STEPS = st.lists(
    st.tuples(WRITES, POINTERS, st.booleans(), st.booleans(), st.integers(0, 1 << 30)),
    min_size=1,
    max_size=40,
)


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_going_back_gives_the_ram_of_that_moment(steps: list[tuple]) -> None:  # type: ignore[type-arg]
    memory, tracker = made()
    taken: list[tuple[Snapshot, bytes]] = []
    for writes, pointer, on_stack, told, back in steps:
        for address, value in writes:
            poke(memory, tracker, address, value)
        if not told:
            tracker.unsure()
        stack = STACK if on_stack else range(0)
        snapshot = tracker.look(stack, pointer, clear=True)
        now = content(memory)
        for other, then in taken:
            same = (other == snapshot, hash(other) == hash(snapshot))
            if other.stack == snapshot.stack and len(other.live) == len(snapshot.live):
                assert same == ((True, True) if then == now else (False, same[1]))
        taken.append((snapshot, now))
        target, then = taken[back % len(taken)]
        tracker.restore(target)
        assert content(memory) == then, f"went back to step {back % len(taken)}"


@given(WRITES, POINTERS)
def test_a_look_clears_what_is_dead_on_the_stack(
    writes: list[tuple[int, int]], pointer: int
) -> None:
    memory, tracker = made()
    for address, value in writes:
        poke(memory, tracker, address, value)
    before = content(memory)
    tracker.look(STACK, pointer, clear=True)
    assert content(memory) == without_dead(before, pointer)


def test_how_a_write_was_found_does_not_tell_snapshots_apart() -> None:
    memory, told = made()
    other_memory, compared = made()
    for value in range(1, 40):
        poke(memory, told, 7, value)
        latest = told.look(STACK, STACK.stop - 8, clear=True)
    poke(other_memory, compared, 7, 39)
    compared.unsure()
    fresh = compared.look(STACK, STACK.stop - 8, clear=True)
    assert latest == fresh
    assert hash(latest) == hash(fresh)


def test_a_store_over_the_edge_of_a_page_is_in_both() -> None:
    memory, tracker = made()
    before = tracker.look(STACK, STACK.stop, clear=True)
    memory.piece(0).host[PAGE - 1 : PAGE + 1] = b"\1\2"
    tracker.tell(PAGE - 1, 2)
    tracker.look(STACK, STACK.stop, clear=True)
    tracker.restore(before)
    assert not any(content(memory))


def test_what_is_cleared_in_the_last_block_of_a_stack_is_looked_at() -> None:
    memory, tracker = made()
    poke(memory, tracker, STACK.stop - 9, 1)
    before = tracker.look(STACK, STACK.start, clear=True)
    after = tracker.look(STACK, STACK.stop, clear=True)
    for snapshot, value in ((before, 1), (after, 0)):
        tracker.restore(snapshot)
        assert memory.read(STACK.stop - 9, 1) == bytes([value])


def test_going_back_undoes_what_was_written_since_the_last_look() -> None:
    memory, tracker = made()
    before = tracker.look(STACK, STACK.stop, clear=True)
    poke(memory, tracker, 7, 1)
    tracker.restore(before)
    assert not any(content(memory))


def test_memory_that_was_touched_and_is_zero_is_as_if_it_was_not() -> None:
    memory, tracker = made()
    before = tracker.look(STACK, STACK.stop - 8, clear=True)
    for value in (1, 0):
        poke(memory, tracker, PAGE, value)
        after = tracker.look(STACK, STACK.stop - 8, clear=True)
        assert (after == before) is (value == 0)
        assert (hash(after) == hash(before)) is (value == 0)


def test_a_window_is_not_looked_at() -> None:
    memory = Memory(lambda address: address < LOW, LOW)
    tracker = Tracker(memory, (PAGE,))
    assert [
        address
        for address in (PAGE - 1, PAGE, 2 * PAGE - 1, 2 * PAGE)
        if not any(first <= address <= last for first, last in tracker.ranges)
    ] == [PAGE, 2 * PAGE - 1]


def test_a_write_that_nobody_told_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "_CHECK_EVERY", 1)
    memory, tracker = made()
    tracker.look(STACK, STACK.stop, clear=True)
    memory.piece(0).host[7] = 1
    with pytest.raises(InternalError, match="wrote to the page at 0x0, and the CPU did not tell"):
        tracker.look(STACK, STACK.stop, clear=True)


@pytest.mark.parametrize("size", [8, 4000])
def test_however_much_the_guest_stores_going_back_undoes_it(tmp_path: Path, size: int) -> None:
    # It stores one byte again and again: of so many stores the CPU does not tell one by one.
    fill = mov_edi(DATA) + mov_ecx(size) + REP_STOSB
    code = load(RING) + fill + load(RING) + load(DATA + size - 1) + store(RING) + load(RING)
    machine = guest(tmp_path, code)
    machine.keep_states = True
    first = machine.start()
    points = [machine.resume(first.point, value).point for value in (1, 2)]
    for point, value in zip(points, (1, 2), strict=True):
        assert machine.resume(point, 0).ops[0].value & 0xFF == value
