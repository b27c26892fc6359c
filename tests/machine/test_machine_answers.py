"""Which reply was taken for which request: what a guest can make of what comes."""

from __future__ import annotations

import struct

import pytest
from answers_play import (
    ANSWER,
    ASKED,
    CONS,
    CONTROL,
    ENOSYS,
    ERROR,
    EVENT,
    READ,
    SERVERS_PROD,
    TAKEN,
    WATCH,
    WRITE,
    Play,
    ask,
    message,
    single,
)


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
