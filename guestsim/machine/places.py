"""Where in the guest's address space the pages are that are no RAM, and what of them is shared."""

from __future__ import annotations

from guestsim.abi.xen import SharedInfo
from guestsim.machine.hypervisor import STORE_PFN
from guestsim.machine.memory import PAGE
from guestsim.machine.shared_info import VCPU0_EVENTS
from guestsim.trace import shared

__all__ = ["RESET_VECTOR", "RING_PAGE", "is_shared", "place_of"]

RESET_VECTOR = 0xFFFF0
"""F000:FFF0: the end of a firmware stage."""

RING_PAGE = STORE_PFN * PAGE


def is_shared(address: int, size: int) -> bool:
    """Of an access in a window: whether others see it. The ring page, and the event words of
    shared_info."""
    base = address & ~(PAGE - 1)
    if base == RING_PAGE:
        return True
    offset = address - base
    return offset < VCPU0_EVENTS or (
        offset + size > SharedInfo.evtchn_pending and offset < SharedInfo.wc_version
    )


def place_of(address: int) -> int:
    """The shared address of what is shared."""
    offset = address % PAGE
    return offset + (shared.RING if address - offset == RING_PAGE else shared.SHARED_INFO)
