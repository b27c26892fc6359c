"""What a CPU that cannot go on has done, in words."""

from __future__ import annotations

from unicorn import unicorn_const as const

__all__ = ["ACCESSES", "EXCEPTIONS", "FAULTS"]

ACCESSES = {
    const.UC_MEM_READ_UNMAPPED: "read",
    const.UC_MEM_WRITE_UNMAPPED: "wrote to",
    const.UC_MEM_FETCH_UNMAPPED: "jumped to",
}

FAULTS = {
    const.UC_ERR_INSN_INVALID: "met an instruction that is not valid: a triple fault",
    const.UC_ERR_EXCEPTION: "took an exception and has no handler: a triple fault",
    const.UC_ERR_FETCH_PROT: "jumped into a page that holds no code",
    const.UC_ERR_READ_PROT: "read a page that it may not read",
    const.UC_ERR_WRITE_PROT: "wrote to a page that it may not write",
}

EXCEPTIONS = {
    0: "divide error",
    1: "debug",
    3: "breakpoint",
    4: "overflow",
    5: "bound range",
    6: "invalid opcode",
    7: "no FPU",
    8: "double fault",
    10: "invalid TSS",
    11: "segment not present",
    12: "stack fault",
    13: "general protection",
    14: "page fault",
    16: "FPU error",
    17: "alignment check",
    18: "machine check",
    19: "SIMD error",
}
