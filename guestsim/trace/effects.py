"""What one op gives and what it does to shared memory, over values: no actors, no schedule."""

from __future__ import annotations

import struct

from guestsim.errors import InternalError
from guestsim.trace import shared
from guestsim.trace.ops import Flag, Kind, Op

__all__ = ["apply", "ready", "result"]

_LOAD = Kind.LOAD
_STORE = Kind.STORE
_RMW = Kind.RMW
_FENCE = Kind.FENCE
_SEND = Kind.SEND
_UNMASK = Kind.UNMASK
_WAIT = Kind.WAIT
_HALT = Kind.HALT
_CHOOSE = Kind.CHOOSE

# Twice as fast as `shared.load`, which has to do with any size.
_UNPACK = {size: struct.Struct(code).unpack_from for size, code in ((1, "B"), (2, "<H"), (4, "<I"))}


def result(memory: bytes | bytearray, op: Op) -> int:
    """`Event.value` of `op`, were it performed on `memory` now. Changes nothing. 0 for a CHOOSE,
    whose answer is not in memory."""
    kind = op.kind
    if kind is _STORE:
        return op.value
    if kind is _LOAD or kind is _RMW:
        return _load(memory, op)
    if kind is _WAIT:
        return 1 if _load(memory, op) & op.value else 0
    if kind is _SEND:
        return 0 if _load(memory, op) & op.value == op.value else 1
    return 0


def ready(memory: bytes | bytearray, op: Op) -> bool:
    """Whether the event that the WAIT `op` waits for is there."""
    return _load(memory, op) & op.value != 0


def _load(memory: bytes | bytearray, op: Op) -> int:
    size = op.size
    if op.address + size > len(memory):
        raise _outside(op)
    unpack = _UNPACK.get(size)
    if unpack is None:
        return shared.load(memory, op.address, size)
    value: int = unpack(memory, op.address)[0]
    return value


def _outside(op: Op) -> InternalError:
    where = f"{op.size} bytes at {op.address:#x}"
    return InternalError(f"{op.kind.name} of {where}: not shared memory")


def apply(memory: bytearray, op: Op) -> bool:
    """Perform the effect of `op` on `memory`; whether any byte has another value now.

    The store half of an RMW is an op of its own. A store of the value that is there already, an
    event that is pending already and a mask bit that is clear already change nothing.
    """
    kind = op.kind
    if kind is _LOAD:
        return False
    end = op.address + op.size
    if end > len(memory):
        # A bytearray would grow without a word.
        raise _outside(op)
    if kind is _STORE:
        if op.size == 1:
            if memory[op.address] == op.value:
                return False
            memory[op.address] = op.value
            return True
        value = op.value.to_bytes(op.size, "little")
        if memory[op.address : end] == value:
            return False
        memory[op.address : end] = value
        return True
    if kind is _RMW or kind is _FENCE or kind is _HALT or kind is _CHOOSE:
        return False
    if kind is _SEND:
        return bool(shared.send(memory, op))
    if kind is _WAIT:
        return bool(shared.take(memory, op) and op.flags & Flag.CONSUME)
    if kind is _UNMASK:
        before = bytes(memory)
        shared.unmask(memory, op)
        return before != memory
    raise InternalError(f"{op!r}: no such kind of op")
