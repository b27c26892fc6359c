"""What a guest's platform is made of: memory, vcpus, the hypervisor's version, PCI functions.

The functions are those of the machine that QEMU makes for Xen's HVM guests (`xenfv`: i440FX, PIIX3,
PIIX4), with the identities and the sizes of base address registers that QEMU's models have.
hvmloader asserts the ISA bridge at 01.0, and that a function of class 0680 is the PIIX4's power
management (tools/firmware/hvmloader/pci.c).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

__all__ = ["DEFAULT_DEVICES", "DEVICES", "MAX_VCPUS", "Bar", "BarKind", "PciFunction", "Profile"]

MAX_VCPUS: Final = 4
_KIB: Final = 1 << 10
_MIB: Final = 1 << 20


class BarKind(Enum):
    """What a base address register asks for; the value is its fixed low bits (PCI 3.0, 6.2.5.1)."""

    IO = 0x1
    MEMORY = 0x0
    MEMORY_64 = 0x4
    """Takes two registers."""
    PREFETCHABLE = 0x8


@dataclass(frozen=True)
class Bar:
    """A base address register."""

    number: int
    """0 to 5."""
    kind: BarKind
    size: int
    """Bytes, a power of two."""


@dataclass(frozen=True)
class PciFunction:
    """A function on bus 0."""

    devfn: int
    """Device << 3 | function."""
    vendor: int
    device: int
    class_code: int
    """Class, subclass and programming interface: 24 bits."""
    revision: int = 0
    bars: tuple[Bar, ...] = ()
    rom: int = 0
    """Bytes of its expansion ROM, a power of two; 0 for none."""
    pin: int = 0
    """Interrupt pin: 0 none, 1 INTA…"""


DEVICES: Final = {
    "i440fx": PciFunction(0x00, 0x8086, 0x1237, 0x060000, 2),
    "piix3-isa": PciFunction(0x08, 0x8086, 0x7000, 0x060100),
    "piix3-ide": PciFunction(0x09, 0x8086, 0x7010, 0x010180, bars=(Bar(4, BarKind.IO, 16),)),
    "piix3-usb": PciFunction(
        0x0A, 0x8086, 0x7020, 0x0C0300, 1, bars=(Bar(4, BarKind.IO, 32),), pin=4
    ),
    "piix4-pm": PciFunction(0x0B, 0x8086, 0x7113, 0x068000, 3),
    "xen-platform": PciFunction(
        0x10,
        0x5853,
        0x0001,
        0xFF8000,
        1,
        bars=(Bar(0, BarKind.IO, 256), Bar(1, BarKind.PREFETCHABLE, 16 * _MIB)),
        pin=1,
    ),
    "cirrus-vga": PciFunction(
        0x18,
        0x1013,
        0x00B8,
        0x030000,
        bars=(Bar(0, BarKind.PREFETCHABLE, 32 * _MIB), Bar(1, BarKind.MEMORY, 4 * _KIB)),
        rom=64 * _KIB,
    ),
    "std-vga": PciFunction(
        0x18,
        0x1234,
        0x1111,
        0x030000,
        2,
        bars=(Bar(0, BarKind.PREFETCHABLE, 16 * _MIB), Bar(2, BarKind.MEMORY, 4 * _KIB)),
        rom=64 * _KIB,
    ),
    "rtl8139": PciFunction(
        0x20,
        0x10EC,
        0x8139,
        0x020000,
        0x20,
        bars=(Bar(0, BarKind.IO, 256), Bar(1, BarKind.MEMORY, 256)),
        rom=256 * _KIB,
        pin=1,
    ),
    "e1000": PciFunction(
        0x20,
        0x8086,
        0x100E,
        0x020000,
        3,
        bars=(Bar(0, BarKind.MEMORY, 128 * _KIB), Bar(1, BarKind.IO, 64)),
        rom=256 * _KIB,
        pin=1,
    ),
}
"""By the name that scenario files use, each where QEMU puts it."""

DEFAULT_DEVICES: Final = tuple(DEVICES[name] for name in ("i440fx", "piix3-isa", "piix4-pm"))
"""What firmware cannot do without."""


@dataclass(frozen=True)
class Profile:
    """One guest's platform."""

    memory: int = 16 * _MIB
    """Bytes of RAM, from address 0 on."""
    vcpus: int = 1
    xen: tuple[int, int] = (4, 17)
    """Version and subversion of the hypervisor."""
    extra_version: str = ".0-guestsim"
    """What follows it: at most 15 bytes."""
    devices: tuple[PciFunction, ...] = DEFAULT_DEVICES
