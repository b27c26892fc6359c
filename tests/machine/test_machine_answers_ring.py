"""Which reply was taken for which request: indices moved in any way, rings that begin again."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from answers_play import (
    ANSWER,
    ASKED,
    CONNECTION,
    CONS,
    ENOSYS,
    MASK,
    PROD,
    READ,
    SERVERS_CONS,
    SERVERS_PROD,
    TAKEN,
    Play,
    Shape,
    ask,
    message,
    single,
    whole,
)

from guestsim.trace.ops import Kind


@pytest.mark.parametrize("shape", [whole, single])
def test_a_guest_that_never_loads_its_own_indices(shape: Shape) -> None:
    play = Play(shape=shape)
    play.put(0, ASKED)
    play.put(PROD, len(ASKED).to_bytes(4, "little"))
    play.come(ENOSYS)
    play.get(1024, len(ENOSYS))
    play.put(CONS, len(ENOSYS).to_bytes(4, "little"))
    assert play.told() == TAKEN


def test_an_index_stored_by_bytes_counts_when_it_is_done() -> None:
    play = Play(req=0xF8, shape=single)
    ask(play, ANSWER)  # 0xf8 + 20 = 0x10c: after the low byte alone it would have gone back
    play.receive()
    assert play.told() == "answered"


def test_an_index_added_to_by_bytes_counts_when_it_is_done() -> None:
    play = Play(req=0xF8)
    play.put(0xF8, ASKED)
    for byte, value in ((PROD, 0x0C), (PROD + 1, 0x01)):  # add; adc: both load and store
        play.load(byte, 1)
        play.store(byte, 1, value)
    play.signal()
    play.come(ENOSYS)
    play.receive()
    assert play.told() == TAKEN


def test_one_store_may_cover_both_indices_of_the_guest() -> None:
    play = Play(rsp=0x00FF_FFF0)
    play.index(PROD)
    play.index(CONS)
    play.put(0, ASKED)
    play.store(PROD, 8, len(ASKED) | 0x00FF_FFF0 << 32)
    play.come(ANSWER)
    play.get(1024 + 0x3F0, 16)
    play.get(1024, 5)
    play.store(PROD + 2, 4, (0x0100_0005 & 0xFFFF) << 16)
    play.store(CONS + 2, 2, 0x0100)
    assert play.told() == "answered"


@pytest.mark.parametrize("size", [4, 8])
def test_an_atomic_op_publishes_and_takes(size: int) -> None:
    # cmpxchg8b covers the server's index beside it; that one is stored as it was.
    play = Play()
    play.put(0, ASKED)
    beside = int.from_bytes(play.memory[SERVERS_CONS : SERVERS_CONS + 4], "little")
    if size == 8:
        play.swap(SERVERS_CONS, 8, beside | len(ASKED) << 32)
    else:
        play.swap(PROD, 4, len(ASKED))
    play.come(ENOSYS)
    play.get(1024, len(ENOSYS))
    if size == 8:
        play.swap(CONS, 8, len(ENOSYS) | len(ENOSYS) << 32)
    else:
        play.swap(CONS, 4, len(ENOSYS))
    assert play.told() == TAKEN


def test_a_store_may_go_over_the_end_of_the_buffer() -> None:
    # What it puts into the other buffer is no request.
    play = Play(req=1006)
    play.put(0, ASKED[18:])
    play.put(1006, ASKED[:16])
    play.store(1022, 4, int.from_bytes(ASKED[16:18] + b"\xff\xff", "little"))
    play.index(PROD)
    play.put(PROD, (1006 + len(ASKED)).to_bytes(4, "little"))
    play.come(ENOSYS)
    play.receive()
    assert play.told() == TAKEN


def test_a_comparison_that_failed_moves_nothing() -> None:
    play = Play(req=5120, shape=single)
    play.load(PROD, 4, Kind.RMW)
    play.put(0, ASKED)
    play.put(PROD, (5120 + len(ASKED)).to_bytes(4, "little"))
    play.come(ENOSYS)
    play.receive()
    assert play.told() == TAKEN


def test_what_is_stored_over_a_request_that_was_published_is_no_part_of_it() -> None:
    play = Play(shape=single)
    play.put(0, ASKED)
    play.put(PROD, len(ASKED).to_bytes(4, "little"))
    play.put(0, b"\xff" * 20)
    play.come(ENOSYS)
    play.receive()
    assert play.told() == TAKEN


def test_an_atomic_op_on_the_bytes_themselves() -> None:
    play = Play()
    for at in range(0, len(ASKED), 4):
        play.swap(at, 4, int.from_bytes(ASKED[at : at + 4], "little"))
    play.load(PROD, 4)
    play.store(PROD, 4, len(ASKED))
    play.come(ENOSYS)
    play.receive()
    assert play.told() == TAKEN


# -- the ring begins again ------------------------------------------------------------------------


def reset(play: Play) -> None:
    play.put(0, b"\xff" * 2048)
    for index in (PROD, SERVERS_CONS, SERVERS_PROD, CONS):
        play.store(index, 4, 0)


def close(play: Play) -> None:
    play.store(CONNECTION, 4, 1)
    play.load(CONNECTION, 4)
    struct.pack_into("<IIII", play.memory, SERVERS_CONS, 0, 0, 0, 0)
    struct.pack_into("<I", play.memory, CONNECTION, 0)
    play.load(CONNECTION, 4)


@pytest.mark.parametrize("again", [reset, close])
@pytest.mark.parametrize("start", [5000, MASK - 40, MASK - 70])
def test_a_new_ring_knows_nothing_of_the_old_one(again: Callable[[Play], None], start: int) -> None:
    play = Play(start, start)
    ask(play, ANSWER)
    play.receive()
    play.send(message(READ, 2, b"forgotten\0"))
    again(play)
    ask(play, ANSWER)
    play.receive()
    assert play.told() == "answered"


@pytest.mark.parametrize("again", [reset, close])
def test_what_was_taken_before_a_reset_stays_taken(again: Callable[[Play], None]) -> None:
    play = Play(5000, 5000)
    ask(play, ENOSYS)
    play.receive()
    again(play)
    ask(play, ANSWER)
    play.receive()
    assert play.told() == TAKEN


@pytest.mark.parametrize("index", [PROD, CONS])
def test_an_index_that_jumps_begins_a_new_ring(index: int) -> None:
    play = Play()
    ask(play)
    play.index(CONS)
    play.store(index, 4, 5000)
    assert play.told() == "answered", "nobody waits any more"


def test_a_servers_index_that_is_stored_as_it_was_begins_nothing() -> None:
    play = Play()
    ask(play, ENOSYS)
    play.swap(SERVERS_PROD, 4, len(ENOSYS))
    play.receive()
    assert play.told() == TAKEN


@pytest.mark.parametrize("again", [reset, close])
def test_halves_do_not_outlive_a_reset(again: Callable[[Play], None]) -> None:
    play, other = Play(5000, 5000), Play(5000, 5000)
    ask(play, ENOSYS[:9])
    play.take(9)
    play.send(ASKED[:9])
    ask(other)
    for each in (play, other):
        again(each)
    assert play.now() == other.now()
    ask(play, ENOSYS)
    play.receive()
    assert play.told() == TAKEN


def test_bytes_in_hand_do_not_outlive_a_close() -> None:
    play = Play()
    play.put(0, message(READ, 7, b"q\0"))
    play.come(ENOSYS)
    play.get(1024, len(ENOSYS))
    close(play)
    play.index(PROD)
    play.put(PROD, b"\x12\0\0\0")  # publishes what it did not store
    assert play.told() == "answered"
    play.put(18, ASKED)
    play.put(PROD, (18 + len(ASKED)).to_bytes(4, "little"))
    play.come(ENOSYS)
    play.drop()
    assert play.told() == "unanswered: READ a/b (id 1)"


def test_after_a_close_a_guest_may_know_that_indices_are_zero() -> None:
    play = Play(5000, 5000)
    ask(play, ANSWER)
    play.receive()
    close(play)
    play.put(0, ASKED)
    play.put(PROD, len(ASKED).to_bytes(4, "little"))
    play.come(ENOSYS)
    play.get(1024, len(ENOSYS))
    play.put(CONS, len(ENOSYS).to_bytes(4, "little"))
    assert play.told() == TAKEN


def test_indices_that_somebody_else_has_moved_begin_a_new_ring() -> None:
    play = Play(5000, 6000)
    ask(play, ANSWER)
    play.receive()
    play.send(message(READ, 2, b"forgotten\0"))
    struct.pack_into("<IIII", play.memory, SERVERS_CONS, 0, 0, 0, 0)
    ask(play, ENOSYS)
    play.receive()
    assert play.told() == TAKEN
