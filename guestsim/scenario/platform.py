"""The `[platform]` table: a guest's memory, vcpus, hypervisor version and PCI functions."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from guestsim.errors import InputError
from guestsim.scenario.problem import Key
from guestsim.trace.text import quoted

__all__ = [
    "Device",
    "DeviceName",
    "Function",
    "PartError",
    "Platform",
    "Register",
    "parse_device",
    "parse_memory",
    "parse_xen",
]

_UNITS: Final = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_LEAST_MEMORY, _MOST_MEMORY = 4 << 20, 2 << 30
_PAGE: Final = 4096
_SIZE = re.compile(r"([0-9]{1,9}) ?(bytes|KiB|MiB|GiB)")
_XEN = re.compile(r"([0-9]{1,2})\.([0-9]{1,3})(\.[0-9A-Za-z.+-]{1,14})?")
_ADDRESS = re.compile(r"(?:00:)?([0-9a-f]{2})\.([0-7])")
_IDENTITY = re.compile(r"([0-9a-f]{4}):([0-9a-f]{4})")
_CLASS = re.compile(r"[0-9a-f]{4}(?:[0-9a-f]{2})?")
_REGISTER = re.compile(r"(io|memory|memory64|prefetchable) (.*)")
_REGISTERS: Final = 6
_MOST_SLOT: Final = 31


class DeviceName(StrEnum):
    """PCI functions that have a name."""

    I440FX = "i440fx"
    PIIX3_ISA = "piix3-isa"
    PIIX3_IDE = "piix3-ide"
    PIIX3_USB = "piix3-usb"
    PIIX4_PM = "piix4-pm"
    XEN_PLATFORM = "xen-platform"
    CIRRUS_VGA = "cirrus-vga"
    STD_VGA = "std-vga"
    RTL8139 = "rtl8139"
    E1000 = "e1000"


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A PCI function that has no name here."""

    address: Annotated[str, Meta(description="Where on bus 0: SLOT.FUNCTION, as lspci writes it.")]
    id: Annotated[str, Meta(description="VENDOR:DEVICE, four hexadecimal digits each.")]
    class_code: Annotated[
        str, Meta(description="Class and subclass, and programming interface: hexadecimal.")
    ] = msgspec.field(name="class")
    registers: Annotated[
        tuple[str, ...],
        Meta(description="What its base address registers ask for: KIND SIZE each."),
    ] = ()


class Platform(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[platform]`: what the guest's machine is made of."""

    memory: Annotated[str, Meta(description="RAM: a number and KiB, MiB or GiB.")] = "16 MiB"
    vcpus: Annotated[int, Meta(ge=1, le=4, description="Virtual CPUs.")] = 1
    xen: Annotated[str, Meta(description="The hypervisor's version.")] = "4.17"
    devices: Annotated[
        tuple[DeviceName | Device, ...],
        Meta(description="The PCI functions on bus 0: names, or tables."),
    ] = (DeviceName.I440FX, DeviceName.PIIX3_ISA, DeviceName.PIIX4_PM)


class PartError(InputError):
    """A string in a table does not follow its grammar; `part` is its key in the table."""

    def __init__(self, message: str, *part: str | int) -> None:
        super().__init__(message)
        self.part: Key = part


class Register(NamedTuple):
    """A base address register."""

    number: int
    kind: str
    """`io`, `memory`, `memory64` or `prefetchable`."""
    size: int
    """Bytes, a power of two."""


class Function(NamedTuple):
    """A `Device`, parsed."""

    devfn: int
    vendor: int
    device: int
    class_code: int
    """24 bits."""
    registers: tuple[Register, ...]


def _parse_size(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise InputError(f'{quoted(text)} is no size; write one as "64 MiB"')
    return int(match[1]) * _UNITS[match[2]]


def parse_memory(text: str) -> int:
    """Bytes of RAM."""
    size = _parse_size(text)
    if not _LEAST_MEMORY <= size <= _MOST_MEMORY:
        raise InputError(f"{quoted(text)} is not between 4 MiB and 2 GiB")
    if size % _PAGE:
        raise InputError(f"{quoted(text)} is not a whole number of pages of 4 KiB")
    return size


def parse_xen(text: str) -> tuple[int, int, str]:
    """(version, subversion, what follows it)."""
    match = _XEN.fullmatch(text)
    if match is None:
        raise InputError(f'{quoted(text)} is no version of Xen; write one as "4.17"')
    return int(match[1]), int(match[2]), match[3] or ""


def parse_device(device: Device) -> Function:
    """The function that `device` describes; `PartError` where it describes none."""
    address = _match(_ADDRESS, device.address, ("address",), 'SLOT.FUNCTION, as "04.0"')
    slot = int(address[1], 16)
    if slot > _MOST_SLOT:
        raise PartError(f"{quoted(device.address)}: the last slot is 1f", "address")
    identity = _match(_IDENTITY, device.id, ("id",), 'VENDOR:DEVICE, as "8086:100e"')
    code = _match(_CLASS, device.class_code, ("class",), 'hexadecimal digits, as "0200"')[0]
    registers: list[Register] = []
    number = 0
    for index, text in enumerate(device.registers):
        kind, size = _register(text, index)
        registers.append(Register(number, kind, size))
        number += 2 if kind == "memory64" else 1
        if number > _REGISTERS:
            message = f"a function has {_REGISTERS} registers; memory64 takes two"
            raise PartError(message, "registers", index)
    return Function(
        slot << 3 | int(address[2]),
        int(identity[1], 16),
        int(identity[2], 16),
        int(code.ljust(6, "0"), 16),
        tuple(registers),
    )


def _register(text: str, index: int) -> tuple[str, int]:
    part = ("registers", index)
    match = _match(_REGISTER, text, part, 'KIND SIZE, as "io 64 bytes" or "memory 128 KiB"')
    try:
        size = _parse_size(match[2])
    except InputError as error:
        raise PartError(str(error), *part) from None
    least, most = (4, 256) if match[1] == "io" else (16, 1 << 30)
    if size & size - 1 or not least <= size <= most:
        message = f"{quoted(text)}: its size must be a power of two from {least} to {most} bytes"
        raise PartError(message, *part)
    return match[1], size


def _match(pattern: re.Pattern[str], text: str, part: Key, wanted: str) -> re.Match[str]:
    match = pattern.fullmatch(text)
    if match is None:
        raise PartError(f"{quoted(text)} is not {wanted}", *part)
    return match
