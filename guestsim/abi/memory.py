"""Memory operations: xen/include/public/memory.h."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["E820Type", "MemoryOp", "XENMAPSPACE_grant_table", "XENMAPSPACE_shared_info"]

XENMAPSPACE_shared_info = 0
XENMAPSPACE_grant_table = 1


class MemoryOp(IntEnum):
    """`XENMEM_*`, the first argument of `memory_op`."""

    XENMEM_decrease_reservation = 1
    XENMEM_populate_physmap = 6
    XENMEM_add_to_physmap = 7
    XENMEM_memory_map = 9
    XENMEM_set_memory_map = 13
    XENMEM_get_vnumainfo = 26


class E820Type(IntEnum):
    """Types of a memory map entry (u64 addr, u64 size, u32 type: 20 bytes)."""

    RAM = 1
    RESERVED = 2
    ACPI = 3
    NVS = 4
