"""What lies above the ring, across a close: watches, transactions, requests and replies on their
way. Three ways to begin afresh are compared: a close, which drops all of it; RESET_WATCHES, which
drops watches and transactions and leaves the ring alone; and the close of the 2014 draft, which
does not say, so that the guest has to find out which it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from daemon_link import PORT, Guest, Link

from guestsim.abi.xs_wire import Interface
from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.daemon import DaemonConfig, make
from guestsim.trace import Kind
from guestsim.xenstore import Message, build_store

STORE = build_store({"data/x": "old", "data/y": "why", "long": "x" * 3000})

DAEMONS = {
    "oxenstored": ("oxenstored", DaemonConfig(port=PORT)),
    "xenstored": ("xenstored", DaemonConfig(port=PORT, features=1)),
    "draft": ("rfc-v2", DaemonConfig(port=PORT)),
    "draft, spelled out": ("rfc-v2", DaemonConfig(port=PORT, drop_layers=True)),
}
CLOSES = ["oxenstored", "xenstored", "draft, spelled out"]
UNKNOWN = {"oxenstored": b"EIO\0"}

READ_X = Message(T.XS_READ, 9, 0, b"data/x\0")
X = Message(T.XS_READ, 9, 0, b"old")


def pair(which: str) -> tuple[Link, Guest]:
    model, config = DAEMONS[which]
    link = Link(make(model, config, STORE))
    guest = Guest(link)
    link.run()
    return link, guest


def close(link: Link, guest: Guest) -> None:
    """The guest's part of the protocol, and a next stage that knows nothing."""
    guest.set_index(Interface.CONNECTION, 1)
    guest.notify()
    link.run()
    assert guest.index(Interface.CONNECTION) == 0
    guest.forget()


def reset_watches(_: Link, guest: Guest) -> None:
    assert guest.ask(T.XS_RESET_WATCHES, b"\0")[-1].payload == b"OK\0"


def fresh_start(which: str) -> Callable[[Link, Guest], None]:
    return reset_watches if which.startswith("RESET") else close


def told(messages: tuple[Message, ...]) -> list[bytes]:
    return [message.payload for message in messages if message.type == T.XS_WATCH_EVENT]


def make_and_end(which: str) -> tuple[Link, Guest, Callable[[Link, Guest], None]]:
    """`RESET_WATCHES of X`, or just X for its close."""
    link, guest = pair(which.rpartition(" of ")[2])
    return link, guest, fresh_start(which)


BOTH = [*CLOSES, "RESET_WATCHES of oxenstored", "RESET_WATCHES of xenstored"]

# Watches and transactions.


@pytest.mark.parametrize("which", [*BOTH, "draft"])
def test_watches_set_before(which: str) -> None:
    link, guest, end = make_and_end(which)
    for path in (b"data", b"data/x", b"@releaseDomain"):
        guest.ask(T.XS_WATCH, path + b"\0tok\0")
    end(link, guest)
    heard = told(guest.ask(T.XS_WRITE, b"data/x\0new"))
    # Under the draft's silence they fire into a stage that set none.
    assert heard == ([b"data/x\0tok\0"] if which == "draft" else [])
    again = guest.ask(T.XS_WATCH, b"data\0tok\0")
    assert (again[0].payload == b"EEXIST\0") == (which == "draft")


@pytest.mark.parametrize("which", [*BOTH, "draft"])
def test_transactions_open_before(which: str) -> None:
    link, guest, end = make_and_end(which)
    guest.ask(T.XS_TRANSACTION_START, b"\0")
    guest.ask(T.XS_WRITE, b"data/x\0uncommitted", tx_id=1)
    end(link, guest)
    name = which.rpartition(" of ")[2]
    found = guest.ask(T.XS_READ, b"data/x\0", tx_id=1)[0].payload
    ended = guest.ask(T.XS_TRANSACTION_END, b"T\0", tx_id=1)[0].payload
    left = guest.ask(T.XS_READ, b"data/x\0")[0].payload
    if which == "draft":
        # Whoever uses that id next commits what the firmware had begun.
        assert (found, ended, left) == (b"uncommitted", b"OK\0", b"uncommitted")
    else:
        unknown = UNKNOWN.get(name, b"ENOENT\0")
        assert (found, ended, left) == (unknown, unknown, b"old")


