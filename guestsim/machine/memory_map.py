"""The guest's memory map (E820), as XENMEM_memory_map tells it.

Sources: xen/include/public/memory.h; the toolstack's maps are those of
tools/libs/light/libxl_x86.c (libxl__arch_domain_construct_memmap).
"""

from __future__ import annotations

import struct

from guestsim.abi.memory import E820Type
from guestsim.abi.xen import XenErrno
from guestsim.machine.calls import PhysicalMemory

__all__ = ["MemoryMap"]

_MIB = 1 << 20
_ENTRY = "<QQI"
_ENTRY_SIZE = struct.calcsize(_ENTRY)
_MOST_ENTRIES = 1024
"""xen/arch/x86/include/asm/e820.h, E820MAX."""
_SPECIAL_PAGES = 0xFEFF8000, 0x8000
"""Address and bytes of the pages that libxc sets aside, the ring's and the console's among them."""


class MemoryMap:
    """The toolstack's, or what the guest has put in its place."""

    def __init__(self, memory: PhysicalMemory, ram_size: int) -> None:
        self._memory = memory
        self._ram_size = ram_size
        self.pvh = False
        """Whether the image that runs boots by the PVH convention. No state: the stage tells."""
        self.replaced: bytes | None = None
        """The packed entries that the guest has set; None before that."""

    def tell(self, argument: int) -> int:
        """XENMEM_memory_map, with a `struct xen_memory_map` at `argument`."""
        room, buffer = struct.unpack("<II", self._memory.read(argument, 8))
        entries = self._toolstacks() if self.replaced is None else self.replaced
        count = len(entries) // _ENTRY_SIZE
        if room < count:
            return -XenErrno.EINVAL
        self._memory.write(buffer, entries)
        self._memory.write(argument, struct.pack("<I", count))
        return 0

    def replace(self, argument: int) -> int:
        """XENMEM_set_memory_map, with a `struct xen_foreign_memory_map` at `argument`."""
        _, count, buffer = struct.unpack("<III", self._memory.read(argument, 12))
        if count > _MOST_ENTRIES:
            return -XenErrno.EINVAL
        self.replaced = self._memory.read(buffer, count * _ENTRY_SIZE)
        return 0

    def _toolstacks(self) -> bytes:
        """An hvmloader itself adds what lies below 1 MiB, and its own tables. Who boots by the PVH
        convention is told of all RAM, and of what it must not take for a hole."""
        low = 0 if self.pvh else _MIB
        entries = [struct.pack(_ENTRY, low, self._ram_size - low, E820Type.RAM)]
        if self.pvh:
            entries.append(struct.pack(_ENTRY, *_SPECIAL_PAGES, E820Type.RESERVED))
        return b"".join(entries)
