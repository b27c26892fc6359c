"""One stage of a boot chain, and how it is loaded: segments, PVH start information, hvm_info table.

Sources: docs/misc/pvh.pandoc, xen/include/public/arch-x86/hvm/start_info.h,
xen/include/public/hvm/hvm_info_table.h; the layout after the image is libxc's
(tools/libs/guest/xg_dom_hvmloader.c).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from guestsim.abi.start_info import (
    HVM_MODLIST_ENTRY,
    HVM_START_INFO,
    XEN_HVM_START_MAGIC_VALUE,
)
from guestsim.errors import InputError
from guestsim.files import MIB
from guestsim.machine.calls import PhysicalMemory
from guestsim.machine.image import Image
from guestsim.machine.memory import PAGE
from guestsim.machine.profile import Profile
from guestsim.machine.stops import NEVER, StopAt

__all__ = ["HVM_INFO_ADDRESS", "Stage", "check_fits", "load_stage", "memory_for"]

HVM_INFO_ADDRESS = 0x9F800
_BOOT_INFO_SIZE = 32 * PAGE
_FIRMWARE_SIZE = 16 * PAGE
"""The "firmware" module that hvmloader copies below 1 MiB: a BIOS that we never enter."""

_RESERVED_MEM_PGSTART = 0xFEFF0
"""libxc's: below the eight special pages that end at 0xff000, and the eight of ioreq servers. An
hvmloader of 2010 takes what it allocates in the map's hole from under it, and asserts its place."""
_HVM_INFO_SIZE = 48


@dataclass(frozen=True)
class Stage:
    """One image of the boot chain and its command line."""

    image: Image
    command_line: str = ""
    stop: StopAt = NEVER
    """What ends it, besides a shutdown and a hand-over."""
    typed: bytes = b""
    """What its console's input ring holds when it begins, behind what is there already."""


def check_fits(image: Image, ram_size: int) -> None:
    """InputError where the image, and what is loaded behind it, does not fit into RAM."""
    for segment in image.segments:
        last = segment.address + segment.size
        if last > ram_size:
            raise InputError(
                f"{image.path}: image {image.name!r}: its segment at {segment.address:#x} ends at "
                f"{last:#x}, outside the guest's {ram_size >> 20} MiB of memory"
                + (" and over the ring page" if last > 0xFEFFC000 else "")
            )
    if image.end + _BOOT_INFO_SIZE > ram_size:
        raise InputError(
            f"{image.path}: image {image.name!r} leaves no room for the start information in "
            f"{ram_size >> 20} MiB of memory"
        )


def memory_for(image: Image) -> int:
    """The least memory, in bytes, of a guest in which the image fits: whole MiB."""
    return -(-(image.end + _BOOT_INFO_SIZE) // MIB) * MIB


def load_stage(memory: PhysicalMemory, image: Image, command_line: str, profile: Profile) -> int:
    """Put the image and its boot information into memory; returns the address of
    `hvm_start_info`, which ebx holds at the entry point. Other memory is kept."""
    for segment in image.segments:
        memory.write(segment.address, segment.data)
        memory.write(segment.address + len(segment.data), bytes(segment.size - len(segment.data)))
    memory.write(HVM_INFO_ADDRESS, _hvm_info(profile))
    base = -(-image.end // PAGE) * PAGE
    firmware = base + _BOOT_INFO_SIZE - _FIRMWARE_SIZE
    text = command_line.encode() + b"\0"
    module_text = b"firmware\0"
    start = struct.calcsize(HVM_START_INFO)
    modules = base + start
    module_line = modules + struct.calcsize(HVM_MODLIST_ENTRY)
    line = module_line + len(module_text)
    info = struct.pack(
        HVM_START_INFO, XEN_HVM_START_MAGIC_VALUE, 1, 0, 1, modules, line, 0, 0, 0, 0
    )
    entry = struct.pack(HVM_MODLIST_ENTRY, firmware, _FIRMWARE_SIZE, module_line, 0)
    block = info + entry + module_text + text
    if base + len(block) > firmware:
        raise InputError(
            f"image {image.name!r}: its requests are {len(text)} bytes of command line; "
            f"at most {firmware - line} fit"
        )
    memory.write(base, block)
    memory.write(firmware, b"\xf4" * _FIRMWARE_SIZE)  # HLT, should anybody get there
    return base


def _hvm_info(profile: Profile) -> bytes:
    table = bytearray(_HVM_INFO_SIZE)
    struct.pack_into(
        "<8sIBBHIIIIB",
        table,
        0,
        b"HVM INFO",
        _HVM_INFO_SIZE,
        0,  # checksum, below
        1,  # apic_mode
        0,
        profile.vcpus,
        profile.memory // PAGE,
        _RESERVED_MEM_PGSTART,
        0,  # high_mem_pgend: no memory over 4 GiB
        (1 << profile.vcpus) - 1,  # vcpu_online
    )
    table[12] = -sum(table) & 0xFF
    return bytes(table)
