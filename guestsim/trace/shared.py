"""The shared address space: where things are, and what they are called.

Three pages, one flat space: the ring page at 0, the guest's shared_info at 0x1000, and the
server's side of the event channel at 0x2000. A snapshot of all that actors share is the bytes of
this space. Places have names, which scripts, rules and reports use.

Sources: xen/include/public/io/xs_wire.h (ring), xen/include/public/xen.h (shared_info).
"""

from __future__ import annotations

from functools import cache

from guestsim.abi.xen import SharedInfo, VcpuInfo
from guestsim.abi.xs_wire import XENSTORE_RING_SIZE, Interface

__all__ = [
    "MASK",
    "PENDING",
    "RING",
    "SELECTOR",
    "SERVER",
    "SHARED_INFO",
    "SHARED_SIZE",
    "UPCALL_PENDING",
    "field",
    "fields",
    "load",
    "pending_place",
    "place",
    "server_pending_place",
    "store",
    "suspended_place",
]

RING = 0x0000
SHARED_INFO = 0x1000
SERVER = 0x2000
"""u32: bit 0 is the pending bit of the server's end of the event channel."""
_SUSPENDED = SERVER + 4
"""u32, not in any page: what the hypervisor knows of a guest that suspends itself. Bit 1: it stands
still; bit 0: it may go on."""
SHARED_SIZE = 0x2008

PENDING = SHARED_INFO + SharedInfo.evtchn_pending
MASK = SHARED_INFO + SharedInfo.evtchn_mask
UPCALL_PENDING = SHARED_INFO + SharedInfo.vcpu_info + VcpuInfo.evtchn_upcall_pending
SELECTOR = SHARED_INFO + SharedInfo.vcpu_info + VcpuInfo.evtchn_pending_sel

_EVENT_BYTES = 128

_RING_FIELDS = {member.value: member.name.lower() for member in Interface if member >= 2048}


def field(address: int) -> str:
    """The name of the field at `address`: `req`, `rsp`, `req_cons`, …, `evtchn_pending`,
    `evtchn_mask`, `evtchn_upcall_pending`, `evtchn_upcall_mask`, `evtchn_pending_sel`,
    `server_pending`, `suspended`, or `reserved` (the rest of the ring page)."""
    if address < SHARED_INFO:
        if address < Interface.RSP:
            return "req"
        if address < Interface.REQ_CONS:
            return "rsp"
        return _RING_FIELDS.get(address & ~3, "reserved")
    if address >= SERVER:
        return "suspended" if address >= _SUSPENDED else "server_pending"
    if PENDING <= address < PENDING + _EVENT_BYTES:
        return "evtchn_pending"
    if MASK <= address < MASK + _EVENT_BYTES:
        return "evtchn_mask"
    offset = address - SHARED_INFO - SharedInfo.vcpu_info
    if offset == VcpuInfo.evtchn_upcall_mask:
        return "evtchn_upcall_mask"
    if VcpuInfo.evtchn_pending_sel <= offset < VcpuInfo.evtchn_pending_sel + 4:
        return "evtchn_pending_sel"
    if offset < VcpuInfo.evtchn_pending_sel:
        return "evtchn_upcall_pending"
    return "reserved"


@cache
def fields() -> tuple[tuple[str, int, int], ...]:
    """(name, first address, end) of all runs of bytes of one field, in order of address."""
    names = [field(at) for at in range(SHARED_SIZE)]
    starts = [0, *(at for at in range(1, SHARED_SIZE) if names[at] != names[at - 1])]
    ends = [*starts[1:], SHARED_SIZE]
    return tuple((names[start], start, end) for start, end in zip(starts, ends, strict=True))


def place(address: int, size: int) -> str:
    """How people call `size` bytes at `address`: `req_prod`, `req[5]`, `rsp[16..23]`,
    `evtchn_pending`."""
    name = field(address)
    if name in ("req", "rsp"):
        first = address % XENSTORE_RING_SIZE
        return f"{name}[{first}]" if size == 1 else f"{name}[{first}..{first + size - 1}]"
    return name


def pending_place(port: int) -> tuple[int, int, int]:
    """(address, size, bits) of the guest's pending bit of event channel `port`."""
    return PENDING + 4 * (port // 32), 4, 1 << port % 32


def server_pending_place() -> tuple[int, int, int]:
    """(address, size, bits) of the pending bit at the server's end."""
    return SERVER, 4, 1


def suspended_place(*, still: bool) -> tuple[int, int, int]:
    """(address, size, bits) of whether the guest stands `still` (it has suspended itself), or
    may go on again."""
    return _SUSPENDED, 4, 2 if still else 1


def load(memory: bytes | bytearray | memoryview, address: int, size: int) -> int:
    """The little-endian integer at `address`."""
    return int.from_bytes(memory[address : address + size], "little")


def store(memory: bytearray, address: int, size: int, value: int) -> None:
    """Write `value`, little-endian."""
    memory[address : address + size] = value.to_bytes(size, "little")
