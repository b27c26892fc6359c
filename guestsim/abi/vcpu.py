"""vcpu operations: xen/include/public/vcpu.h and hvm/hvm_vcpu.h."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["VCPU_HVM_MODE_32B", "VCPU_HVM_X86_32", "VcpuOp"]


class VcpuOp(IntEnum):
    """`VCPUOP_*`, the first argument of `vcpu_op`."""

    VCPUOP_initialise = 0
    VCPUOP_up = 1
    VCPUOP_down = 2
    VCPUOP_is_up = 3


VCPU_HVM_MODE_32B = 0
VCPU_HVM_X86_32 = "<II8III"
"""The beginning of `struct vcpu_hvm_context` in that mode: mode, padding, eax, ecx, edx, ebx, esp,
ebp, esi, edi, eip, eflags."""
