"""The mistakes of a daemon at work, each beside the daemon that makes none, on the same ring."""

from __future__ import annotations

import pytest
from daemon_link import PORT, Guest, Link, words

from guestsim.abi.xs_wire import Interface
from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.daemon import DaemonConfig, make
from guestsim.trace import Kind
from guestsim.trace.daemons import HEARS_BADLY, MISTAKES, DaemonModel, Mistake, Wakes
from guestsim.trace.shared import server_pending_place
from guestsim.xenstore import Message, build_store

STORE = build_store({"abcde": "12345", "data": ""})
READ = Message(T.XS_READ, 7, 0, b"abcde\0")
REPLY = Message(T.XS_READ, 7, 0, b"12345")
START = Message(T.XS_TRANSACTION_START, 7, 0, b"\0")
BOTH = ("xenstored", "oxenstored")
SERVER = server_pending_place()[0]


def link(
    mistake: Mistake | None, model: str = "oxenstored", *, req: int = 0, rsp: int = 0
) -> tuple[Link, Guest]:
    """A daemon that has made its first pass and sleeps; the indices begin there."""
    config = DaemonConfig(port=PORT, wakes=Wakes.EVENT, mistake=mistake)
    made = Link(make(model, config, STORE))
    guest = Guest(made)
    for place in (Interface.REQ_CONS, Interface.REQ_PROD):
        guest.set_index(place, req)
    for place in (Interface.RSP_CONS, Interface.RSP_PROD):
        guest.set_index(place, rsp)
    made.run()
    made.events.clear()
    return made, guest


def ask(mistake: Mistake | None, model: str, message: Message) -> tuple[Message, ...]:
    _, guest = link(mistake, model)
    return guest.ask(message.type, message.payload, tx_id=message.tx_id)


@pytest.mark.parametrize("model", DaemonModel)
def test_every_mistake_of_a_model_makes_a_difference(model: DaemonModel) -> None:
    """No word stands for nothing: what it does is in one of these programs' own code."""
    known = {mistake for can in MISTAKES.values() for mistake in can}
    assert known == set(Mistake)
    right = make(model, DaemonConfig(port=PORT), STORE)
    for mistake in MISTAKES[model]:
        wrong = make(model, DaemonConfig(port=PORT, mistake=mistake), STORE)
        one, other = (actor._turn.__self__ for actor in (right, wrong))  # type: ignore[attr-defined]
        assert type(one) is not type(other) or one._woken is not other._woken, mistake


def test_who_hears_badly_heeds_the_event_in_any_case() -> None:
    for mistake in (None, *Mistake):
        heard = not DaemonConfig(port=PORT, mistake=mistake).unheeded
        assert heard is (mistake in HEARS_BADLY), mistake
        assert not DaemonConfig(port=PORT, wakes=Wakes.EVENT, mistake=mistake).unheeded


@pytest.mark.parametrize("model", BOTH)
def test_misses_notify(model: str) -> None:
    made, guest = link(Mistake.MISSES_NOTIFY, model)
    guest.put(READ.encode())
    made.choices = [0, 1]
    guest.notify()
    assert words(made.run()) == ["poll", "choose"]
    assert made.asleep
    guest.notify()
    assert guest.receive() == (REPLY,)


@pytest.mark.parametrize("model", BOTH)
def test_wakes_late(model: str) -> None:
    made, guest = link(Mistake.WAKES_LATE, model)
    guest.put(READ.encode())
    guest.notify()
    assert words(made.run()) == ["poll"]
    guest.notify()
    made.run()
    assert guest.take() == REPLY.encode()


@pytest.mark.parametrize("model", BOTH)
def test_clears_events(model: str) -> None:
    made, guest = link(Mistake.CLEARS_EVENTS, model)
    guest.put(READ.encode())
    guest.notify()
    made.step()
    made.run_until(Kind.WAIT, SERVER)
    while made.point.state.phase.value != "sleep":
        made.step()
        made.run_until(Kind.WAIT, SERVER)
    assert guest.take() == REPLY.encode()
    guest.put(READ.encode())
    guest.notify()
    made.run()
    assert made.asleep
    assert guest.take() == b"", "it came between the last look and the sleep"
    guest.notify()
    made.run()
    assert guest.take() == REPLY.encode()


