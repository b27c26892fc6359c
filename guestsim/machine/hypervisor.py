"""The hypervisor's services for one HVM guest: CPUID leaves, hypercalls, parameters, events.

Sources: xen/include/public/ (numbers and structures, in `guestsim.abi`), xen/common/ and
xen/arch/x86/hvm/ (what a call returns). A call that touches what the guest shares with its daemon
becomes an op; the others are answered at once.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from guestsim.abi.cpuid import XEN_CPUID_FIRST_LEAF, XEN_CPUID_SIGNATURE
from guestsim.abi.event_channel import EvtchnOp, EvtchnStatus
from guestsim.abi.hvm_op import HvmOp, HvmParam
from guestsim.abi.memory import MemoryOp, XENMAPSPACE_grant_table, XENMAPSPACE_shared_info
from guestsim.abi.sched import SchedOp
from guestsim.abi.sched import Shutdown as ShutdownReason
from guestsim.abi.xen import CONSOLEIO_write, Hypercall, SharedInfo, VcpuInfo, XenErrno
from guestsim.machine.calls import (
    Answer,
    Later,
    Missing,
    Ops,
    PhysicalMemory,
    Shutdown,
)
from guestsim.machine.memory import PAGE
from guestsim.machine.memory_map import MemoryMap
from guestsim.machine.printed import Printed
from guestsim.machine.profile import Profile
from guestsim.machine.pv import Paravirtual, PvState
from guestsim.trace import shared
from guestsim.trace.ops import Flag, Kind, Op

__all__ = [
    "CONSOLE_PFN",
    "HYPERCALL_MSR",
    "HYPERCALL_PORT",
    "MOST_PRINTED",
    "NO_PORT",
    "STORE_PFN",
    "Hypervisor",
    "HypervisorState",
    "hypercall_entry",
]

STORE_PFN = 0xFEFFC
"""libxc's place for the ring page (tools/libs/guest/xg_dom_x86.c, special pages)."""
CONSOLE_PFN = 0xFEFFF
NO_PORT = 0
"""In the place of the store's event channel: there is no xenstore. Port 0 is never given out."""
HYPERCALL_MSR = 0x40000000
HYPERCALL_PORT = 0xE1
"""Our own: where the hypercall page's entries write their number. Unlike a load or a store, a port
cannot go unseen (docs/unicorn.md)."""

MOST_PRINTED = 1 << 16
"""Bytes of one console_io: nobody prints so much at once."""
_MOST_ORDER = 9
"""The largest extent of a guest without devices of its own (xen/common/memory.c, max_order)."""
_PARAMS = 39
"""xen/include/public/hvm/params.h, HVM_NR_PARAMS."""
_CONSOLE_PORT_OFFSET = 1  # the console's event channel follows the store's


def hypercall_entry(number: int) -> bytes:
    """What the hypercall page holds for a call: mov eax, number; out HYPERCALL_PORT, eax; ret."""
    return b"\xb8" + struct.pack("<I", number) + bytes((0xE7, HYPERCALL_PORT, 0xC3))


class HypervisorState(NamedTuple):
    """Everything that can change and that a guest can observe."""

    params: tuple[tuple[int, int], ...]
    populated: frozenset[int]
    shared_info_gpfn: int | None
    memory_map: bytes | None
    """What XENMEM_set_memory_map left; None before it."""
    pv: PvState