@pytest.mark.parametrize(
    ("which", "first"),
    [
        ("oxenstored", b"1\0"),
        ("xenstored", b"2\0"),
        ("draft", b"2\0"),
        ("RESET_WATCHES of oxenstored", b"2\0"),
        ("RESET_WATCHES of xenstored", b"2\0"),
    ],
)
def test_the_next_transaction(which: str, first: bytes) -> None:
    # Only the close of oxenstored begins to count again (`do_reconnect`).
    link, guest, end = make_and_end(which)
    guest.ask(T.XS_TRANSACTION_START, b"\0")
    end(link, guest)
    assert guest.ask(T.XS_TRANSACTION_START, b"\0")[0].payload == first


@pytest.mark.parametrize("which", BOTH)
def test_quotas_are_free_again(which: str) -> None:
    link, guest, end = make_and_end(which)
    for number in range(200):
        reply = guest.ask(T.XS_WATCH, b"data\0%d\0" % number)[0]
        if reply.type == T.XS_ERROR:
            break
    assert reply.type == T.XS_ERROR
    end(link, guest)
    for again in range(number):
        reply = guest.ask(T.XS_WATCH, b"data\0%d\0" % again)[0]
        assert reply.payload == b"OK\0", again


# Requests and replies on their way.


@pytest.mark.parametrize("which", [*CLOSES, "draft"])
@pytest.mark.parametrize("count", [1, 8, 16, 20])
def test_a_request_half_written(which: str, count: int) -> None:
    link, guest = pair(which)
    guest.send(READ_X.encode()[:count])
    link.run()
    close(link, guest)
    guest.send(READ_X.encode())
    replies = guest.receive()
    # Under the draft's silence the first bytes of the next request are the rest of the old one.
    assert (replies == (X,)) == (which != "draft"), replies


@pytest.mark.parametrize("which", ["oxenstored", "xenstored"])
def test_reset_watches_cannot_be_said_after_half_a_request(which: str) -> None:
    link, guest = pair(which)
    guest.send(READ_X.encode()[:20])
    link.run()
    guest.send(Message(T.XS_RESET_WATCHES, 5, 0, b"\0").encode())
    # It is taken for the rest of the payload, and for a request that makes no sense.
    assert all(reply.type != T.XS_RESET_WATCHES for reply in guest.receive())


@pytest.mark.parametrize("which", [*CLOSES, "draft"])
def test_a_reply_half_read(which: str) -> None:
    link, guest = pair(which)
    guest.send(Message(T.XS_READ, 4, 0, b"long\0").encode())
    link.run()
    assert guest.take(40)[16:] == b"x" * 24
    close(link, guest)
    guest.send(READ_X.encode())
    raw = b""
    while not link.halted:
        link.run()
        more = guest.take()
        if not more:
            break
        raw += more
        guest.notify()
    if which == "draft":
        # The rest of the value, which the next stage takes for a header.
        assert raw.startswith(b"xxxxxxxxxxxxxxxx")
    else:
        assert raw == X.encode()


@pytest.mark.parametrize("which", ["oxenstored", "xenstored"])
def test_reset_watches_leaves_replies_that_are_on_their_way(which: str) -> None:
    link, guest = pair(which)
    guest.send(READ_X.encode())
    link.run()
    assert guest.ask(T.XS_RESET_WATCHES, b"\0") == (X, Message(T.XS_RESET_WATCHES, 7, 0, b"OK\0"))


@pytest.mark.parametrize("which", [*CLOSES, "draft"])
def test_a_reply_that_waits_for_room(which: str) -> None:
    link, guest = pair(which)
    guest.set_index(Interface.RSP_PROD, 1024)
    guest.send(READ_X.encode())
    link.run()
    close(link, guest)
    assert guest.receive() == ((X,) if which == "draft" else ())


