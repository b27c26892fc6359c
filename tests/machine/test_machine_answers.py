"""Which reply was taken for which request: followed from a guest's accesses, whatever their shape.

A `Play` is a guest's side of a simulated ring. Its accesses go to `follow` burst by burst, as the
guest gives them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guestsim.abi.xs_wire import Interface, XsdSockmsgType
from guestsim.machine.answers import BEGIN, Answers, Verdict, follow, verdict
from guestsim.machine.ring_bytes import NONE, Held, back_from, cut, put
from guestsim.trace.ops import Flag, Kind, Op

READ, WATCH, WRITE = (
    XsdSockmsgType.XS_READ,
    XsdSockmsgType.XS_WATCH,
    XsdSockmsgType.XS_WRITE,
)
CONTROL, ERROR, EVENT = (
    XsdSockmsgType.XS_CONTROL,
    XsdSockmsgType.XS_ERROR,
    XsdSockmsgType.XS_WATCH_EVENT,
)
CONS, PROD = int(Interface.RSP_CONS), int(Interface.REQ_PROD)
SERVERS_PROD, SERVERS_CONS = int(Interface.RSP_PROD), int(Interface.REQ_CONS)
CONNECTION = int(Interface.CONNECTION)
MASK = 0xFFFFFFFF

Shape = Callable[[int, int], Iterable[tuple[int, int]]]
"""How `count` bytes from an address on are accessed: (address, size) of each access."""


def message(kind: int, req_id: int, payload: bytes = b"", tx_id: int = 0) -> bytes:
    return struct.pack("<IIII", kind, req_id, tx_id, len(payload)) + payload


def whole(address: int, count: int) -> Iterable[tuple[int, int]]:
    """As few accesses of four bytes as there can be."""
    while count:
        size = min(count, 4)
        yield address, size
        address, count = address + size, count - size


def single(address: int, count: int) -> Iterable[tuple[int, int]]:
    return ((address + index, 1) for index in range(count))


class Play:
    """A guest's accesses, and a server that puts bytes into the other direction."""

    def __init__(self, req: int = 0, rsp: int = 0, shape: Shape = whole) -> None:
        self.shape = shape
        self.memory = bytearray(b"\xa5" * 4096)
        struct.pack_into("<IIII", self.memory, SERVERS_CONS, req, req, rsp, rsp)
        self.answers: Answers = BEGIN
        self.heard: tuple[Op, int] | None = None
        self.ops: list[Op] = []

    # -- accesses

    def load(self, address: int, size: int, kind: Kind = Kind.LOAD) -> int:
        self.answers = follow(self.answers, self.heard, self.ops)
        value = int.from_bytes(self.memory[address : address + size], "little")
        self.heard, self.ops = (Op(kind, address, size), value), []
        return value

    def store(self, address: int, size: int, value: int, flags: Flag = Flag.NONE) -> None:
        self.memory[address : address + size] = value.to_bytes(size, "little")
        self.ops.append(Op(Kind.STORE, address, size, value, flags=flags))

    def swap(self, address: int, size: int, value: int) -> None:
        self.load(address, size, Kind.RMW)
        self.store(address, size, value, Flag.LOCKED)

    def signal(self) -> None:
        self.ops.append(Op(Kind.SEND, 0x2000, 4, 1))

    def get(self, address: int, count: int) -> bytes:
        for at, size in self.shape(address, count):
            self.load(at, size)
        return bytes(self.memory[address : address + count])

    def put(self, address: int, data: bytes) -> None:
        for at, size in self.shape(address, len(data)):
            part = data[at - address : at - address + size]
            self.store(at, size, int.from_bytes(part, "little"))

    def index(self, address: int) -> int:
        return int.from_bytes(self.get(address, 4), "little")

    # -- a client of the ring

    def send(self, data: bytes, part: int = 1024) -> None:
        while data:
            prod = self.index(PROD)
            first = prod % 1024
            step = min(len(data), part, 1024 - first)
            self.put(first, data[:step])
            self.put(PROD, (prod + step & MASK).to_bytes(4, "little"))
            self.signal()
            data = data[step:]

    def take(self, count: int, part: int = 1024) -> bytes:
        """`count` bytes of what has come."""
        data = b""
        while len(data) < count:
            cons = self.index(CONS)
            ready = self.index(SERVERS_PROD) - cons & MASK
            first = cons % 1024
            step = min(count - len(data), part, ready, 1024 - first)
            assert step, "a client would wait for ever"
            data += self.get(1024 + first, step)
            self.put(CONS, (cons + step & MASK).to_bytes(4, "little"))
            self.signal()
        return data

    def receive(self, part: int = 1024) -> bytes:
        header = self.take(16, part)
        return header + self.take(struct.unpack_from("<I", header, 12)[0], part)

    def drop(self) -> None:
        """Give back all that has come, unread."""
        self.index(CONS)
        self.put(CONS, bytes(self.memory[SERVERS_PROD : SERVERS_PROD + 4]))

    # -- the server

    def come(self, data: bytes) -> None:
        """`data` comes in `rsp`."""
        prod = int.from_bytes(self.memory[SERVERS_PROD : SERVERS_PROD + 4], "little")
        for index, byte in enumerate(data):
            self.memory[1024 + (prod + index) % 1024] = byte
        struct.pack_into("<I", self.memory, SERVERS_PROD, prod + len(data) & MASK)

    # -- what came of it

    def now(self) -> Answers:
        self.answers = follow(self.answers, self.heard, self.ops)
        self.heard, self.ops = None, []
        return self.answers

    def end(self) -> Verdict:
        return verdict(self.now())

    def told(self) -> str:
        wrong, unanswered = self.end()
        if wrong is not None:
            return str(wrong)
        return f"unanswered: {', '.join(map(str, unanswered))}" if unanswered else "answered"


