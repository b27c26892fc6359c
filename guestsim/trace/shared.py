"""The shared address space, and what an op does to it.

Three pages, one flat space: the ring page at 0, the guest's shared_info at 0x1000, and the
server's side of the event channel at 0x2000. A snapshot of all that actors share is the bytes of
this space. Places have names, which scripts, rules and reports use.

Sources: xen/include/public/io/xs_wire.h (ring), xen/include/public/xen.h (shared_info),
xen/common/event_2l.c (how an event sets pending, selector and upcall bits).
"""

from __future__ import annotations

import struct

from guestsim.abi.xen import SharedInfo, VcpuInfo
from guestsim.abi.xs_wire import XENSTORE_RING_SIZE, Interface
from guestsim.trace.ops import Flag, Op

__all__ = [
    "RING",
    "SERVER",
    "SHARED_INFO",
    "SHARED_SIZE",
    "field",
    "load",
    "pending_place",
    "place",
    "ready",
    "send",
    "server_pending_place",
    "store",
    "take",
    "unmask",
]

RING = 0x0000
SHARED_INFO = 0x1000
SERVER = 0x2000
"""u32: bit 0 is the pending bit of the server's end of the event channel."""
SHARED_SIZE = 0x2004

_PENDING = SHARED_INFO + SharedInfo.evtchn_pending
_MASK = SHARED_INFO + SharedInfo.evtchn_mask
_UPCALL_PENDING = SHARED_INFO + SharedInfo.vcpu_info + VcpuInfo.evtchn_upcall_pending
_SELECTOR = SHARED_INFO + SharedInfo.vcpu_info + VcpuInfo.evtchn_pending_sel
_EVENT_BYTES = 128

_RING_FIELDS = {member.value: member.name.lower() for member in Interface if member >= 2048}


def field(address: int) -> str:
    """The name of the field at `address`: `req`, `rsp`, `req_cons`, …, `evtchn_pending`,
    `evtchn_mask`, `evtchn_upcall_pending`, `evtchn_upcall_mask`, `evtchn_pending_sel`,
    `server_pending`, or `reserved` (the rest of the ring page)."""
    if address < SHARED_INFO:
        if address < Interface.RSP:
            return "req"
        if address < Interface.REQ_CONS:
            return "rsp"
        return _RING_FIELDS.get(address & ~3, "reserved")
    if address >= SERVER:
        return "server_pending"
    if _PENDING <= address < _PENDING + _EVENT_BYTES:
        return "evtchn_pending"
    if _MASK <= address < _MASK + _EVENT_BYTES:
        return "evtchn_mask"
    offset = address - SHARED_INFO - SharedInfo.vcpu_info
    if offset == VcpuInfo.evtchn_upcall_mask:
        return "evtchn_upcall_mask"
    if VcpuInfo.evtchn_pending_sel <= offset < VcpuInfo.evtchn_pending_sel + 4:
        return "evtchn_pending_sel"
    if offset < VcpuInfo.evtchn_pending_sel:
        return "evtchn_upcall_pending"
    return "reserved"


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
    return _PENDING + 4 * (port // 32), 4, 1 << port % 32


def server_pending_place() -> tuple[int, int, int]:
    """(address, size, bits) of the pending bit at the server's end."""
    return SERVER, 4, 1


def load(memory: bytes | bytearray | memoryview, address: int, size: int) -> int:
    """The little-endian integer at `address`."""
    return int.from_bytes(memory[address : address + size], "little")


def store(memory: bytearray, address: int, size: int, value: int) -> None:
    """Write `value`, little-endian."""
    memory[address : address + size] = value.to_bytes(size, "little")


def send(memory: bytearray, op: Op) -> int:
    """Signal: set the pending bits of `op`; 1 if one was clear before.

    At the guest's end an unmasked event that was not pending also sets the selector bit and the
    upcall bit of vcpu 0 (xen/common/event_2l.c, evtchn_2l_set_pending).
    """
    before = load(memory, op.address, op.size)
    if before & op.value == op.value:
        return 0
    store(memory, op.address, op.size, before | op.value)
    if op.address < SERVER:
        _upcall(memory, op)
    return 1


def unmask(memory: bytearray, op: Op) -> None:
    """EVTCHNOP_unmask: clear the mask bit, then raise what was pending behind it."""
    mask = op.address - _PENDING + _MASK
    before = load(memory, mask, op.size)
    if not before & op.value:
        return
    store(memory, mask, op.size, before & ~op.value)
    if load(memory, op.address, op.size) & op.value:
        _upcall(memory, op)


def _upcall(memory: bytearray, op: Op) -> None:
    if load(memory, op.address - _PENDING + _MASK, op.size) & op.value:
        return
    word = (op.address - _PENDING) // 4
    (selector,) = struct.unpack_from("<I", memory, _SELECTOR)
    struct.pack_into("<I", memory, _SELECTOR, selector | 1 << word)
    memory[_UPCALL_PENDING] = 1


def ready(memory: bytes | bytearray, op: Op) -> bool:
    """Whether the event that a WAIT waits for is there."""
    return bool(load(memory, op.address, op.size) & op.value)


def take(memory: bytearray, op: Op) -> int:
    """End a WAIT: 1 if its event is there (cleared where the op consumes it), else 0."""
    bits = load(memory, op.address, op.size)
    if not bits & op.value:
        return 0
    if op.flags & Flag.CONSUME:
        store(memory, op.address, op.size, bits & ~op.value)
    return 1