@pytest.mark.parametrize("model", BOTH)
def test_one_at_a_time(model: str) -> None:
    taken = []
    for mistake in (None, Mistake.ONE_AT_A_TIME):
        made, guest = link(mistake, model)
        guest.put(READ.encode() * 3)
        guest.notify()
        made.run()
        taken.append(guest.take())
    assert taken == [REPLY.encode() * 3, REPLY.encode()]


@pytest.mark.parametrize("model", BOTH)
def test_one_at_a_time_takes_the_whole_of_it(model: str) -> None:
    made, guest = link(Mistake.ONE_AT_A_TIME, model, req=1024 - 20)
    guest.put(READ.encode())
    guest.notify()
    made.run()
    assert guest.take() == REPLY.encode()


def test_clears_early_where_the_domain_is_introduced() -> None:
    done = []
    for mistake in (None, Mistake.CLEARS_EARLY):
        config = DaemonConfig(port=PORT, wakes=Wakes.EVENT, introduce=True, mistake=mistake)
        made = Link(make("xenstored", config, STORE))
        Guest(made).set_index(Interface.CONNECTION, 1)
        done.append([word for word in words(made.run()) if word[0] in "Wn" or "conn" in word])
    zeroes = ["W req_prod", "W req_cons", "W rsp_prod", "W rsp_cons"]
    tells = ["R connection", "W connection", "notify"]
    assert done == [[*zeroes, *tells], [*tells, *zeroes]]


def test_clears_early_in_a_close() -> None:
    config = DaemonConfig(port=PORT, wakes=Wakes.EVENT, features=1, mistake=Mistake.CLEARS_EARLY)
    made = Link(make("xenstored", config, STORE))
    guest = Guest(made)
    made.run()
    made.events.clear()
    guest.set_index(Interface.CONNECTION, 1)
    guest.notify()
    stores = [word for word in words(made.run()) if word[0] == "W"]
    assert stores[:2] == ["W connection", "W req_prod"]


def test_xenstored_never_closes() -> None:
    config = DaemonConfig(port=PORT, wakes=Wakes.EVENT, features=1, mistake=Mistake.NEVER_CLOSES)
    made = Link(make("xenstored", config, STORE))
    guest = Guest(made)
    guest.set_index(Interface.CONNECTION, 1)
    guest.notify()
    assert "R connection" not in words(made.run())
    assert guest.index(Interface.SERVER_FEATURES) == 1


def test_ignores_full() -> None:
    whole = Message(T.XS_WRITE, 7, 0, b"data\0" + b"x" * (1024 - 16 - 5)).encode()
    for mistake, answered in ((None, True), (Mistake.IGNORES_FULL, False)):
        made, guest = link(mistake)
        assert guest.put(whole) == 1024
        guest.notify()
        made.run()
        assert bool(guest.take()) is answered


def test_stops_at_wrap() -> None:
    # What follows a read is another pass, which puts out the rest. Behind it nothing does: the
    # event of a WATCH, which follows its reply, waits for the guest.
    reply, event = 16 + 3, 16 + 4 + 1 + 2
    for mistake, out in ((None, reply + event), (Mistake.STOPS_AT_WRAP, reply + 10)):
        made, guest = link(mistake, req=1024 - 10, rsp=1024 - reply - 10)
        guest.put(Message(T.XS_WATCH, 7, 0, b"data\0t\0").encode())
        guest.notify()
        made.run()
        assert len(guest.take()) == out
    guest.notify()
    made.run()
    assert len(guest.take()) == event - 10


def test_unchecked_reads_whatever_is_there() -> None:
    for mistake in (None, Mistake.UNCHECKED):
        made, guest = link(mistake)
        guest.set_index(Interface.REQ_CONS, 5022)
        guest.notify()
        if mistake is None:
            made.run()
            assert made.halted
    # 98 bytes to the wrap: six CONTROLs of zeroes, and two bytes of the next, which goes on.
    for _ in range(3000):
        made.step()
    assert guest.index(Interface.REQ_CONS) > 5120 + 14
    assert guest.take(16) == Message(T.XS_CONTROL, 0, 0, b"OK\0").encode()[:16]


