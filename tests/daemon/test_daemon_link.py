"""The fake guest itself: a helper that loses a byte would make every other test lie."""

from __future__ import annotations

from collections.abc import Generator, Hashable
from typing import Any

import pytest
from daemon_link import PORT, Guest, Link, words

from guestsim.abi.xs_wire import Interface
from guestsim.daemon import GeneratorActor
from guestsim.trace import Burst, End, Flag, Kind, Op, Outcome
from guestsim.trace.shared import SHARED_SIZE, pending_place, server_pending_place


def echo(state: int) -> Generator[Op, int, int]:
    """Sleep, then store req_prod where rsp_prod is, and notify."""
    yield Op(Kind.WAIT, *server_pending_place(), flags=Flag.CONSUME)
    value = yield Op(Kind.LOAD, Interface.REQ_PROD, 4)
    yield Op(Kind.STORE, Interface.RSP_PROD, 4, value)
    yield Op(Kind.SEND, *pending_place(PORT))
    return state + 1


class Halting:
    """An actor that is over at once."""

    name = "daemon"

    def start(self) -> Burst:
        return Burst((Op(Kind.HALT, end=End(Outcome.REFUSED, "no")),), None)

    def resume(self, point: Any, value: int) -> Burst:
        raise NotImplementedError

    def key(self, point: Any) -> Hashable:
        return ("halted", point)


def test_the_link_performs_ops_and_stops_where_the_actor_sleeps() -> None:
    link = Link(GeneratorActor(0, echo))
    guest = Guest(link)
    assert link.asleep
    assert not guest.notified
    guest.set_index(Interface.REQ_PROD, 0x12345678)
    guest.notify()
    assert not link.asleep
    assert words(link.run()) == ["poll", "R req_prod", "W rsp_prod", "notify"]
    assert guest.index(Interface.RSP_PROD) == 0x12345678
    assert guest.notified
    assert not guest.notified
    assert link.asleep


def test_run_until_stops_before_the_op() -> None:
    link = Link(GeneratorActor(0, echo))
    guest = Guest(link)
    guest.notify()
    assert link.run_until(Kind.STORE, Interface.RSP_PROD).value == 0
    assert guest.index(Interface.RSP_PROD) == 0
    with pytest.raises(AssertionError, match="asleep before"):
        link.run_until(Kind.FENCE, 0)


def test_nothing_wakes_a_sleeper_without_its_event() -> None:
    link = Link(GeneratorActor(0, echo))
    with pytest.raises(AssertionError, match="nothing wakes it"):
        link.step()


def test_a_halted_daemon_is_at_rest() -> None:
    link = Link(Halting())
    assert link.halted
    assert link.run() == []


@pytest.mark.parametrize("start", [0, 1000, 0xFFFFFFF0])
def test_the_guest_wraps_and_keeps_room(start: int) -> None:
    memory = bytearray(SHARED_SIZE)
    guest = Guest(Link(Halting(), memory))
    for place in (Interface.REQ_CONS, Interface.REQ_PROD):
        guest.set_index(place, start)
    assert guest.put(b"x" * 30) == 30
    assert guest.put(b"y" * 1024) == 994
    assert guest.put(b"z") == 0
    assert guest.index(Interface.REQ_PROD) == (start + 1024) % 2**32
    ring = bytes(memory[(start + i) % 1024] for i in range(1024))
    assert ring == b"x" * 30 + b"y" * 994


def test_the_guest_takes_what_is_there() -> None:
    memory = bytearray(SHARED_SIZE)
    guest = Guest(Link(Halting(), memory))
    guest.set_index(Interface.RSP_CONS, 1022)
    guest.set_index(Interface.RSP_PROD, 1026)
    memory[Interface.RSP + 1022 : Interface.RSP + 1024] = b"ab"
    memory[Interface.RSP : Interface.RSP + 2] = b"cd"
    assert guest.take(1) == b"a"
    assert guest.take() == b"bcd"
    assert guest.take() == b""
