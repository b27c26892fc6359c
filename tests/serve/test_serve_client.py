"""One connection: turns, backpressure, and how it ends; with clients in this process."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving import Local, Loop, hub, request

from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.serve.limits import EVENTS_KEPT, HIGH_WATER, TURN
from guestsim.xenstore import OXENSTORED, Dialect, Message, Outgoing

READ = request(T.XS_READ, "/tool", req_id=7)
OVERLONG = struct.pack("<4I", T.XS_READ, 1, 0, 4097)


def test_a_request_is_answered_with_its_ids() -> None:
    client = Local(hub(), Loop())
    client.send(READ)
    assert client.received == [Message(T.XS_READ, 7, 0, b"")]


@given(st.lists(st.integers(0, 200), max_size=8))
def test_where_the_stream_is_cut_makes_no_difference(cuts: list[int]) -> None:
    stream = b"".join(
        [
            READ,
            request(T.XS_WRITE, "/a", "x" * 40),
            request(T.XS_READ, "/a"),
            request(T.XS_DIRECTORY, "/"),
            request(T.XS_READ, "/missing"),
        ]
    )
    whole, cut = Local(hub(), Loop()), Local(hub(), Loop())
    whole.send(stream)
    assert len(whole.received) == 5
    places = sorted({0, len(stream), *(at for at in cuts if at < len(stream))})
    for start, end in pairwise(places):
        cut.send(stream[start:end])
    assert cut.received == whole.received


def test_one_byte_at_a_time_is_as_good_as_all_at_once() -> None:
    client = Local(hub(), Loop())
    for byte in READ * 2:
        client.send(bytes([byte]))
    assert client.received == [Message(T.XS_READ, 7, 0, b"")] * 2


def test_others_have_their_turn_before_many_requests_are_done() -> None:
    served, loop = hub(), Loop()
    many, one = Local(served, loop), Local(served, loop)
    many.feed(READ * (3 * TURN))
    assert len(many.received) == TURN, "a turn should end after so many requests"
    assert many.paused, "no more is read from it while it has requests left"
    one.feed(READ)
    assert len(one.received) == 1
    loop.round()
    assert len(many.received) == 2 * TURN
    loop.run()
    assert len(many.received) == 3 * TURN
    assert not many.paused


def test_replies_stop_while_the_client_does_not_read_them() -> None:
    served, loop = hub(), Loop()
    client = Local(served, loop, reads=False)
    other = Local(served, loop)
    other.ask(T.XS_WRITE, "/big", "x" * 2000)
    client.send(request(T.XS_READ, "/big") * 2000)
    assert client.paused
    # One turn more than the mark: what is answered is answered.
    assert HIGH_WATER < len(client.waiting) <= HIGH_WATER + TURN * 2016
    assert other.ask(T.XS_READ, "/tool").payload == b""
    client.reads = True
    client.read()
    loop.run()
    assert len(client.received) == 2000
    assert not client.paused


def test_nothing_is_read_from_a_client_that_does_not_read() -> None:
    served, loop = hub(), Loop()
    client = Local(served, loop, reads=False)
    client.send(request(T.XS_WRITE, "/big", "x" * 2000))
    sent = 1
    while not client.paused:
        client.send(request(T.XS_READ, "/big"))
        sent += 1
        assert sent < 100, "it should be paused when the mark is passed"
    assert len(client.waiting) > HIGH_WATER
    # What was on its way all the same is kept, not answered.
    client.send(request(T.XS_WRITE, "/late", "x"))
    other = Local(served, loop)
    assert other.ask(T.XS_READ, "/late").payload == b"ENOENT\0"
    client.reads = True
    client.read()
    loop.run()
    assert len(client.received) == sent + 1
    assert other.ask(T.XS_READ, "/late").payload == b"x\0"
    assert not client.paused


@pytest.mark.parametrize(
    ("dialect", "path", "times"),
    [(Dialect(), "/w", 1), (Dialect(), "@releaseDomain", 2), (OXENSTORED, "/w", 2)],
)
def test_events_that_wait_already_are_not_queued_again_but_special_ones_and_oxenstored_s(
    dialect: Dialect, path: str, times: int
) -> None:
    served, loop = hub(dialect=dialect), Loop()
    client = Local(served, loop)
    event = Outgoing(1 << 16, Message(T.XS_WATCH_EVENT, 0, 0, f"{path}\0t\0".encode()))
    served.send([event, event])
    loop.run()
    assert len(client.events()) == times
    served.send([event])
    loop.run()
    assert len(client.events()) == 1, "the ones before have gone out"


def full_watcher(watches: int = 1) -> tuple[Local, Local]:
    """A client that watches `/w` and does not read, full up; and another client."""
    served, loop = hub(), Loop()
    watcher, other = Local(served, loop), Local(served, loop)
    other.ask(T.XS_WRITE, "/big", "x" * 2000)
    for number in range(watches):
        watcher.ask(T.XS_WATCH, "/w", f"{number}" + "t" * 1000)
    watcher.received.clear()
    watcher.reads = False
    watcher.send(request(T.XS_READ, "/big") * 2 * TURN)
    assert watcher.paused
    return watcher, other


def test_an_event_is_kept_once_for_a_client_that_does_not_read() -> None:
    watcher, other = full_watcher()
    for _ in range(5):
        other.ask(T.XS_WRITE, "/w/one", "")
        other.ask(T.XS_WRITE, "/w/two", "")
    watcher.reads = True
    watcher.read()
    watcher.loop.run()
    token = b"0" + b"t" * 1000
    assert watcher.events() == [b"/w/one\0" + token + b"\0", b"/w/two\0" + token + b"\0"]


def test_too_many_events_end_the_connection_of_a_client_that_does_not_read() -> None:
    watcher, other = full_watcher(watches=100)
    for number in range(EVENTS_KEPT // 100_000 + 1):
        assert not watcher.gone, f"gone after {number} writes"
        assert other.ask(T.XS_WRITE, f"/w/{number}", "").payload == b"OK\0"
    assert watcher.gone
    assert watcher.said == ["client 1: connection ended: it does not read its watch events"]
    assert other.ask(T.XS_READ, "/tool").payload == b""


def test_an_overlong_header_ends_the_connection_after_what_was_asked_before() -> None:
    served, loop = hub(), Loop()
    client, other = Local(served, loop), Local(served, loop)
    client.send(READ + OVERLONG + READ)
    assert client.gone
    assert client.received == [Message(T.XS_READ, 7, 0, b"")]
    assert client.said == [
        "client 1: connection ended: a header announces 4097 bytes, more than 4096"
    ]
    assert len(served) == 1
    assert other.ask(T.XS_READ, "/tool").payload == b""


def test_an_overlong_header_ends_a_connection_that_is_not_read() -> None:
    served, loop = hub(), Loop()
    client = Local(served, loop, reads=False)
    client.send(READ + OVERLONG)
    assert len(served) == 0, "it has left, although its answer is not read yet"
    assert not client.gone
    client.read()
    assert client.gone
    assert client.received == [Message(T.XS_READ, 7, 0, b"")]


@pytest.mark.parametrize("reads", [True, False])
def test_requests_before_the_end_of_the_stream_are_answered(reads: bool) -> None:
    served, loop = hub(), Loop()
    client = Local(served, loop, reads=reads)
    client.feed(READ * (2 * TURN))
    client.finish()
    client.read()
    loop.run()
    assert len(client.received) == 2 * TURN
    assert client.gone
    assert len(served) == 0


@pytest.mark.parametrize("part", [0, 1, 15, 16, len(READ) - 1])
def test_half_a_message_at_the_end_of_the_stream_is_nothing(part: int) -> None:
    served, loop = hub(), Loop()
    client = Local(served, loop)
    client.send(READ[:part])
    client.finish()
    assert client.received == []
    assert client.gone
    assert len(served) == 0


def test_watches_and_transactions_go_with_their_connection() -> None:
    served, loop = hub(), Loop()
    client, other = Local(served, loop), Local(served, loop)
    client.ask(T.XS_WATCH, "/w", "t")
    opened = int(client.ask(T.XS_TRANSACTION_START, "").payload[:-1])
    client.ask(T.XS_WRITE, "/w/lost", "x", tx_id=opened)
    client.abort()
    assert other.ask(T.XS_WRITE, "/w/x", "").payload == b"OK\0"
    assert other.ask(T.XS_READ, "/w/lost").payload == b"ENOENT\0"
    assert [key for key, _ in served.state.connections.items()] == [(1 << 16) + 1]


def test_an_event_for_a_client_that_is_not_asking_arrives() -> None:
    served, loop = hub(), Loop()
    watcher, other = Local(served, loop), Local(served, loop)
    watcher.ask(T.XS_WATCH, "/w", "token")
    assert watcher.events() == [b"/w\0token\0"]
    other.ask(T.XS_WRITE, "/w/x", "")
    assert watcher.events() == [b"/w/x\0token\0"]
