"""Others ask while the guest runs: whom the daemon serves, when, and what comes of it."""

from __future__ import annotations

import pytest

from guestsim.abi.xs_wire import XsdSockmsgType
from guestsim.daemon.others import Act, Ask, Attended, Died, GivenUp, Look, Other, Others
from guestsim.trace import MEANING, NOBODY, End, Kind, Op, Outcome, asks
from guestsim.xenstore import Dialect, Message, build_store, handle, serve_domain

PATH = "/local/domain/1/data/x"


def write(value: bytes, **more: object) -> Ask:
    payload = PATH.encode() + b"\0" + value
    return Ask(Message(XsdSockmsgType.XS_WRITE, payload=payload), "write", **more)  # type: ignore[arg-type]


def read(value: bytes | None, error: str | None = None) -> Ask:
    message = Message(XsdSockmsgType.XS_READ, payload=PATH.encode() + b"\0")
    return Ask(message, "read", value=value, error=error)


START = Ask(Message(XsdSockmsgType.XS_TRANSACTION_START, payload=b"\0"), "transaction")
COMMIT = Ask(
    Message(XsdSockmsgType.XS_TRANSACTION_END, payload=b"T\0"), "commit", in_transaction=True
)


class World:
    """A server, and everybody who asks it."""

    def __init__(self, *others: Other) -> None:
        self.others = Others(others, 1, Dialect())
        server = serve_domain(build_store({"data/x": "start"}))
        self.server, self.standing = self.others.start(server)
        self.ops: list[Op] = []
        self.loaded = 0
        """What a LOAD gives."""

    def wake(self, answer: int = 0, *, may_be_nobody: bool = False) -> Attended | None:
        """The end of a wait, and what comes of it."""
        steps = self.others.attend(self.standing, self.server, may_be_nobody=may_be_nobody)
        value: int | None = None
        while True:
            try:
                op = next(steps) if value is None else steps.send(value)
            except StopIteration as end:
                served: Attended | None = end.value
                if served is not None:
                    self.server, self.standing = served.server, served.others
                return served
            self.ops.append(op)
            if op.kind is Kind.HALT:
                return None
            value = {Kind.CHOOSE: answer, Kind.LOAD: self.loaded}.get(op.kind, 0)

    @property
    def value(self) -> bytes | None:
        node = self.server.store.get(PATH)
        return None if node is None else node.value


def test_nobody_is_asked_for_where_nobody_is_there() -> None:
    """Scenarios without others have no op more."""
    world = World()
    assert world.wake(may_be_nobody=True) is None
    assert not world.ops


def test_who_is_alone_is_served_at_once() -> None:
    """Without a choice; the act says who and what."""
    world = World(Other("backend", 0, (write(b"new"),)))
    served = world.wake()
    assert served is not None
    assert world.value == b"new"
    assert [(op.kind, op.site.stage, op.note) for op in world.ops] == [
        (Kind.ACT, "backend", "write")
    ]
    assert world.wake() is None, "it has done everything"


def test_every_answer_is_one_of_those_who_could_ask() -> None:
    """Nobody first, then in the order of the file."""
    others = Other("a", 0, (write(b"a"),)), Other("b", 0, (write(b"b"),))
    for answer, value in enumerate((b"start", b"a", b"b")):
        world = World(*others)
        world.wake(answer, may_be_nobody=True)
        choose = world.ops[0]
        assert choose.kind is Kind.CHOOSE
        assert choose.note.split(MEANING) == [NOBODY, asks("a"), asks("b")]
        assert world.value == value


def test_a_look_waits_for_the_value_and_is_a_step_by_itself() -> None:
    look = Look(PATH, b"there", "sees it")
    world = World(Other("a", 0, (look, write(b"a"))), Other("b", 0, (write(b"there"),)))
    assert world.others.ready(world.standing, world.server) == (1,)
    world.wake()
    assert world.others.ready(world.standing, world.server) == (0,)
    world.wake()
    assert world.value == b"there", "it has looked, and done nothing yet"
    world.wake()
    assert world.value == b"a"


def test_a_node_that_is_gone_can_be_waited_for() -> None:
    removal = Ask(Message(XsdSockmsgType.XS_RM, payload=PATH.encode() + b"\0"), "rm")
    world = World(Other("a", 0, (Look(PATH, None, "gone"),)), Other("b", 0, (removal,)))
    assert world.others.ready(world.standing, world.server) == (1,)
    world.wake()
    assert world.others.ready(world.standing, world.server) == (0,)


def test_who_comes_after_another_waits_for_all_of_it() -> None:
    first = Other("first", 0, (write(b"1"), write(b"2")))
    then = Other("then", 0, (write(b"3"),), after=((0, 0),))
    world = World(first, then)
    for expected in (b"1", b"2", b"3"):
        assert len(world.others.ready(world.standing, world.server)) == 1
        world.wake()
        assert world.value == expected


def test_the_guest_gets_the_events_of_its_watches() -> None:
    world = World(Other("backend", 0, (write(b"new"),)))
    message = Message(XsdSockmsgType.XS_WATCH, payload=b"data/x\0token\0")
    world.server, _ = handle(world.server, 1, message)
    served = world.wake()
    assert served is not None
    assert [it.payload for it in served.messages] == [b"data/x\0token\0"]


