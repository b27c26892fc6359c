"""The virtual CPU: Unicorn, stopped exactly at what the guest shares with others.

Pages come in two sorts. *RAM* is mapped when first touched. *Windows* (the ring page, shared_info)
are mapped write-only over host memory: a load there traps, and its value comes from outside; a
store is reported and goes on. The hypercall page works through a window as well: each of its
entries loads one word there, so that a hypercall is a load whose value is the result.

An engine keeps its translated code when memory is put back to an earlier state. That is sound
because each stage of the boot chain has an engine of its own: its image is the same at each start,
and code that the guest itself writes is translated anew by Unicorn.

When the value of a load is not known yet, the hook refuses the access, and Unicorn stops precisely
at that instruction; `run` again with the value executes it anew.

The hot path talks to Unicorn's C functions directly: the Python wrapper costs three times as much.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from unicorn import unicorn_const as const
from unicorn import x86_const as x86
from unicorn.unicorn_py3.unicorn import Uc, uclib

from guestsim.errors import InternalError
from guestsim.machine.memory import PAGE, Memory, Piece

__all__ = ["Bus", "Engine", "Stop", "StopKind"]

_EIP = x86.UC_X86_REG_EIP
_MASKS = {size: (1 << 8 * size) - 1 for size in (1, 2, 4, 8)}
_NOWHERE = 1 << 40  # `until`: an address that a 32-bit guest never reaches

_READ = ctypes.CFUNCTYPE(
    ctypes.c_bool,
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_uint64,
    ctypes.c_int,
    ctypes.c_int64,
    ctypes.c_void_p,
)
_WRITE = ctypes.CFUNCTYPE(
    None,
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_uint64,
    ctypes.c_int,
    ctypes.c_int64,
    ctypes.c_void_p,
)
_CODE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p)
_INTR = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p)
_IN = ctypes.CFUNCTYPE(
    ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_void_p
)
_OUT = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint32, ctypes.c_void_p
)
_INSN = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p)


class StopKind(Enum):
    """Why `Engine.run` came back."""

    LOAD = "load"
    """A load in a window whose value is not known."""
    REQUEST = "request"
    """The bus asked for it (`Engine.stop`); `Stop.detail` is what it gave."""
    FAULT = "fault"
    """The guest cannot go on: unmapped memory, an exception, an invalid instruction."""
    IDLE = "idle"
    """HLT, or the budget of instructions is used up."""


@dataclass(frozen=True)
class Stop:
    """Where and why the CPU stands still."""

    kind: StopKind
    pc: int
    address: int = 0
    size: int = 0
    detail: Any = None
    """FAULT: a sentence. REQUEST: what the bus gave."""


class Bus(Protocol):
    """Everything outside the CPU. Called from inside Unicorn: must not map memory."""

    def load(self, address: int, size: int) -> int | None:
        """A load in a window: its value, or None to stop there."""

    def store(self, address: int, size: int, value: int, pc: int) -> None:
        """A store in a window."""

    def port_in(self, port: int, size: int) -> int:
        """IN: the value."""

    def port_out(self, port: int, size: int, value: int) -> None:
        """OUT."""

    def cpuid(self, leaf: int, subleaf: int) -> tuple[int, int, int, int] | None:
        """CPUID: eax, ebx, ecx, edx, or None for the CPU's own answer."""

    def tsc(self) -> int:
        """RDTSC: the value, 64 bits."""

    def is_ram(self, address: int) -> bool:
        """Whether there is RAM at a physical address."""