ENOSYS = message(ERROR, 41, b"ENOSYS\0")
ASKED = message(READ, 1, b"a/b\0")
ANSWER = message(READ, 1, b"value")
TAKEN = "the reply ERROR ENOSYS (id 41) for the answer to READ a/b (id 1)"


# -- clients of any shape -------------------------------------------------------------------------


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


# -- what a guest can make of what comes ----------------------------------------------------------


def ask(play: Play, *come: bytes, request: bytes = ASKED) -> None:
    play.send(request)
    for each in come:
        play.come(each)


def test_taking_a_stray_and_ending_is_told() -> None:
    play = Play()
    ask(play, ENOSYS)
    play.receive()
    assert play.told() == TAKEN


def test_the_right_replies_may_come_later_each_for_the_next_request() -> None:
    play = Play()
    ask(play, ENOSYS, ANSWER)
    play.receive()
    ask(play, message(READ, 2, b"w"), request=message(READ, 2, b"c\0"))
    play.receive()
    assert play.told() == TAKEN


def test_the_answer_to_the_next_request_does_not_heal_it() -> None:
    play = Play()
    ask(play, ENOSYS)  # and the server has lost the request
    play.receive()
    ask(play, message(READ, 2, b"w"), request=message(READ, 2, b"c\0"))
    play.receive()
    assert play.told() == TAKEN


def test_a_guest_that_goes_on_waiting_has_dropped_it() -> None:
    play = Play()
    play.send(message(READ, 5, b"never\0"))
    ask(play, ENOSYS, ANSWER)
    play.receive()
    play.receive()
    assert play.told() == "unanswered: READ never (id 5)"


def test_an_answer_to_another_request_does_not_excuse_it() -> None:
    play = Play()
    play.send(ASKED)
    play.send(message(READ, 2, b"c\0"))
    for each in (ENOSYS, ANSWER):
        play.come(each)
        play.receive()
    assert play.told() == TAKEN