def test_over_reads_beyond_the_ring() -> None:
    made, guest = link(Mistake.OVER_READS)
    # A header whose body of 2000 bytes is said to be there, and 500 of them are no part of `req`.
    header = Message(T.XS_WRITE, 7, 0, b"data\0" + b"x" * 1995).encode()[:16]
    made.memory[500:516] = header
    guest.set_index(Interface.REQ_CONS, 500)
    guest.set_index(Interface.REQ_PROD, 4000 + 1024 * 3)
    guest.notify()
    made.run_until(Kind.STORE, Interface.REQ_CONS)
    made.step()
    made.run_until(Kind.STORE, Interface.REQ_CONS)
    read = {event.op.address for event in made.events if event.op.kind is Kind.LOAD}
    assert any(Interface.RSP <= address < Interface.REQ_CONS for address in read)


@pytest.mark.parametrize(("cons", "prod"), [(1024, 16), (0, 4096 * 5 + 500)])
def test_over_reads_and_dies(cons: int, prod: int) -> None:
    made, guest = link(Mistake.OVER_READS)
    made.memory[:1024] = b"\xff" * 1024
    guest.set_index(Interface.REQ_CONS, cons)
    guest.set_index(Interface.REQ_PROD, prod)
    guest.notify()
    made.run()
    assert made.halted
    assert made.op.end is not None
    assert "beyond its page" in made.op.end.message


def test_old_opcode() -> None:
    wanted = Message(T.XS_RESET_WATCHES, 7, 0, b"\0")
    placed = Message(20, 7, 0, b"\0")
    model = "oxenstored"
    assert ask(None, model, wanted) == (Message(T.XS_RESET_WATCHES, 7, 0, b"OK\0"),)
    (refused,) = ask(Mistake.OLD_OPCODE, model, wanted)
    assert refused == ask(None, model, placed)[0]
    assert refused.type == T.XS_ERROR
    assert ask(Mistake.OLD_OPCODE, model, placed) == (Message(20, 7, 0, b"OK\0"),)


def test_waits_for_body() -> None:
    bare = Message(T.XS_READ, 7, 0, b"")
    for mistake, answers in ((None, 1), (Mistake.WAITS_FOR_BODY, 0)):
        made, guest = link(mistake)
        assert len(guest.ask(bare.type)) == answers
        assert made.asleep
    # The next request frees it.
    assert len(guest.ask(READ.type, READ.payload)) == 2


@pytest.mark.parametrize(
    ("length", "dies"), [(4096, False), (1 << 30, True), (1 << 31, False), (0xFFFFFFFF, True)]
)
def test_negative_length(length: int, dies: bool) -> None:
    made, guest = link(Mistake.NEGATIVE_LENGTH)
    guest.put(READ.encode()[:12] + length.to_bytes(4, "little"))
    guest.notify()
    made.run()
    assert made.halted is dies


def test_dies_in_reset() -> None:
    made, guest = link(Mistake.DIES_IN_RESET, "xenstored")
    (started,) = guest.ask(START.type, START.payload)
    number = int(started.payload[:-1])
    assert guest.ask(T.XS_RESET_WATCHES, b"\0", tx_id=number + 1)[0].payload == b"ENOENT\0"
    assert guest.ask(T.XS_RESET_WATCHES, b"\0")[0].payload == b"OK\0"
    (started,) = guest.ask(START.type, START.payload)
    guest.ask(T.XS_RESET_WATCHES, b"\0", tx_id=int(started.payload[:-1]))
    assert made.halted
    assert made.op.end is not None
    assert "xenstored died" in made.op.end.message


def test_today_the_transaction_is_let_go_of() -> None:
    made, guest = link(None, "xenstored")
    (started,) = guest.ask(START.type, START.payload)
    number = int(started.payload[:-1])
    assert guest.ask(T.XS_RESET_WATCHES, b"\0", tx_id=number)[0].payload == b"OK\0"
    assert guest.ask(T.XS_READ, b"/tool\0", tx_id=number)[0].payload == b"ENOENT\0"
    assert not made.halted
