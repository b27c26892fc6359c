"""What a close drops, layer by layer: for each daemon that keeps the promises of
docs/misc/xenstore-ring.txt, and for the 2014 draft, which makes none."""

from __future__ import annotations

import pytest
from daemon_link import PORT, Guest, Link, words

from guestsim.abi.xs_wire import Interface
from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.daemon import DaemonConfig, make
from guestsim.trace import Kind
from guestsim.trace.shared import SHARED_SIZE
from guestsim.xenstore import Message, build_store

STORE = build_store({"abcde": "12345", "data/x": "old", "long": "x" * 3000})

KEEPERS = {
    "oxenstored": ("oxenstored", DaemonConfig(port=PORT)),
    "xenstored with reconnection": ("xenstored", DaemonConfig(port=PORT, features=1)),
    "draft that drops": ("rfc-v2", DaemonConfig(port=PORT, drop_layers=True)),
}
LITERAL = ("rfc-v2", DaemonConfig(port=PORT))

READ = Message(T.XS_READ, 7, 0, b"abcde\0")
ANSWER = Message(T.XS_READ, 7, 0, b"12345")

keepers = pytest.mark.parametrize("which", sorted(KEEPERS))


def pair(model: str, config: DaemonConfig, start: int = 0) -> tuple[Link, Guest]:
    link = Link(make(model, config, STORE))
    guest = Guest(link)
    for place in range(Interface.REQ_CONS, Interface.SERVER_FEATURES, 4):
        guest.set_index(Interface(place), start)
    link.run()
    return link, guest


def close(link: Link, guest: Guest) -> None:
    """The guest's part of the protocol."""
    _ = guest.notified  # an older event is none of the close's
    guest.set_index(Interface.CONNECTION, 1)
    guest.notify()
    link.run()
    assert not link.halted, link.op.end
    assert guest.index(Interface.CONNECTION) == 0
    assert guest.notified
    guest.forget()


@keepers
def test_both_queues_are_empty_and_the_next_stage_starts_clean(which: str) -> None:
    link, guest = pair(*KEEPERS[which], start=777)
    guest.ask(T.XS_READ, b"abcde\0")
    close(link, guest)
    indices = [guest.index(Interface(place)) for place in range(0x800, 0x810, 4)]
    assert indices == [0, 0, 0, 0]
    assert guest.ask(T.XS_READ, b"abcde\0") == (ANSWER,)


@keepers
@pytest.mark.parametrize("count", [1, 15, 16, 21])
def test_a_partial_request_is_dropped(which: str, count: int) -> None:
    link, guest = pair(*KEEPERS[which])
    guest.send(READ.encode()[:count])
    link.run()
    assert guest.index(Interface.REQ_CONS) == count
    close(link, guest)
    assert guest.ask(T.XS_READ, b"abcde\0") == (ANSWER,)


@keepers
def test_a_request_in_flight_is_dropped(which: str) -> None:
    # It is on the ring when the guest closes: read by nobody, or answered into the void.
    link, guest = pair(*KEEPERS[which])
    guest.put(READ.encode())
    close(link, guest)
    assert guest.receive() == ()
    assert guest.ask(T.XS_READ, b"data/x\0") == (Message(T.XS_READ, 7, 0, b"old"),)


@keepers
def test_a_reply_that_is_out_in_part_is_dropped(which: str) -> None:
    link, guest = pair(*KEEPERS[which])
    guest.send(Message(T.XS_READ, 9, 0, b"long\0").encode())
    link.run()
    assert guest.index(Interface.RSP_PROD) == 1024
    close(link, guest)
    assert guest.receive() == ()
    assert guest.ask(T.XS_READ, b"abcde\0") == (ANSWER,)


@keepers
def test_replies_and_events_that_wait_are_dropped(which: str) -> None:
    link, guest = pair(*KEEPERS[which])
    guest.ask(T.XS_WATCH, b"data\0t\0")
    guest.set_index(Interface.RSP_PROD, guest.index(Interface.RSP_CONS) + 1024)
    guest.send(Message(T.XS_WRITE, 1, 0, b"data/x\0v").encode())
    link.run()
    close(link, guest)
    assert guest.receive() == ()
    assert guest.ask(T.XS_READ, b"abcde\0") == (ANSWER,)


@keepers
def test_watches_are_dropped(which: str) -> None:
    link, guest = pair(*KEEPERS[which])
    guest.ask(T.XS_WATCH, b"data\0t\0")
    close(link, guest)
    assert guest.ask(T.XS_WRITE, b"data/x\0new") == (Message(T.XS_WRITE, 7, 0, b"OK\0"),)
    # It is really gone: the same can be set again.
    kinds = [message.type for message in guest.ask(T.XS_WATCH, b"data\0t\0")]
    assert kinds == [T.XS_WATCH, T.XS_WATCH_EVENT]


@keepers
def test_transactions_are_dropped(which: str) -> None:
    link, guest = pair(*KEEPERS[which])
    assert guest.ask(T.XS_TRANSACTION_START, b"\0")[0].payload == b"1\0"
    guest.ask(T.XS_WRITE, b"data/x\0new", tx_id=1)
    close(link, guest)
    error = b"EIO\0" if which == "oxenstored" else b"ENOENT\0"
    end = guest.ask(T.XS_TRANSACTION_END, b"T\0", tx_id=1)
    assert end == (Message(T.XS_ERROR, 7, 1, error),)
    assert guest.ask(T.XS_READ, b"data/x\0")[0].payload == b"old"


