"""What a hypercall may be answered with, and what it needs of the guest's memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from guestsim.trace.ops import Op

__all__ = ["Answer", "Later", "Missing", "Ops", "PhysicalMemory", "Shutdown"]


class PhysicalMemory(Protocol):
    """What a hypercall needs of the guest's memory."""

    def read(self, address: int, size: int) -> bytes:
        """Bytes at a physical address."""

    def write(self, address: int, data: bytes) -> None:
        """Change bytes at a physical address."""


@dataclass(frozen=True)
class Ops:
    """A hypercall that is ops; it returns `result` once they are performed."""

    ops: tuple[Op, ...]
    result: int = 0


@dataclass(frozen=True)
class Shutdown:
    """SCHEDOP_shutdown: the guest is gone."""

    reason: int


@dataclass(frozen=True)
class Later:
    """A hypercall that changes the memory map: done while the CPU stands still."""

    kind: str
    """"map shared_info", "unmap" (shared_info), or "refit": RAM came or went."""
    gpfn: int = 0
    result: int = 0
    """Of "refit"."""


@dataclass(frozen=True)
class Missing:
    """A call that we do not provide: ENOSYS, and worth a notice."""

    what: str


Answer = int | Ops | Shutdown | Later | Missing
