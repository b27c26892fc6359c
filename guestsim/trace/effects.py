"""What one op gives and what it does to shared memory, over values: no actors, no schedule.

The one place that says so: executions, searches, rules and reports all use it. Source:
xen/common/event_2l.c (how an event sets pending, selector and upcall bits).
"""

from __future__ import annotations

import struct

from guestsim.errors import InternalError
from guestsim.trace.ops import Flag, Kind, Op
from guestsim.trace.shared import MASK, PENDING, SELECTOR, SERVER, UPCALL_PENDING, load, store

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
_ACT = Kind.ACT

_TOUCH_NOTHING = frozenset({_RMW, _FENCE, _HALT, _CHOOSE, _ACT})

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
        return load(memory, op.address, size)
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
    if kind in _TOUCH_NOTHING:
        return False
    if kind is _SEND:
        return _send(memory, op)
    if kind is _WAIT:
        return _take(memory, op)
    if kind is _UNMASK:
        return _unmask(memory, op)
    raise InternalError(f"{op!r}: no such kind of op")


def _send(memory: bytearray, op: Op) -> bool:
    """Set the pending bits of `op`. At the guest's end an unmasked event that was not pending also
    raises the guest's upcall (xen/common/event_2l.c, evtchn_2l_set_pending)."""
    before = _load(memory, op)
    if before & op.value == op.value:
        return False
    store(memory, op.address, op.size, before | op.value)
    if op.address < SERVER:
        _upcall(memory, op)
    return True


def _take(memory: bytearray, op: Op) -> bool:
    """End a WAIT: whoever consumes its event clears all its bits."""
    if not op.flags & Flag.CONSUME:
        return False
    bits = _load(memory, op)
    if not bits & op.value:
        return False
    store(memory, op.address, op.size, bits & ~op.value)
    return True


def _unmask(memory: bytearray, op: Op) -> bool:
    """EVTCHNOP_unmask: clear the mask bit, then raise what was pending behind it."""
    mask = op.address - PENDING + MASK
    before = load(memory, mask, op.size)
    if not before & op.value:
        return False
    store(memory, mask, op.size, before & ~op.value)
    if _load(memory, op) & op.value:
        _upcall(memory, op)
    return True


def _upcall(memory: bytearray, op: Op) -> None:
    """Set the selector's bit and the upcall bit of vcpu 0, unless the event is masked. Where the
    selector's bit is set already, Xen takes it that the guest has been told."""
    if load(memory, op.address - PENDING + MASK, op.size) & op.value:
        return
    bit = 1 << (op.address - PENDING) // 4
    (selector,) = struct.unpack_from("<I", memory, SELECTOR)
    if not selector & bit:
        struct.pack_into("<I", memory, SELECTOR, selector | bit)
        memory[UPCALL_PENDING] = 1
