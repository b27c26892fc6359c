"""WRMSR, which Unicorn cannot hook: the CPU is stepped to it once, and from then on stops there."""

from __future__ import annotations

from unicorn import x86_const as x86

from guestsim.machine.engine import Engine
from guestsim.machine.memory import Memory

__all__ = ["WRMSR_SIZE", "msr_written", "step_to_wrmsr"]

_WRMSR = b"\x0f\x30"
WRMSR_SIZE = len(_WRMSR)
_STEPS = 4096
"""Single steps in which the guest has to come to it."""


def step_to_wrmsr(engine: Engine, memory: Memory, msr: int) -> tuple[int, bool]:
    """Step from where the CPU is to a WRMSR of `msr`: its address, True. Where the guest does
    something else first: the address of that, False."""
    pc = engine.get(x86.UC_X86_REG_EIP)
    for _ in range(_STEPS):
        if memory.read(pc, WRMSR_SIZE) == _WRMSR and msr_written(engine)[0] == msr:
            return pc, True
        if engine.step(pc) is not None:
            return pc, False  # run from there, it happens again
        pc = engine.get(x86.UC_X86_REG_EIP)
    return pc, False


def msr_written(engine: Engine) -> tuple[int, int]:
    """(number, value) of the WRMSR at which the CPU stands."""
    number, low, high = (
        engine.get(register) & 0xFFFFFFFF
        for register in (x86.UC_X86_REG_ECX, x86.UC_X86_REG_EAX, x86.UC_X86_REG_EDX)
    )
    return number, high << 32 | low
