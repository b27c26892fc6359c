"""oxenstored, as Debian's 4.17 binary touches the ring.

Source: tools/ocaml/libs/xb/xs_ring_stubs.c (`ml_interface_read`, `ml_interface_write`,
`ml_interface_close`), xb.ml (`input`, `output`, `reconnect`), tools/ocaml/xenstored/xenstored.ml
(`main_loop`), process.ml (`do_input`, `do_output`), connection.ml (`do_reconnect`) of Xen 4.17;
the order of the accesses where the compiler chose it is that of the binary.

One pass: take one header or one body as far as it is there, over the ring's end where need be,
and answer; put one message out as far as there is room. `connection` is loaded behind each pair
of indices, before the pair is checked; if it is not 0, the ring is reset instead. After a pass
that has moved bytes in, or while whole messages wait: poll(0), and another pass. Otherwise it
sleeps for at most 15 seconds.

Waking up. A pass needs a credit: an event gives one, and so does work left over; a pass takes one.
Other domains' work wakes the daemon, and then this ring is looked at if a credit is left, or by
the scan of all rings every 20 seconds. So with `wakes` "any" the sleep can end in a pass at any
time, and credits say nothing. With "event", which is an oxenstored with `ring-scan-interval = -1`
and no other domain, credits are counted: an event that came during a pass leaves one over, and
then the 15 seconds end in a pass (a spurious end); without one the time-out changes nothing and is
not modelled. More than four credits count as four, so that a guest that signals for ever does not
make states for ever.

A failed check of the request ring marks the domain bad: `error` stays 0, and no pass follows, not
even if the guest sets `connection` (the pass that is under way may still write). That is a ring
given up, `refused`. Other domains are served as before; but if the last read gave something,
`work_again` stays set, and from then on the daemon never sleeps: it calls poll(0) for ever. So it
does when a guest zeroes the indices between its load and its store of req_cons. A failed check of
the reply ring is an exception that only the main loop catches: a message taken from the queue is
lost, and the daemon goes on.

A header that announces more than 4096 bytes is taken to announce 4096 (partial.ml, `of_string`).
One that announces none is not looked at before the next input, which finds nothing to read, leaves
the ring alone, and answers (xb.ml, `input`).

Simplified: the second half of a reply that goes over the ring's end is copied by the C library,
whose pieces depend on the processor; here they are those of the first half. The limits on replies
and events that wait (1024 each) are not modelled, nor are the credits for conflicts between
transactions, for want of which a domain has to wait.

What `guestsim.daemon.mistakes` gets wrong on purpose has a method of its own here.
"""

from __future__ import annotations

from collections.abc import Generator

import msgspec

from guestsim.abi.xs_wire import (
    XENSTORE_PAYLOAD_MAX,
    XENSTORE_RING_SIZE,
    XSD_HEADER_SIZE,
    ConnectionState,
    Interface,
    ServerFeature,
)
from guestsim.daemon.actor import GeneratorActor
from guestsim.daemon.config import DaemonConfig
from guestsim.daemon.memcpy import copy_in, copy_out
from guestsim.daemon.others import Act, GivenUp, Others
from guestsim.daemon.oxenstored_state import Phase, State, Steps
from guestsim.daemon.parts import (
    U32,
    load,
    notify,
    poll_event,
    refused_indices,
    store,
    wait_event,
)
from guestsim.daemon.waking import waking
from guestsim.daemon.words import reply_note, request_note
from guestsim.trace import Kind, Op, Site
from guestsim.trace.daemons import Wakes
from guestsim.xenstore import (
    OXENSTORED,
    Message,
    Outgoing,
    ServerState,
    Store,
    handle,
    reset,
    serve_domain,
    with_special_nodes,
)

__all__ = ["DIALECT", "Phase", "RingDaemon", "State", "Steps", "make"]

DIALECT = OXENSTORED

_MOST_CREDIT = 4


_FILE = "xs_ring_stubs.c"
_VERDICT = "marked the domain bad"


