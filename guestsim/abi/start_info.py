"""PVH boot information: xen/include/public/arch-x86/hvm/start_info.h."""

from __future__ import annotations

__all__ = ["HVM_MODLIST_ENTRY", "HVM_START_INFO", "XEN_HVM_START_MAGIC_VALUE"]

XEN_HVM_START_MAGIC_VALUE = 0x336EC578

HVM_START_INFO = "<IIIIQQQQII"
"""`struct` format of `hvm_start_info` version 1: magic, version, flags, nr_modules,
modlist_paddr, cmdline_paddr, rsdp_paddr, memmap_paddr, memmap_entries, reserved."""

HVM_MODLIST_ENTRY = "<QQQQ"
"""`struct` format of `hvm_modlist_entry`: paddr, size, cmdline_paddr, reserved."""