def test_another_domain_has_its_own_rights() -> None:
    """It may not write the guest's nodes; its line says that it knows."""
    world = World(Other("other", 2, (write(b"new", error="EACCES"),)))
    assert world.wake() is not None
    assert world.value == b"start"


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (read(b"else"), "b: read: was answered start, not else"),
        (read(None, "ENOENT"), "b: read: was answered OK, not ENOENT"),
        (
            Ask(Message(XsdSockmsgType.XS_RM, payload=b"/none/x\0"), "rm", error="EACCES"),
            "b: rm: was answered ENOENT, not EACCES",
        ),
    ],
)
def test_an_answer_that_is_not_the_expected_one_ends_it(ask: Ask, words: str) -> None:
    world = World(Other("b", 0, (ask,)))
    world.wake()
    end = world.ops[-1].end
    assert end is not None
    assert (end.outcome, end.message) == (Outcome.CRASHED, words)


def test_a_transaction_in_conflict_is_begun_again() -> None:
    """As every client does."""
    change = write(b"mine", in_transaction=True)
    world = World(Other("backend", 0, (START, change, COMMIT)))
    world.wake()
    world.wake()
    message = Message(XsdSockmsgType.XS_WRITE, payload=b"data/x\0guests")
    world.server, _ = handle(world.server, 1, message)
    world.wake()
    assert (world.standing.done, world.value) == ((0,), b"guests")
    for _ in range(3):
        world.wake()
    assert (world.standing.done, world.value) == ((3,), b"mine")


def test_a_domain_that_is_introduced_after_its_release_is_heard_again() -> None:
    release = Ask(Message(XsdSockmsgType.XS_RELEASE, payload=b"1\0"), "release", act=Act.RELEASE)
    introduce = Ask(
        Message(XsdSockmsgType.XS_INTRODUCE, payload=b"1\0001\0001\0"),
        "introduce",
        act=Act.INTRODUCE,
    )
    world = World(Other("toolstack", 0, (release, introduce)))
    served = world.wake()
    assert served is not None
    assert served.act is Act.RELEASE
    assert 1 not in world.server.connections
    served = world.wake()
    assert served is not None
    assert served.act is Act.INTRODUCE
    assert 1 in world.server.connections


def test_a_guest_that_stands_still_is_looked_for_in_memory() -> None:
    """Not in the store: only the hypervisor knows. Without that, nobody asks for it."""
    world = World(Other("toolstack", 0, (Look(None, None, "still"), write(b"new"))))
    assert world.wake(may_be_nobody=True) is None
    assert [op.kind for op in world.ops] == [Kind.LOAD], "it moves, so nobody can ask"
    world.ops.clear()
    world.loaded = 2
    world.wake()
    assert [op.kind for op in world.ops] == [Kind.LOAD, Kind.ACT]
    world.ops.clear()
    world.wake()
    assert [op.kind for op in world.ops] == [Kind.ACT]
    assert world.value == b"new"


def test_a_restored_domain_has_lost_what_it_had_set_up() -> None:
    check = Message(XsdSockmsgType.XS_CONTROL, payload=b"check\0")
    world = World(Other("toolstack", 0, (Ask(check, "elsewhere", act=Act.RESTORE),)))
    for kind, payload in (
        (XsdSockmsgType.XS_WATCH, b"data/x\0token\0"),
        (XsdSockmsgType.XS_TRANSACTION_START, b"\0"),
    ):
        world.server, _ = handle(world.server, 1, Message(kind, payload=payload))
    served = world.wake()
    assert served is not None
    assert served.act is Act.RESTORE
    connection = world.server.connections[1]
    assert (connection.watches, len(connection.transactions)) == ((), 0)
    assert connection.next_transaction == 1
    assert world.value == b"start"


HALT = Op(Kind.HALT, end=End(Outcome.REFUSED, "found 7"))


def ops_after(given_up: GivenUp, *others: Other) -> list[Op]:
    world = World(*others)
    return list(world.others.after(given_up, world.standing, world.server))


def test_a_neighbour_is_served_when_the_ring_is_given_up() -> None:
    """All that it can do, and then the end; the tools are not waited for."""
    neighbour = Other("neighbour", 2, (read(None, "EACCES"), Look(PATH, b"never", "waits")))
    ops = ops_after(GivenUp(HALT), Other("tool", 0, (write(b"new"),)), neighbour)
    assert [(op.kind, op.site.stage) for op in ops] == [(Kind.ACT, "neighbour"), (Kind.HALT, "")]


def test_a_neighbour_loses_its_connection_when_the_daemon_dies() -> None:
    """Unless it has done everything; the tools are not asked."""
    (first, *_) = ops_after(Died(HALT), Other("neighbour", 2, (read(None),)))
    assert first.end is not None
    assert first.end.outcome is Outcome.CRASHED
    words = "neighbour: read: nobody answers, because the daemon found 7"
    assert first.end.message == words
    for other in (Other("tool", 0, (write(b"new"),)), Other("neighbour", 2, ())):
        assert ops_after(Died(HALT), other) == [HALT]


@pytest.mark.parametrize(("still", "resumed"), [(0, False), (2, True)])
def test_only_a_guest_that_stands_still_is_resumed(still: int, resumed: bool) -> None:
    """One that runs would not notice, and must not find it when it suspends itself later."""
    message = Message(XsdSockmsgType.XS_RESUME, payload=b"1\0")
    world = World(Other("toolstack", 0, (Ask(message, "resume", act=Act.RESUME),)))
    world.loaded = still
    world.wake()
    assert (world.ops[-1].kind is Kind.STORE) is resumed