class RingDaemon:
    """The daemon's program: `turn` goes from one checkpoint to the next."""

    _looks_late = False
    """It goes on with the indices that it had loaded before it reset the ring."""

    def __init__(self, config: DaemonConfig) -> None:
        self._config = config
        self._counting = config.wakes == Wakes.EVENT
        features = config.features
        if features is None:
            features = int(ServerFeature.XENSTORE_SERVER_FEATURE_RECONNECTION)

        def site(function: str, file: str = _FILE) -> Site:
            return Site(stage="oxenstored", function=function, file=file)

        self._read, self._write = site("ml_interface_read"), site("ml_interface_write")
        self._reset = site("ml_interface_close")
        main = site("main_loop", "xenstored.ml")

        self._features = store(
            Interface.SERVER_FEATURES, features, site("ml_interface_set_server_features")
        )
        self._read_cons = load(Interface.REQ_CONS, self._read, check=True)
        self._read_prod = load(Interface.REQ_PROD, self._read, check=True)
        self._read_connection = load(Interface.CONNECTION, self._read)
        self._read_fence = Op(Kind.FENCE, site=self._read)
        self._read_again = load(Interface.REQ_CONS, self._read)
        self._read_notify = notify(config.port, site("read_mmap", "xb.ml"))
        self._write_cons = load(Interface.RSP_CONS, self._write, check=True)
        self._write_prod = load(Interface.RSP_PROD, self._write, check=True)
        self._write_connection = load(Interface.CONNECTION, self._write)
        self._write_fence = Op(Kind.FENCE, site=self._write)
        self._write_again = load(Interface.RSP_PROD, self._write)
        self._write_notify = notify(config.port, site("write_mmap", "xb.ml"))
        note = "all four indices at once"
        self._zero_indices = Op(Kind.STORE, int(Interface.REQ_CONS), 16, 0, self._reset, note=note)
        self._barrier = Op(Kind.FENCE, site=self._reset)
        note = "the ring is closed and open again"
        self._reopen = store(Interface.CONNECTION, 0, self._reset, note)
        self._close_notify = notify(config.port, site("reconnect", "xb.ml"))
        self._close_ops = tuple(self._closing())
        self._poll_once = poll_event(main)
        self._sleep_event = wait_event(main, spurious=False)
        self._sleep_any = wait_event(main, spurious=True)
        self._others = Others(config.others, config.domid, DIALECT)
        self._woken = waking(config.mistake)

        self._turns = {
            Phase.START: self._start,
            Phase.INPUT: self._input,
            Phase.CLOSE_INPUT: self._close,
            Phase.OUTPUT: self._output,
            Phase.CLOSE_OUTPUT: self._close,
            Phase.POLL: self._poll,
            Phase.SLEEP: self._sleep,
            Phase.WOKEN: self._attend,
            Phase.ASKED: self._attend,
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
        yield self._features
        # The event that binding the channel leaves pending (evtchn_bind_interdomain).
        return self._credited(state, 1, Phase.INPUT)

    def _input(self, state: State) -> Steps:
        """`do_input`, down to one `ml_interface_read`; none if nothing is missing."""
        if not _wanted(state.received):
            return self._answered(_with(state, phase=Phase.OUTPUT))
        cons = yield self._read_cons
        prod = yield self._read_prod
        if (yield from self._asked_to_close(self._read_connection)):
            if not self._looks_late:
                return _with(state, phase=Phase.CLOSE_INPUT)
            state = yield from self._reconnect(state)
        yield self._read_fence
        there = self._there(cons, prod)
        if there is None:
            if not state.queue and not state.partial:
                raise GivenUp(refused_indices(Interface.REQ_CONS, cons, prod, self._read, _VERDICT))
            return _with(state, phase=Phase.OUTPUT, bad=(cons, prod))
        if not there:
            return _with(state, phase=Phase.OUTPUT, again=False)
        length = min(_wanted(state.received), there)
        data = yield from self._copy_in(cons % XENSTORE_RING_SIZE, length)
        yield self._read_fence
        received = state.received + data
        cons = yield self._read_again
        yield store(Interface.REQ_CONS, cons + length, self._read, request_note(received))
        yield self._read_notify
        state = _with(state, phase=Phase.OUTPUT, again=True, received=received)
        # What a header has behind it is asked at the next input, be it nothing.
        whole = len(received) > XSD_HEADER_SIZE and not _wanted(received)
        return self._answered(state) if whole else state

    def _asked_to_close(self, look: Op) -> Generator[Op, int, bool]:
        return (yield look) != ConnectionState.XENSTORE_CONNECTED

    def _there(self, cons: int, prod: int) -> int | None:
        """How many bytes one read can take; None for indices that cannot belong together."""
        there = (prod - cons) & U32
        return there if there <= XENSTORE_RING_SIZE else None

    def _room(self, cons: int, prod: int) -> int | None:
        """How many bytes one write can put; None for indices that cannot belong together."""
        used = (prod - cons) & U32
        return XENSTORE_RING_SIZE - used if used <= XENSTORE_RING_SIZE else None

    def _copy_in(self, start: int, length: int) -> Generator[Op, int, bytes]:
        first = XENSTORE_RING_SIZE - start
        if length < first:
            return (yield from copy_in(Interface.REQ + start, length, 0, self._read))
        data = yield from copy_in(Interface.REQ + start, first, 0, self._read)
        rest = yield from copy_in(Interface.REQ, length - first, first, self._read)
        return data + rest

    def _answered(self, state: State) -> State:
        """Answer the request, which is whole."""
        received = state.received
        fields = [int.from_bytes(received[at : at + 4], "little") for at in (0, 4, 8)]
        message = Message(fields[0], fields[1], fields[2], received[XSD_HEADER_SIZE:])
        domid = self._config.domid
        server, outgoing = self._handled(state.server, message)
        sent = tuple(out.message.encode() for out in outgoing if out.connection == domid)
        state = _with(state, server=server, received=b"", queue=(*state.queue, *sent))
        if len(sent) < len(outgoing):
            others = tuple(out for out in outgoing if out.connection != domid)
            state = _with(state, aside=(*state.aside, *others))
        return state

    def _handled(
        self, server: ServerState, message: Message
    ) -> tuple[ServerState, tuple[Outgoing, ...]]:
        return handle(server, self._config.domid, message, DIALECT)

    def _output(self, state: State) -> Steps:
        """`do_output`, down to one `ml_interface_write`; then what the main loop does next."""
        if not state.partial and not state.queue:
            return self._looped(state)
        # What comes from the queue is out of it, whatever happens to it.
        message = state.partial or state.queue[0]
        left = state if state.partial else _with(state, queue=state.queue[1:])
        sent = state.sent
        cons = yield self._write_cons
        prod = yield self._write_prod
        if (yield from self._asked_to_close(self._write_connection)):
            if not self._looks_late:
                return _with(left, phase=Phase.CLOSE_OUTPUT)
            state = left = yield from self._reconnect(state)
        yield self._write_fence
        room = self._room(cons, prod)
        if room is None:
            self._check_bad(state)
            return self._continued(left)
        length = min(len(message) - sent, room)
        part = message[sent : sent + length]
        sent += length
        if length:
            yield from self._copy_out(prod % XENSTORE_RING_SIZE, part)
            yield self._write_fence
            prod = yield self._write_again
            note = reply_note(message, sent)
            yield store(Interface.RSP_PROD, prod + length, self._write, note)
            yield self._write_notify
        self._check_bad(state)
        if sent == len(message):
            return self._looped(_with(left, partial=b"", sent=0))
        return self._looped(_with(left, partial=message, sent=sent))

    def _copy_out(self, start: int, data: bytes) -> Generator[Op, int, None]:
        first = XENSTORE_RING_SIZE - start
        yield from copy_out(Interface.RSP + start, data[:first], self._write)
        if len(data) > first:
            yield from copy_out(Interface.RSP, data[first:], self._write)

    def _check_bad(self, state: State) -> None:
        if state.bad is not None:
            raise GivenUp(refused_indices(Interface.REQ_CONS, *state.bad, self._read, _VERDICT))

    def _close(self, state: State) -> Steps:
        fresh = yield from self._reconnect(state)
        if state.phase is Phase.CLOSE_INPUT:
            return _with(fresh, phase=Phase.OUTPUT)
        return self._looped(fresh)

    def _reconnect(self, state: State) -> Steps:
        """`reconnect`. `work_again` stays as it was."""
        for op in self._close_ops:  # noqa: UP028 (a tuple's iterator cannot be sent to)
            yield op
        self._check_bad(state)
        server = reset(state.server, self._config.domid, restart_ids=True)
        return State(
            state.phase,
            server,
            again=state.again,
            credit=state.credit,
            aside=state.aside,
            others=state.others,
        )

    def _closing(self) -> Generator[Op, None, None]:
        """`ml_interface_close` as compiled: the fill, with all four indices in one store of 16
        bytes in the middle; a barrier; `connection`. Then `reconnect` notifies."""
        yield from self._fill(self._zero_indices)
        yield self._barrier
        yield self._reopen
        yield self._close_notify

    def _fill(self, after_first: Op | None) -> Generator[Op, None, None]:
        """The first 8 bytes, the last 8 bytes, then again from the second 8 bytes on."""
        ones = (1 << 64) - 1
        yield Op(Kind.STORE, int(Interface.REQ), 8, ones, self._reset)
        if after_first is not None:
            yield after_first
        yield Op(Kind.STORE, Interface.REQ_CONS - 8, 8, ones, self._reset)
        for address in range(Interface.REQ + 8, Interface.REQ_CONS, 8):
            yield Op(Kind.STORE, address, 8, ones, self._reset)

    def _looped(self, state: State) -> State:
        """The end of a pass: it has used up a credit."""
        return self._continued(_with(state, credit=max(0, state.credit - 1)))

    def _continued(self, state: State) -> State:
        """`has_more_work`: poll(0), or sleep."""
        more = self._again(state) or (not state.partial and bool(state.queue))
        return _with(state, phase=Phase.POLL if more else Phase.SLEEP)

    def _again(self, state: State) -> bool:
        return state.again

    def _credited(self, state: State, credit: int, phase: Phase) -> State:
        if not self._counting:
            return _with(state, phase=phase)
        return _with(state, phase=phase, credit=min(_MOST_CREDIT, state.credit + credit))

    def _poll(self, state: State) -> Steps:
        event = yield self._poll_once
        return self._credited(state, 1 + event, Phase.WOKEN)

    def _sleep(self, state: State) -> Steps:
        scans = not self._counting or state.credit > 0
        somebody = bool(self._others.ready(state.others, state.server))
        spurious = scans or somebody
        event = yield from self._woken(self._sleep_any if spurious else self._sleep_event)
        if event is None:
            return state
        return self._credited(state, event, Phase.WOKEN if scans or event else Phase.ASKED)

    def _attend(self, state: State) -> Steps:
        """select has returned: others first, then the ring, if it has a credit."""
        rings = state.phase is Phase.WOKEN
        served = yield from self._others.attend(state.others, state.server, may_be_nobody=rings)
        sleeps = state.released or (served is None and not rings)
        state = _with(state, phase=Phase.SLEEP if sleeps else Phase.INPUT)
        if served is None:
            return state
        server, others = served.server, served.others
        aside = state.aside + served.aside
        if served.act is Act.RELEASE:
            return State(Phase.SLEEP, server, aside=aside, others=others, released=True)
        if served.act is Act.RESTORE:
            fresh = State(Phase.INPUT, server, aside=aside, others=others)
            return self._credited(fresh, 1, Phase.INPUT)
        state = _with(state, server=server, aside=aside, others=others)
        if served.act is Act.INTRODUCE:
            # The ring is not touched; that the channel is bound leaves an event pending.
            return self._credited(_with(state, released=False), 1, Phase.INPUT)
        if served.act is Act.LIVE_UPDATE:
            state = self._updated(state)
        if state.released:
            return state
        state = _with(state, queue=(*state.queue, *(it.encode() for it in served.messages)))
        if rings:
            return state
        # Without a credit it is looked at only if there is something to put there.
        return _with(state, phase=Phase.POLL if state.queue or state.partial else Phase.SLEEP)

    def _updated(self, state: State) -> State:
        """A live update hands over all that there is, what has come of a request included."""
        return state


def make(
    config: DaemonConfig, contents: Store, program: type[RingDaemon] = RingDaemon
) -> GeneratorActor[State]:
    """oxenstored, serving the domain of `config` from the store `contents`."""
    daemon = program(config)
    server = serve_domain(with_special_nodes(contents), config.domid)
    return GeneratorActor(daemon.first(server), daemon.turn)


def _wanted(received: bytes) -> int:
    """How many bytes are missing of the header, or of the message."""
    if len(received) < XSD_HEADER_SIZE:
        return XSD_HEADER_SIZE - len(received)
    length = min(int.from_bytes(received[12:16], "little"), XENSTORE_PAYLOAD_MAX)
    return XSD_HEADER_SIZE + length - len(received)


def _with(state: State, **changes: object) -> State:
    return msgspec.structs.replace(state, **changes)
