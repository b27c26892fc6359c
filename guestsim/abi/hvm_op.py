"""HVM operations and parameters: xen/include/public/hvm/hvm_op.h and hvm/params.h."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["HvmOp", "HvmParam"]


class HvmOp(IntEnum):
    """`HVMOP_*`. set_param and get_param take u16 domid, u16 pad, u32 index, u64 value."""

    HVMOP_set_param = 0
    HVMOP_get_param = 1


class HvmParam(IntEnum):
    """`HVM_PARAM_*`."""

    HVM_PARAM_STORE_PFN = 1
    HVM_PARAM_STORE_EVTCHN = 2
    HVM_PARAM_CONSOLE_PFN = 17
    HVM_PARAM_CONSOLE_EVTCHN = 18
