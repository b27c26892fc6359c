"""The parts of a stop: what the guest asks, and an actor that is told of something from outside."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from guestsim.abi.xs_wire import Interface
from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.daemon import VISITS, GeneratorActor, oxenstored, xenstored
from guestsim.execute import Execution
from guestsim.runner.visit import Asked
from guestsim.trace import End, Event, Kind, Op, Outcome, shared
from guestsim.xenstore import Message, build_store, serve_domain

READ = Message(T.XS_READ, 1, 0, b"data/x\0").encode()


class Ring:
    """A guest that writes to the request ring, watched by `Asked`."""

    def __init__(self, prod: int = 0) -> None:
        self.memory = bytearray(shared.SHARED_SIZE)
        self.prod = prod
        self._store(prod)
        self.asked = Asked(self.memory)

    def send(self, data: bytes) -> str | None:
        for byte in data:
            self.memory[self.prod % 1024] = byte
            self.prod = (self.prod + 1) % (1 << 32)
        return self.set(self.prod)

    def set(self, prod: int, actor: str = "guest") -> str | None:
        """What a store of req_prod tells."""
        self.prod = prod
        self._store(prod)
        op = Op(Kind.STORE, int(Interface.REQ_PROD), 4, prod)
        return self.asked.see(Event(actor, op, prod), self.memory)

    def _store(self, prod: int) -> None:
        shared.store(self.memory, int(Interface.REQ_PROD), 4, prod)


@pytest.mark.parametrize("start", [0, 1000, (1 << 32) - 5])
def test_a_request_is_told_when_it_is_whole(start: int) -> None:
    ring = Ring(start)
    for _ in range(60):
        assert ring.send(READ[:16]) is None
        assert ring.send(READ[16:]) == "READ data/x"


def test_other_ops_tell_nothing() -> None:
    ring = Ring()
    ring.send(READ[:16])
    loads = Event("daemon", Op(Kind.LOAD, int(Interface.REQ_PROD), 4), ring.prod)
    stores = Event("daemon", Op(Kind.STORE, int(Interface.REQ_CONS), 4, 16), 16)
    assert ring.asked.see(loads, ring.memory) is None
    assert ring.asked.see(stores, ring.memory) is None
    assert ring.send(READ[16:]) == "READ data/x"


@pytest.mark.parametrize("actor", ["guest", "daemon"])
def test_a_reset_forgets_what_came_in_part(actor: str) -> None:
    ring = Ring(40)
    assert ring.send(READ[:20]) is None
    assert ring.set(0, actor) is None
    assert ring.send(READ) == "READ data/x"


def test_a_daemon_s_store_of_all_four_indices_is_a_reset() -> None:
    ring = Ring(5)
    ring.send(READ[:20])
    ring.memory[Interface.REQ_CONS : Interface.REQ_CONS + 16] = bytes(16)
    ring.prod = 0
    op = Op(Kind.STORE, int(Interface.REQ_CONS), 16, 0)
    assert ring.asked.see(Event("daemon", op, 0), ring.memory) is None
    assert ring.send(READ) == "READ data/x"


def test_nonsense_tells_nothing_and_is_forgotten() -> None:
    ring = Ring()
    assert ring.send(b"\xff" * 16) is None
    assert ring.send(READ) == "READ data/x"


SERVER = serve_domain(build_store({}))
EVENT = Message(T.XS_WATCH_EVENT, 0, 0, b"data\0t\0")


@pytest.mark.parametrize(
    ("phase", "after"),
    [
        (xenstored.Phase.SLEEP, xenstored.Phase.POLL),
        (xenstored.Phase.POLL, xenstored.Phase.POLL),
        (xenstored.Phase.CAN_READ, xenstored.Phase.CAN_READ),
    ],
)
def test_a_change_ends_the_poll_of_xenstored(
    phase: xenstored.Phase, after: xenstored.Phase
) -> None:
    state = xenstored.State(phase, SERVER, b"half", (EVENT.encode(),), 3)
    other = serve_domain(build_store({"a": "b"}))
    # The event waits already; a reply would not be the same one.
    assert VISITS["xenstored"].visited(state, other, (EVENT,)) == xenstored.State(
        after, other, b"half", (EVENT.encode(),), 3
    )
    assert VISITS["xenstored"].visited(state, other, ()).phase is after


@pytest.mark.parametrize(
    ("phase", "with_event", "without"),
    [
        (oxenstored.Phase.SLEEP, oxenstored.Phase.POLL, oxenstored.Phase.SLEEP),
        (oxenstored.Phase.POLL, oxenstored.Phase.POLL, oxenstored.Phase.POLL),
        (oxenstored.Phase.INPUT, oxenstored.Phase.INPUT, oxenstored.Phase.INPUT),
    ],
)
def test_an_event_for_the_guest_ends_the_poll_of_oxenstored(
    phase: oxenstored.Phase, with_event: oxenstored.Phase, without: oxenstored.Phase
) -> None:
    state = oxenstored.State(phase, SERVER, b"half", (b"first",))
    other = serve_domain(build_store({"a": "b"}))
    assert VISITS["oxenstored"].visited(state, other, (EVENT,)) == oxenstored.State(
        with_event, other, b"half", (b"first", EVENT.encode())
    )
    assert VISITS["oxenstored"].visited(state, other, ()).phase is without


def turn(state: int) -> Generator[Op, int, int]:
    """Stores its state, twice, then loads and goes on with it plus what it loaded; ends at 100."""
    if state >= 100:
        yield Op(Kind.HALT, end=End(Outcome.CONNECTED, "done"))
    if state % 10 == 0:
        yield Op(Kind.STORE, 0, 1, state)
        yield Op(Kind.STORE, 1, 1, state)
        return state + 1
    value = yield Op(Kind.LOAD, 2, 1)
    return state + value + 9


@pytest.mark.parametrize("performed", [0, 1, 2])
def test_what_an_actor_has_still_to_do_before_its_question_stays(performed: int) -> None:
    actor = GeneratorActor(10, turn)
    execution = Execution([actor], bytes(shared.SHARED_SIZE))
    execution.start()
    execution.run_steps(0, performed)
    assert execution.point(0) == (11, ())
    execution.replace(0, actor.stand_at(71))
    while execution.end is None:
        execution.step(0)
    stored = [(event.op.address, event.value) for event in execution.events
              if event.op.kind is Kind.STORE]  # fmt: skip
    assert stored == [(0, 10), (1, 10), (0, 80), (1, 80), (0, 90), (1, 90)]


def test_after_step_hears_of_every_step() -> None:
    heard: list[Event] = []
    execution = Execution([GeneratorActor(70, turn)], bytes(shared.SHARED_SIZE))
    execution.start()
    execution.after_step = heard.append
    while execution.end is None:
        execution.step(0)
    assert heard == execution.events
    assert len(heard) == execution.steps
