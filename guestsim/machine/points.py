"""Points: where a guest stands, and what it takes to come back there.

A point's key is all of its state that the guest's future depends on. The event words of shared_info
are left out, because others write them, and so is the dead part of the stack.
"""

from __future__ import annotations

import mmap
from collections.abc import Hashable
from typing import NamedTuple

from guestsim.abi.xen import SharedInfo
from guestsim.machine.hypervisor import HypervisorState
from guestsim.machine.memory import Snapshot, without
from guestsim.machine.platform import PlatformState
from guestsim.trace.ops import Op

__all__ = [
    "VCPU0_EVENTS",
    "Point",
    "State",
    "key_of",
    "put_without_event_words",
    "without_event_words",
]

VCPU0_EVENTS = 8
"""evtchn_upcall_pending, evtchn_upcall_mask, evtchn_pending_sel of vcpu 0: bytes at the start of
shared_info."""


class State(NamedTuple):
    """Everything of the guest that can change, at a point."""

    stage: int
    cpu: bytes
    stack_pointer: int
    ram: Snapshot
    shared_info: bytes
    """Its page without the event words; empty while it is not mapped."""
    hypervisor: HypervisorState
    platform: PlatformState


class Point(NamedTuple):
    """Where the guest stands, and how it came there: enough to come back by running anew."""

    before: Point | None
    answer: int
    """What led here from `before`."""
    op: Op
    pc: int
    state: State | None
    """Enough to come back at once; None where the guest keeps no states."""
    console: tuple[bytes, bytes]


def key_of(op: Op, state: State, stack: range) -> Hashable:
    """The identity of a point at `op`. `stack`: the addresses of the stage's stack; what lies in it
    below the stack pointer is dead, since no code reads there before it writes."""
    if state.stack_pointer in stack:
        state = state._replace(ram=without(state.ram, stack.start, state.stack_pointer))
    return op, state


def without_event_words(page: mmap.mmap) -> bytes:
    """What of shared_info is the guest's own: others write the event words."""
    pending = SharedInfo.evtchn_pending
    return page[VCPU0_EVENTS:pending] + page[SharedInfo.wc_version :]


def put_without_event_words(page: mmap.mmap, content: bytes) -> None:
    """Put back what `without_event_words` gave."""
    length = SharedInfo.evtchn_pending - VCPU0_EVENTS
    page[VCPU0_EVENTS : SharedInfo.evtchn_pending] = content[:length]
    page[SharedInfo.wc_version :] = content[length:]
