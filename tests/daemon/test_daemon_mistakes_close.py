"""oxenstored's mistakes in closing the ring, access by access, each beside the daemon that makes
none: what differs is the mistake alone."""

from __future__ import annotations

import pytest
from daemon_link import PORT, Guest, Link, words

from guestsim.abi.xs_wire import Interface
from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.daemon import DaemonConfig, make
from guestsim.trace import Kind, Outcome
from guestsim.trace.daemons import Mistake, Wakes
from guestsim.xenstore import Message, build_store

STORE = build_store({"abcde": "12345"})
REQUEST = Message(T.XS_READ, 7, 0, b"abcde\0").encode()
REPLY = Message(T.XS_READ, 7, 0, b"12345").encode()

LOOK = ["R req_cons", "R req_prod", "R connection"]


def link(mistake: Mistake | None) -> tuple[Link, Guest]:
    """A daemon that has made its first pass and sleeps."""
    config = DaemonConfig(port=PORT, wakes=Wakes.EVENT, mistake=mistake)
    made = Link(make("oxenstored", config, STORE))
    made.run()
    made.events.clear()
    return made, Guest(made)


def ask_to_close(guest: Guest) -> None:
    guest.set_index(Interface.CONNECTION, 1)
    guest.notify()


def closing(mistake: Mistake | None) -> list[str]:
    """What the daemon does from the wake-up on, without the fill."""
    made, guest = link(mistake)
    ask_to_close(guest)
    return words(made.run(), data=False)


RIGHT = ["poll", *LOOK, "W16 req_cons", "fence", "W connection", "notify"]


def test_without_a_mistake() -> None:
    assert closing(None) == RIGHT


def test_clears_early() -> None:
    assert closing(Mistake.CLEARS_EARLY) == [
        "poll",
        *LOOK,
        "W connection",
        "W16 req_cons",
        "fence",
        "notify",
    ]


def test_clears_early_when_the_buffers_are_filled() -> None:
    # What is left to race with is the one store of the indices.
    made, guest = link(Mistake.CLEARS_EARLY)
    ask_to_close(guest)
    made.run_until(Kind.STORE, Interface.CONNECTION)
    assert bytes(made.memory[: Interface.REQ_CONS]) == b"\xff" * 2048
    guest.set_index(Interface.REQ_PROD, 5)
    made.step()
    assert guest.index(Interface.CONNECTION) == 0
    assert guest.index(Interface.REQ_PROD) == 5
    made.step()
    assert guest.index(Interface.REQ_PROD) == 0


@pytest.mark.parametrize(
    ("mistake", "missing"),
    [(Mistake.NO_SIGNAL, "notify"), (Mistake.NEVER_CLEARS, "W connection")],
)
def test_one_op_is_missing(mistake: Mistake, missing: str) -> None:
    assert closing(mistake) == [word for word in RIGHT if word != missing]


def test_never_clears_comes_to_rest() -> None:
    made, guest = link(Mistake.NEVER_CLEARS)
    ask_to_close(guest)
    made.run()
    assert made.asleep
    assert guest.notified
    assert guest.index(Interface.CONNECTION) == 1


def test_looks_late_without_anything_on_the_ring_is_right() -> None:
    # It goes on with the pair that it holds, which is empty.
    assert closing(Mistake.LOOKS_LATE) == [*RIGHT, "fence"]


def test_looks_late_reads_from_the_ring_that_it_has_reset() -> None:
    made, guest = link(Mistake.LOOKS_LATE)
    guest.put(REQUEST[:8])
    ask_to_close(guest)
    made.run_until(Kind.HALT, 0)
    done = words(made.events)
    after = done.index("W connection")
    assert done[after : after + 8] == [
        "W connection",
        "notify",
        "fence",
        "R8 req+0",
        "R8 req+0",
        "fence",
        "R req_cons",
        "W req_cons",
    ]
    read = {e.value for e in made.events if e.op.kind is Kind.LOAD and e.op.size == 8}
    assert read == {2**64 - 1}, "the bytes of the fill, not those of the request"
    # req_cons = 8 has overtaken req_prod = 0.
    end = made.op.end
    assert end is not None
    assert end.outcome is Outcome.REFUSED
    assert [sample.value for sample in end.samples] == [8, 0]


def test_looks_late_writes_into_the_ring_that_it_has_reset() -> None:
    made, guest = link(Mistake.LOOKS_LATE)
    guest.put(REQUEST)
    guest.notify()
    made.run_until(Kind.LOAD, Interface.RSP_CONS)
    guest.set_index(Interface.CONNECTION, 1)
    made.run()
    # A reply that the close should have dropped, to a request that nobody has made.
    assert guest.index(Interface.CONNECTION) == 0
    assert guest.index(Interface.REQ_PROD) == 0
    assert guest.take() == REPLY


def test_never_closes_looks_at_the_indices_only() -> None:
    assert closing(Mistake.NEVER_CLOSES) == ["poll", "R req_cons", "R req_prod", "fence"]


def test_a_mistake_in_closing_changes_nothing_before_a_close() -> None:
    for mistake in (
        None,
        Mistake.CLEARS_EARLY,
        Mistake.LOOKS_LATE,
        Mistake.NO_SIGNAL,
        Mistake.NEVER_CLEARS,
    ):
        made, guest = link(mistake)
        assert guest.ask(T.XS_READ, b"abcde\0") == (Message(T.XS_READ, 7, 0, b"12345"),), mistake
        assert made.asleep
