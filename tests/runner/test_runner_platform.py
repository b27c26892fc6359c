"""From `[platform]` to the machine's profile."""

from __future__ import annotations

from pathlib import Path

import pytest

from guestsim.errors import InputError
from guestsim.machine.profile import DEFAULT_DEVICES, DEVICES, Bar, BarKind, PciFunction, Profile
from guestsim.runner.setup import profile_of
from guestsim.scenario import DeviceName, load_one


def profile(folder: Path, platform: str) -> Profile:
    path = folder / "s.toml"
    path.write_text(
        f'title = "t"\nboot.chain = ["frontend"]\nexpect.hung = "never"\n[platform]\n{platform}\n'
    )
    return profile_of(load_one(path))


def test_the_default_is_the_machines(tmp_path: Path) -> None:
    assert profile(tmp_path, "") == Profile()
    assert Profile().devices == DEFAULT_DEVICES


def test_scenarios_and_the_machine_know_the_same_names() -> None:
    assert set(DEVICES) == {name.value for name in DeviceName}


def test_every_key_arrives(tmp_path: Path) -> None:
    made = profile(
        tmp_path,
        """memory = "24 MiB"
vcpus = 3
xen = "4.19.2"
devices = [
  "piix4-pm",
  { address = "00:1f.2", id = "8086:2922", class = "0106", registers = [
    "io 32 bytes", "memory64 8 KiB", "prefetchable 1 GiB" ] },
  "i440fx",
]""",
    )
    assert made == Profile(
        memory=24 << 20,
        vcpus=3,
        xen=(4, 19),
        extra_version=".2",
        devices=(
            DEVICES["i440fx"],
            DEVICES["piix4-pm"],
            PciFunction(
                0xFA,
                0x8086,
                0x2922,
                0x010600,
                bars=(
                    Bar(0, BarKind.IO, 32),
                    Bar(1, BarKind.MEMORY_64, 8 << 10),
                    Bar(3, BarKind.PREFETCHABLE, 1 << 30),
                ),
            ),
        ),
    )


def test_two_functions_at_one_address_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        profile(tmp_path, 'devices = ["e1000", "rtl8139"]')
    assert str(caught.value) == (
        f"{tmp_path}/s.toml: platform.devices[1]: there is a function at 04.0 already"
    )
