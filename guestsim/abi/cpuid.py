"""Xen's CPUID leaves: xen/include/public/arch-x86/cpuid.h."""

from __future__ import annotations

__all__ = ["XEN_CPUID_FIRST_LEAF", "XEN_CPUID_SIGNATURE"]

XEN_CPUID_FIRST_LEAF = 0x40000000
XEN_CPUID_SIGNATURE = b"XenVMMXenVMM"
"""In ebx:ecx:edx of the first leaf."""
