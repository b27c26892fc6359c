"""What others do while the guest runs: a toolstack, a backend, another domain.

They ask the daemon over connections of their own. A real one takes such requests where it polls,
between its dealings with rings (`main` of tools/xenstored/core.c; `main_loop` of
tools/ocaml/xenstored/xenstored.ml). So each time that its wait has ended, a CHOOSE says whose next
request is served first, if anybody's; an ACT tells what it was. An `Other` does its steps in order;
between two of them, or before the first, any time may pass.
"""

from __future__ import annotations

from collections.abc import Generator
from enum import Enum
from typing import NamedTuple

import msgspec

from guestsim.abi.xs_wire import XsdSockmsgType
from guestsim.daemon.parts import resume_guest, stands_still
from guestsim.trace import MEANING, NOBODY, End, Kind, Op, Outcome, Site, asks
from guestsim.xenstore import (
    Connection,
    Dialect,
    Message,
    Outgoing,
    ServerState,
    connect,
    handle,
    reset,
)

__all__ = [
    "Act",
    "Ask",
    "Attended",
    "Died",
    "GivenUp",
    "Look",
    "Other",
    "Others",
    "Standing",
    "Step",
]

_FIRST_KEY = 1 << 20
"""Connections of others have keys from here on: behind the domains' and those of visitors."""


class Act(Enum):
    """What a step does besides asking the store something."""

    NOTHING = "nothing"
    INTRODUCE = "introduce"
    RELEASE = "release"
    LIVE_UPDATE = "live update"
    RESTORE = "restore"
    RESUME = "resume"


class Look(msgspec.Struct, frozen=True):
    """Go on once the node has this value: a watch, and a look when it has fired."""

    path: str | None
    """Absolute; None: once the guest has suspended itself."""
    value: bytes | None
    """None: once there is no such node."""
    words: str


class Ask(msgspec.Struct, frozen=True):
    """One request."""

    message: Message
    words: str
    """For people."""
    in_transaction: bool = False
    """It is part of the transaction that is open."""
    error: str | None = None
    """The answer must be this error; None: a success."""
    value: bytes | None = None
    """The answer must be this; None: anything."""
    act: Act = Act.NOTHING
    """What the daemon does besides, once it has answered."""


Step = Look | Ask


class Other(msgspec.Struct, frozen=True):
    """Somebody, and what they do, in order."""

    name: str
    domid: int
    steps: tuple[Step, ...]
    after: tuple[tuple[int, int], ...] = ()
    """Steps (by number) that have to wait until another (by number) has done everything."""


class Standing(msgspec.Struct, frozen=True):
    """How far everybody is: part of the daemon's state."""

    done: tuple[int, ...] = ()
    """Steps."""
    transactions: tuple[int, ...] = ()
    """The open transaction of each; 0: none."""


class Attended(NamedTuple):
    """What a wait has led to, if somebody was served."""

    server: ServerState
    others: Standing
    messages: tuple[Message, ...]
    """For the guest."""
    aside: tuple[Outgoing, ...]
    """For visitors, if there are any."""
    act: Act


class GivenUp(Exception):  # noqa: N818 (the guest's fault, not an error of ours)
    """The daemon gives the guest's ring up. Raised and caught inside of its turns."""

    def __init__(self, halt: Op) -> None:
        super().__init__(halt.note)
        self.halt = halt


class Died(GivenUp):
    """The daemon dies, for everybody."""


