"""oxenstored, access by access against what was measured on Debian's 4.17 binary, and how it
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

IDLE = ["R req_cons", "R req_prod", "R connection", "fence"]


def link(start: int = 0, **config: Any) -> tuple[Link, Guest]:
    """A daemon that has made its first pass and sleeps."""
    memory = bytearray(SHARED_SIZE)
    made = Link(make("oxenstored", DaemonConfig(port=PORT, **config), STORE), memory)
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
    return [*IDLE, *data, "fence", "R req_cons", "W req_cons", "notify"]


def written(*data: str) -> list[str]:
    head = ["R rsp_cons", "R rsp_prod", "R connection", "fence"]
    return [*head, *data, "fence", "R rsp_prod", "W rsp_prod", "notify"]


def test_the_first_pass() -> None:
    made = Link(make("oxenstored", DaemonConfig(port=PORT), STORE))
    assert words(made.run()) == ["W server_features", *IDLE]
    assert made.memory[Interface.SERVER_FEATURES] == 1


def test_one_read_of_22_bytes_with_a_reply_of_21() -> None:
    made, guest = link()
    guest.send(REQUEST)
    assert words(made.run()) == [
        "poll",
        *read("R8 req+0", "R8 req+8", "R8 req+8"),
        "poll(0)",
        *read("R4 req+16", "R4 req+18"),
        *written("W8 rsp+0", "W8 rsp+13", "W8 rsp+8"),
        "poll(0)",
        *IDLE,
    ]
    assert guest.take() == Message(T.XS_READ, 7, 0, b"12345").encode()


def test_pairs_that_are_checked_are_marked() -> None:
    made, guest = link()
    guest.send(REQUEST)
    marked = [e.op.address for e in made.run() if e.op.flags & Flag.CHECK]
    requests, replies = [0x800, 0x804], [0x808, 0x80C]
    assert marked == [*requests, *requests, *replies, *requests]


def test_an_idle_wake_up() -> None:
    made, guest = link()
    guest.notify()
    assert words(made.run()) == ["poll", *IDLE]


def test_a_read_goes_over_the_rings_end() -> None:
    made, guest = link(start=1021)
    guest.send(REQUEST)
    loads = [w for w in words(made.run()) if w.startswith("R") and "req+" in w]
    assert loads == [
        "R1 req+1021",
        "R2 req+1022",
        "R8 req+0",
        "R8 req+5",
        "R8 req+5",
        "R4 req+13",
        "R4 req+15",
    ]
    assert guest.take() == Message(T.XS_READ, 7, 0, b"12345").encode()


def test_a_write_goes_over_the_rings_end() -> None:
    made, guest = link(start=1020)
    guest.send(REQUEST)
    stores = [w for w in words(made.run()) if w.startswith("W") and "rsp+" in w]
    assert stores == [
        "W4 rsp+1020",
        "W4 rsp+1020",
        "W8 rsp+0",
        "W8 rsp+9",
        "W8 rsp+8",
    ]
    assert guest.take() == Message(T.XS_READ, 7, 0, b"12345").encode()


def test_a_request_of_length_zero_is_answered_at_the_next_input() -> None:
    made, guest = link()
    guest.send(Message(T.XS_CONTROL, 7, 0, b"").encode())
    assert words(made.run()) == [
        "poll",
        *read("R8 req+0", "R8 req+8", "R8 req+8"),
        "poll(0)",
        # This input reads nothing, and nobody looks at the ring in between.
        *written("W8 rsp+0", "W8 rsp+11", "W8 rsp+8"),
        "poll(0)",
        *IDLE,
    ]
    assert guest.take() == Message(T.XS_CONTROL, 7, 0, b"OK\0").encode()


def test_a_close_drops_a_header_that_announced_nothing() -> None:
    made, guest = link()
    guest.send(Message(T.XS_CONTROL, 7, 0, b"").encode())
    made.run_until(Kind.WAIT, 0x2000)
    made.step()
    made.run_until(Kind.WAIT, 0x2000)
    guest.set_index(Interface.CONNECTION, 1)
    made.run()
    # It was answered without a look at `connection`; the reply meets the close.
    assert guest.index(Interface.CONNECTION) == 0
    assert guest.receive() == ()
    assert guest.ask(T.XS_READ, b"abcde\0") == (Message(T.XS_READ, 7, 0, b"12345"),)


def test_a_ring_of_zeroes_is_answered() -> None:
    _, guest = link()
    guest.set_index(Interface.REQ_PROD, 32)
    guest.notify()
    # A ring of zeroes: CONTROL requests, which oxenstored answers with an OK.
    ok = Message(T.XS_CONTROL, 0, 0, b"OK\0")
    assert guest.receive() == (ok, ok)


def test_a_reply_longer_than_the_ring() -> None:
    made, guest = link()
    guest.send(Message(T.XS_READ, 7, 0, b"long\0").encode())
    made.run()
    assert guest.index(Interface.RSP_PROD) == 1024
    assert made.asleep
    (reply,) = guest.receive()
    assert reply.payload == b"x" * 3000


def test_a_full_reply_ring_is_left_alone() -> None:
    made, guest = link()
    guest.set_index(Interface.RSP_PROD, 1024)
    guest.send(REQUEST)
    made.run()
    assert guest.index(Interface.RSP_PROD) == 1024
    guest.set_index(Interface.RSP_CONS, 1024)
    guest.notify()
    assert guest.receive() == (Message(T.XS_READ, 7, 0, b"12345"),)


@pytest.mark.parametrize("start", [0, 1, 1000, 1023, 1024, 2**31 - 1, 2**32 - 1, 2**32 - 22])
def test_indices_start_anywhere_and_wrap(start: int) -> None:
    _, guest = link(start=start)
    for _ in range(30):
        (reply,) = guest.ask(T.XS_READ, b"abcde\0")
        assert reply == Message(T.XS_READ, 7, 0, b"12345")
    assert guest.index(Interface.REQ_CONS) == (start + 30 * 22) % 2**32
    assert guest.index(Interface.RSP_PROD) == (start + 30 * 21) % 2**32


def test_torn_request_indices_mark_the_domain_bad() -> None:
    made, guest = link()
    guest.ask(T.XS_READ, b"abcde\0")
    guest.notify()
    made.run_until(Kind.LOAD, Interface.REQ_PROD)
    guest.set_index(Interface.REQ_PROD, 0)
    made.events.clear()
    made.run()
    # `connection` is loaded behind the pair and before the check; `error` is not written.
    assert words(made.events) == ["R req_prod", "R connection", "fence"]
    assert guest.index(Interface.ERROR) == 0
    end = made.op.end
    assert end is not None
    assert end.outcome is Outcome.REFUSED
    assert end.samples == (Sample("req_cons", 22), Sample("req_prod", 0))
    assert (end.site.function, end.site.file) == ("ml_interface_read", "xs_ring_stubs.c")


def test_zeroes_between_the_load_and_the_store_of_req_cons_end_in_a_refusal() -> None:
    made, guest = link()
    guest.send(REQUEST)
    made.run_until(Kind.STORE, Interface.REQ_CONS)
    for place in (Interface.REQ_CONS, Interface.REQ_PROD):
        guest.set_index(place, 0)
    made.run()
    # The store brings the old index back. The binary polls for ever then, and looks no more.
    end = made.op.end
    assert end is not None
    assert end.outcome is Outcome.REFUSED
    assert end.samples == (Sample("req_cons", 16), Sample("req_prod", 0))
    guest.set_index(Interface.CONNECTION, 1)
    guest.notify()
    assert made.halted


def test_the_pass_that_marks_the_domain_bad_still_writes() -> None:
    made, guest = link()
    guest.ask(T.XS_WATCH, b"data\0t\0")
    # A reply and an event: one goes out in the pass that made them, the other has to wait for
    # the next one, whose read fails.
    guest.send(Message(T.XS_WRITE, 1, 0, b"data/x\0v").encode())
    made.run_until(Kind.STORE, Interface.RSP_PROD)
    guest.set_index(Interface.REQ_PROD, 5000)
    made.run()
    assert made.halted
    kinds = [message.type for message in guest.receive()]
    assert kinds == [T.XS_WRITE, T.XS_WATCH_EVENT]


def test_torn_reply_indices_lose_the_reply_and_nothing_else() -> None:
    made, guest = link()
    guest.send(REQUEST)
    made.run_until(Kind.LOAD, Interface.RSP_CONS)
    guest.set_index(Interface.RSP_CONS, 5)
    made.run()
    assert made.asleep
    assert guest.index(Interface.ERROR) == 0
    guest.set_index(Interface.RSP_CONS, 0)
    assert guest.receive() == ()
    assert guest.ask(T.XS_READ, b"abcde\0") == (Message(T.XS_READ, 7, 0, b"12345"),)


def test_a_reply_that_is_out_in_part_is_not_lost() -> None:
    made, guest = link()
    guest.send(Message(T.XS_READ, 7, 0, b"long\0").encode())
    made.run()
    guest.set_index(Interface.RSP_CONS, 5000)
    guest.notify()
    made.run()
    assert made.asleep
    guest.set_index(Interface.RSP_CONS, 0)
    (reply,) = guest.receive()
    assert reply.payload == b"x" * 3000


def test_a_length_over_4096_is_taken_for_4096() -> None:
    made, guest = link()
    guest.send(b"\xff" * 16 + b"\xff" * 4096)
    made.run()
    assert not made.halted
    refused = Message(T.XS_ERROR, 0xFFFFFFFF, 0xFFFFFFFF, b"EIO\0")
    assert guest.receive() == (refused,)


def test_wakes_any_ends_the_sleep_at_any_time() -> None:
    made, _ = link(wakes="any")
    assert made.op.flags == Flag.CONSUME | Flag.SPURIOUS
    assert [words([made.step()])] == [["poll"]]
    assert words(made.run()[: len(IDLE)]) == IDLE


def test_wakes_event_waits_for_an_event_unless_a_credit_is_left() -> None:
    made, guest = link(wakes="event")
    assert made.op.flags == Flag.CONSUME
    guest.send(REQUEST)
    # An event during the pass is taken by poll(0), and its credit is left over.
    made.step()
    assert made.run_until(Kind.WAIT, 0x2000).flags & Flag.POLL
    guest.notify()
    made.run()
    assert made.op.flags == Flag.CONSUME | Flag.SPURIOUS
    made.step()
    assert words(made.run()) == IDLE
    assert made.op.flags == Flag.CONSUME


def test_signalling_for_ever_does_not_make_states_for_ever() -> None:
    made, guest = link(wakes="event")
    keys = set()
    for _ in range(40):
        guest.put(REQUEST)
        guest.notify()
        while not made.asleep:
            if made.op.address == 0x2000:
                guest.notify()
            made.step()
        guest.take()
        keys.add(made.actor.key(made.point))
    assert len(keys) < 10


def test_a_special_name_is_a_node_that_the_guest_may_not_read() -> None:
    _, guest = link()
    for path, error in ((b"@releaseDomain", b"EACCES"), (b"@other", b"ENOENT")):
        (reply,) = guest.ask(T.XS_READ, path + b"\0")
        assert (reply.type, reply.payload) == (T.XS_ERROR, error + b"\0")