@pytest.mark.parametrize("which", [*CLOSES, "draft"])
def test_a_watch_event_that_waits_for_room(which: str) -> None:
    link, guest = pair(which)
    guest.ask(T.XS_WATCH, b"data\0tok\0")
    guest.set_index(Interface.RSP_CONS, 0)
    guest.set_index(Interface.RSP_PROD, 1024)
    guest.send(Message(T.XS_WRITE, 9, 0, b"data/x\0v").encode())
    link.run()
    close(link, guest)
    assert told(guest.receive()) == ([b"data/x\0tok\0"] if which == "draft" else [])


@pytest.mark.parametrize("which", ["oxenstored", "xenstored"])
def test_reset_watches_leaves_an_event_that_waits(which: str) -> None:
    # It may still come behind the answer, of a watch that is not there any more: in xenstored it
    # is in the queue before RESET_WATCHES is read, and nothing takes it out again.
    _, guest = pair(which)
    guest.ask(T.XS_WATCH, b"data\0tok\0")
    for message in (
        Message(T.XS_WRITE, 1, 0, b"data/x\0v"),
        Message(T.XS_RESET_WATCHES, 2, 0, b"\0"),
    ):
        guest.send(message.encode())
    got = guest.receive()
    assert told(got) == [b"data/x\0tok\0"]
    assert got[-1].payload in (b"OK\0", b"data/x\0tok\0")


@pytest.mark.parametrize("which", CLOSES)
def test_a_close_between_any_two_steps_of_all_that(which: str) -> None:
    # Watch, transaction, write and half a request, closed after each op of the daemon in turn.
    script = [
        Message(T.XS_WATCH, 1, 0, b"data\0tok\0"),
        Message(T.XS_TRANSACTION_START, 2, 0, b"\0"),
        Message(T.XS_WRITE, 3, 1, b"data/x\0uncommitted"),
        Message(T.XS_WRITE, 4, 0, b"data/y\0written"),
    ]
    stream = b"".join(message.encode() for message in script) + READ_X.encode()[:18]
    steps = 0
    while True:
        link, guest = pair(which)
        guest.send(stream)
        for _ in range(steps):
            if link.asleep:
                break
            link.step()
        done = link.asleep
        close(link, guest)
        assert guest.ask(T.XS_READ, b"data/x\0") == (Message(T.XS_READ, 7, 0, b"old"),), steps
        assert told(guest.ask(T.XS_WRITE, b"data/x\0v")) == [], steps
        unknown = guest.ask(T.XS_READ, b"data/x\0", tx_id=1)[0]
        assert unknown.type == T.XS_ERROR, steps
        if done:
            return
        steps += 5


# How much a daemon takes on before anything is read.


def test_xenstored_looks_at_no_request_while_20_replies_wait() -> None:
    link, guest = pair("xenstored")
    guest.set_index(Interface.RSP_PROD, 1024)
    for _ in range(25):
        guest.send(READ_X.encode())
        link.run()
    taken = guest.index(Interface.REQ_CONS)
    assert taken == 20 * READ_X.size
    link.events.clear()
    guest.notify()
    link.run()
    looks = [event.op.address for event in link.events if event.op.kind is Kind.LOAD]
    assert Interface.REQ_PROD not in looks
    # Once replies go out, it goes on: nothing was lost.
    guest.set_index(Interface.RSP_PROD, 0)
    guest.notify()
    assert guest.receive() == (X,) * 25


def test_oxenstored_takes_on_more() -> None:
    link, guest = pair("oxenstored")
    guest.set_index(Interface.RSP_PROD, 1024)
    for _ in range(25):
        guest.send(READ_X.encode())
        link.run()
    assert guest.index(Interface.REQ_CONS) == 25 * READ_X.size


def test_depth_is_for_those_who_advertise_it() -> None:
    for features, reply in ((0, b"EINVAL\0"), (4, b"OK\0")):
        link = Link(make("xenstored", DaemonConfig(port=PORT, features=features), STORE))
        guest = Guest(link)
        link.run()
        assert guest.ask(T.XS_WATCH, b"data\0tok\x000\0")[0].payload == reply
        if reply == b"OK\0":
            assert told(guest.ask(T.XS_WRITE, b"data/x\0v")) == []
            assert told(guest.ask(T.XS_WRITE, b"data\0v")) == [b"data\0tok\0"]
