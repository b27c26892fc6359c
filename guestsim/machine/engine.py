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
from functools import cache
from typing import Any

from unicorn import unicorn_const as const
from unicorn import x86_const as x86
from unicorn.unicorn_py3.unicorn import Uc, uclib

from guestsim.errors import InternalError
from guestsim.machine.bus import DEVICE_SPACE, Bus, Stop, StopKind
from guestsim.machine.callbacks import CODE, IN, INSN, INTR, OUT, READ, WRITE
from guestsim.machine.faults import ACCESSES, EXCEPTIONS, FAULTS
from guestsim.machine.memory import PAGE, Memory, Piece

__all__ = ["CpuState", "Engine", "cpu_leaf"]


_EIP, _ESP = x86.UC_X86_REG_EIP, x86.UC_X86_REG_ESP
_MASKS = {size: (1 << 8 * size) - 1 for size in (1, 2, 4, 8)}
_NOWHERE = 1 << 40  # `until`: an address that a 32-bit guest never reaches

CpuState = tuple[bytes, bytes]
"""General registers, flags and segments; then all that hardly ever changes, as one object as long
as it does not. So two states are compared and hashed by their first parts."""
_OFTEN = 512


@cache
def cpu_leaf(leaf: int, subleaf: int) -> tuple[int, int, int, int]:
    """What the emulated CPU itself answers to CPUID: eax, ebx, ecx, edx."""
    uc: Any = Uc(const.UC_ARCH_X86, const.UC_MODE_32)
    uc.mem_map(0, PAGE)
    uc.mem_write(0, b"\x0f\xa2")
    uc.reg_write(x86.UC_X86_REG_EAX, leaf)
    uc.reg_write(x86.UC_X86_REG_ECX, subleaf)
    uc.emu_start(0, 2)
    eax, ebx, ecx, edx = (uc.reg_read(register) for register in _CPUID_REGISTERS)
    return eax, ebx, ecx, edx


