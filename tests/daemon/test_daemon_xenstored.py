"""C xenstored, access by access against what was measured on Debian's 4.17 binary, and how it
fails."""

from __future__ import annotations

from typing import Any

import pytest
from daemon_link import PORT, Guest, Link, words

from guestsim.abi.xs_wire import Interface
from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.daemon import DaemonConfig, make
from guestsim.trace import Flag, Kind, Outcome, Sample
from guestsim.trace.shared import SHARED_SIZE
from guestsim.xenstore import Message, build_store

STORE = build_store({"abcde": "12345", "empty": "", "long": "x" * 3000})
REQUEST = Message(T.XS_READ, 7, 0, b"abcde\0").encode()

CAN_READ = ["R req_prod", "R req_cons"]
CAN_WRITE = ["R rsp_prod", "R rsp_cons"]
SETTLE = [*CAN_READ, *CAN_WRITE]


def link(start: int = 0, **config: Any) -> tuple[Link, Guest]:
    """A daemon that has made its first pass and sleeps."""
    memory = bytearray(SHARED_SIZE)
    made = Link(make("xenstored", DaemonConfig(port=PORT, **config), STORE), memory)
    guest = Guest(made)
    for place in (
        Interface.REQ_CONS,
        Interface.REQ_PROD,
        Interface.RSP_CONS,
        Interface.RSP_PROD,
    ):
        guest.set_index(place, start)
    made.run()
    made.events.clear()
    return made, guest


def read(*data: str) -> list[str]:
    tail = ["fence", "R req_cons", "W req_cons", "notify"]
    return ["R req_cons", "R req_prod", "fence", *data, *tail]


def written(*data: str) -> list[str]:
    tail = ["fence", "R rsp_prod", "W rsp_prod", "notify"]
    return ["R rsp_cons", "R rsp_prod", "fence", *data, *tail]


def test_the_first_pass_after_introduce() -> None:
    made = Link(make("xenstored", DaemonConfig(port=PORT), STORE))
    assert words(made.run()) == [*CAN_READ, *CAN_WRITE, *SETTLE]


def test_one_read_of_22_bytes_with_a_reply_of_21() -> None:
    made, guest = link()
    assert len(REQUEST) == 22
    guest.send(REQUEST)
    expected = [
        "poll",
        *CAN_READ,
        *read("R8 req+0", "R8 req+8", "R8 req+8"),
        *read("R4 req+16", "R4 req+18"),
        *CAN_WRITE,
        *written("W8 rsp+0", "W8 rsp+8", "W8 rsp+8"),
        *written("W4 rsp+16", "W4 rsp+17"),
        *SETTLE,
    ]
    assert words(made.run()) == expected
    assert guest.take() == Message(T.XS_READ, 7, 0, b"12345").encode()


def test_only_pairs_that_are_checked_are_marked() -> None:
    made, guest = link()
    guest.send(REQUEST)
    marked = [(e.op.site.function, e.op.address) for e in made.run() if e.op.flags & Flag.CHECK]
    assert marked == [
        ("readchn", Interface.REQ_CONS),
        ("readchn", Interface.REQ_PROD),
        ("readchn", Interface.REQ_CONS),
        ("readchn", Interface.REQ_PROD),
        ("writechn", Interface.RSP_CONS),
        ("writechn", Interface.RSP_PROD),
        ("writechn", Interface.RSP_CONS),
        ("writechn", Interface.RSP_PROD),
    ]


def test_an_idle_wake_up_loads_the_four_indices_twice() -> None:
    made, guest = link()
    guest.notify()
    assert words(made.run()) == ["poll", *SETTLE, *SETTLE]


def test_the_sleep_ends_at_any_time_or_only_for_this_guest() -> None:
    for wakes, flags in (("any", Flag.CONSUME | Flag.SPURIOUS), ("event", Flag.CONSUME)):
        made, _ = link(wakes=wakes)
        assert made.op.kind is Kind.WAIT
        assert made.op.flags == flags


def test_work_left_over_is_polled_for_without_sleeping() -> None:
    made, guest = link()
    guest.put(REQUEST + REQUEST)
    guest.notify()
    trace = words(made.run(), data=False)
    # After the first request: can_read says yes, so poll(0), which finds no event.
    first = ["poll", *CAN_READ, *read(), *read(), *CAN_WRITE, *written(), *written()]
    assert trace[: len(first)] == first
    assert trace[len(first) : len(first) + 5] == [*CAN_READ, "poll(0)", *CAN_READ]
    assert len(guest.take()) == 42


def test_poll_0_takes_a_pending_event() -> None:
    made, guest = link()
    guest.put(REQUEST + REQUEST)
    guest.notify()
    made.step()
    assert made.run_until(Kind.WAIT, 0x2000).flags & Flag.POLL
    guest.notify()
    assert made.step().value == 1
    assert guest.memory[0x2000] == 0, "poll(0) left the event pending"


