"""Daemons with one thing wrong: each class is the whole difference, and the rest is as it is today.

What a release of Xen once got wrong names the commit that mended it. That release differed from
today's model in other ways, too; those are not here. How a daemon can be woken wrongly, which both
have in common, is in `guestsim.daemon.waking`.
"""

from __future__ import annotations

from collections.abc import Generator

from msgspec.structs import replace

from guestsim.abi.xs_wire import (
    XENSTORE_RING_SIZE,
    XSD_HEADER_SIZE,
    ConnectionState,
    Interface,
    XsdSockmsgType,
)
from guestsim.daemon import oxenstored, xenstored
from guestsim.daemon.actor import GeneratorActor
from guestsim.daemon.config import DaemonConfig
from guestsim.daemon.memcpy import copy_in
from guestsim.daemon.others import Died
from guestsim.daemon.parts import U32, halt
from guestsim.trace import Op, Site
from guestsim.trace.daemons import Mistake
from guestsim.xenstore import Message, Outgoing, ServerState, Store

__all__ = ["make_oxenstored", "make_xenstored"]

_Answer = tuple[ServerState, tuple[Outgoing, ...]]


def make_xenstored(config: DaemonConfig, contents: Store) -> GeneratorActor[xenstored.State]:
    """C xenstored, with the mistake of `config` if there is one."""
    program = _XENSTORED.get(config.mistake, xenstored.RingDaemon)
    return xenstored.make(config, contents, program)


def make_oxenstored(config: DaemonConfig, contents: Store) -> GeneratorActor[oxenstored.State]:
    """oxenstored, with the mistake of `config` if there is one."""
    program = _OXENSTORED.get(config.mistake, oxenstored.RingDaemon)
    return oxenstored.make(config, contents, program)


# C xenstored.


class _ToldTooEarly(xenstored.RingDaemon):
    """Xen e58bd71c09: INTRODUCE cleared `connection` and notified, and then reset the ring."""

    def _introduced(self) -> Generator[Op, int, None]:
        if (yield self._connection) == ConnectionState.XENSTORE_RECONNECT:
            yield from self._reopen()
        yield from self._zero()

    def _emptied(self) -> Generator[Op, int, None]:
        yield from self._reopen()
        yield from self._zero()


class _NeverLooks(xenstored.RingDaemon):
    def _top(self, state: xenstored.State) -> xenstored.Steps:
        yield from ()
        return replace(state, phase=xenstored.Phase.CAN_READ)


class _OneRequest(xenstored.RingDaemon):
    def _settle(self, state: xenstored.State) -> xenstored.Steps:
        if state.received:
            return (yield from super()._settle(state))
        more = (yield from self._writable()) and bool(state.out)
        phase = xenstored.Phase.POLL if more else xenstored.Phase.SLEEP
        return replace(state, phase=phase)


class _ForgetsHalf(xenstored.RingDaemon):
    def _updated(self, state: xenstored.State) -> xenstored.State:
        return replace(state, received=b"")


class _DiesInReset(xenstored.RingDaemon):
    """Xen e88031d1fe."""

    def __init__(self, config: DaemonConfig, policy: xenstored.Policy) -> None:
        dialect = replace(policy.dialect, dies_in_reset=True)
        super().__init__(config, policy._replace(dialect=dialect))


_XENSTORED: dict[Mistake | None, type[xenstored.RingDaemon]] = {
    Mistake.CLEARS_EARLY: _ToldTooEarly,
    Mistake.NEVER_CLOSES: _NeverLooks,
    Mistake.ONE_AT_A_TIME: _OneRequest,
    Mistake.FORGETS_HALF: _ForgetsHalf,
    Mistake.DIES_IN_RESET: _DiesInReset,
}


# oxenstored: closing the ring. No release did any of this.


class _ClearsEarly(oxenstored.RingDaemon):
    def _closing(self) -> Generator[Op, None, None]:
        yield from self._fill(None)
        yield self._reopen
        yield self._zero_indices
        yield self._barrier
        yield self._close_notify


class _LooksLate(oxenstored.RingDaemon):
    _looks_late = True


class _NoSignal(oxenstored.RingDaemon):
    def _closing(self) -> Generator[Op, None, None]:
        return (op for op in super()._closing() if op is not self._close_notify)


class _NeverClears(oxenstored.RingDaemon):
    def _closing(self) -> Generator[Op, None, None]:
        return (op for op in super()._closing() if op is not self._reopen)


class _NeverCloses(oxenstored.RingDaemon):
    def _asked_to_close(self, _look: Op) -> Generator[Op, int, bool]:
        yield from ()
        return False


# oxenstored: at work.


class _OneMessage(oxenstored.RingDaemon):
    def _again(self, state: oxenstored.State) -> bool:
        return state.again and bool(state.received)


class _ForgetsPart(oxenstored.RingDaemon):
    def _updated(self, state: oxenstored.State) -> oxenstored.State:
        return replace(state, received=b"")


