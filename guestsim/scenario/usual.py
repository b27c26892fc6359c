"""What everybody does of whom a scenario says nothing: a toolstack that gives the guest a disk, and
the requests of the built-in images."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from guestsim.scenario.models import Sections, Stage

__all__ = ["requests_of", "requests_of_firmware", "requests_of_frontend", "toolstack_store"]

_VBD = "device/vbd/51712"
"""The first disk, xvda: major 202, minor 0 (docs/man/xen-vbd-interface.7.pandoc)."""

_BACKEND = "/local/domain/0/backend/vbd/1/51712"

_TOOLSTACK = {
    f"{_VBD}/backend": _BACKEND,
    f"{_VBD}/backend-id": "0",
    f"{_VBD}/virtual-device": "51712",
    f"{_VBD}/state": "1",
}
"""As libxl writes a disk's frontend (tools/libs/light/libxl_device.c)."""

_KERNELS = frozenset({"frontend", "frontend-edge"})
"""Images that connect a driver; all others are firmware."""

_OTHER_SIDE = {
    f"{_BACKEND}/frontend": f"/local/domain/1/{_VBD}",
    f"{_BACKEND}/frontend-id": "1",
    f"{_BACKEND}/state": "1",
}
"""And its backend, which nobody looks at where there is none to answer."""


def requests_of(scenario: Sections, stage: Stage) -> tuple[str, ...]:
    """What the stage asks of xenstore: its own requests, or the usual ones."""
    if stage.requests is not None:
        return stage.requests
    if stage.is_path:
        return ()  # somebody else's image: it knows what it wants
    if stage.name not in _KERNELS:
        return requests_of_firmware(scenario.store)
    return requests_of_frontend(scenario.store, answered=_is_answered(scenario))


def toolstack_store(scenario: Sections) -> dict[str, str]:
    """The scenario's store, with the disk that the toolstack gave the guest, unless the scenario
    says something else about it."""
    backend = _OTHER_SIDE if scenario.others else {}
    return {**_TOOLSTACK, **backend, **scenario.store}


def requests_of_firmware(store: Mapping[str, str]) -> tuple[str, ...]:
    """What firmware asks by default: everything that the scenario put under `hvmloader/` and
    `platform/`, at least which BIOS to load."""
    keys = [key for key in store if key.startswith(("hvmloader/", "platform/"))]
    return tuple(map(partial(_read, store), keys)) or ("read hvmloader/bios",)


def requests_of_frontend(store: Mapping[str, str], *, answered: bool = False) -> tuple[str, ...]:
    """What a PV block frontend does at boot: it reads its backend, writes its ring's details and
    its state, and reads the state back (xen/include/public/io/blkif.h).

    `answered`: there is a backend that moves. Then it waits for that: for InitWait before it
    writes its details, and for Connected before it says so itself (xenbus.h, XenbusState).
    """
    known = {**_TOOLSTACK, **store}
    state = f"{known[f'{_VBD}/backend']}/state"
    begins = (_read(known, f"{_VBD}/backend"), _read(known, f"{_VBD}/backend-id"))
    writes = (f"write {_VBD}/ring-ref=8", f"write {_VBD}/event-channel=5", f"write {_VBD}/state=3")
    if not answered:
        return (*begins, *writes, f"read {_VBD}/state=3")
    waits = (f"watch {state}", f"until {state}=2")
    return (*begins, *waits, *writes, f"until {state}=4", f"write {_VBD}/state=4")


def _is_answered(scenario: Sections) -> bool:
    """Whether somebody moves the state of the disk's backend."""
    known = {**_TOOLSTACK, **scenario.store}
    state = f"write {known[f'{_VBD}/backend']}/state="
    return any(line.startswith(state) for other in scenario.others for line in other.do)


def _read(store: Mapping[str, str], key: str) -> str:
    """A request for the key. What is no line of text cannot be compared."""
    value = store[key]
    return f"read {key}={value}" if value.isprintable() else f"read {key}"