def test_an_empty_value_still_writes_rsp_prod() -> None:
    made, guest = link()
    guest.send(Message(T.XS_READ, 7, 0, b"empty\0").encode())
    trace = words(made.run())
    assert trace[-len(SETTLE) - len(written()) : -len(SETTLE)] == written()


def test_the_empty_write_brings_an_old_index_back() -> None:
    # What makes `corrupted` reachable: the guest resets between the two halves of `add`.
    made, guest = link()
    guest.send(Message(T.XS_READ, 7, 0, b"empty\0").encode())
    made.run_until(Kind.STORE, Interface.RSP_PROD)
    made.step()
    made.run_until(Kind.STORE, Interface.RSP_PROD)
    guest.set_index(Interface.RSP_PROD, 0)
    made.step()
    assert guest.index(Interface.RSP_PROD) == 16


def test_an_empty_request_body_still_writes_req_cons() -> None:
    made, guest = link()
    guest.send(Message(T.XS_RESET_WATCHES).encode())
    header = read("R8 req+0", "R8 req+8", "R8 req+8")
    assert words(made.run())[: 3 + len(header) + len(read())] == [
        "poll",
        *CAN_READ,
        *header,
        *read(),
    ]


def test_a_ring_of_zeroes_is_read_as_control_requests() -> None:
    _, guest = link()
    guest.set_index(Interface.REQ_PROD, 32)
    guest.notify()
    refused = Message(T.XS_ERROR, 0, 0, b"EACCES\0")
    assert guest.receive() == (refused, refused)


def test_a_chunk_ends_at_the_rings_end() -> None:
    made, guest = link(start=1024 - 10)
    guest.send(REQUEST)
    trace = made.run()
    loads = [w for w in words(trace) if w.startswith("R") and "req+" in w]
    # 10 bytes of the header, then, in another pass, its last 6, which go to offset 10 of the
    # buffer; then the body.
    assert loads == [
        "R8 req+1014",
        "R8 req+1016",
        "R4 req+0",
        "R4 req+2",
        "R4 req+6",
        "R4 req+8",
    ]
    notes = [e.op.note for e in trace if e.op.note and e.op.address == Interface.REQ_CONS]
    assert notes == ["part of a header", "header of READ", "READ abcde"]
    assert guest.take() == Message(T.XS_READ, 7, 0, b"12345").encode()


def test_the_buffer_of_a_split_header_is_aligned_by_what_is_in_it() -> None:
    # 3 bytes, then 13 to offset 3: the first, the last 8, and 8 from the next multiple of 8 on.
    made, guest = link(start=1021)
    guest.send(REQUEST)
    loads = [w for w in words(made.run()) if w.startswith("R") and "req+" in w]
    assert loads[:5] == ["R1 req+1021", "R2 req+1022", "R8 req+0", "R8 req+5", "R8 req+5"]


def test_a_reply_longer_than_the_ring() -> None:
    made, guest = link()
    guest.send(Message(T.XS_READ, 7, 0, b"long\0").encode())
    made.run()
    # It has filled the ring and sleeps until the guest has taken some and signals.
    assert guest.index(Interface.RSP_PROD) == 1024
    assert made.asleep
    (reply,) = guest.receive()
    assert reply.payload == b"x" * 3000


@pytest.mark.parametrize("start", [0, 1, 1000, 1023, 1024, 2**31 - 1, 2**32 - 1, 2**32 - 22])
def test_indices_start_anywhere_and_wrap(start: int) -> None:
    _, guest = link(start=start)
    for _ in range(30):
        (reply,) = guest.ask(T.XS_READ, b"abcde\0")
        assert reply == Message(T.XS_READ, 7, 0, b"12345")
    assert guest.index(Interface.REQ_CONS) == (start + 30 * 22) % 2**32
    assert guest.index(Interface.RSP_PROD) == (start + 30 * 21) % 2**32


def test_a_full_ring_is_read_to_the_end() -> None:
    _, guest = link(start=500)
    value = b"v" * (1024 - 16 - 7)
    assert guest.put(Message(T.XS_WRITE, 1, 0, b"data/x\0" + value).encode()) == 1024
    guest.notify()
    assert guest.receive() == (Message(T.XS_WRITE, 1, 0, b"OK\0"),)
    assert guest.ask(T.XS_READ, b"data/x\0")[0].payload == value


def test_a_duplicate_event_that_waits_is_dropped() -> None:
    made, guest = link()
    guest.ask(T.XS_WATCH, b"data\0t\0")
    write = Message(T.XS_WRITE, 1, 0, b"data/x\0v").encode()
    # The reply ring is full, so that events wait.
    guest.set_index(Interface.RSP_PROD, guest.index(Interface.RSP_CONS) + 1024)
    guest.put(write + write)
    guest.notify()
    made.run()
    guest.set_index(Interface.RSP_CONS, guest.index(Interface.RSP_PROD))
    guest.notify()
    kinds = [message.type for message in guest.receive()]
    assert kinds == [T.XS_WATCH_EVENT, T.XS_WRITE, T.XS_WRITE]