class Engine:
    """One CPU on the guest's physical memory. 32-bit flat protected mode at the start."""

    def __init__(self, bus: Bus, memory: Memory, budget: int) -> None:
        self._bus = bus
        self._memory = memory
        self._budget = budget
        self._uc: Any = Uc(const.UC_ARCH_X86, const.UC_MODE_32)  # the binding is untyped
        self._handle = self._uc._uch
        self._mapped: set[int] = set()
        self._windows: dict[int, mmap.mmap] = {}
        self._hooked: set[int] = set()
        self._callbacks: list[Any] = []
        self._stop: Stop | None = None
        self._error: BaseException | None = None
        self._register = ctypes.c_uint64()
        self._register_ref = ctypes.byref(self._register)
        self._add_hooks()
        self._context = self._uc.context_save()
        saved = ctypes.string_at(self._context.context, self._context.size)
        # What precedes the CPU's state (its size comes first) is Unicorn's own.
        self._context_offset = len(saved) - int.from_bytes(saved[:8], "little")
        self._reset_state = saved[self._context_offset :]

    # -- memory ---------------------------------------------------------------------------------

    def window(self, address: int, page: mmap.mmap, pointer: int) -> None:
        """Map the host memory `page` (4096 bytes at `pointer`) write-only at `address`."""
        self._uc.mem_map_ptr(address, PAGE, const.UC_PROT_WRITE, pointer)
        self._windows[address] = page
        if address in self._hooked:
            return  # hooks outlive a window that was removed
        self._hooked.add(address)
        last = address + PAGE - 1
        self._hook(const.UC_HOOK_MEM_WRITE, _WRITE(self._store_hook()), address, last)
        self._hook(const.UC_HOOK_MEM_READ_PROT, _READ(self._load_hook()), address, last)

    def remove_window(self, address: int) -> None:
        """Unmap a window: the guest gave the page back."""
        del self._windows[address]
        self._uc.mem_unmap(address, PAGE)

    def _map(self, piece: Piece) -> None:
        if piece.base not in self._mapped:
            self._mapped.add(piece.base)
            self._uc.mem_map_ptr(piece.base, piece.size, const.UC_PROT_ALL, piece.pointer)

    # -- registers ------------------------------------------------------------------------------

    def get(self, register: int) -> int:
        """A register by its Unicorn number."""
        self._register.value = 0
        uclib.uc_reg_read(self._handle, register, self._register_ref)
        return self._register.value

    def set(self, register: int, value: int) -> None:
        """Write a register by its Unicorn number."""
        self._uc.reg_write(register, value)

    def reset(self) -> None:
        """Back to 32-bit flat protected mode, all registers zero; memory is kept."""
        self.set_context(self._reset_state)

    def context(self) -> bytes:
        """All of the CPU's state as bytes: equal bytes, equal CPU."""
        uclib.uc_context_save(self._handle, self._context.context)
        pointer = self._context.context.value + self._context_offset
        return ctypes.string_at(pointer, len(self._reset_state))

    def set_context(self, state: bytes) -> None:
        """Put the CPU into a state that `context` gave."""
        pointer = self._context.context.value + self._context_offset
        ctypes.memmove(pointer, state, len(state))
        uclib.uc_context_restore(self._handle, self._context.context)

    # -- running --------------------------------------------------------------------------------

    def run(self, pc: int) -> Stop:
        """Run from `pc` until something stops the CPU."""
        self._stop = None
        status = uclib.uc_emu_start(
            self._handle,
            ctypes.c_uint64(pc),
            ctypes.c_uint64(_NOWHERE),
            ctypes.c_uint64(0),
            ctypes.c_size_t(self._budget),
        )
        # A Python error in a hook outranks whatever the CPU did after it.
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        if self._stop is not None:
            return self._stop
        pc = self.get(x86.UC_X86_REG_EIP)
        if status == const.UC_ERR_OK:
            return Stop(StopKind.IDLE, pc)
        return Stop(StopKind.FAULT, pc, detail=_FAULTS.get(status, f"Unicorn error {status}"))

    def step(self, pc: int) -> Stop | None:
        """Execute one instruction; None where nothing special happened.

        Unicorn ignores a count of one for code that it has translated: the cache goes first.
        """
        self._uc.ctl_flush_tb()
        budget, self._budget = self._budget, 1
        try:
            stop = self.run(pc)
        finally:
            self._budget = budget
        return None if stop.kind is StopKind.IDLE else stop

    def stop(self, detail: Any) -> None:
        """From inside a bus call: stop before the next instruction."""
        self._stop = Stop(StopKind.REQUEST, 0, detail=detail)
        uclib.uc_emu_stop(self._handle)

    def stop_at(self, address: int, detail: Any) -> None:
        """From now on, stop with `detail` whenever the CPU is about to execute at `address`."""

        def reached(*_: Any) -> None:
            self.stop(detail)

        self._hook(const.UC_HOOK_CODE, _CODE(self._guarded(reached)), address, address)
        self._uc.ctl_flush_tb()

    # -- hooks ----------------------------------------------------------------------------------

    def _add_hooks(self) -> None:
        unmapped = (
            const.UC_HOOK_MEM_READ_UNMAPPED
            | const.UC_HOOK_MEM_WRITE_UNMAPPED
            | const.UC_HOOK_MEM_FETCH_UNMAPPED
        )
        self._hook(unmapped, _READ(self._on_unmapped))
        self._hook(const.UC_HOOK_INTR, _INTR(self._guarded(self._on_exception)))
        insn = const.UC_HOOK_INSN
        self._hook(insn, _IN(self._guarded(self._on_in)), insn=x86.UC_X86_INS_IN)
        self._hook(insn, _OUT(self._guarded(self._on_out)), insn=x86.UC_X86_INS_OUT)
        self._hook(insn, _INSN(self._guarded(self._on_cpuid)), insn=x86.UC_X86_INS_CPUID)
        self._hook(insn, _INSN(self._guarded(self._on_rdtsc)), insn=x86.UC_X86_INS_RDTSC)

    def _hook(
        self, kind: int, callback: Any, begin: int = 1, end: int = 0, insn: int | None = None
    ) -> None:
        hook = ctypes.c_size_t()
        status = uclib.uc_hook_add(
            self._handle,
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
        self._callbacks.append(callback)  # ctypes needs them kept alive

    def _guarded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Carry a Python error out of Unicorn: C cannot."""

        def call(*arguments: Any) -> Any:
            try:
                return function(*arguments)
            except BaseException as error:  # re-raised by run()
                self._raise_later(error)
                return 0

        return call

    def _raise_later(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
        uclib.uc_emu_stop(self._handle)

    def _load_hook(self) -> Any:
        """The hook of loads in windows. Everything that it needs is a local variable."""
        read, handle, pc, pc_ref = self._program_counter()
        load, windows = self._bus.load, self._windows

        def on_load(_h: int, _kind: int, address: int, size: int, _v: int, _d: int) -> bool:
            try:
                value = load(address, size)
                if value is None:
                    read(handle, _EIP, pc_ref)
                    self._stop = Stop(StopKind.LOAD, pc.value, address, size)
                    return False
                offset = address % PAGE
                page = windows[address - offset]
                page[offset : offset + size] = value.to_bytes(size, "little")
            except BaseException as error:  # re-raised by run()
                self._raise_later(error)
                return False
            return True

        return on_load

    def _store_hook(self) -> Any:
        """The hook of stores in windows. Everything that it needs is a local variable."""
        read, handle, pc, pc_ref = self._program_counter()
        store = self._bus.store

        def on_store(_h: int, _kind: int, address: int, size: int, value: int, _d: int) -> None:
            try:
                read(handle, _EIP, pc_ref)
                store(address, size, value & _MASKS[size], pc.value)
            except BaseException as error:  # re-raised by run()
                self._raise_later(error)

        return on_store

    def _program_counter(self) -> tuple[Any, Any, Any, Any]:
        """(function, handle, value, reference): call function(handle, _EIP, reference)."""
        pc = ctypes.c_uint64()
        return uclib.uc_reg_read, self._handle, pc, ctypes.byref(pc)

    def _on_unmapped(
        self, _h: int, kind: int, address: int, size: int, _value: int, _data: int
    ) -> bool:
        try:
            last = address + max(size, 1) - 1
            if self._bus.is_ram(address) and self._bus.is_ram(last):
                self._map(self._memory.piece(address))
                self._map(self._memory.piece(last))
                return True
            verb = _ACCESS.get(kind, "touched")
            self._stop = Stop(
                StopKind.FAULT,
                self.get(x86.UC_X86_REG_EIP),
                address,
                size,
                f"{verb} {address:#x}, where there is no memory",
            )
        except BaseException as error:  # re-raised by run()
            self._raise_later(error)
        return False

    def _on_exception(self, _h: int, vector: int, _data: int) -> None:
        name = _EXCEPTIONS.get(vector, "exception")
        self._stop = Stop(
            StopKind.FAULT,
            self.get(x86.UC_X86_REG_EIP),
            detail=f"took exception {vector} ({name}) and has no handler: a triple fault",
        )
        uclib.uc_emu_stop(self._handle)

    def _on_in(self, _h: int, port: int, size: int, _data: int) -> int:
        return self._bus.port_in(port, size)

    def _on_out(self, _h: int, port: int, size: int, value: int, _data: int) -> None:
        self._bus.port_out(port, size, value & (1 << 8 * size) - 1)

    def _on_cpuid(self, _h: int, _data: int) -> int:
        answer = self._bus.cpuid(
            self.get(x86.UC_X86_REG_EAX) & 0xFFFFFFFF, self.get(x86.UC_X86_REG_ECX) & 0xFFFFFFFF
        )
        if answer is None:
            return 0
        for register, value in zip(_CPUID_REGISTERS, answer, strict=True):
            self.set(register, value)
        return 1

    def _on_rdtsc(self, _h: int, _data: int) -> int:
        value = self._bus.tsc()
        self.set(x86.UC_X86_REG_EAX, value & 0xFFFFFFFF)
        self.set(x86.UC_X86_REG_EDX, value >> 32)
        return 1


_CPUID_REGISTERS = (
    x86.UC_X86_REG_EAX,
    x86.UC_X86_REG_EBX,
    x86.UC_X86_REG_ECX,
    x86.UC_X86_REG_EDX,
)

_ACCESS = {
    const.UC_MEM_READ_UNMAPPED: "read",
    const.UC_MEM_WRITE_UNMAPPED: "wrote to",
    const.UC_MEM_FETCH_UNMAPPED: "jumped to",
}

_FAULTS = {
    const.UC_ERR_INSN_INVALID: "met an instruction that is not valid: a triple fault",
    const.UC_ERR_EXCEPTION: "took an exception and has no handler: a triple fault",
    const.UC_ERR_FETCH_PROT: "jumped into a page that holds no code",
    const.UC_ERR_READ_PROT: "read a page that it may not read",
    const.UC_ERR_WRITE_PROT: "wrote to a page that it may not write",
}

_EXCEPTIONS = {
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
