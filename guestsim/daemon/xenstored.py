"""C xenstored, as Debian's 4.17 binary touches the ring.

Source: tools/xenstore/xenstored_core.c (`main`, `handle_input`, `write_messages`,
`initialize_fds`) and xenstored_domain.c (`readchn`, `writechn`, `domain_can_read`,
`domain_can_write`, `ignore_connection`, `do_introduce`) of Xen 4.17; the order of the accesses
where the compiler chose it is that of the binary.

One pass of the main loop: can it read, then take one header and one body as far as they are there
and answer; can it write, then put one reply out as far as there is room; look at both rings once
more; sleep in poll, without a timeout, unless there is work left (then poll(0), which takes a
pending event all the same). A body of length zero is read and written like any other: the index
is loaded and stored again, which can bring back a value from before a reset.

Binding the event channel sets the server's own end pending (xen/common/event_channel.c,
`evtchn_bind_interdomain`), so the daemon makes one pass when the domain is introduced. Not
modelled: before it polls for that, the binary looks at the four indices once more.

4.17 writes nothing to `server_features`, and looks at `connection` in INTRODUCE only. A scenario
may have it advertise bits. With `reconnection` among them it keeps what docs/misc/xenstore-ring.txt
promises. No real xenstored does that, so the way is ours: at the top of each pass it loads
`connection`, and if it is not 0 it does what INTRODUCE does (`domain_conn_reset`).

A request that it refuses while errno is 0 kills it (docs/xenstore.md): it has read the request, and
nothing follows.

While 20 replies wait, `domain_can_read` says no without a look at the ring
(`quota_req_outstanding`). Not modelled: requests that count on because another domain has not taken
their events, the quota of memory, and the write rate limit, which stop it in the same way.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

import msgspec

from guestsim.abi.xs_wire import (
    XENSTORE_PAYLOAD_MAX,
    XENSTORE_RING_SIZE,
    XSD_HEADER_SIZE,
    ConnectionState,
    Interface,
    RingError,
    ServerFeature,
)
from guestsim.daemon.actor import GeneratorActor
from guestsim.daemon.config import DaemonConfig
from guestsim.daemon.memcpy import copy_in, copy_out
from guestsim.daemon.others import Act, Died, GivenUp, Others
from guestsim.daemon.outgoing import queued, replies
from guestsim.daemon.parts import (
    U32,
    halt,
    load,
    notify,
    poll_event,
    refused_indices,
    store,
    wait_event,
)
from guestsim.daemon.waking import waking
from guestsim.daemon.words import reply_note, request_note
from guestsim.daemon.xenstored_state import Phase, State, Steps
from guestsim.trace import Kind, Op, Sample, Site
from guestsim.trace.daemons import Wakes
from guestsim.xenstore import (
    Dialect,
    Message,
    Outgoing,
    ServerState,
    Store,
    handle,
    parse,
    reset,
    serve_domain,
)

__all__ = [
    "DIALECT",
    "Phase",
    "Policy",
    "RingDaemon",
    "State",
    "Steps",
    "make",
    "make_with",
]

DIALECT = Dialect(keeps_errno=True, asks_for_domains=True)
"""CONTROL is domain 0's alone (`XS_FLAG_PRIV` in `wire_funcs`): a CONTROL of length zero, which is
what a ring of zeroes holds, is answered EACCES. An unknown tx_id is ENOENT."""

_OUTSTANDING = 20


class Policy(NamedTuple):
    """In what the 2014 draft's daemon differs."""

    stage: str
    advertise: int
    """What is stored at start into the field after the indices; 0: nothing is."""
    closes: bool
    """It looks at the field behind that one, and closes the ring when it is not 0."""
    drops: bool
    """A close reaches the layers above the ring."""
    dialect: Dialect = DIALECT


_FILE = "xenstored_domain.c"
_VERDICT = "gave the connection up"
_DEATH = "and fails an assertion: xenstored died, and so every domain on it loses its connection"


