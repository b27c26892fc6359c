"""Points: where a guest stands, and what it takes to come back there.

A point's key is its op and all of its state that the guest's future depends on. The event words of
shared_info are left out, because others write them, and so is the dead part of the stack.
"""

from __future__ import annotations

from typing import NamedTuple

from guestsim.machine.answers import Answers
from guestsim.machine.cpu import CpuState
from guestsim.machine.hypervisor import HypervisorState
from guestsim.machine.platform import PlatformState
from guestsim.machine.snapshots import Snapshot
from guestsim.machine.vcpus import VcpuState
from guestsim.trace.ops import Op

__all__ = ["Point", "State"]


class State(NamedTuple):
    """Everything of the machine that can change, at a point."""

    stage: int
    cpu: CpuState
    ram: Snapshot
    shared_info: bytes
    """Its page without the event words; empty while it is not mapped."""
    hypervisor: HypervisorState
    platform: PlatformState
    vcpus: tuple[VcpuState, ...]
    """Of those besides vcpu 0."""
    printed: bytes
    """How much of the text that ends the stage its console shows by now."""
    unfenced: bool
    """Whether a store came since the store buffer was last empty for sure. Never under sc."""


class Point(NamedTuple):
    """Where the guest stands, and how it came there: enough to come back by running anew."""

    before: Point | None
    answer: int
    """What led here from `before`."""
    op: Op
    pc: int
    answers: tuple[int, ...]
    """The values of the loads that the instruction at `pc` has made before this one."""
    alone: bool
    """Whether that instruction is to be executed alone."""
    state: State | None
    """Enough to come back at once; None where the guest keeps no states."""
    followed: Answers | None
    """What is under way between the stage and its daemon; None where nobody follows that."""
    console: tuple[bytes, bytes]
