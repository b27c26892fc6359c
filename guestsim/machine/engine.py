"""The virtual CPU: Unicorn, stopped exactly at what the guest shares with others.

Pages come in three sorts. *RAM* is mapped when first touched, so that a machine of any size costs
what its guest uses. *Windows* (the ring page, shared_info) are mapped write-only over host memory:
a load there traps, and its value comes from outside; a store is reported and goes on. The *trap*
page is a window too: each entry of the hypercall page loads one of its words, so that a hypercall
is a load whose value is the result.

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

__all__ = ["CHUNK", "PAGE", "Bus", "Engine", "Stop", "StopKind"]

PAGE = 4096
CHUNK = 16 * PAGE
"""RAM is mapped in pieces of this many bytes."""

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
    """One CPU and its physical memory. 32-bit flat protected mode at the start."""

    def __init__(self, bus: Bus, budget: int) -> None:
        self._bus = bus
        self._budget = budget
        self._uc: Any = Uc(const.UC_ARCH_X86, const.UC_MODE_32)  # the binding is untyped
        self._handle = self._uc._uch
        self._pieces: dict[int, tuple[mmap.mmap, int]] = {}
        self._windows: dict[int, mmap.mmap] = {}
        self._callbacks: list[Any] = []
        self._stop: Stop | None = None
        self._error: BaseException | None = None
        self._register = ctypes.c_uint64()
        self._register_ref = ctypes.byref(self._register)
        self._add_hooks()
        self._reset_state = self._uc.context_save()
        self._context = self._uc.context_save()

    # -- memory ---------------------------------------------------------------------------------

    def window(self, address: int) -> mmap.mmap:
        """Map one page write-only at `address`, and give its host memory (4096 bytes)."""
        if address in self._windows:
            return self._windows[address]
        chunk = address - address % CHUNK
        for base, size in ((address, PAGE), (chunk, CHUNK)):
            if base in self._pieces and self._pieces[base][1] == size:
                raise InternalError(f"a window at {address:#x} would hide RAM in use")
        page, pointer = _host_memory(PAGE)
        self._uc.mem_map_ptr(address, PAGE, const.UC_PROT_WRITE, pointer)
        self._windows[address] = page
        self._hook(const.UC_HOOK_MEM_WRITE, _WRITE(self._store_hook()), address, address + PAGE - 1)
        self._hook(
            const.UC_HOOK_MEM_READ_PROT, _READ(self._load_hook()), address, address + PAGE - 1
        )
        return page

    def remove_window(self, address: int) -> None:
        """Unmap a window: the guest gave the page back."""
        del self._windows[address]
        self._uc.mem_unmap(address, PAGE)

    def windows(self) -> tuple[int, ...]:
        """Addresses of all windows."""
        return tuple(self._windows)

    def ram_in_use(self) -> list[tuple[int, mmap.mmap]]:
        """(address, bytes) of every piece of RAM that was ever touched, by address."""
        return [(base, self._pieces[base][0]) for base in sorted(self._pieces)]

    def read(self, address: int, size: int) -> bytes:
        """Physical memory as the guest sees it, RAM only."""
        return b"".join(
            piece[first : first + length] for piece, first, length in self._spans(address, size)
        )

    def write(self, address: int, data: bytes) -> None:
        """Change RAM from outside. Code that ran already is not translated anew."""
        done = 0
        for piece, first, length in self._spans(address, len(data)):
            piece[first : first + length] = data[done : done + length]
            done += length

    def _spans(self, address: int, size: int) -> list[tuple[mmap.mmap, int, int]]:
        spans = []
        while size > 0:
            base, piece, length = self._piece(address)
            part = min(size, base + length - address)
            spans.append((piece, address - base, part))
            address += part
            size -= part
        return spans

    def _piece(self, address: int) -> tuple[int, mmap.mmap, int]:
        """The piece of RAM that holds `address`, mapped now if it was not."""
        page, chunk = address - address % PAGE, address - address % CHUNK
        for base in (chunk, page):
            if base in self._pieces:
                piece, size = self._pieces[base]
                if address < base + size:
                    return base, piece, size
        whole = all(
            self._bus.is_ram(part) and part not in self._pieces and part not in self._windows
            for part in range(chunk, chunk + CHUNK, PAGE)
        )
        base, size = (chunk, CHUNK) if whole else (page, PAGE)
        piece, pointer = _host_memory(size)
        self._uc.mem_map_ptr(base, size, const.UC_PROT_ALL, pointer)
        self._pieces[base] = piece, size
        return base, piece, size

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
        self._uc.context_restore(self._reset_state)
        self._uc.ctl_flush_tb()

    def context(self) -> bytes:
        """All of the CPU's state as bytes: equal bytes, equal CPU."""
        context = self._context
        uclib.uc_context_save(self._handle, context.context)
        saved = ctypes.string_at(context.context, context.size)
        # What precedes the CPU's state (its size comes first) holds addresses of the host.
        return saved[len(saved) - int.from_bytes(saved[:8], "little") :]

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
        """Stop with `detail` whenever the CPU is about to execute at linear `address`."""

        def reached(*_: Any) -> None:
            self.stop(detail)

        self._hook(const.UC_HOOK_CODE, _CODE(self._guarded(reached)), address, address)

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
                self._piece(address)
                self._piece(last)
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


def _host_memory(size: int) -> tuple[mmap.mmap, int]:
    """Zeroed host memory, and its address. Unmapped when the last reference goes."""
    memory = mmap.mmap(-1, size)
    return memory, ctypes.addressof(ctypes.c_char.from_buffer(memory))