class _Unchecked(oxenstored.RingDaemon):
    """Xen 704302ce94. The last ten bits of two indices that differ always make some sense."""

    def _there(self, cons: int, prod: int) -> int | None:
        if prod == cons:
            return 0
        start, end = cons % XENSTORE_RING_SIZE, prod % XENSTORE_RING_SIZE
        return end - start if end > start else XENSTORE_RING_SIZE - start


class _IgnoresFull(oxenstored.RingDaemon):
    """Xen eeddfad1b3: what 331a3b6ff0 made of it."""

    def _there(self, cons: int, prod: int) -> int | None:
        there = super()._there(cons, prod)
        return 0 if there == XENSTORE_RING_SIZE else there


class _OverReads(oxenstored.RingDaemon):
    """Xen 331a3b6ff0: the length was the difference of the whole indices, and signed."""

    def _there(self, cons: int, prod: int) -> int | None:
        if prod == cons:
            return 0
        start, end = cons % XENSTORE_RING_SIZE, prod % XENSTORE_RING_SIZE
        if end <= start:
            return XENSTORE_RING_SIZE - start
        return ((prod - cons + (1 << 31)) & U32) - (1 << 31)

    def _copy_in(self, start: int, length: int) -> Generator[Op, int, bytes]:
        if length < 0 or start + length > _PAGE:
            beyond = f"{length} bytes at {start} of the ring, beyond its page"
            raise _died(
                f"copied {beyond}: oxenstored died, and so every domain on it loses its connection",
                self._read,
            )
        return (yield from copy_in(Interface.REQ + start, length, 0, self._read))


class _StopsAtWrap(oxenstored.RingDaemon):
    """Xen 8a2c11f876."""

    def _there(self, cons: int, prod: int) -> int | None:
        there = super()._there(cons, prod)
        return None if there is None else min(there, _to_wrap(cons))

    def _room(self, cons: int, prod: int) -> int | None:
        room = super()._room(cons, prod)
        return None if room is None else min(room, _to_wrap(prod))


class _OldOpcode(oxenstored.RingDaemon):
    """Xen a6ed77f1e0."""

    def _handled(self, server: ServerState, message: Message) -> _Answer:
        real = _OLD_OPCODES.get(message.type)
        if real is None:
            return super()._handled(server, message)
        server, outgoing = super()._handled(server, replace(message, type=real))
        return server, tuple(_typed(out, real, message.type) for out in outgoing)


class _WaitsForBody(oxenstored.RingDaemon):
    """Xen 7b98d94e75, which was about sockets: a ring was read again behind every header."""

    def _input(self, state: oxenstored.State) -> oxenstored.Steps:
        if len(state.received) == XSD_HEADER_SIZE and _length(state.received) == 0:
            cons = yield self._read_cons
            if (yield self._read_prod) == cons:
                return replace(state, phase=oxenstored.Phase.OUTPUT, again=False)
        return (yield from super()._input(state))


class _NegativeLength(oxenstored.RingDaemon):
    """Xen ae34df4d82: where an integer of OCaml has 31 bits."""

    def _input(self, state: oxenstored.State) -> oxenstored.Steps:
        if len(state.received) == XSD_HEADER_SIZE:
            length = ((_length(state.received) + (1 << 30)) & (U32 >> 1)) - (1 << 30)
            if length < 0:
                raise _died(
                    f"read a header that announces {length} bytes, fails to make room for so "
                    "many, and goes on so for ever: nobody else is served either",
                    self._read,
                )
        return (yield from super()._input(state))


_OXENSTORED: dict[Mistake | None, type[oxenstored.RingDaemon]] = {
    Mistake.CLEARS_EARLY: _ClearsEarly,
    Mistake.LOOKS_LATE: _LooksLate,
    Mistake.NO_SIGNAL: _NoSignal,
    Mistake.NEVER_CLEARS: _NeverClears,
    Mistake.NEVER_CLOSES: _NeverCloses,
    Mistake.ONE_AT_A_TIME: _OneMessage,
    Mistake.FORGETS_HALF: _ForgetsPart,
    Mistake.UNCHECKED: _Unchecked,
    Mistake.IGNORES_FULL: _IgnoresFull,
    Mistake.OVER_READS: _OverReads,
    Mistake.STOPS_AT_WRAP: _StopsAtWrap,
    Mistake.OLD_OPCODE: _OldOpcode,
    Mistake.WAITS_FOR_BODY: _WaitsForBody,
    Mistake.NEGATIVE_LENGTH: _NegativeLength,
}

_PAGE = 4096

_NO_OPCODE = 99
_OLD_OPCODES = {20: int(XsdSockmsgType.XS_RESET_WATCHES), 21: _NO_OPCODE}


def _died(how: str, site: Site) -> Died:
    return Died(halt(how, site, ()))


def _typed(out: Outgoing, real: int, asked: int) -> Outgoing:
    message = out.message
    return out._replace(message=replace(message, type=asked)) if message.type == real else out


def _to_wrap(index: int) -> int:
    return XENSTORE_RING_SIZE - index % XENSTORE_RING_SIZE


def _length(received: bytes) -> int:
    return int.from_bytes(received[12:16], "little")
