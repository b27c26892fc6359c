"""What the guest asks of xenstore, seen on the ring while an execution goes on."""

from __future__ import annotations

from guestsim.abi.xs_wire import XENSTORE_RING_SIZE, Interface
from guestsim.daemon.words import request_note
from guestsim.trace import Event, Kind, shared
from guestsim.xenstore import Parser

__all__ = ["Asked"]

_PROD = shared.RING + int(Interface.REQ_PROD)
_CHANGES = (Kind.STORE, Kind.RMW)


class Asked:
    """Follows the request ring. `memory` is the shared memory at the start."""

    def __init__(self, memory: bytes | bytearray) -> None:
        self._prod = _load(memory)
        self._parser = Parser()

    def see(self, event: Event, memory: bytearray) -> str | None:
        """The request that this event has made whole, in words; None for any other event.
        `memory` is the shared memory after it."""
        op = event.op
        if op.kind not in _CHANGES or not op.address <= _PROD < op.address + op.size:
            return None
        old, self._prod = self._prod, _load(memory)
        length = (self._prod - old) % (1 << 32)
        if event.actor != "guest" or length > XENSTORE_RING_SIZE:
            self._parser = Parser()  # a reset, by whoever: nothing of what came before counts
            return None
        data = bytes(
            memory[shared.RING + Interface.REQ + (old + at) % XENSTORE_RING_SIZE]
            for at in range(length)
        )
        self._parser, messages = self._parser.feed(data)
        if self._parser.overlong is not None:
            self._parser = Parser()
        return request_note(messages[-1].encode()) if messages else None


def _load(memory: bytes | bytearray) -> int:
    return int.from_bytes(memory[_PROD : _PROD + 4], "little")
