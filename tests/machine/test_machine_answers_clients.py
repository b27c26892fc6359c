"""Which reply was taken for which request, for clients of any shape: a property of each kind."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from random import Random

from answers_play import (
    CONTROL,
    ENOSYS,
    EVENT,
    MASK,
    READ,
    WRITE,
    Play,
    Shape,
    message,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from guestsim.machine.ring_bytes import NONE


def shapes(seed: int) -> Shape:
    """Accesses of random sizes, sometimes in another order."""
    random = Random(seed)

    def shape(address: int, count: int) -> Iterable[tuple[int, int]]:
        found = []
        while count:
            size = random.choice([size for size in (1, 2, 4, 8) if size <= count])
            found.append((address, size))
            address, count = address + size, count - size
        if random.random() < 0.3:
            random.shuffle(found)
        return found

    return shape


starts = st.sampled_from([0, 1, 1000, 1023, 1 << 31]) | st.integers(MASK - 1100, MASK)
bodies = st.binary(max_size=40) | st.integers(900, 1024).map(bytes)
parts = st.sampled_from([1, 3, 16, 1024])
seeds = st.integers(0, 1 << 32)
kinds = st.sampled_from([READ, WRITE])


asked = st.tuples(kinds, bodies, bodies, parts, parts)


def serve(play: Play, number: int, each: tuple[int, bytes, bytes, int, int]) -> None:
    kind, question, answer, part, _ = each
    play.send(message(kind, number, question), part)
    if len(answer) + 16 <= 1024:
        play.come(message(kind, number, answer))
    else:  # longer than the ring: comes in two parts
        play.come(message(kind, number, answer)[:1024])


def finish(play: Play, number: int, each: tuple[int, bytes, bytes, int, int]) -> bytes:
    """Take one message, more of the reply to `each` coming on the way."""
    kind, _, answer, _, part = each
    header = play.take(16, part)
    length = struct.unpack_from("<I", header, 12)[0]
    rest = message(kind, number, answer)[1024:]
    first = play.take(min(length, 1008), part)
    play.come(rest)
    return header + first + play.take(length - len(first), part)


@settings(max_examples=150, deadline=None)
@given(starts, starts, st.lists(asked, min_size=1, max_size=3), st.booleans(), seeds)
def test_a_client_that_waits_for_each_answer_is_always_answered(
    req: int,
    rsp: int,
    requests: Sequence[tuple[int, bytes, bytes, int, int]],
    same_ids: bool,
    seed: int,
) -> None:
    numbered = [(0 if same_ids else number, each) for number, each in enumerate(requests)]
    play = Play(req, rsp, shapes(seed))
    for number, each in numbered:
        serve(play, number, each)
        finish(play, number, each)
    assert play.told() == "answered"
    now = play.now()
    assert (now.stored, now.loaded, now.waiting) == (NONE, NONE, ())
    plain = Play(req, rsp)
    for number, each in numbered:
        serve(plain, number, (*each[:3], 1024, 1024))
        finish(plain, number, (*each[:3], 1024, 1024))
    assert now == plain.now(), "how it was accessed must not stay in the state"


strays = st.sampled_from(
    [
        ENOSYS,
        message(READ, 99, b"x"),
        message(WRITE, 0, b"OK\0", tx_id=7),
        message(CONTROL, 0),
        message(EVENT, 0, b"p\0t\0"),
        message(0xFFFFFFFF, MASK, b""),
    ]
)
small = st.tuples(kinds, st.binary(max_size=40), st.binary(max_size=40), parts, parts)


@settings(max_examples=150, deadline=None)
@given(starts, starts, st.lists(small, min_size=1, max_size=4), strays, seeds)
def test_a_stray_that_was_taken_for_an_answer_is_always_found(
    req: int,
    rsp: int,
    requests: Sequence[tuple[int, bytes, bytes, int, int]],
    stray: bytes,
    seed: int,
) -> None:
    play = Play(req, rsp, shapes(seed))
    place = seed % len(requests)
    for number, each in enumerate(requests):
        if number == place:
            play.come(stray)
        serve(play, number, each)
        play.receive(each[4])  # whatever it is
    wrong, _ = play.end()
    assert wrong is not None
    assert (wrong.message.type, wrong.message.req_id) == struct.unpack_from("<II", stray)
    assert wrong.request.req_id == place


@settings(max_examples=100, deadline=None)
@given(starts, starts, st.lists(small, min_size=1, max_size=4), strays, seeds)
def test_a_stray_that_was_dropped_does_no_harm(
    req: int,
    rsp: int,
    requests: Sequence[tuple[int, bytes, bytes, int, int]],
    stray: bytes,
    seed: int,
) -> None:
    play = Play(req, rsp, shapes(seed))
    place = seed % len(requests)
    for number, each in enumerate(requests):
        if number == place:
            play.come(stray)
        serve(play, number, each)
        while play.receive(each[4])[:12] != struct.pack("<III", each[0], number, 0):
            pass
    assert play.told() == "answered"
    assert play.now().stray is None