class Engine:
    """One CPU on the guest's physical memory. 32-bit flat protected mode at the start."""

    def __init__(self, bus: Bus, memory: Memory, budget: int, mode: int = const.UC_MODE_32) -> None:
        """`mode`: Unicorn's; UC_MODE_16 for a CPU that starts in real mode."""
        self._bus = bus
        self._memory = memory
        self._budget = budget
        self._uc: Any = Uc(const.UC_ARCH_X86, mode)  # the binding is untyped
        self._handle = self._uc._uch
        self._mapped: set[int] = set()
        self._missing: set[int] = set()
        self._windows: dict[int, mmap.mmap] = {}
        self._hooked: set[int] = set()
        self._callbacks: list[Any] = []
        self._quiet: tuple[tuple[int, int], ...] | None = None
        self._quiet_hooks: list[Any] = []
        self._noticed: Callable[[int], None] | None = None
        self._on_quiet = WRITE(self._guarded(self._quiet_written))
        self._stop: Stop | None = None
        self._error: BaseException | None = None
        self._register = ctypes.c_uint64()
        self._register_ref = ctypes.byref(self._register)
        self._add_hooks()
        self._context = self._uc.context_save()
        saved = ctypes.string_at(self._context.context, self._context.size)
        # What precedes the CPU's state (its size comes first) is Unicorn's own.
        own = len(saved) - int.from_bytes(saved[:8], "little")
        self._context_at = self._context.context.value + own
        self._context_size = len(saved) - own
        self._seldom = b""
        self._reset_state = self.context()

    # -- memory ---------------------------------------------------------------------------------

    def window(self, address: int, page: mmap.mmap, pointer: int) -> None:
        """Map the host memory `page` (4096 bytes at `pointer`) write-only at `address`."""
        if address in self._missing:
            self._missing.discard(address)
            self._uc.mem_unmap(address, PAGE)
        self._uc.mem_map_ptr(address, PAGE, const.UC_PROT_WRITE, pointer)
        self._windows[address] = page
        if address in self._hooked:
            return  # hooks outlive a window that was removed
        self._hooked.add(address)
        last = address + PAGE - 1
        self._hook(const.UC_HOOK_MEM_WRITE, WRITE(self._store_hook()), address, last)
        self._hook(const.UC_HOOK_MEM_READ_PROT, READ(self._load_hook()), address, last)

    def remove_window(self, address: int) -> None:
        """Unmap a window: the guest gave the page back."""
        del self._windows[address]
        self._uc.mem_unmap(address, PAGE)

    def refit(self) -> None:
        """There is RAM now where there was none, or none where there was some."""
        for base in sorted(base for base in self._mapped if not self._bus.is_ram(base)):
            self._mapped.discard(base)
            self._uc.mem_unmap(base, self._memory.piece(base).size)
        for page in sorted(page for page in self._missing if self._bus.is_ram(page)):
            self._missing.discard(page)
            self._uc.mem_unmap(page, PAGE)

    def on_store(self, address: int, size: int, callback: Callable[[int], None]) -> None:
        """Call `callback` with the value whenever the CPU stores to RAM there. It runs before the
        store is done."""

        def stored(_h: int, _kind: int, _address: int, _size: int, value: int, _data: int) -> None:
            callback(value)

        hook = WRITE(self._guarded(stored))
        self._hook(const.UC_HOOK_MEM_WRITE, hook, address, address + size - 1)

    def watch(self, quiet: tuple[tuple[int, int], ...], noticed: Callable[[int], None]) -> None:
        """Call `noticed` with the address when the CPU first writes to one of the ranges `quiet`
        (first and last address); after that, only once `watch` has been called again."""
        if quiet is self._quiet:
            return
        self._stop_watching()
        self._quiet, self._noticed = quiet, noticed
        for first, last in quiet:
            self._quiet_hooks.append(
                self._add_hook(const.UC_HOOK_MEM_WRITE, self._on_quiet, first, last)
            )

    def _stop_watching(self) -> None:
        # Unicorn forgets a hook at the next start, so this may be called from inside one.
        for hook in self._quiet_hooks:
            uclib.uc_hook_del(self._handle, hook)
        self._quiet_hooks.clear()
        self._quiet = None

    def _quiet_written(self, _h: int, _kind: int, address: int, *_: Any) -> None:
        if self._quiet is not None and self._noticed is not None:
            self._noticed(address)
            self._stop_watching()

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

    def stack_pointer(self) -> int:
        """ESP."""
        uclib.uc_reg_read(self._handle, _ESP, self._register_ref)
        return self._register.value & 0xFFFFFFFF

    def set(self, register: int, value: int) -> None:
        """Write a register by its Unicorn number."""
        self._uc.reg_write(register, value)

    def reset(self) -> None:
        """Back to the mode at the start, all registers zero; memory is kept."""
        self.set_context(self._reset_state)

    def forget_code(self) -> None:
        """Translate all code anew: somebody else may have written it."""
        self._uc.ctl_flush_tb()

    def context(self) -> CpuState:
        """All of the CPU's state: equal values, equal CPU."""
        uclib.uc_context_save(self._handle, self._context.context)
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
        return Stop(StopKind.FAULT, pc, detail=FAULTS.get(status, f"Unicorn error {status}"))

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

        self._hook(const.UC_HOOK_CODE, CODE(self._guarded(reached)), address, address)
        self._uc.ctl_flush_tb()

    # -- hooks ----------------------------------------------------------------------------------

    def _add_hooks(self) -> None:
        unmapped = (
            const.UC_HOOK_MEM_READ_UNMAPPED
            | const.UC_HOOK_MEM_WRITE_UNMAPPED
            | const.UC_HOOK_MEM_FETCH_UNMAPPED
        )
        self._hook(unmapped, READ(self._on_unmapped))
        self._hook(const.UC_HOOK_INTR, INTR(self._guarded(self._on_exception)))
        insn = const.UC_HOOK_INSN
        self._hook(insn, IN(self._on_in), insn=x86.UC_X86_INS_IN)
        self._hook(insn, OUT(self._on_out), insn=x86.UC_X86_INS_OUT)
        self._hook(insn, INSN(self._guarded(self._on_cpuid)), insn=x86.UC_X86_INS_CPUID)
        self._hook(insn, INSN(self._guarded(self._on_rdtsc)), insn=x86.UC_X86_INS_RDTSC)

    def _hook(
        self, kind: int, callback: Any, begin: int = 1, end: int = 0, insn: int | None = None
    ) -> None:
        self._add_hook(kind, callback, begin, end, insn)
        self._callbacks.append(callback)  # ctypes needs them kept alive

    def _add_hook(
        self, kind: int, callback: Any, begin: int, end: int, insn: int | None = None
    ) -> Any:
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
        return hook

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
            if address >= DEVICE_SPACE and kind != const.UC_MEM_FETCH_UNMAPPED:
                self._map_nothing(address - address % PAGE)
                return True
            verb = ACCESSES.get(kind, "touched")
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

    def _map_nothing(self, page: int) -> None:
        """Have nothing answer at this page, and the bus know of each access."""
        if page in self._missing:
            return
        self._missing.add(page)

        def load(_uc: Any, offset: int, size: int, _data: Any) -> int:
            self._tell_missing(page + offset, size, write=False)
            return (1 << 8 * size) - 1

        def store(_uc: Any, offset: int, size: int, _value: int, _data: Any) -> None:
            self._tell_missing(page + offset, size, write=True)

        self._uc.mmio_map(page, PAGE, load, None, store, None)

    def _tell_missing(self, address: int, size: int, *, write: bool) -> None:
        try:
            self._bus.missing_page(address, size, write=write)
        except BaseException as error:  # re-raised by run()
            self._raise_later(error)

    def _on_exception(self, _h: int, vector: int, _data: int) -> None:
        name = EXCEPTIONS.get(vector, "exception")
        self._stop = Stop(
            StopKind.FAULT,
            self.get(x86.UC_X86_REG_EIP),
            detail=f"took exception {vector} ({name}) and has no handler: a triple fault",
        )
        uclib.uc_emu_stop(self._handle)

    def _on_in(self, _h: int, port: int, size: int, _data: int) -> int:
        try:
            return self._bus.port_in(port, size)
        except BaseException as error:  # re-raised by run()
            self._raise_later(error)
            return 0

    def _on_out(self, _h: int, port: int, size: int, value: int, _data: int) -> None:
        try:
            self._bus.port_out(port, size, value & _MASKS[size])
        except BaseException as error:  # re-raised by run()
            self._raise_later(error)

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