def test_torn_indices_end_the_connection() -> None:
    # The historic bug by hand: old req_cons, new req_prod.
    made, guest = link()
    guest.ask(T.XS_READ, b"abcde\0")
    made.run()
    guest.notify()
    made.run_until(Kind.LOAD, Interface.REQ_PROD)
    guest.set_index(Interface.REQ_PROD, 23)
    made.run_until(Kind.LOAD, Interface.REQ_CONS)
    made.step()
    made.run_until(Kind.LOAD, Interface.REQ_CONS)
    made.step()
    guest.set_index(Interface.REQ_PROD, 0)
    made.events.clear()
    made.run()
    assert words(made.events) == ["R req_prod", "fence", "W error"]
    assert made.halted
    assert guest.index(Interface.ERROR) == 2
    end = made.op.end
    assert end is not None
    assert end.outcome is Outcome.REFUSED
    assert end.samples == (Sample("req_cons", 22), Sample("req_prod", 0))
    assert "req_prod - req_cons = -22, outside 0..1024" in end.message
    assert (end.site.function, end.site.file) == ("readchn", "xenstored_domain.c")


def test_torn_reply_indices_end_it_too() -> None:
    made, guest = link()
    guest.send(REQUEST)
    made.run_until(Kind.LOAD, Interface.RSP_CONS)
    guest.set_index(Interface.RSP_CONS, 5)
    made.run()
    assert guest.index(Interface.ERROR) == 2
    assert made.op.end is not None
    assert made.op.end.samples == (Sample("rsp_cons", 5), Sample("rsp_prod", 0))


def test_1024_bytes_are_a_full_ring_and_1025_an_error() -> None:
    made, guest = link()
    guest.set_index(Interface.REQ_PROD, 1025)
    guest.notify()
    made.run()
    assert made.halted
    assert guest.index(Interface.ERROR) == 2


def test_a_read_without_a_path_after_a_watch_kills_it() -> None:
    made, guest = link()
    guest.ask(T.XS_WATCH, b"abcde\0t\0")
    guest.send(Message(T.XS_READ, 7, 0, b"abcde").encode())
    cons = guest.index(Interface.REQ_CONS)
    made.events.clear()
    made.run()
    assert made.halted
    # It has read the whole request, and does nothing any more.
    assert guest.index(Interface.REQ_CONS) == cons + 21
    assert words(made.events)[-2:] == ["W req_cons", "notify"]
    assert guest.index(Interface.ERROR) == 0
    end = made.op.end
    assert end is not None
    assert end.outcome is Outcome.REFUSED
    assert "xenstored died" in end.message
    assert "every domain on it loses its connection" in end.message
    assert (end.site.function, end.site.file) == ("consider_message", "xenstored_core.c")


def test_a_read_without_a_path_is_answered_with_an_error_that_is_left() -> None:
    _, guest = link()
    guest.ask(T.XS_WATCH, b"abcde\0t\0")
    guest.ask(T.XS_READ, b"/tool\0")
    assert guest.ask(T.XS_READ)[0].payload == b"EACCES\0"


def test_a_header_over_4096_is_a_protocol_error() -> None:
    made, guest = link()
    guest.send(b"\xff" * 16)
    made.run()
    assert guest.index(Interface.ERROR) == 3
    assert guest.index(Interface.REQ_CONS) == 16
    assert made.op.end is not None
    assert made.op.end.samples == (Sample("len", 0xFFFFFFFF),)


def test_4_17_says_nothing_in_server_features_and_ignores_connection() -> None:
    made, guest = link()
    guest.set_index(Interface.CONNECTION, 1)
    guest.ask(T.XS_READ, b"abcde\0")
    assert guest.index(Interface.CONNECTION) == 1
    assert guest.index(Interface.SERVER_FEATURES) == 0
    assert "R connection" not in words(made.events)


def test_features_are_advertised_before_anything_else() -> None:
    made = Link(make("xenstored", DaemonConfig(port=PORT, features=0x80000002), STORE))
    assert words(made.run())[0] == "W server_features"
    assert made.memory[Interface.SERVER_FEATURES : Interface.CONNECTION] == b"\2\0\0\x80"


@pytest.mark.parametrize("connection", [0, 1])
def test_introduce_zeroes_the_indices_and_answers_connection(connection: int) -> None:
    memory = bytearray(SHARED_SIZE)
    memory[Interface.REQ_CONS : Interface.SERVER_FEATURES] = b"\x55" * 16
    memory[Interface.CONNECTION] = connection
    config = DaemonConfig(port=PORT, introduce=True)
    made = Link(make("xenstored", config, STORE), memory)
    zero = ["W req_prod", "W req_cons", "W rsp_prod", "W rsp_cons", "R connection"]
    answer = ["W connection", "notify"] if connection else []
    assert words(made.run())[: 5 + len(answer)] == [*zero, *answer]
    assert not any(memory[Interface.REQ_CONS : Interface.ERROR])
