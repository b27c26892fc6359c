"""What a CPU and the machine around it say to each other."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple, Protocol

__all__ = ["DEVICE_SPACE", "Bus", "Stop", "StopKind"]

DEVICE_SPACE = 0xF0000000
"""From here on, what is no RAM is room for devices (xen/include/public/hvm/e820.h,
HVM_BELOW_4G_MMIO_START): where there is none, loads give ones, and stores are lost."""


class StopKind(Enum):
    """Why `Engine.run` came back."""

    LOAD = "load"
    """A load in a window whose value is not known."""
    REQUEST = "request"
    """The bus asked for it (`Engine.stop`); `Stop.detail` is what it gave."""
    FAULT = "fault"
    """The guest cannot go on: unmapped memory, an exception, an invalid instruction."""
    HLT = "hlt"
    """It has executed HLT."""
    SPENT = "spent"
    """The allowance is used up."""


class Stop(NamedTuple):
    """Where and why the CPU stands still."""

    kind: StopKind
    pc: int
    address: int = 0
    size: int = 0
    detail: Any = None
    """FAULT: a sentence. REQUEST: what the bus gave."""
    alone: bool = False
    """LOAD: the instruction may need more than this one value. `Engine.run` has to execute it
    alone, with the values of all its loads so far."""
    answers: tuple[int, ...] = ()
    """LOAD: the values of the instruction's loads before this one."""


class Bus(Protocol):
    """Everything outside the CPU. Called from inside Unicorn: must not map memory."""

    def load(self, address: int, size: int) -> int | None:
        """A load in a window: its value, or None where only others know it."""

    def store(self, address: int, size: int, value: int, pc: int) -> None:
        """A store in a window."""

    def fence(self, pc: int) -> None:
        """The CPU is about to wait until its store buffer is empty. Only where the engine was made
        to tell."""

    def wrmsr(self, msr: int, value: int, pc: int) -> None:
        """The CPU is about to execute WRMSR."""

    def port_in(self, port: int, size: int) -> int:
        """IN: the value."""

    def port_out(self, port: int, size: int, value: int) -> None:
        """OUT."""

    def cpuid(self, leaf: int, subleaf: int) -> tuple[int, int, int, int] | None:
        """CPUID: eax, ebx, ecx, edx, or None for the CPU's own answer."""

    def tsc(self) -> int:
        """RDTSC: the value, 64 bits."""

    def is_ram(self, address: int) -> bool:
        """Whether there is RAM at a physical address."""

    def missing_page(self, address: int, size: int, *, write: bool) -> None:
        """An access to a page of `DEVICE_SPACE` where there is no device."""

    def refusal(self, pc: int, what: str) -> Exception:
        """What to raise where the instruction at `pc` does what this machine cannot do."""