class Hypervisor:
    """Services and their state. All of it that can change is in `state()`."""

    def __init__(self, memory: PhysicalMemory, profile: Profile, port: int) -> None:
        self._memory = memory
        self._profile = profile
        self._ram_size = profile.memory
        major, minor = profile.xen
        self._version = major << 16 | minor
        self._port = port
        self._params: dict[int, int] = {
            HvmParam.HVM_PARAM_STORE_PFN: 0 if port == NO_PORT else STORE_PFN,
            HvmParam.HVM_PARAM_STORE_EVTCHN: port,
            HvmParam.HVM_PARAM_CONSOLE_PFN: CONSOLE_PFN,
            HvmParam.HVM_PARAM_CONSOLE_EVTCHN: port + _CONSOLE_PORT_OFFSET,
        }
        self._populated: frozenset[int] = frozenset()
        self.memory_map = MemoryMap(memory, profile.memory)
        self._console_port = port + _CONSOLE_PORT_OFFSET
        self._pv = Paravirtual(memory, frozenset({port, self._console_port} - {NO_PORT}))
        self.shared_info_gpfn: int | None = None
        self._state: HypervisorState | None = None
        self.console = Printed()
        """What console_io wrote, and what came through the console's ring."""

    def state(self) -> HypervisorState:
        """The present state; the same object while nothing changes."""
        known = self._state
        if (
            known is None
            or known.shared_info_gpfn != self.shared_info_gpfn
            or known.pv is not self._pv.state
        ):
            known = self._state = HypervisorState(
                tuple(sorted(self._params.items())),
                self._populated,
                self.shared_info_gpfn,
                self.memory_map.replaced,
                self._pv.state,
            )
        return known

    def restore(self, state: HypervisorState) -> None:
        """Back to a state that `state` gave."""
        self._pv.state = state.pv
        if state is self._state and state.shared_info_gpfn == self.shared_info_gpfn:
            return
        self._state = state
        self._params = dict(state.params)
        self._populated = state.populated
        self.memory_map.replaced = state.memory_map
        self.shared_info_gpfn = state.shared_info_gpfn

    @property
    def populated(self) -> frozenset[int]:
        """Page numbers that the guest has populated."""
        return self._populated

    def type_in(self, text: bytes) -> None:
        """Put `text` into the input ring of the guest's console."""
        self._pv.put_input(CONSOLE_PFN * PAGE, text)

    def is_ram(self, address: int) -> bool:
        """RAM: low memory, what the guest populated, and the console's page."""
        pfn = address // PAGE
        return address < self._ram_size or pfn in self._populated or pfn == CONSOLE_PFN

    # -- CPUID and the hypercall page -----------------------------------------------------------

    def cpuid(self, leaf: int) -> tuple[int, int, int, int] | None:
        """Xen's leaves; None for the CPU's own."""
        first = XEN_CPUID_FIRST_LEAF
        if leaf == first:
            return (first + 2, *struct.unpack("<III", XEN_CPUID_SIGNATURE))
        if leaf == first + 1:
            return self._version, 0, 0, 0
        if leaf == first + 2:
            return 1, HYPERCALL_MSR, 0, 0
        if first < leaf < first + 0x10000:
            return 0, 0, 0, 0
        return None

    def wrmsr(self, msr: int, value: int) -> None:
        """The hypercall MSR: fill the page at `value`. Other MSRs are the CPU's."""
        if msr != HYPERCALL_MSR:
            return
        entries = (hypercall_entry(number).ljust(32, b"\xcc") for number in range(PAGE // 32))
        page = b"".join(entries)
        self._memory.write(value & ~(PAGE - 1), page)

    def hypercall(self, number: int, arguments: tuple[int, int, int]) -> Answer:
        """Perform hypercall `number`; arguments are those of ebx, ecx, edx."""
        handler = _HANDLERS.get(number)
        if handler is None:
            return Missing(f"hypercall {number}")
        return handler(self, *arguments)

    def _words(self, address: int, layout: str) -> tuple[int, ...]:
        return struct.unpack(layout, self._memory.read(address, struct.calcsize(layout)))

    # -- memory_op ------------------------------------------------------------------------------

    def _memory_op(self, command: int, argument: int, _: int) -> Answer:
        match command:
            case MemoryOp.XENMEM_memory_map:
                return self.memory_map.tell(argument)
            case MemoryOp.XENMEM_add_to_physmap:
                _, _, space, index, gpfn = self._words(argument, "<HHIII")
                if space == XENMAPSPACE_grant_table and index == 0:
                    return self._map_grant_frame(gpfn)
                if space != XENMAPSPACE_shared_info:
                    which = f"space {space}, index {index}" if index else f"space {space}"
                    return Missing(f"XENMEM_add_to_physmap of {which}")
                return Later("map shared_info", gpfn)
            case MemoryOp.XENMEM_populate_physmap:
                return self._populate(argument)
            case MemoryOp.XENMEM_decrease_reservation:
                extents = self._extents(argument)
                mapped = self.shared_info_gpfn
                if mapped is not None and extents == [range(mapped, mapped + 1)]:
                    return Later("unmap", mapped)
                self._populated = self._populated.difference(*extents)
                self._state = None
                return Later("refit", result=len(extents))
            case MemoryOp.XENMEM_set_memory_map:
                self._state = None
                return self.memory_map.replace(argument)
            case MemoryOp.XENMEM_get_vnumainfo:
                return -XenErrno.EOPNOTSUPP  # this guest has no virtual NUMA
        return Missing(f"memory_op {command}")

    def _populate(self, reservation: int) -> Answer:
        """As many extents as can be: the result is how many."""
        taken = STORE_PFN, self.shared_info_gpfn
        pages, done = set(self._populated), 0
        for extent in self._extents(reservation):
            most = self._ram_size // PAGE - len(extent)
            if len(pages) > most or any(page in extent for page in taken):
                break
            pages.update(extent)
            done += 1
        self._populated = frozenset(pages)
        self._state = None
        return Later("refit", result=done)

    def _extents(self, reservation: int) -> list[range]:
        """Page numbers; none at all where there are more than the guest has memory."""
        start, count, order, _ = self._words(reservation, "<IIII")
        if order > _MOST_ORDER or count > self._ram_size // PAGE:
            return []
        return [range(pfn, pfn + (1 << order)) for pfn in self._words(start, f"<{count}I")]

    def _map_grant_frame(self, gpfn: int) -> Answer:
        if gpfn >> 20 or gpfn in (STORE_PFN, self.shared_info_gpfn):
            return -XenErrno.EINVAL
        if not self.is_ram(gpfn * PAGE):
            self._populated |= {gpfn}
            self._state = None
        self._pv.place_grant_frame(gpfn)
        return Later("refit", result=0)

    # -- the others -----------------------------------------------------------------------------

    def _xen_version(self, command: int, argument: int, _: int) -> Answer:
        match command:
            case 0:  # XENVER_version
                return self._version
            case 1:  # XENVER_extraversion
                self._memory.write(argument, self._profile.extra_version.encode().ljust(16, b"\0"))
                return 0
            case 6:  # XENVER_get_features: none
                self._memory.write(argument + 4, bytes(4))
                return 0
            case 8:  # XENVER_guest_handle
                self._memory.write(argument, bytes(16))
                return 0
        return Missing(f"xen_version {command}")

    def _console_io(self, command: int, count: int, buffer: int) -> Answer:
        if command != CONSOLEIO_write:
            return Missing(f"console_io {command}")
        if count > MOST_PRINTED:
            return Missing(f"console_io of {count:,} bytes")
        self.console.add(self._memory.read(buffer, count))
        return 0

    def _sched_op(self, command: int, argument: int, _: int) -> Answer:
        match command:
            case SchedOp.SCHEDOP_yield:
                return Ops((Op(Kind.WAIT, flags=Flag.SPURIOUS),))
            case SchedOp.SCHEDOP_block:
                upcall = shared.SHARED_INFO + SharedInfo.vcpu_info
                pending = upcall + VcpuInfo.evtchn_upcall_pending
                return Ops(
                    (
                        Op(Kind.STORE, upcall + VcpuInfo.evtchn_upcall_mask, 1, 0),
                        Op(Kind.WAIT, pending, 1, 0xFF),
                    )
                )
            case SchedOp.SCHEDOP_shutdown:
                reason = self._words(argument, "<I")[0]
                if reason == ShutdownReason.SHUTDOWN_suspend:
                    # The call returns when the domain is resumed.
                    still = shared.suspended_place(still=True)
                    go_on = shared.suspended_place(still=False)
                    return Ops((Op(Kind.SEND, *still), Op(Kind.WAIT, *go_on, flags=Flag.CONSUME)))
                return Shutdown(reason)
            case SchedOp.SCHEDOP_poll:
                return self._poll(argument)
        return Missing(f"sched_op {command}")

    def _poll(self, argument: int) -> Answer:
        ports, count, timeout = self._words(argument, "<IIQ")
        if not 0 < count <= 128:
            return -XenErrno.EINVAL
        wanted = self._words(ports, f"<{count}I")
        if max(wanted) >= 1024:
            return -XenErrno.EINVAL
        flags = Flag.SPURIOUS if timeout else Flag.NONE
        if count == 1:
            address, size, bits = shared.pending_place(wanted[0])
        else:
            address, size, bits = shared.pending_place(0)[0], 128, 0
            for port in wanted:
                bits |= 1 << port
        return Ops((Op(Kind.WAIT, address, size, bits, flags=flags),))

    def _event_channel_op(self, command: int, argument: int, _: int) -> Answer:
        match command:
            case EvtchnOp.EVTCHNOP_send:
                port = self._words(argument, "<I")[0]
                if port == self._port != NO_PORT:
                    return Ops((Op(Kind.SEND, *shared.server_pending_place()),))
                if port == self._console_port:
                    self.console.add(self._pv.take_output(CONSOLE_PFN * PAGE))
                    return 0
                closed = self._pv.status_of(port) is EvtchnStatus.EVTCHNSTAT_closed
                return -XenErrno.EINVAL if closed else 0
            case EvtchnOp.EVTCHNOP_status:
                _, _, port = self._words(argument, "<HHI")
                status = self._pv.status_of(port)
                self._memory.write(argument + 8, struct.pack("<I", status))
                return 0
            case EvtchnOp.EVTCHNOP_alloc_unbound:
                return self._pv.allocate_port(argument)
            case EvtchnOp.EVTCHNOP_close:
                return self._pv.close_port(self._words(argument, "<I")[0])
            case EvtchnOp.EVTCHNOP_unmask:
                port = self._words(argument, "<I")[0]
                if port >= 1024:
                    return -XenErrno.EINVAL
                return Ops((Op(Kind.UNMASK, *shared.pending_place(port)),))
        return Missing(f"event_channel_op {command}")

    def _grant_table_op(self, command: int, argument: int, count: int) -> Answer:
        return self._pv.grant_table_op(command, argument, count)

    def _hvm_op(self, command: int, argument: int, _: int) -> Answer:
        if command not in (HvmOp.HVMOP_get_param, HvmOp.HVMOP_set_param):
            return Missing(f"hvm_op {command}")
        _, _, index, value = self._words(argument, "<HHIQ")
        if index >= _PARAMS:
            return -XenErrno.EINVAL
        if command == HvmOp.HVMOP_set_param:
            self._params[index] = value
            self._state = None
        else:
            self._memory.write(argument + 8, struct.pack("<Q", self._params.get(index, 0)))
        return 0


_HANDLERS: dict[int, Callable[[Hypervisor, int, int, int], Answer]] = {
    Hypercall.memory_op: Hypervisor._memory_op,
    Hypercall.xen_version: Hypervisor._xen_version,
    Hypercall.console_io: Hypervisor._console_io,
    Hypercall.sched_op: Hypervisor._sched_op,
    Hypercall.grant_table_op: Hypervisor._grant_table_op,
    Hypercall.event_channel_op: Hypervisor._event_channel_op,
    Hypercall.hvm_op: Hypervisor._hvm_op,
}
