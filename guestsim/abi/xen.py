"""Hypercall numbers and `struct shared_info` of a 32-bit guest: xen/include/public/xen.h."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["DOMID_SELF", "CONSOLEIO_write", "Hypercall", "SharedInfo", "VcpuInfo", "XenErrno"]

DOMID_SELF = 0x7FF0
CONSOLEIO_write = 0


class Hypercall(IntEnum):
    """`__HYPERVISOR_*`: the index of the entry in the hypercall page."""

    memory_op = 12
    xen_version = 17
    console_io = 18
    grant_table_op = 20
    vcpu_op = 24
    sched_op = 29
    event_channel_op = 32
    hvm_op = 34


class SharedInfo(IntEnum):
    """Offsets in `struct shared_info`, i386 layout (4096 bytes mapped)."""

    vcpu_info = 0
    evtchn_pending = 0x800
    evtchn_mask = 0x880
    wc_version = 0x900
    wc_sec = 0x904
    wc_nsec = 0x908


class VcpuInfo(IntEnum):
    """Offsets in `struct vcpu_info` (64 bytes each, 32 of them)."""

    evtchn_upcall_pending = 0
    evtchn_upcall_mask = 1
    evtchn_pending_sel = 4
    time = 32


class XenErrno(IntEnum):
    """xen/include/public/errno.h, as far as our hypercalls return them (negated)."""

    EPERM = 1
    ENOENT = 2
    ESRCH = 3
    EFAULT = 14
    EBUSY = 16
    EINVAL = 22
    ENOSPC = 28
    ENOSYS = 38
    EOPNOTSUPP = 95
