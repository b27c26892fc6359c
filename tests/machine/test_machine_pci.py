"""PCI configuration space: identities, address registers that tell their size, empty slots."""

from __future__ import annotations

import pytest

from guestsim.machine.pci import ConfigurationSpaces
from guestsim.machine.platform import Platform
from guestsim.machine.profile import DEVICES, Bar, BarKind, PciFunction, Profile

CARD = PciFunction(
    0x23,
    0x1AF4,
    0x1041,
    0x020001,
    7,
    bars=(
        Bar(0, BarKind.IO, 64),
        Bar(1, BarKind.MEMORY_64, 1 << 30),
        Bar(4, BarKind.PREFETCHABLE, 4096),
    ),
    rom=1 << 16,
    pin=2,
)


def at(register: int, devfn: int = CARD.devfn) -> int:
    return 0x80000000 | devfn << 8 | register


def word(spaces: ConfigurationSpaces, register: int) -> int:
    return spaces.read(at(register), 0, 4)


def test_identity_and_class_are_wired() -> None:
    spaces = ConfigurationSpaces([CARD])
    for register, expected in ((0, 0x1041_1AF4), (8, 0x020001_07)):
        assert word(spaces, register) == expected
        spaces.write(at(register), 0, 4, 0)
        assert word(spaces, register) == expected
    assert spaces.read(at(0x3C), 1, 1) == 2


@pytest.mark.parametrize(
    ("number", "size", "low"),
    [
        (0, 0xFFFFFFC1, 1),
        (1, 0xC0000004, 4),
        (2, 0xFFFFFFFF, 0),
        (3, 0, 0),
        (4, 0xFFFFF008, 8),
        (5, 0, 0),
    ],
)
def test_an_address_register_tells_its_size(number: int, size: int, low: int) -> None:
    spaces = ConfigurationSpaces([CARD])
    register = 0x10 + 4 * number
    assert word(spaces, register) == low
    spaces.write(at(register), 0, 4, 0xFFFFFFFF)
    assert word(spaces, register) == size
    spaces.write(at(register), 0, 4, 0xE0000000)
    assert word(spaces, register) == (0xE0000000 & size | low if size else 0)


def test_so_does_the_rom() -> None:
    spaces = ConfigurationSpaces([CARD])
    spaces.write(at(0x30), 0, 4, 0xFFFFFFFF)
    assert word(spaces, 0x30) == 0xFFFF0001


def test_other_registers_are_memory_byte_by_byte() -> None:
    spaces = ConfigurationSpaces([CARD])
    spaces.write(at(0x40), 1, 2, 0xBEEF)
    assert word(spaces, 0x40) == 0x00BEEF00
    assert spaces.read(at(0x40), 2, 1) == 0xBE


@pytest.mark.parametrize("address", [at(0, 0x24), at(0) | 1 << 16, at(0) & 0x7FFFFFFF])
def test_where_there_is_nothing_loads_give_ones_and_stores_nothing(address: int) -> None:
    spaces = ConfigurationSpaces([CARD])
    before = spaces.contents()
    spaces.write(address, 0, 4, 0)
    assert spaces.read(address, 0, 4) == 0xFFFFFFFF
    assert spaces.read(address, 2, 2) == 0xFFFF
    assert spaces.contents() == before


def test_registers_are_part_of_the_platforms_state() -> None:
    platform = Platform(Profile(devices=(CARD,)))
    platform.port_out(0xCF8, 4, at(0x10))
    before = platform.state()
    platform.port_out(0xCFC, 4, 0xC000)
    assert platform.state() != before
    platform.restore(before)
    assert platform.port_in(0xCFC, 4) == 1


def test_an_access_over_the_end_of_the_data_ports_is_none_of_pci() -> None:
    platform = Platform(Profile(devices=(CARD,)))
    platform.port_out(0xCF8, 4, at(0xFC))
    assert not platform.port_out(0xCFD, 4, 0)
    assert platform.port_in(0xCFD, 4) is None
    assert [len(space) for _, space in platform.state().pci] == [256]


@pytest.mark.parametrize("name", DEVICES)
def test_every_named_device_can_be_made(name: str) -> None:
    device = DEVICES[name]
    spaces = ConfigurationSpaces([device])
    assert spaces.read(at(0, device.devfn), 0, 4) == device.device << 16 | device.vendor
    for bar in device.bars:
        register = at(0x10 + 4 * bar.number, device.devfn)
        spaces.write(register, 0, 4, 0xFFFFFFFF)
        size = spaces.read(register, 0, 4)
        assert -(size & ~(3 if bar.kind is BarKind.IO else 15)) & 0xFFFFFFFF == bar.size