class Others:
    """Everybody who could ask."""

    def __init__(self, others: tuple[Other, ...], domid: int, dialect: Dialect) -> None:
        """`domid`: the guest's."""
        self._others = others
        self._domid = domid
        self._dialect = dialect

    def start(self, server: ServerState) -> tuple[ServerState, Standing]:
        """With a connection for each."""
        for number, other in enumerate(self._others):
            privileged = other.domid == 0
            server = connect(server, _FIRST_KEY + number, Connection(other.domid, privileged))
        count = len(self._others)
        return server, Standing((0,) * count, (0,) * count)

    def ready(
        self, standing: Standing, server: ServerState, *, suspended: bool = True
    ) -> tuple[int, ...]:
        """Who could be served now, if the guest stands still or (`suspended` False) does not."""
        return tuple(
            number
            for number in range(len(self._others))
            if self._is_ready(number, standing, server, suspended=suspended)
        )

    def _is_ready(
        self, number: int, standing: Standing, server: ServerState, *, suspended: bool
    ) -> bool:
        other, at = self._others[number], standing.done[number]
        if at == len(other.steps):
            return False
        for first, before in other.after:
            if first == at and standing.done[before] < len(self._others[before].steps):
                return False
        step = other.steps[at]
        if isinstance(step, Look):
            if step.path is None:
                return suspended
            node = server.store.get(step.path)
            return (None if node is None else node.value) == step.value
        return True

    def attend(
        self, standing: Standing, server: ServerState, *, may_be_nobody: bool
    ) -> Generator[Op, int, Attended | None]:
        """After a wait: serve somebody, if anybody could be served; None if nobody was.

        `may_be_nobody`: there may be another reason for the end of the wait.
        """
        ready = self.ready(standing, server)
        if ready != self.ready(standing, server, suspended=False):
            still = yield from stands_still(Site(stage="hypervisor"))
            ready = self.ready(standing, server, suspended=still)
        if not ready:
            return None
        who: tuple[int | None, ...] = (None, *ready) if may_be_nobody else ready
        chosen = who[0]
        if len(who) > 1:
            meanings = (NOBODY if it is None else asks(self._others[it].name) for it in who)
            chosen = who[(yield Op(Kind.CHOOSE, value=len(who), note=MEANING.join(meanings)))]
        if chosen is None:
            return None
        return (yield from self._serve(chosen, standing, server))

    def after(
        self, given_up: GivenUp, standing: Standing, server: ServerState
    ) -> Generator[Op, int, None]:
        """What follows for whoever is in a domain of their own, and then the end. Where the guest's
        ring is given up they are served as before; that nobody looks at it any more makes it no
        matter when. Where the daemon has died, they lose their connection."""
        if isinstance(given_up, Died):
            for other, done in zip(self._others, standing.done, strict=True):
                if other.domid and done < len(other.steps):
                    what = f"{other.steps[done].words}: nobody answers, because the daemon"
                    site = Site(stage=other.name)
                    assert given_up.halt.end is not None
                    message = f"{other.name}: {what} {given_up.halt.end.message}"
                    yield Op(Kind.HALT, site=site, end=End(Outcome.CRASHED, message, site))
        else:
            yield from self._serve_domains(standing, server)
        yield given_up.halt

    def _serve_domains(self, standing: Standing, server: ServerState) -> Generator[Op, int, None]:
        while True:
            ready = (
                number for number in self.ready(standing, server) if self._others[number].domid
            )
            number = next(ready, None)
            if number is None:
                return
            served = yield from self._serve(number, standing, server)
            server, standing = served.server, served.others

    def _serve(
        self, number: int, standing: Standing, server: ServerState
    ) -> Generator[Op, int, Attended]:
        other, at = self._others[number], standing.done[number]
        step, transaction = other.steps[at], standing.transactions[number]
        site = Site(stage=other.name)
        yield Op(Kind.ACT, site=site, note=step.words)
        done = at + 1
        if isinstance(step, Look):
            return Attended(
                server, self._moved(standing, number, done, transaction), (), (), Act.NOTHING
            )
        message = step.message
        if step.in_transaction:
            message = msgspec.structs.replace(message, tx_id=transaction)
        key = _FIRST_KEY + number
        server, outgoing = handle(server, key, message, self._dialect)
        if server.died:
            what = f"{server.died}: it died, for every domain"
            yield _ends(other, step, Outcome.REFUSED, what)
        (reply,) = (it.message for it in outgoing if it.connection == key)
        if message.type == XsdSockmsgType.XS_TRANSACTION_END:
            transaction = 0
            if reply.payload == b"EAGAIN\0" and step.error is None:
                # As every client does: once more, from the beginning.
                done = self._beginning(other, at)
                reply = Message(message.type)
        wrong = _wrong(step, reply)
        if wrong:
            yield _ends(other, step, Outcome.CRASHED, wrong)
        if message.type == XsdSockmsgType.XS_TRANSACTION_START and step.error is None:
            transaction = int(reply.payload.rstrip(b"\0"))
        if step.act is Act.RESUME and (yield from stands_still(site)):
            yield resume_guest(site)
        if step.act is Act.RESTORE:
            server = reset(server, self._domid, restart_ids=True)
        if step.act is Act.INTRODUCE and self._domid not in server.connections:
            server = connect(server, self._domid, Connection(self._domid))
        messages = tuple(it.message for it in outgoing if it.connection == self._domid)
        ours = (self._domid, *range(_FIRST_KEY, _FIRST_KEY + len(self._others)))
        aside = tuple(it for it in outgoing if it.connection not in ours)
        moved = self._moved(standing, number, done, transaction)
        return Attended(server, moved, messages, aside, step.act)

    def _moved(self, standing: Standing, number: int, done: int, transaction: int) -> Standing:
        return Standing(
            _changed(standing.done, number, done),
            _changed(standing.transactions, number, transaction),
        )

    @staticmethod
    def _beginning(other: Other, at: int) -> int:
        """The step that has begun the transaction which `at` ends."""
        start = XsdSockmsgType.XS_TRANSACTION_START
        while not (isinstance(step := other.steps[at], Ask) and step.message.type == start):
            at -= 1
        return at


def _changed(values: tuple[int, ...], number: int, value: int) -> tuple[int, ...]:
    return (*values[:number], value, *values[number + 1 :])


def _wrong(step: Ask, reply: Message) -> str:
    """What is wrong with the answer; "" where nothing is."""
    error = None
    if reply.type == XsdSockmsgType.XS_ERROR:
        error = reply.payload.rstrip(b"\0").decode()
    if error != step.error:
        return f"was answered {error or 'OK'}, not {step.error or 'OK'}"
    if step.value is not None and reply.payload != step.value:
        return f"was answered {_text(reply.payload)}, not {_text(step.value)}"
    return ""


def _text(payload: bytes) -> str:
    return payload.decode("utf-8", "backslashreplace") or "nothing"


def _ends(other: Other, step: Ask, outcome: Outcome, what: str) -> Op:
    """It does not go on from here."""
    site = Site(stage=other.name)
    return Op(Kind.HALT, site=site, end=End(outcome, f"{other.name}: {step.words}: {what}", site))
