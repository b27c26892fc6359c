"""What images ask of xenstore where the scenario does not say, and the store that answers it."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["VBD", "requests_of_firmware", "requests_of_frontend", "toolstack_store"]

VBD = "device/vbd/51712"
"""The first disk, xvda: major 202, minor 0 (docs/man/xen-vbd-interface.7.pandoc)."""

_TOOLSTACK = {
    f"{VBD}/backend": "/local/domain/0/backend/vbd/1/51712",
    f"{VBD}/backend-id": "0",
    f"{VBD}/virtual-device": "51712",
    f"{VBD}/state": "1",
}
"""As libxl writes a disk's frontend (tools/libs/light/libxl_device.c)."""


def toolstack_store(store: Mapping[str, str]) -> dict[str, str]:
    """The scenario's store, with the disk that the toolstack gave the guest, unless the scenario
    says something else about it."""
    return {**_TOOLSTACK, **store}


def requests_of_firmware(store: Mapping[str, str]) -> tuple[str, ...]:
    """What firmware asks by default: everything that the scenario put under `hvmloader/` and
    `platform/`, at least which BIOS to load."""
    keys = [key for key in store if key.startswith(("hvmloader/", "platform/"))]
    return tuple(f"read {key}={store[key]}" for key in keys) or ("read hvmloader/bios",)


def requests_of_frontend(store: Mapping[str, str]) -> tuple[str, ...]:
    """What a PV block frontend does at boot: it reads its backend, writes its ring's details and
    its state, and reads the state back (xen/include/public/io/blkif.h)."""
    known = toolstack_store(store)
    return (
        f"read {VBD}/backend={known[f'{VBD}/backend']}",
        f"read {VBD}/backend-id={known[f'{VBD}/backend-id']}",
        f"write {VBD}/ring-ref=8",
        f"write {VBD}/event-channel=5",
        f"write {VBD}/state=3",
        f"read {VBD}/state=3",
    )
