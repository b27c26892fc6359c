"""What a guest has of Xen's paravirtual side: its grant table, more event channels, the ring of its
console. GRUB sets all of them up, whether or not there is a disk that it could use them for.

Sources: xen/include/public/ (numbers and structures, in `guestsim.abi`), xen/common/grant_table.c
and event_channel.c (what a call returns), tools/console/daemon/io.c (what becomes of the ring).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from guestsim.abi.console import IN_SIZE, OUT_SIZE, Console
from guestsim.abi.event_channel import EvtchnStatus
from guestsim.abi.grant_table import GNTST_general_error, GNTST_okay, GrantTableOp
from guestsim.abi.xen import DOMID_SELF, XenErrno
from guestsim.machine.calls import Answer, Missing, PhysicalMemory
from guestsim.machine.memory import PAGE

__all__ = ["Paravirtual", "PvState"]

_MOST_FRAMES = 64
"""Xen's gnttab_max_frames, where nobody sets it."""
_NO_FRAME = 0xFFFFFFFF
_PORTS = range(1, 1024)
"""Those of a 32-bit guest: 32 words of 32 bits each."""


class PvState(NamedTuple):
    """Everything that can change and that a guest can observe."""

    grant_frame: int | None
    """The page number where the guest has the first frame of its grant table."""
    ports: frozenset[int]
    """Event channels that it has made."""


class Paravirtual:
    """Calls and their state. No domain takes what is granted, and none binds to a new channel."""

    def __init__(self, memory: PhysicalMemory, bound: frozenset[int]) -> None:
        """`bound`: ports that the toolstack has bound before the guest started."""
        self._memory = memory
        self._bound = bound
        self.state = PvState(None, frozenset())

    # -- grant table ----------------------------------------------------------------------------

    def place_grant_frame(self, gpfn: int) -> None:
        """Have the table's first frame at a page, which is RAM by now. It comes with what it
        holds: nothing at first."""
        before = self.state.grant_frame
        content = bytes(PAGE) if before is None else self._memory.read(before * PAGE, PAGE)
        self._memory.write(gpfn * PAGE, content)
        self.state = self.state._replace(grant_frame=gpfn)

    def grant_table_op(self, command: int, argument: int, count: int) -> Answer:
        """`grant_table_op`, of one element."""
        if command == GrantTableOp.GNTTABOP_dump_table:
            return -XenErrno.ENOSYS  # to HVM guests always: xen/arch/x86/hvm/hypercall.c
        match command:
            case GrantTableOp.GNTTABOP_set_version | GrantTableOp.GNTTABOP_setup_table if (
                count != 1
            ):
                return Missing(f"grant_table_op {command} of {count} elements")
            case GrantTableOp.GNTTABOP_set_version:
                (version,) = struct.unpack("<I", self._memory.read(argument, 4))
                if version == 2:
                    return Missing("version 2 of the grant table")
                return 0 if version == 1 else -XenErrno.EINVAL
            case GrantTableOp.GNTTABOP_setup_table:
                return self._set_up_table(argument)
        return Missing(f"grant_table_op {command}")

    def _set_up_table(self, argument: int) -> Answer:
        domain, _, frames, _, array = struct.unpack("<HHIII", self._memory.read(argument, 16))
        if domain != DOMID_SELF:
            return Missing(f"the grant table of domain {domain}")
        status = GNTST_okay if frames <= _MOST_FRAMES else GNTST_general_error
        if status == GNTST_okay:
            known = self.state.grant_frame
            first = _NO_FRAME if known is None else known
            pages = [first, *[_NO_FRAME] * (_MOST_FRAMES - 1)][:frames]
            self._memory.write(array, struct.pack(f"<{frames}I", *pages))
        self._memory.write(argument + 8, struct.pack("<h", status))
        return 0

    # -- event channels -------------------------------------------------------------------------

    def allocate_port(self, argument: int) -> int:
        """EVTCHNOP_alloc_unbound: the lowest port that is free."""
        domain, _ = struct.unpack("<HH", self._memory.read(argument, 4))
        if domain != DOMID_SELF:
            return -XenErrno.ESRCH
        taken = self._bound | self.state.ports
        port = next((port for port in _PORTS if port not in taken), None)
        if port is None:
            return -XenErrno.ENOSPC
        self._memory.write(argument + 4, struct.pack("<I", port))
        self.state = self.state._replace(ports=self.state.ports | {port})
        return 0

    def close_port(self, port: int) -> Answer:
        """EVTCHNOP_close."""
        if port in self._bound:
            return Missing(f"EVTCHNOP_close of port {port}, which the toolstack has bound")
        if port not in self.state.ports:
            return -XenErrno.EINVAL
        self.state = self.state._replace(ports=self.state.ports - {port})
        return 0

    def status_of(self, port: int) -> EvtchnStatus:
        """What EVTCHNOP_status tells of a port."""
        if port in self._bound:
            return EvtchnStatus.EVTCHNSTAT_interdomain
        if port in self.state.ports:
            return EvtchnStatus.EVTCHNSTAT_unbound
        return EvtchnStatus.EVTCHNSTAT_closed

    # -- console --------------------------------------------------------------------------------

    def take_output(self, console: int) -> bytes:
        """What the guest has put into the ring of the console's page at that address, which is
        taken from it: the console's daemon does so at an event."""
        cons_prod = self._memory.read(console + Console.out_cons, 8)
        cons, prod = struct.unpack("<II", cons_prod)
        count = prod - cons & 0xFFFFFFFF
        if not 0 < count <= OUT_SIZE:
            return b""
        ring = self._memory.read(console + Console.out, OUT_SIZE)
        first = cons % OUT_SIZE
        self._memory.write(console + Console.out_cons, cons_prod[4:])
        return (ring + ring)[first : first + count]

    def put_input(self, console: int, text: bytes) -> None:
        """Put what somebody types, of at most IN_SIZE bytes, into that ring, behind what the guest
        has left there. No event tells of it."""
        (prod,) = struct.unpack("<I", self._memory.read(console + Console.in_prod, 4))
        for at, byte in enumerate(text, prod):
            self._memory.write(console + Console.in_ + at % IN_SIZE, bytes((byte,)))
        prod = prod + len(text) & 0xFFFFFFFF
        self._memory.write(console + Console.in_prod, struct.pack("<I", prod))
