"""The platform's state: everything that a guest can read back comes back with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from code86 import DATA, RING, SET_UP, guest, hypercall, load, poke, store

from guestsim.machine.platform import Platform
from guestsim.machine.profile import Profile

REQ_CONS, REQ_PROD = RING + 2048, RING + 2052

READINGS: dict[str, Callable[[Platform], object]] = {
    "cmos": lambda platform: platform.port_in(0x71, 1),
    "pci address": lambda platform: platform.port_in(0xCF8, 4),
    "pci": lambda platform: platform.port_in(0xCFC, 4),
    "tsc": lambda platform: platform.tsc(),
    "post": lambda platform: platform.post,
}


def disturb(platform: Platform, value: int) -> None:
    platform.port_out(0x70, 1, value)
    platform.port_out(0x71, 1, value)
    platform.port_out(0xCF8, 4, 0x80000040 | value << 8)
    platform.port_out(0xCFC, 4, value)
    platform.port_out(0x80, 1, value)
    platform.tsc()


@pytest.mark.parametrize("reading", READINGS)
def test_what_was_there_is_read_again(reading: str) -> None:
    platform = Platform(Profile())
    disturb(platform, 8)
    state = platform.state()
    before = READINGS[reading](platform)
    disturb(platform, 0)
    disturb(platform, 0x0B)
    assert READINGS[reading](platform) != before
    platform.restore(state)
    assert READINGS[reading](platform) == before


@pytest.mark.parametrize("port", [0x70, 0xCF8, 0x80])
def test_every_change_is_another_state(port: int) -> None:
    platform = Platform(Profile())
    before = platform.state()
    platform.port_out(port, 4, 3)
    assert platform.state() != before


def param(command: int, value: int = 0) -> bytes:
    """set_param (0) or get_param (1) of parameter 30."""
    words = (0x7FF0, 30, value, 0)
    pokes = b"".join(poke(DATA + 4 * at, word) for at, word in enumerate(words))
    return pokes + hypercall(34, command, DATA)


def test_so_are_the_hypervisors_parameters(tmp_path: Path) -> None:
    read = param(1) + load(DATA + 8) + store(REQ_PROD)
    code = SET_UP + param(0, 1) + load(REQ_CONS) + read + param(0, 2) + load(REQ_CONS) + read
    machine = guest(tmp_path, code + load(REQ_CONS))
    machine.keep_states = True
    first = machine.start()
    second = machine.resume(first.point, 0)
    assert machine.resume(second.point, 0).ops[0].value == 2
    assert machine.resume(first.point, 0).ops[0].value == 1
    assert machine.resume(second.point, 0).ops[0].value == 2


def test_hvm_info_says_what_libxc_says(tmp_path: Path) -> None:
    words = range(0x9F800 + 16, 0x9F800 + 28, 4)
    code = b"".join(load(word) + store(REQ_PROD) for word in words)
    ops = guest(tmp_path, code + load(REQ_CONS), profile=Profile(vcpus=2)).start().ops
    assert [op.value for op in ops[:3]] == [
        2,
        Profile().memory >> 12,
        0xFF000 - 8 - 8,  # special_pfn(0) - NR_IOREQ_SERVER_PAGES
    ]