def test_a_guest_that_does_not_wait_is_not_corrupted() -> None:
    play = Play()
    play.send(message(WRITE, 3, b"data/colour\0blue"))
    play.send(message(READ, 4, b"x\0", tx_id=2))
    assert play.told() == "unanswered: WRITE data/colour (id 3), READ x (id 4, transaction 2)"


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_several_requests_may_wait_at_once(order: tuple[int, int]) -> None:
    play = Play()
    for number in (1, 2):
        play.send(message(READ, number, b"k\0"))
    for number in order:
        play.come(message(READ, number, b"v"))
        play.receive()
    assert play.told() == "answered"


def test_a_stray_between_requests_under_way_is_dropped_where_all_are_answered() -> None:
    play = Play()
    ask(play, message(CONTROL, 0), ANSWER)
    play.receive()
    ask(play, message(READ, 2, b"w"), request=message(READ, 2, b"c\0"))
    play.receive()
    play.receive()
    assert play.told() == "answered"
    assert play.now().stray is None


@pytest.mark.parametrize(
    "reply",
    [
        message(WRITE, 1, b"OK\0"),
        message(READ, 2, b"value"),
        message(READ, 1, b"value", tx_id=1),
        message(ERROR, 2, b"EIO\0"),
        message(ERROR, 1, b"EIO\0", tx_id=1),
    ],
    ids=["type", "id", "transaction", "error's id", "error's transaction"],
)
def test_every_field_of_a_reply_must_be_the_requests(reply: bytes) -> None:
    play = Play()
    ask(play, reply)
    play.receive()
    assert play.end().wrong is not None


def test_an_error_answers_a_request_of_any_type() -> None:
    play = Play()
    ask(play, message(ERROR, 1, b"ENOENT\0"))
    play.receive()
    assert play.told() == "answered"


def test_half_a_request_is_none() -> None:
    play = Play()
    play.send(ASKED[:-1])
    assert play.told() == "answered"


def test_one_move_may_publish_many_requests_and_take_many_replies() -> None:
    play = Play()
    requests = [message(READ, number, b"k\0") for number in range(5)]
    play.send(b"".join(requests))
    play.come(b"".join(message(READ, number, b"v") for number in range(4)) + ENOSYS)
    play.take(4 * 17 + len(ENOSYS))
    assert play.told() == "the reply ERROR ENOSYS (id 41) for the answer to READ k (id 4)"


def test_a_length_that_cannot_be_is_still_a_message_that_was_taken() -> None:
    play = Play()
    ask(play, struct.pack("<IIII", READ, 7, 0, 0x73616962) + b"seabios")
    play.take(23)
    assert play.told() == "the reply READ (id 7) for the answer to READ a/b (id 1)"


def test_a_header_says_enough_where_the_rest_is_never_taken() -> None:
    play = Play()
    ask(play, ENOSYS)
    play.take(16)
    assert play.told() == TAKEN.replace(" ENOSYS", "")
    right = Play()
    ask(right, ANSWER)
    right.take(16)
    assert right.told() == "answered"


# -- events of watches ----------------------------------------------------------------------------

AN_EVENT = message(EVENT, 0, b"data/colour\0token\0")


def test_an_event_is_a_stray_for_a_stage_without_watches() -> None:
    play = Play()
    ask(play, AN_EVENT)
    play.receive()
    assert play.told() == ("the WATCH_EVENT data/colour (id 0) for the answer to READ a/b (id 1)")


def test_an_event_is_nothing_special_for_a_stage_with_a_watch() -> None:
    play = Play()
    ask(play, message(WATCH, 7, b"OK\0"), request=message(WATCH, 7, b"data\0t\0"))
    play.receive()
    ask(play, AN_EVENT)
    play.receive()
    assert play.told() == "unanswered: READ a/b (id 1)"


# -- left over from before ------------------------------------------------------------------------


