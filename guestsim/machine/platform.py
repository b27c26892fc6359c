"""The platform's devices, as far as firmware asks for them: I/O ports and device pages.

Sources: what hvmloader asserts (tools/firmware/hvmloader/pci.c, util.c, hvmloader.c) and the
port numbers of the PC platform that QEMU's `xenfv` machine provides.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from guestsim.machine.pci import ConfigurationSpaces, Contents
from guestsim.machine.printed import Printed
from guestsim.machine.profile import Profile

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


_EMPTY_PORTS: Final = (
    *(range(0x20, 0x22), range(0xA0, 0xA2), range(0x4D0, 0x4D2)),  # interrupt controllers
    *(range(0x40, 0x44), range(0x61, 0x62)),  # timer
    *(range(0x60, 0x61), range(0x64, 0x65), range(0x92, 0x93)),  # keyboard controller, A20
    *(range(0x80, 0x90), range(0xED, 0xEE)),  # DMA pages, POST codes, delays
    *(range(0x1F0, 0x1F8), range(0x3F6, 0x3F8), range(0x170, 0x178), range(0x376, 0x378)),  # IDE
    *(range(0x2F8, 0x300), range(0x3F8, 0x400), range(0x2E8, 0x2F0), range(0x3E8, 0x3F0)),  # serial
    *(range(0x278, 0x280), range(0x378, 0x380)),  # parallel
    range(0x3B0, 0x3E0),  # VGA
)
"""Ports of a PC that firmware probes or sets up whether or not anything is there. Here nothing is:
they read as ones."""


class PlatformState(NamedTuple):
    """Everything that can change and that a guest can read back."""

    post: int
    cmos: bytes
    cmos_index: int
    pci: Contents
    pci_address: int
    tsc: int


class Platform:
    """Ports and their state. All of it that can change is in `state()`, but for the console."""

    def __init__(self, profile: Profile) -> None:
        self.console = Printed()
        """What the guest printed, all stages."""
        self.post = 0
        """The last POST code."""
        self._cmos = bytearray(128)
        self._cmos_index = 0
        self._pci = ConfigurationSpaces(profile.devices)
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
                self._pci.contents(),
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
        self._pci.restore(state.pci)
        self._pci_address = state.pci_address
        self._tsc = state.tsc

    def tsc(self) -> int:
        """The time stamp counter: it moves by a fixed amount at each reading, never by itself."""
        self._state = None
        self._tsc += 1000
        return self._tsc

    def port_in(self, port: int, size: int) -> int | None:
        """IN; None where there is nothing that we know of."""
        if port >= _PCI_DATA and port + size <= _PCI_DATA + 4:
            return self._pci.read(self._pci_address, port - _PCI_DATA, size)
        if port == _PCI_ADDRESS and size == 4:
            return self._pci_address
        if port == _CMOS_DATA:
            return self._cmos[self._cmos_index]
        if port == _PM1A_CNT:
            return _SCI_EN
        if port == _CONSOLE:
            return _CONSOLE  # how a guest finds out that the port is there
        return (1 << 8 * size) - 1 if _is_empty(port) else None

    def port_out(self, port: int, size: int, value: int) -> bool:
        """OUT; whether there is anything that we know of."""
        if port == _CONSOLE:
            self.console.add(bytes((value & 0xFF,)))
            return True
        self._state = None
        if port == _PCI_ADDRESS and size == 4:
            self._pci_address = value
        elif port >= _PCI_DATA and port + size <= _PCI_DATA + 4:
            self._pci.write(self._pci_address, port - _PCI_DATA, size, value)
        elif port == _CMOS_INDEX:
            self._cmos_index = value & 0x7F
        elif port == _CMOS_DATA:
            self._cmos[self._cmos_index] = value & 0xFF
        elif port == POST_PORT:
            self.post = value
        else:
            return _is_empty(port) or port == _PM1A_CNT
        return True


def _is_empty(port: int) -> bool:
    return any(port in ports for ports in _EMPTY_PORTS)
