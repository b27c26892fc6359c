"""Snapshots of RAM: what is hot, cold or stack never shows, and a write that nobody told does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guestsim.errors import InternalError
from guestsim.machine import snapshots
from guestsim.machine.memory import CHUNK, PAGE, Memory
from guestsim.machine.snapshots import BLOCK, Snapshot, Tracker

LOW = 2 * CHUNK
STACK = range(CHUNK + 100, CHUNK + 4000)
"""Neither end is the end of a block."""
PLACES = (0, 7, BLOCK - 1, BLOCK, PAGE + 3, STACK.start - 1, STACK.stop, STACK.stop + 9, LOW - 1)


def made() -> tuple[Memory, Tracker]:
    memory = Memory(lambda address: address < LOW, LOW)
    return memory, Tracker(memory, ())


def poke(memory: Memory, tracker: Tracker, address: int, value: int) -> None:
    """A write of the CPU: it tells if the address is quiet."""
    piece = memory.piece(address)
    piece.host[address - piece.base] = value
    if any(first <= address <= last for first, last in tracker.quiet):
        tracker.unsure(address)


def content(memory: Memory) -> bytes:
    return memory.read(0, CHUNK) + memory.read(CHUNK, CHUNK)


def without_dead(data: bytes, pointer: int) -> bytes:
    first = -(-STACK.start // BLOCK) * BLOCK
    if not first <= pointer <= STACK.stop:
        return data
    return data[:first] + bytes(pointer - first) + data[pointer:]


WRITES = st.lists(
    st.tuples(st.sampled_from(PLACES) | st.sampled_from(STACK), st.integers(0, 255)), max_size=4
)
POINTERS = st.sampled_from((STACK.start, STACK.start + 700, STACK.stop - 8, STACK.stop, 5))
STEPS = st.lists(
    st.tuples(WRITES, POINTERS, st.booleans(), st.integers(0, 1 << 30)), min_size=1, max_size=40
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_going_back_gives_the_ram_of_that_moment(steps: list[tuple]) -> None:  # type: ignore[type-arg]
    memory, tracker = made()
    taken: list[tuple[Snapshot, bytes]] = []
    for writes, pointer, on_stack, back in steps:
        for address, value in writes:
            poke(memory, tracker, address, value)
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


def test_what_is_hot_does_not_tell_snapshots_apart() -> None:
    memory, often = made()
    other_memory, once = made()
    for value in range(1, 40):
        poke(memory, often, 7, value)
        latest = often.look(STACK, STACK.stop - 8, clear=True)
    quiet = often.quiet
    assert not any(first <= 7 <= last for first, last in quiet), f"7 is not hot: {quiet}"
    poke(other_memory, once, 7, 39)
    fresh = once.look(STACK, STACK.stop - 8, clear=True)
    assert latest == fresh
    assert hash(latest) == hash(fresh)


def test_a_window_is_not_looked_at() -> None:
    memory = Memory(lambda address: address < LOW, LOW)
    tracker = Tracker(memory, (PAGE,))
    assert [
        address
        for address in (PAGE - 1, PAGE, 2 * PAGE - 1, 2 * PAGE)
        if not any(first <= address <= last for first, last in tracker.quiet)
    ] == [PAGE, 2 * PAGE - 1]


def test_a_write_that_nobody_told_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "_CHECK_EVERY", 1)
    memory, tracker = made()
    tracker.look(STACK, STACK.stop, clear=True)
    memory.piece(0).host[7] = 1
    with pytest.raises(InternalError, match="wrote to the page at 0x0, and the CPU did not tell"):
        tracker.look(STACK, STACK.stop, clear=True)