@keepers
def test_what_was_written_stays_written(which: str) -> None:
    link, guest = pair(*KEEPERS[which])
    guest.ask(T.XS_WRITE, b"data/x\0new")
    close(link, guest)
    assert guest.ask(T.XS_READ, b"data/x\0")[0].payload == b"new"


@keepers
def test_a_start_with_connection_1_is_answered(which: str) -> None:
    # dom0less: someone else has set it; the guest waits before it does anything.
    model, config = KEEPERS[which]
    memory = bytearray(SHARED_SIZE)
    memory[Interface.CONNECTION] = 1
    memory[Interface.REQ_CONS : Interface.SERVER_FEATURES] = b"\x99" * 16
    link = Link(make(model, config, STORE), memory)
    guest = Guest(link)
    link.run()
    assert guest.index(Interface.CONNECTION) == 0
    assert guest.notified
    assert guest.ask(T.XS_READ, b"abcde\0") == (ANSWER,)


@keepers
@pytest.mark.parametrize("step", range(0, 70, 3))
def test_a_close_at_any_moment_of_a_request(which: str, step: int) -> None:
    link, guest = pair(*KEEPERS[which])
    guest.send(READ.encode())
    for _ in range(step):
        if not link.asleep:
            link.step()
    close(link, guest)
    assert guest.ask(T.XS_READ, b"abcde\0") == (ANSWER,)


def test_oxenstored_in_the_binarys_order() -> None:
    link, guest = pair(*KEEPERS["oxenstored"])
    guest.set_index(Interface.CONNECTION, 1)
    guest.notify()
    link.events.clear()
    link.run()
    trace = words(link.events)
    fill = [f"W8 req+{at}" for at in range(8, 1024, 8)]
    fill += [f"W8 rsp+{at}" for at in range(0, 1024, 8)]
    assert trace == [
        "poll",
        "R req_cons",
        "R req_prod",
        "R connection",
        "W8 req+0",
        "W16 req_cons",
        "W8 rsp+1016",
        *fill,
        "fence",
        "W connection",
        "notify",
    ]
    assert link.memory[:2048] == b"\xff" * 2048


def test_oxenstored_closes_from_the_reply_side_too() -> None:
    link, guest = pair(*KEEPERS["oxenstored"])
    guest.send(READ.encode())
    link.run_until(Kind.LOAD, Interface.RSP_CONS)
    link.events.clear()
    close(link, guest)
    trace = words(link.events, data=False)
    assert trace[:3] == ["R rsp_cons", "R rsp_prod", "R connection"]
    assert trace[3] == "W16 req_cons"
    assert guest.receive() == ()
    assert guest.ask(T.XS_READ, b"abcde\0") == (ANSWER,)


def test_oxenstored_counts_transactions_from_1_again() -> None:
    link, guest = pair(*KEEPERS["oxenstored"])
    guest.ask(T.XS_TRANSACTION_START, b"\0")
    close(link, guest)
    assert guest.ask(T.XS_TRANSACTION_START, b"\0")[0].payload == b"1\0"


def test_xenstored_with_reconnection_in_order() -> None:
    link, guest = pair(*KEEPERS["xenstored with reconnection"])
    guest.set_index(Interface.CONNECTION, 1)
    guest.notify()
    link.events.clear()
    link.run()
    assert words(link.events)[:8] == [
        "poll",
        "R connection",
        "W req_prod",
        "W req_cons",
        "W rsp_prod",
        "W rsp_cons",
        "W connection",
        "notify",
    ]


@pytest.mark.parametrize("drop_layers", [False, True])
def test_the_draft_says_its_version_first(drop_layers: bool) -> None:
    config = DaemonConfig(port=PORT, drop_layers=drop_layers)
    link = Link(make("rfc-v2", config, STORE))
    assert words(link.run())[0] == "W server_features"
    assert link.memory[Interface.SERVER_FEATURES] == 1


def test_the_draft_at_version_0_is_the_old_ring() -> None:
    _, guest = pair("rfc-v2", DaemonConfig(port=PORT, features=0))
    guest.set_index(Interface.CONNECTION, 1)
    assert guest.ask(T.XS_READ, b"abcde\0") == (ANSWER,)
    assert guest.index(Interface.CONNECTION) == 1


def test_the_drafts_silence_watches_and_transactions_survive() -> None:
    link, guest = pair(*LITERAL)
    guest.ask(T.XS_WATCH, b"data\0t\0")
    guest.ask(T.XS_TRANSACTION_START, b"\0")
    close(link, guest)
    assert guest.ask(T.XS_READ, b"data/x\0", tx_id=1)[0].payload == b"old"
    kinds = {message.type for message in guest.ask(T.XS_WRITE, b"data/x\0v")}
    assert kinds == {T.XS_WRITE, T.XS_WATCH_EVENT}


def test_the_drafts_silence_a_waiting_reply_reaches_the_next_stage() -> None:
    link, guest = pair(*LITERAL)
    guest.set_index(Interface.RSP_PROD, 1024)
    guest.send(READ.encode())
    link.run()
    close(link, guest)
    assert guest.ask(T.XS_READ, b"data/x\0")[0] == ANSWER


def test_the_drafts_silence_half_a_request_eats_the_next_one() -> None:
    link, guest = pair(*LITERAL)
    guest.send(READ.encode()[:8])
    link.run()
    close(link, guest)
    assert guest.ask(T.XS_READ, b"abcde\0") != (ANSWER,)
