"""The virtual CPU: Unicorn's registers, its state as a value, and hooks in Python.

The hot path talks to Unicorn's C functions directly: the Python wrapper costs three times as much.
"""

from __future__ import annotations

import ctypes
import struct
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

_DESCRIPTORS = struct.pack("<QQQ", 0, 0x00CF9B000000FFFF, 0x00CF93000000FFFF)
"""Null, code and data: base 0, limit 4 GiB, 32 bits, accessed (SDM volume 3, 3.4.5)."""
_DATA_SEGMENTS = (
    x86.UC_X86_REG_SS,
    x86.UC_X86_REG_DS,
    x86.UC_X86_REG_ES,
    x86.UC_X86_REG_FS,
    x86.UC_X86_REG_GS,
)

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
_RETADDR = {5568: 5560}
"""By the size of a CPU's state, where it has an address of this process (`retaddr`: the code that
last missed the TLB), which means nothing between runs. A build of another size keeps it: then equal
states may have different keys, and a search more states."""
_LEFTOVERS = 28  # cc_dst, cc_src, cc_src2: 8 bytes each; cc_op: 4
_STATUS = 0x8D5  # the status flags in EFLAGS: OF, SF, ZF, AF, PF, CF


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


@cache
def _flags_offset() -> int:
    """Where a CPU's state has EFLAGS; the status flags as a run has worked them out (`cc_src`) come
    16 bytes later. Found by looking, so that another build of Unicorn does not go unnoticed."""
    uc = _new()
    uc.reg_write(x86.UC_X86_REG_EFLAGS, 0x246)
    saved = uc.context_save()
    state = ctypes.string_at(saved.context, saved.size)
    words = struct.unpack_from(f"<{_OFTEN // 4}I", state, len(state) - _own_size(state))
    found = [
        at
        for at in range(len(words) - 4)
        if words[at] == 0x246 and words[at + 4] == 0x246 & _STATUS
    ]
    if len(found) != 1:
        raise InternalError(
            f"this build of Unicorn is not known: {len(found)} places look like its note on flags "
            "(docs/unicorn.md)"
        )
    return 4 * found[0]


def _own_size(saved: bytes) -> int:
    """Of a saved context: how many bytes at its end are the CPU's. The others are Unicorn's."""
    return int.from_bytes(saved[:8], "little")


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
        own = len(saved) - _own_size(saved)
        self._context_at = self._context.context.value + own
        self._context_size = len(saved) - own
        flags = self._context_at + _flags_offset()
        self._flags = ctypes.c_uint32.from_address(flags)
        self._worked_out = ctypes.c_uint32.from_address(flags + 16)
        self._leftovers = flags + 8
        self._pointer = _RETADDR.get(self._context_size)
        self._seldom = b""
        self._reset_state = self.context()

    def _warm_up(self) -> None:
        """Give the CPU the segments of a PVH entry (docs/misc/pvh.pandoc): flat, 32 bits wide, SS
        too, which Unicorn begins without. And execute a block: it tells only of the later ones."""
        uc = self.uc
        uc.mem_map(_SCRATCH, PAGE)
        uc.mem_write(_SCRATCH, _DESCRIPTORS + b"\xeb\x00\x90\xf4")  # jmp +0; nop; hlt
        uc.reg_write(x86.UC_X86_REG_GDTR, (0, _SCRATCH, len(_DESCRIPTORS) - 1, 0))
        uc.reg_write(x86.UC_X86_REG_CS, 8)
        for segment in _DATA_SEGMENTS:
            uc.reg_write(segment, 16)
        uc.reg_write(x86.UC_X86_REG_GDTR, (0, 0, 0, 0))
        before = uc.context_save()
        uc.emu_start(_SCRATCH + len(_DESCRIPTORS), _NOWHERE, count=2)
        uc.mem_unmap(_SCRATCH, PAGE)
        uc.context_restore(before)

    def start(self, pc: int, count: int, until: int = _NOWHERE) -> int:
        """Execute up to `count` instructions from EIP = `pc`, or up to that at `until`; Unicorn's
        status. Raises what a hook has raised: C cannot, and it outranks whatever the CPU did after
        it."""
        status: int = uclib.uc_emu_start(self.handle, pc, until, 0, count)
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
            for segment in _DATA_SEGMENTS:
                self.set(segment, 0)

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

    def mend_flags(self) -> None:
        """The CPU stands before an instruction whose access was refused. There Unicorn works its
        flags out once more, from what they are by then, and gets others."""
        uclib.uc_context_save(self.handle, self._context.context)
        self._flags.value = self._flags.value & ~_STATUS | self._worked_out.value & _STATUS
        uclib.uc_context_restore(self.handle, self._context.context)

    def context(self) -> CpuState:
        """All of the CPU's state: equal values, equal CPU."""
        uclib.uc_context_save(self.handle, self._context.context)
        # What the flags were worked out from means nothing: a run begins with EFLAGS.
        ctypes.memset(self._leftovers, 0, _LEFTOVERS)
        if self._pointer is not None:
            ctypes.memset(self._context_at + self._pointer, 0, 8)
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
            kind,
            callback,
            None,
            begin,
            end,
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
            try:
                function(address, size)
            except BaseException as error:  # re-raised by start()
                self.raise_later(error)

        return WRITE(accessed)

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