@pytest.mark.parametrize("read", [False, True], ids=["unread", "read"])
@pytest.mark.parametrize("left", [ENOSYS, ENOSYS[:9], ENOSYS * 3 + ENOSYS[:18]])
def test_what_is_left_over_is_nobodys_answer(left: bytes, read: bool) -> None:
    play = Play(rsp=1020)
    play.come(left)
    if read:
        play.take(len(left))
    else:
        play.drop()
    ask(play, ANSWER)
    play.receive()
    assert play.told() == "answered"


def test_the_rest_of_a_reply_that_was_dropped_in_part_is_taken_for_an_answer() -> None:
    play = Play()
    play.come(message(READ, 9, b"a value that is longer than a header")[:16])
    play.drop()
    ask(play, b"a value that is longer than a header")
    play.take(20)
    assert play.told().startswith("the reply type 0x61762061 (id ")


def test_an_answer_that_was_given_back_unread_is_none() -> None:
    play = Play()
    ask(play, ANSWER)
    play.drop()
    ask(play, message(READ, 2, b"w"), request=message(READ, 2, b"c\0"))
    play.receive()
    assert play.told() == "unanswered: READ a/b (id 1)"


def test_a_payload_may_be_given_back_unread() -> None:
    play = Play()
    ask(play, ANSWER + ENOSYS)
    cons = play.index(CONS)
    play.get(1024, 16)
    play.get(1024 + len(ANSWER), len(ENOSYS))
    play.put(CONS, (cons + len(ANSWER) + len(ENOSYS)).to_bytes(4, "little"))
    assert play.told() == "answered"


# -- indices --------------------------------------------------------------------------------------


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


# -- the state ------------------------------------------------------------------------------------


def test_polling_changes_nothing_and_makes_nothing_new() -> None:
    play = Play()
    ask(play, ANSWER[:9])
    play.take(9)
    before = play.now()
    for _ in range(3):
        play.index(CONS)
        play.index(SERVERS_PROD)
        play.signal()
    assert play.now() is before


def test_a_value_can_be_a_part_of_a_key() -> None:
    one, two = Play(), Play(shape=single)
    for play in (one, two):
        ask(play, ENOSYS)
        play.take(18)
    assert one.now() == two.now()
    assert hash(one.now()) == hash(two.now())


# -- bytes in hand --------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 512, 1024])
def test_a_whole_buffer_in_hand_has_no_beginning(step: int) -> None:
    held: Held = NONE
    for at in range(500, 1524, step):
        held = put(held, at % 1024, bytes(step))
    assert held == ((0, bytes(1024)),)


pieces = st.lists(st.tuples(st.integers(0, 1023), st.binary(min_size=1, max_size=12)), max_size=8)


@given(pieces, st.integers(0, 1023), st.integers(0, 1024), st.booleans())
def test_bytes_in_hand_are_those_of_a_table(
    stores: list[tuple[int, bytes]], place: int, count: int, near_the_end: bool
) -> None:
    held: Held = NONE
    cells: dict[int, int] = {}
    for anywhere, data in stores:
        first = 1012 + anywhere % 12 if near_the_end else anywhere
        held = put(held, first, data)
        cells.update(((first + index) % 1024, byte) for index, byte in enumerate(data))
    direct = NONE
    for at in sorted(cells, reverse=True):
        direct = put(direct, at, bytes([cells[at]]))
    assert held == direct, "canonical"
    places = [(place + index) % 1024 for index in range(count)]
    data, known, rest = cut(held, place, count)
    assert data == bytes(cells.get(at, 0) for at in places)
    assert (known or b"\1" * count) == bytes(at in cells for at in places)
    again, unknown, _ = cut(rest, place, count)
    assert (again, unknown or b"") == (bytes(count), bytes(count))
    back = back_from(held, place)
    assert all((place - 1 - index) % 1024 in cells for index in range(back))
    assert back == len(cells) or (place - 1 - back) % 1024 not in cells
