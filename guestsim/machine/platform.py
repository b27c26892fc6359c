"""The platform's devices, as far as firmware asks for them: I/O ports and device pages.

Sources: what hvmloader asserts (tools/firmware/hvmloader/pci.c, util.c, hvmloader.c) and the
port numbers of the PC platform that QEMU's `xenfv` machine provides.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

__all__ = ["DEVICE_PAGES", "POST_WRONG_REPLY", "Platform", "PlatformState"]

POST_PORT: Final = 0x80
POST_WRONG_REPLY: Final = 0xE0
"""POST code of our images: a stage took a wrong reply for a right one (firmware/include/post.h)."""

DEVICE_PAGES: Final = (0xFEC00000, 0xFED00000, 0xFED40000, 0xFEE00000)
"""IO-APIC, HPET, TPM, local APIC: plain memory."""

_CONSOLE: Final = 0xE9
_CMOS_INDEX, _CMOS_DATA = 0x70, 0x71
_PCI_ADDRESS, _PCI_DATA = 0xCF8, 0xCFC
_PM1A_CNT: Final = 0xB004
_SCI_EN: Final = 1

_PCI_DEVICES: Final = {
    # devfn: (vendor | device << 16, class code << 8 | revision)
    0x00: (0x1237_8086, 0x0600_0002),  # i440FX host bridge
    0x08: (0x7000_8086, 0x0601_0000),  # PIIX3 ISA bridge
    0x0B: (0x7113_8086, 0x0680_0003),  # PIIX4 power management
}


def _configuration() -> dict[int, bytearray]:
    spaces = {}
    for devfn, (identity, revision) in _PCI_DEVICES.items():
        spaces[devfn] = bytearray(256)
        struct.pack_into("<I", spaces[devfn], 0, identity)
        struct.pack_into("<I", spaces[devfn], 8, revision)
    return spaces


class PlatformState(NamedTuple):
    """Everything that can change and that a guest can read back."""

    post: int
    cmos: bytes
    cmos_index: int
    pci: tuple[tuple[int, bytes], ...]
    pci_address: int
    tsc: int


class Platform:
    """Ports and their state. All of it that can change is in `state()`, but for the console."""

    def __init__(self) -> None:
        self.console = b""
        """What the guest printed, all stages."""
        self.post = 0
        """The last POST code."""
        self._cmos = bytearray(128)
        self._cmos_index = 0
        self._pci = _configuration()
        self._pci_address = 0
        self._tsc = 0
        self._state: PlatformState | None = None  # as long as nothing has changed since

    def state(self) -> PlatformState:
        """The present state; the same object while nothing changes."""
        if self._state is None:
            self._state = PlatformState(
                self.post,
                bytes(self._cmos),
                self._cmos_index,
                tuple((devfn, bytes(space)) for devfn, space in self._pci.items()),
                self._pci_address,
                self._tsc,
            )
        return self._state

    def restore(self, state: PlatformState) -> None:
        """Back to a state that `state` gave."""
        if state is self._state:
            return
        self._state = state
        self.post = state.post
        self._cmos[:] = state.cmos
        self._cmos_index = state.cmos_index
        self._pci = {devfn: bytearray(space) for devfn, space in state.pci}
        self._pci_address = state.pci_address
        self._tsc = state.tsc

    def tsc(self) -> int:
        """The time stamp counter: it moves by a fixed amount at each reading, never by itself."""
        self._state = None
        self._tsc += 1000
        return self._tsc

    def port_in(self, port: int, size: int) -> int:
        """IN: unknown ports read as ones."""
        if _PCI_DATA <= port < _PCI_DATA + 4:
            return self._pci_read(port - _PCI_DATA, size)
        if port == _PCI_ADDRESS and size == 4:
            return self._pci_address
        if port == _CMOS_DATA:
            return self._cmos[self._cmos_index]
        if port == _PM1A_CNT:
            return _SCI_EN
        if port == _CONSOLE:
            return _CONSOLE  # how a guest finds out that the port is there
        return (1 << 8 * size) - 1

    def port_out(self, port: int, size: int, value: int) -> None:
        """OUT: unknown ports swallow the value, as hardware does."""
        if port == _CONSOLE:
            self.console += bytes((value & 0xFF,))
            return
        self._state = None
        if port == _PCI_ADDRESS and size == 4:
            self._pci_address = value
        elif _PCI_DATA <= port < _PCI_DATA + 4:
            self._pci_write(port - _PCI_DATA, size, value)
        elif port == _CMOS_INDEX:
            self._cmos_index = value & 0x7F
        elif port == _CMOS_DATA:
            self._cmos[self._cmos_index] = value & 0xFF
        elif port == POST_PORT:
            self.post = value

    def _pci_read(self, offset: int, size: int) -> int:
        space = self._pci_space()
        if space is None:
            return (1 << 8 * size) - 1
        first = (self._pci_address & 0xFC) + offset
        return int.from_bytes(space[first : first + size], "little")

    def _pci_write(self, offset: int, size: int, value: int) -> None:
        space = self._pci_space()
        first = (self._pci_address & 0xFC) + offset
        # Identity is wired; so are the base address registers, which read as zero: no BARs.
        if space is None or first < 4 or 8 <= first < 0x0C or 0x10 <= first < 0x34:
            return
        space[first : first + size] = value.to_bytes(size, "little")

    def _pci_space(self) -> bytearray | None:
        address = self._pci_address
        if not address >> 31 or address >> 16 & 0xFF:
            return None
        return self._pci.get(address >> 8 & 0xFF)
