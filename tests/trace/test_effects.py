"""Ops on memory: what they give, and whether they count as a change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_actors import GUEST_PENDING, MEMORY, fence, halt, load, rmw, send, store, wait

from guestsim.errors import InternalError
from guestsim.trace import Flag, Kind, Op
from guestsim.trace.effects import apply, result
from guestsim.trace.shared import SELECTOR, SERVER, SHARED_SIZE, UPCALL_PENDING


@pytest.mark.parametrize(
    ("before", "op", "value", "changed"),
    [
        pytest.param([], load(8), 0, False, id="load"),
        pytest.param([store(8, 0x0102)], load(9, 1), 1, False, id="little-endian"),
        pytest.param([store(8, 0x01020304)], load(8, 2), 0x0304, False, id="two-bytes"),
        pytest.param([store(8, 1 << 60, 8)], load(8, 8), 1 << 60, False, id="eight-bytes"),
        pytest.param([store(8, 3)], rmw(8), 3, False, id="rmw-is-its-load-half"),
        pytest.param([], store(8, 3), 3, True, id="store"),
        pytest.param([store(8, 3)], store(8, 3), 3, False, id="store-of-the-same"),
        pytest.param([], fence(), 0, False, id="fence"),
        pytest.param([], halt(), 0, False, id="halt"),
        pytest.param([], send(), 1, True, id="send"),
        pytest.param([send()], send(), 0, False, id="send-pending-already"),
        pytest.param([send(1)], send(3), 1, True, id="send-one-of-two-new"),
        pytest.param([], wait(Flag.SPURIOUS), 0, False, id="wait-spurious"),
        pytest.param([send()], wait(), 1, False, id="wait-keeps-the-bit"),
        pytest.param([send()], wait(Flag.CONSUME), 1, True, id="wait-consumes"),
    ],
)
def test_what_an_op_gives_and_changes(before: list[Op], op: Op, value: int, changed: bool) -> None:
    memory = bytearray(MEMORY)
    for earlier in before:
        apply(memory, earlier)
    was = bytes(memory)
    assert result(memory, op) == value
    assert bytes(memory) == was, "asking for the result changed memory"
    assert apply(memory, op) is changed
    assert (bytes(memory) != was) is changed


def test_an_unmask_changes_memory_once() -> None:
    mask = store(0x1000 + 0x880, 2)
    unmask = Op(Kind.UNMASK, GUEST_PENDING, 4, 2)
    memory = bytearray(MEMORY)
    apply(memory, mask)
    assert apply(memory, unmask) is True
    assert apply(memory, unmask) is False


def test_an_upcall_comes_with_the_selectors_bit_and_not_again_while_that_is_set() -> None:
    """xen/common/event_2l.c, evtchn_2l_set_pending: a selector's bit that is set already means that
    the guest has been told."""
    memory = bytearray(MEMORY)
    apply(memory, send(2, GUEST_PENDING))
    assert (memory[SELECTOR], memory[UPCALL_PENDING]) == (1, 1)
    for taken in (store(UPCALL_PENDING, 0, 1), store(GUEST_PENDING, 0)):
        apply(memory, taken)
    apply(memory, send(2, GUEST_PENDING))
    assert (memory[SELECTOR], memory[UPCALL_PENDING]) == (1, 0)


@given(
    kind=st.sampled_from([Kind.LOAD, Kind.STORE, Kind.RMW, Kind.SEND, Kind.WAIT]),
    past=st.integers(1, 64),
)
def test_nothing_outside_shared_memory_is_touched(kind: Kind, past: int) -> None:
    memory = bytearray(MEMORY)
    op = Op(kind, SHARED_SIZE - 4 + past, 4, 1)
    with pytest.raises(InternalError, match="not shared memory"):
        # Whichever comes first: a load has no effect, a store has no result to compute.
        _ = result(memory, op), apply(memory, op)
    assert len(memory) == SHARED_SIZE


def test_the_last_word_is_inside() -> None:
    memory = bytearray(MEMORY)
    assert apply(memory, store(SERVER, 1)) is True
