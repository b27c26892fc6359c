"""The virtual CPU: Unicorn's registers, its state as a value, and hooks in Python.

The hot path talks to Unicorn's C functions directly: the Python wrapper costs three times as much.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

from unicorn import unicorn_const as const
from unicorn import x86_const as x86
from unicorn.unicorn_py3.unicorn import Uc, uclib

from guestsim.errors import InternalError
from guestsim.machine.callbacks import WRITE
from guestsim.machine.memory import PAGE

__all__ = ["CPUID_REGISTERS", "EIP", "Cpu", "CpuState", "cpu_leaf"]

EIP = x86.UC_X86_REG_EIP
_ESP = x86.UC_X86_REG_ESP
_CR0_PE, _CR0_PG = 1, 1 << 31
_NOWHERE = 1 << 40  # `until`: an address that a 32-bit guest never reaches
_SCRATCH = 0x1000

CPUID_REGISTERS = (
    x86.UC_X86_REG_EAX,
    x86.UC_X86_REG_EBX,
    x86.UC_X86_REG_ECX,
    x86.UC_X86_REG_EDX,
)

_MODEL = 16
"""Unicorn's number of QEMU's Westmere: the youngest CPU that has neither RDRAND, RDSEED nor RDTSCP,
which answer differently each time. They are absent in CPUID, and #UD."""

CpuState = tuple[bytes, bytes]
"""General registers, flags and segments; then all that hardly ever changes, as one object as long
as it does not. So two states are compared and hashed by their first parts."""
_OFTEN = 512


def _new() -> Any:
    uc: Any = Uc(const.UC_ARCH_X86, const.UC_MODE_32)  # the binding is untyped
    uc.ctl_set_cpu_model(_MODEL)
    return uc


@cache
def cpu_leaf(leaf: int, subleaf: int) -> tuple[int, int, int, int]:
    """What the emulated CPU itself answers to CPUID: eax, ebx, ecx, edx."""
    uc = _new()
    uc.mem_map(0, PAGE)
    uc.mem_write(0, b"\x0f\xa2")
    uc.reg_write(x86.UC_X86_REG_EAX, leaf)
    uc.reg_write(x86.UC_X86_REG_ECX, subleaf)
    uc.emu_start(0, 2)
    eax, ebx, ecx, edx = (uc.reg_read(register) for register in CPUID_REGISTERS)
    return eax, ebx, ecx, edx


