"""The platform of a scenario, as the machine knows it."""

from __future__ import annotations

from guestsim.errors import InputError
from guestsim.machine.profile import DEVICES, Bar, BarKind, PciFunction, Profile
from guestsim.scenario import Device, Scenario, parse_device, parse_memory, parse_xen

__all__ = ["profile_of"]

_KINDS = {
    "io": BarKind.IO,
    "memory": BarKind.MEMORY,
    "memory64": BarKind.MEMORY_64,
    "prefetchable": BarKind.PREFETCHABLE,
}


def profile_of(scenario: Scenario) -> Profile:
    """InputError where two functions stand at one address."""
    platform = scenario.platform
    version, subversion, extra = parse_xen(platform.xen)
    functions: dict[int, PciFunction] = {}
    for index, device in enumerate(platform.devices):
        made = _function(device) if isinstance(device, Device) else DEVICES[device]
        if made.devfn in functions:
            address = f"{made.devfn >> 3:02x}.{made.devfn & 7}"
            raise InputError(
                f"{scenario.name}: platform.devices[{index}]: there is a function at {address} "
                "already"
            )
        functions[made.devfn] = made
    plain = Profile()
    return Profile(
        memory=parse_memory(platform.memory),
        vcpus=platform.vcpus,
        xen=(version, subversion),
        extra_version=extra or plain.extra_version,
        devices=tuple(functions[devfn] for devfn in sorted(functions)),
    )


def _function(device: Device) -> PciFunction:
    parsed = parse_device(device)
    bars = tuple(Bar(number, _KINDS[kind], size) for number, kind, size in parsed.registers)
    return PciFunction(parsed.devfn, parsed.vendor, parsed.device, parsed.class_code, bars=bars)