class RingDaemon:
    """The daemon's program: `turn` goes from one checkpoint to the next."""

    def __init__(self, config: DaemonConfig, policy: Policy) -> None:
        self._config = config
        self._policy = policy
        stage = policy.stage

        def site(function: str, file: str = _FILE) -> Site:
            return Site(stage=stage, function=function, file=file)

        self._introduce, self._reset = site("introduce_domain"), site("domain_conn_reset")
        self._ignore = site("ignore_connection")
        self._readchn, self._writechn = site("readchn"), site("writechn")
        self._input = site("handle_input", "xenstored_core.c")
        self._consider = site("consider_message", "xenstored_core.c")
        main = site("main", "xenstored_core.c")

        can_read, can_write = site("domain_can_read"), site("domain_can_write")
        self._can_read = load(Interface.REQ_PROD, can_read), load(Interface.REQ_CONS, can_read)
        self._can_write = load(Interface.RSP_PROD, can_write), load(Interface.RSP_CONS, can_write)
        self._read_cons = load(Interface.REQ_CONS, self._readchn, check=True)
        self._read_prod = load(Interface.REQ_PROD, self._readchn, check=True)
        self._read_fence = Op(Kind.FENCE, site=self._readchn)
        self._read_again = load(Interface.REQ_CONS, self._readchn)
        self._read_notify = notify(config.port, self._readchn)
        self._write_cons = load(Interface.RSP_CONS, self._writechn, check=True)
        self._write_prod = load(Interface.RSP_PROD, self._writechn, check=True)
        self._write_fence = Op(Kind.FENCE, site=self._writechn)
        self._write_again = load(Interface.RSP_PROD, self._writechn)
        self._write_notify = notify(config.port, self._writechn)
        self._connection = load(Interface.CONNECTION, self._reset)
        self._poll_once = poll_event(main)
        self._wakes_any = config.wakes == Wakes.ANY
        self._sleep = wait_event(main, spurious=self._wakes_any)
        self._sleep_any = wait_event(main, spurious=True)
        self._others = Others(config.others, config.domid, policy.dialect)
        self._woken = waking(config.mistake)

        self._turns = {
            Phase.START: self._start,
            Phase.TOP: self._top,
            Phase.CLOSE: self._close,
            Phase.CAN_READ: self._look_for_input,
            Phase.READ_HEADER: self._read_header,
            Phase.READ_BODY: self._read_body,
            Phase.CAN_WRITE: self._look_for_room,
            Phase.WRITE_HEADER: self._write_header,
            Phase.WRITE_BODY: self._write_body,
            Phase.SETTLE: self._settle,
            Phase.POLL: self._poll,
            Phase.SLEEP: self._wait,
            Phase.WOKEN: self._attend,
            Phase.ASKED: self._attend,
            Phase.INTRODUCE: self._introduced_again,
        }

    def first(self, server: ServerState) -> State:
        """Where it begins."""
        server, others = self._others.start(server)
        return State(Phase.START, server, others=others)

    def turn(self, state: State) -> Steps:
        """One step of the main loop."""
        try:
            return (yield from self._turns[state.phase](state))
        except GivenUp as given_up:
            yield from self._others.after(given_up, state.others, state.server)
            raise

    def _start(self, state: State) -> Steps:
        policy = self._policy
        if policy.advertise:
            yield store(Interface.SERVER_FEATURES, policy.advertise, self._introduce)
        return _at(state, Phase.INTRODUCE if self._config.introduce else Phase.TOP)

    def _introduced(self) -> Generator[Op, int, None]:
        yield from self._zero()
        if (yield self._connection) == ConnectionState.XENSTORE_RECONNECT:
            yield from self._reopen()

    def _top(self, state: State) -> Steps:
        if self._policy.closes and (yield self._connection) != ConnectionState.XENSTORE_CONNECTED:
            return _at(state, Phase.CLOSE)
        return _at(state, Phase.CAN_READ)

    def _close(self, state: State) -> Steps:
        if self._policy.drops:
            server = reset(state.server, self._config.domid)
            state = State(Phase.CLOSE, server, aside=state.aside, others=state.others)
        yield from self._emptied()
        return _at(state, Phase.CAN_READ)

    def _emptied(self) -> Generator[Op, int, None]:
        yield from self._zero()
        yield from self._reopen()

    def _zero(self) -> Generator[Op, int, None]:
        # The binary's order; nothing but the compiler keeps these stores apart.
        for place in (
            Interface.REQ_PROD,
            Interface.REQ_CONS,
            Interface.RSP_PROD,
            Interface.RSP_CONS,
        ):
            yield store(place, 0, self._reset)

    def _reopen(self) -> Generator[Op, int, None]:
        yield store(Interface.CONNECTION, 0, self._reset, "the ring is closed and open again")
        yield notify(self._config.port, self._reset)

    def _look_for_input(self, state: State) -> Steps:
        if not (yield from self._readable(state)):
            return _at(state, Phase.CAN_WRITE)
        header = len(state.received) < XSD_HEADER_SIZE
        return _at(state, Phase.READ_HEADER if header else Phase.READ_BODY)

    def _readable(self, state: State) -> Generator[Op, int, bool]:
        if len(state.out) >= _OUTSTANDING and replies(state.out) >= _OUTSTANDING:
            return False
        prod, cons = self._can_read
        return (yield prod) != (yield cons)

    def _writable(self) -> Generator[Op, int, bool]:
        prod, cons = self._can_write
        return ((yield prod) - (yield cons)) & U32 != XENSTORE_RING_SIZE

    def _read_header(self, state: State) -> Steps:
        received = yield from self._receive(state.received, XSD_HEADER_SIZE, 0)
        if len(received) == XSD_HEADER_SIZE:
            length = _length(received)
            if length > XENSTORE_PAYLOAD_MAX:
                yield from self._give_up(RingError.XENSTORE_ERROR_PROTO)
                what = f"announces {length} bytes, more than the 4096 that are allowed"
                samples = (Sample("len", length),)
                raise GivenUp(
                    halt(f"read a header that {what}, and {_VERDICT}", self._input, samples)
                )
            return _at(msgspec.structs.replace(state, received=received), Phase.READ_BODY)
        return _at(msgspec.structs.replace(state, received=received), Phase.CAN_WRITE)

    def _read_body(self, state: State) -> Steps:
        size = XSD_HEADER_SIZE + _length(state.received)
        received = yield from self._receive(state.received, size, XSD_HEADER_SIZE)
        message = parse(received)
        if not isinstance(message, Message):
            return _at(msgspec.structs.replace(state, received=received), Phase.CAN_WRITE)
        server, outgoing = self._answer(state.server, message)
        mine = [item.message for item in outgoing if item.connection == self._config.domid]
        out = queued(state.out, mine)
        aside = state.aside
        if len(mine) < len(outgoing):
            aside += tuple(item for item in outgoing if item.connection != self._config.domid)
        return State(Phase.CAN_WRITE, server, b"", out, state.sent, aside, state.others)

    def _answer(
        self, server: ServerState, message: Message
    ) -> tuple[ServerState, tuple[Outgoing, ...]]:
        domid = self._config.domid
        server, outgoing = handle(server, domid, message, self._policy.dialect)
        if server.died:
            raise Died(halt(f"{server.died}, {_DEATH}", self._consider, ()))
        return server, outgoing

    def _receive(self, received: bytes, size: int, base: int) -> Generator[Op, int, bytes]:
        """`readchn`: as much as is there of what is missing of `size` bytes, without going
        over the ring's end. The buffer of each part begins at `base`, aligned to 8."""
        cons = yield self._read_cons
        prod = yield self._read_prod
        yield self._read_fence
        if (prod - cons) & U32 > XENSTORE_RING_SIZE:
            yield from self._give_up(RingError.XENSTORE_ERROR_RINGIDX)
            raise GivenUp(refused_indices(Interface.REQ_CONS, cons, prod, self._readchn, _VERDICT))
        start = cons % XENSTORE_RING_SIZE
        length = min(size - len(received), (prod - cons) & U32, XENSTORE_RING_SIZE - start)
        data = yield from copy_in(
            Interface.REQ + start, length, len(received) - base, self._readchn
        )
        yield self._read_fence
        received += data
        cons = yield self._read_again
        yield store(Interface.REQ_CONS, cons + length, self._readchn, request_note(received))
        yield self._read_notify
        return received

    def _look_for_room(self, state: State) -> Steps:
        if not (yield from self._writable()) or not state.out:
            return _at(state, Phase.SETTLE)
        header = state.sent < XSD_HEADER_SIZE
        return _at(state, Phase.WRITE_HEADER if header else Phase.WRITE_BODY)

    def _write_header(self, state: State) -> Steps:
        sent = yield from self._send(state, XSD_HEADER_SIZE)
        whole = sent == XSD_HEADER_SIZE
        state = msgspec.structs.replace(state, sent=sent)
        return _at(state, Phase.WRITE_BODY if whole else Phase.SETTLE)

    def _write_body(self, state: State) -> Steps:
        first = state.out[0]
        sent = yield from self._send(state, len(first))
        if sent == len(first):
            left = state.out[1:]
            return msgspec.structs.replace(state, phase=Phase.SETTLE, out=left, sent=0)
        return _at(msgspec.structs.replace(state, sent=sent), Phase.SETTLE)

    def _send(self, state: State, end: int) -> Generator[Op, int, int]:
        """`writechn`: as much of the first message, up to `end`, as there is room for, without
        going over the ring's end. Gives how much of the message is out then."""
        message, sent = state.out[0], state.sent
        cons = yield self._write_cons
        prod = yield self._write_prod
        yield self._write_fence
        if (prod - cons) & U32 > XENSTORE_RING_SIZE:
            yield from self._give_up(RingError.XENSTORE_ERROR_RINGIDX)
            raise GivenUp(refused_indices(Interface.RSP_CONS, cons, prod, self._writechn, _VERDICT))
        start = prod % XENSTORE_RING_SIZE
        room = XENSTORE_RING_SIZE - ((prod - cons) & U32)
        length = min(end - sent, room, XENSTORE_RING_SIZE - start)
        sent += length
        yield from copy_out(Interface.RSP + start, message[sent - length : sent], self._writechn)
        yield self._write_fence
        prod = yield self._write_again
        note = reply_note(message, sent)
        yield store(Interface.RSP_PROD, prod + length, self._writechn, note)
        yield self._write_notify
        return sent

    def _give_up(self, error: RingError) -> Generator[Op, int, None]:
        yield store(Interface.ERROR, error, self._ignore)

    def _settle(self, state: State) -> Steps:
        """`initialize_fds`: is there work left?"""
        if (yield from self._readable(state)):
            return _at(state, Phase.POLL)
        more = (yield from self._writable()) and bool(state.out)
        return _at(state, Phase.POLL if more else Phase.SLEEP)

    def _poll(self, state: State) -> Steps:
        yield self._poll_once
        return _at(state, Phase.WOKEN)

    def _wait(self, state: State) -> Steps:
        somebody = self._others.ready(state.others, state.server)
        event = yield from self._woken(self._sleep_any if somebody else self._sleep)
        if event is None:
            return state
        # Where anything can wake it, whether there was an event tells nothing.
        return _at(state, Phase.WOKEN if self._wakes_any or event else Phase.ASKED)

    def _attend(self, state: State) -> Steps:
        """poll has returned: others first, then the ring."""
        served = yield from self._others.attend(
            state.others, state.server, may_be_nobody=state.phase is Phase.WOKEN
        )
        sleeps = state.released or (served is None and state.phase is Phase.ASKED)
        state = _at(state, Phase.SLEEP if sleeps else Phase.TOP)
        if served is None:
            return state
        server, others = served.server, served.others
        aside = state.aside + served.aside
        if served.act is Act.RELEASE:
            return State(Phase.SLEEP, server, aside=aside, others=others, released=True)
        if served.act is Act.LIVE_UPDATE:
            state = self._updated(state)
        if served.act in (Act.INTRODUCE, Act.RESTORE):
            return State(Phase.INTRODUCE, server, aside=aside, others=others)
        out = state.out if state.released else queued(state.out, served.messages)
        return msgspec.structs.replace(state, server=server, out=out, aside=aside, others=others)

    def _updated(self, state: State) -> State:
        """A live update hands over all that there is, what has come of a request included."""
        return state

    def _introduced_again(self, state: State) -> Steps:
        """`do_introduce`, also of a domain that is introduced already: `domain_conn_reset`. Binding
        the channel again leaves an event pending, so that a pass follows."""
        yield from self._introduced()
        return _at(state, Phase.TOP)


def make(
    config: DaemonConfig, contents: Store, program: type[RingDaemon] = RingDaemon
) -> GeneratorActor[State]:
    """C xenstored, serving the domain of `config` from the store `contents`."""
    features = config.features or 0
    closes = bool(features & ServerFeature.XENSTORE_SERVER_FEATURE_RECONNECTION)
    depth = bool(features & ServerFeature.XENSTORE_SERVER_FEATURE_WATCHDEPTH)
    dialect = msgspec.structs.replace(DIALECT, watch_depth=depth)
    policy = Policy("xenstored", features, closes, drops=True, dialect=dialect)
    return make_with(config, contents, policy, program)


def make_with(
    config: DaemonConfig,
    contents: Store,
    policy: Policy,
    program: type[RingDaemon] = RingDaemon,
) -> GeneratorActor[State]:
    """The same program with another policy, or another program."""
    daemon = program(config, policy)
    return GeneratorActor(daemon.first(serve_domain(contents, config.domid)), daemon.turn)


def _at(state: State, phase: Phase) -> State:
    return msgspec.structs.replace(state, phase=phase)


def _length(received: bytes) -> int:
    return int.from_bytes(received[12:16], "little")