class Cpu:
    """One CPU without memory. 32-bit flat protected mode at the start."""

    def __init__(self) -> None:
        self.uc = _new()
        self.handle = self.uc._uch
        self._callbacks: list[Any] = []
        self._error: BaseException | None = None
        self._register = ctypes.c_uint64()
        self._register_ref = ctypes.byref(self._register)
        self._warm_up()
        self._context = self.uc.context_save()
        saved = ctypes.string_at(self._context.context, self._context.size)
        # What precedes the CPU's state (its size comes first) is Unicorn's own.
        own = len(saved) - int.from_bytes(saved[:8], "little")
        self._context_at = self._context.context.value + own
        self._context_size = len(saved) - own
        self._seldom = b""
        self._reset_state = self.context()

    def _warm_up(self) -> None:
        """Unicorn tells of a new block of code only where it has executed one before."""
        before = self.uc.context_save()
        self.uc.mem_map(_SCRATCH, PAGE)
        self.uc.mem_write(_SCRATCH, b"\xeb\x00\x90\xf4")  # jmp +0; nop; hlt
        self.uc.emu_start(_SCRATCH, _NOWHERE, count=2)
        self.uc.mem_unmap(_SCRATCH, PAGE)
        self.uc.context_restore(before)

    def start(self, pc: int, count: int) -> int:
        """Execute up to `count` instructions from EIP = `pc`; Unicorn's status. Raises what a hook
        has raised: C cannot, and it outranks whatever the CPU did after it."""
        status: int = uclib.uc_emu_start(
            self.handle,
            ctypes.c_uint64(pc),
            ctypes.c_uint64(_NOWHERE),
            ctypes.c_uint64(0),
            ctypes.c_size_t(count),
        )
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return status

    def halt(self) -> None:
        """From inside a hook: come back from `start` before the next instruction."""
        uclib.uc_emu_stop(self.handle)

    # -- registers ------------------------------------------------------------------------------

    def get(self, register: int) -> int:
        """A register by its Unicorn number."""
        self._register.value = 0
        uclib.uc_reg_read(self.handle, register, self._register_ref)
        return self._register.value

    def stack_pointer(self) -> int:
        """ESP."""
        uclib.uc_reg_read(self.handle, _ESP, self._register_ref)
        return self._register.value & 0xFFFFFFFF

    def set(self, register: int, value: int) -> None:
        """Write a register by its Unicorn number."""
        self.uc.reg_write(register, value)

    def reset(self, *, real_mode: bool = False) -> None:
        """Back to the mode at the start, or to real mode, all registers zero."""
        self.set_context(self._reset_state)
        if real_mode:
            self.set(x86.UC_X86_REG_CR0, self.get(x86.UC_X86_REG_CR0) & ~_CR0_PE)

    def in_real_mode(self) -> bool:
        """Whether CR0.PE is clear."""
        return not self.get(x86.UC_X86_REG_CR0) & _CR0_PE

    def is_paging(self) -> bool:
        """Whether CR0.PG is set."""
        return bool(self.get(x86.UC_X86_REG_CR0) & _CR0_PG)

    def linear(self, pc: int) -> int:
        """The address of the instruction at EIP = `pc`. Segments of protected mode are flat."""
        if not self.in_real_mode():
            return pc
        return pc + (self.get(x86.UC_X86_REG_CS) << 4) & 0xFFFFFFFF

    def physical(self, address: int) -> int | None:
        """Where code at a linear address is, by the guest's page tables; None where nowhere."""
        if not self.is_paging():
            return address
        found = ctypes.c_uint64()
        status = uclib.uc_vmem_translate(
            self.handle,
            ctypes.c_uint64(address),
            ctypes.c_uint32(const.UC_PROT_EXEC),
            ctypes.byref(found),
        )
        return found.value if status == const.UC_ERR_OK else None

    def context(self) -> CpuState:
        """All of the CPU's state: equal values, equal CPU."""
        uclib.uc_context_save(self.handle, self._context.context)
        state = ctypes.string_at(self._context_at, self._context_size)
        often, seldom = state[:_OFTEN], state[_OFTEN:]
        if seldom != self._seldom:
            self._seldom = seldom
        return often, self._seldom

    def set_context(self, state: CpuState) -> None:
        """Put the CPU into a state that `context` gave."""
        often, seldom = state
        ctypes.memmove(self._context_at, often, _OFTEN)
        ctypes.memmove(self._context_at + _OFTEN, seldom, len(seldom))
        uclib.uc_context_restore(self.handle, self._context.context)

    # -- hooks ----------------------------------------------------------------------------------

    def hook(
        self, kind: int, callback: Any, begin: int = 1, end: int = 0, insn: int | None = None
    ) -> None:
        """Have Unicorn call `callback`, for good."""
        self.listen(kind, callback, begin, end, insn)
        self._callbacks.append(callback)  # ctypes needs them kept alive

    def listen(
        self, kind: int, callback: Any, begin: int, end: int, insn: int | None = None
    ) -> Any:
        """Have Unicorn call `callback`, which the caller keeps; a handle for `unlisten`."""
        hook = ctypes.c_size_t()
        status = uclib.uc_hook_add(
            self.handle,
            ctypes.byref(hook),
            ctypes.c_int(kind),
            callback,
            None,
            ctypes.c_uint64(begin),
            ctypes.c_uint64(end),
            *(() if insn is None else (ctypes.c_int(insn),)),
        )
        if status != const.UC_ERR_OK:
            raise InternalError(f"Unicorn refused a hook (kind {kind}, error {status})")
        return hook

    def unlisten(self, handle: Any) -> None:
        """No longer. May be called from inside a callback."""
        uclib.uc_hook_del(self.handle, handle)  # Unicorn forgets it at the end of the run

    def access_callback(self, function: Callable[[int, int], None]) -> Any:
        """For `listen` to loads (UC_HOOK_MEM_READ) or stores (UC_HOOK_MEM_WRITE) of RAM, before
        they are done: `function` gets (address, size)."""

        def accessed(_h: int, _kind: int, address: int, size: int, _value: int, _data: int) -> None:
            function(address, size)

        return WRITE(self.guarded(accessed))

    def guarded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` for a hook: what it raises is raised by `start`."""

        def call(*arguments: Any) -> Any:
            try:
                return function(*arguments)
            except BaseException as error:  # re-raised by start()
                self.raise_later(error)
                return 0

        return call

    def raise_later(self, error: BaseException) -> None:
        """From inside a hook: end the run, and raise there."""
        if self._error is None:
            self._error = error
        self.halt()
