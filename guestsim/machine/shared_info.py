"""The page shared_info: what of it is the guest's own, and where its engines have it."""

from __future__ import annotations

import struct

from guestsim.abi.xen import SharedInfo, VcpuInfo
from guestsim.machine.engine import Engine
from guestsim.machine.memory import PAGE, host_memory

__all__ = ["VCPU0_EVENTS", "SharedInfoPage"]

VCPU0_EVENTS = 8
"""evtchn_upcall_pending, evtchn_upcall_mask, evtchn_pending_sel of vcpu 0: bytes at the start of
the page. They and evtchn_pending and evtchn_mask are shared: others write them."""

_VCPUS = 32
_VCPU_SIZE = 64
_OWN = VCPU0_EVENTS, int(SharedInfo.evtchn_pending)
_OWN_SIZE = SharedInfo.evtchn_pending - VCPU0_EVENTS

_TSC_TO_SYSTEM_MUL = 0x80000000
"""With a shift of 0: one nanosecond is two ticks, a CPU of 2 GHz."""
_TIME = bytes(24) + struct.pack("<I", _TSC_TO_SYSTEM_MUL) + bytes(4)
"""`struct vcpu_time_info`: no time has passed."""


class SharedInfoPage:
    """One page of host memory, at most at one place in each engine."""

    def __init__(self) -> None:
        self._page, self._pointer = host_memory(PAGE)
        self._at: dict[Engine, int] = {}
        self._own = b""

    def initialise(self) -> None:
        """As the guest first maps it: vcpu times that can be divided by, no events."""
        self._page[:] = bytes(PAGE)
        self.fill_time()

    def fill_time(self) -> None:
        """Put the vcpus' times there again, whatever the guest made of them. Xen does it whenever a
        vcpu comes to run (xen/arch/x86/time.c, update_vcpu_system_time)."""
        for vcpu in range(_VCPUS):
            first = SharedInfo.vcpu_info + _VCPU_SIZE * vcpu + VcpuInfo.time
            self._page[first : first + len(_TIME)] = _TIME

    def own(self) -> bytes:
        """What is the guest's own. As long as nothing changes, the same object: it knows its
        hash."""
        own = self._page[slice(*_OWN)] + self._page[SharedInfo.wc_version :]
        if own != self._own:
            self._own = own
        return self._own

    def put_own(self, content: bytes) -> None:
        """Put back what `own` gave."""
        self._page[slice(*_OWN)] = content[:_OWN_SIZE]
        self._page[SharedInfo.wc_version :] = content[_OWN_SIZE:]

    def read(self, offset: int, size: int) -> int:
        """The little-endian integer at `offset`."""
        return int.from_bytes(self._page[offset : offset + size], "little")

    def place(self, engine: Engine, address: int | None) -> None:
        """Have it at `address` in the engine, or nowhere."""
        present = self._at.get(engine)
        if present == address:
            return
        if present is not None:
            engine.remove_window(self._at.pop(engine))
        if address is not None:
            engine.window(address, self._page, self._pointer)
            self._at[engine] = address
