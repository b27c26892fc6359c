"""A CPU that runs on the guest's memory, and stops exactly at what the guest shares with others.

One start of Unicorn is not always one run. An instruction that does anything unusual is executed
*alone*, by a start of its own with a count of one: one that may load several words of a window (the
values of its earlier loads are given to it again), one whose access goes over a window's edge, and
one that stores to a page of code.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from unicorn import unicorn_const as const
from unicorn import x86_const as x86

from guestsim.errors import InternalError
from guestsim.machine.allowance import OP, Allowance
from guestsim.machine.bus import DEVICE_SPACE, Bus, Stop, StopKind
from guestsim.machine.callbacks import CODE, IN, INSN, INTR, OUT, READ, WRITE
from guestsim.machine.cpu import CPUID_REGISTERS, EIP, Cpu
from guestsim.machine.faults import ACCESSES, EXCEPTIONS, FAULTS
from guestsim.machine.guard import Notes, Pages, Window
from guestsim.machine.instructions import Instruction
from guestsim.machine.memory import PAGE, Memory
from guestsim.machine.translation import Translation
from guestsim.machine.windows import Windows

__all__ = ["Engine"]

_ESI = x86.UC_X86_REG_ESI

_BESIDE_ITSELF = 100
"""Instructions of the allowance for one that stores next to itself: it takes as long."""

_PAGES = 4
"""Pages of code that make one more take as long again as the first: each is mapped by itself."""

_PIECE = 1_000_000
"""Instructions of one start. Between two, Python hears of signals, and the run may be stopped."""


class Engine(Cpu):
    """One CPU on the guest's physical memory."""

    def __init__(
        self, bus: Bus, memory: Memory, allowance: Allowance, *, fences: bool = False
    ) -> None:
        """`allowance`: what runs may use up; `fences`: tell the bus of what waits until the store
        buffer is empty."""
        super().__init__()
        self._bus = bus
        self._allowance = allowance
        self._pages = Pages(self.uc, memory, bus.is_ram)
        self._notes = Notes(self.handle.value)
        self._translation = Translation(self, self._pages, memory, bus, self._trap, fences=fences)
        self._windows = Windows(
            self, self._pages, bus, self._trap_op, self._translation.instruction
        )
        self._checked: list[tuple[int, Window]] = []
        self._hooked: set[int] = set()
        self._missing: set[int] = set()
        self._stop: Stop | None = None
        self._add_hooks()

    # -- memory ---------------------------------------------------------------------------------

    def window(self, address: int, page: mmap.mmap, pointer: int, *, checked: bool = False) -> None:
        """Map the host memory `page` (4096 bytes at `pointer`) write-only at `address`. Between
        runs a `checked` one holds nothing."""
        for beside in (address - PAGE, address):
            if beside in self._missing:
                self._missing.discard(beside)
                self.uc.mem_unmap(beside, PAGE)
        window = Window(page, pointer)
        self._pages.add_window(address, window)
        if checked:
            self._checked.append((address, window))
        for trapped in (address - PAGE, address):
            if trapped not in self._hooked:  # hooks outlive a window that was removed
                self._hooked.add(trapped)
                last = trapped + PAGE - 1
                self.hook(const.UC_HOOK_MEM_WRITE, self._windows.on_store, trapped, last)
                self.hook(const.UC_HOOK_MEM_READ_PROT, self._windows.on_load, trapped, last)

    def remove_window(self, address: int) -> None:
        """Unmap a window: the guest gave the page back."""
        self._pages.remove_window(address)

    def refit(self) -> None:
        """There is RAM now where there was none, or none where there was some."""
        self._pages.refit()
        for page in sorted(page for page in self._missing if self._bus.is_ram(page)):
            self._missing.discard(page)
            self.uc.mem_unmap(page, PAGE)

    def on_store(self, address: int, size: int, callback: Callable[[int], None]) -> None:
        """Call `callback` with the value whenever the CPU stores to RAM there. It runs before the
        store is done."""

        def stored(_h: int, _kind: int, _address: int, _size: int, value: int, _data: int) -> None:
            self._trap()
            callback(value)

        hook = WRITE(self.guarded(stored))
        self.hook(const.UC_HOOK_MEM_WRITE, hook, address, address + size - 1)

    def suspect_code(self) -> None:
        """Another CPU has run, and may have written to what this one has translated."""
        self._pages.suspect_all()

    def instruction(self, pc: int) -> Instruction:
        """The instruction at EIP = `pc`."""
        return self._translation.instruction(pc)

    # -- running --------------------------------------------------------------------------------

    def run(self, pc: int, answers: tuple[int, ...] = (), *, alone: bool = False) -> Stop:
        """Run from `pc` until something stops the CPU. `answers` are the values of the loads in
        windows that the instruction there makes first; `alone` as its `Stop` said."""
        allowance, translation = self._allowance, self._translation
        while not allowance.is_spent:
            source = self.get(_ESI) if answers else 0
            count = 1 if alone else min(allowance.left, _PIECE)
            status = self._start(pc, answers, count, alone=alone)
            counted = self._notes.counted
            allowance.left -= min(counted, count)
            if self._windows.stop is not None:
                self.mend_flags()
                return self._windows.stop
            if self._stop is not None:
                return self._stop
            now = self.get(EIP)
            if translation.refused:
                allowance.work()
                if translation.was_refused_at(now):
                    self.mend_flags()
                    allowance.left += 1  # counted, and not executed
                alone = translation.store_to_code(now)
                if alone and translation.beside_itself:
                    allowance.charge(_BESIDE_ITSELF)
                # MOVS may have got its answer, and not be done.
                if now != pc or self.get(_ESI) != source:
                    answers = ()
            elif translation.is_interrupted:
                allowance.work(1 + len(self._pages.code) // _PAGES)
                if not translation.translate_anew():
                    return Stop(StopKind.FAULT, now, detail=FAULTS[const.UC_ERR_FETCH_PROT])
                # That was at the end of a block: what has begun before it is done.
                if now != pc or self._windows.taken:
                    answers, alone = (), False
            elif status != const.UC_ERR_OK:
                detail = FAULTS.get(status, f"Unicorn error {status}")
                return Stop(StopKind.FAULT, now, detail=detail)
            elif alone:
                answers, alone = (), False
            elif counted > count:
                answers = ()
                allowance.poll()
            elif allowance.traps_left > 0:
                return Stop(StopKind.HLT, now)
            pc = now
        return Stop(StopKind.SPENT, pc)

    def _start(self, pc: int, answers: tuple[int, ...], count: int, *, alone: bool) -> int:
        """One start of Unicorn, with its witnesses."""
        self._translation.begin(alone=alone)
        self._windows.begin(pc, answers, alone=alone)
        for _, window in self._checked:
            window.begin()
        self._stop = None
        if alone:
            status = self.start(pc, count, self._translation.set_apart(pc))
        else:
            status = self.start(pc, count)
        if self._notes.is_split:
            self._check_split()
        for address, window in self._checked:
            window.check(address)
        return status

    def _check_split(self) -> None:
        """Unicorn has left in the middle of a split access. That is as it should be only where the
        second half, at the beginning of a page, met no memory, or no code yet: then nothing ran
        after it."""
        stop = self._stop
        if stop is not None and stop.kind is StopKind.FAULT and stop.address % PAGE == 0:
            return
        if self._translation.is_over_an_edge(self.get(EIP)):
            return
        raise InternalError(
            "Unicorn's memory hooks fell silent in the middle of a run: this execution cannot be "
            "trusted (docs/unicorn.md)"
        )

    def stop(self, detail: Any) -> None:
        """From inside a bus call: stop before the next instruction."""
        self._stop = Stop(StopKind.REQUEST, 0, detail=detail)
        self.halt()

    def fault(self, what: str) -> None:
        """From inside a bus call: the guest cannot go on; `what` it has done."""
        self._stop = Stop(StopKind.FAULT, self.get(EIP), detail=what)
        self.halt()

    def stop_at(self, address: int, detail: Any, when: Callable[[], bool]) -> None:
        """From now on, stop with `detail` whenever the CPU is about to execute at `address` and
        `when()` says so."""

        def reached(*_: Any) -> None:
            if when():
                self.stop(detail)

        self.hook(const.UC_HOOK_CODE, CODE(self.guarded(reached)), address, address)
        self.uc.ctl_flush_tb()

    def tell_of(self, address: int, callback: Callable[[int, int], None]) -> None:
        """From now on, call `callback` with (address, instructions of this burst so far) whenever
        the CPU is about to execute what is there."""
        self.hook(const.UC_HOOK_CODE, self._executing(callback), address, address)
        self.uc.ctl_flush_tb()

    @contextmanager
    def told_of_all(self, callback: Callable[[int, int], None]) -> Iterator[None]:
        """The same of every instruction, for a while."""
        hook = self._executing(callback)
        handle = self.listen(const.UC_HOOK_CODE, hook, 1, 0)
        self.uc.ctl_flush_tb()
        try:
            yield
        finally:
            self.unlisten(handle)
            self.uc.ctl_flush_tb()
            # Unicorn forgets the hook at the end of the next run, not of the last.
            self._callbacks.append(hook)

    def _executing(self, callback: Callable[[int, int], None]) -> Any:
        def executing(_h: int, address: int, _size: int, _data: int) -> None:
            callback(address, self._allowance.executed + self._notes.counted - 1)

        return CODE(self.guarded(executing))

    # -- hooks ----------------------------------------------------------------------------------

    def _add_hooks(self) -> None:
        unmapped = (
            const.UC_HOOK_MEM_READ_UNMAPPED
            | const.UC_HOOK_MEM_WRITE_UNMAPPED
            | const.UC_HOOK_MEM_FETCH_UNMAPPED
        )
        self.hook(unmapped, READ(self._on_unmapped))
        self.hook(const.UC_HOOK_INTR, INTR(self.guarded(self._on_exception)))
        insn = const.UC_HOOK_INSN
        self.hook(insn, IN(self.guarded(self._on_in)), insn=x86.UC_X86_INS_IN)
        self.hook(insn, OUT(self.guarded(self._on_out)), insn=x86.UC_X86_INS_OUT)
        self.hook(insn, INSN(self.guarded(self._on_cpuid)), insn=x86.UC_X86_INS_CPUID)
        self.hook(insn, INSN(self.guarded(self._on_rdtsc)), insn=x86.UC_X86_INS_RDTSC)

    def _trap(self, count: int = 1) -> None:
        """The guest traps, and goes no further if it has done so too often."""
        if not self._allowance.trap(count):
            self.halt()

    def _trap_op(self) -> None:
        self._trap(OP)

    def _on_unmapped(
        self, _h: int, kind: int, address: int, size: int, _value: int, _data: int
    ) -> bool:
        try:
            last = address + max(size, 1) - 1 & 0xFFFFFFFF
            self._allowance.work()
            if self._bus.is_ram(address) and self._bus.is_ram(last):
                self._pages.map_ram(address)
                self._pages.map_ram(last)
                return True
            if address >= DEVICE_SPACE and kind != const.UC_MEM_FETCH_UNMAPPED:
                self._map_nothing(address - address % PAGE)
                return True
            verb = ACCESSES.get(kind, "touched")
            what = f"{verb} {address:#x}, where there is no memory"
            self._stop = Stop(StopKind.FAULT, self.get(EIP), address, size, what)
        except BaseException as error:  # re-raised by start()
            self.raise_later(error)
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

        self.uc.mmio_map(page, PAGE, load, None, store, None)

    def _tell_missing(self, address: int, size: int, *, write: bool) -> None:
        try:
            self._trap()
            self._bus.missing_page(address, size, write=write)
        except BaseException as error:  # re-raised by start()
            self.raise_later(error)

    def _on_exception(self, _h: int, vector: int, _data: int) -> None:
        name = EXCEPTIONS.get(vector, "exception")
        self.fault(f"took exception {vector} ({name}) and has no handler: a triple fault")

    def _on_in(self, _h: int, port: int, size: int, _data: int) -> int:
        self._trap()
        return self._bus.port_in(port, size)

    def _on_out(self, _h: int, port: int, size: int, value: int, _data: int) -> None:
        self._trap()
        self._bus.port_out(port, size, value & (1 << 8 * size) - 1)

    def _on_cpuid(self, _h: int, _data: int) -> int:
        self._trap()
        leaf, subleaf = self.get(x86.UC_X86_REG_EAX), self.get(x86.UC_X86_REG_ECX)
        answer = self._bus.cpuid(leaf & 0xFFFFFFFF, subleaf & 0xFFFFFFFF)
        if answer is None:
            return 0
        for register, value in zip(CPUID_REGISTERS, answer, strict=True):
            self.set(register, value)
        return 1

    def _on_rdtsc(self, _h: int, _data: int) -> int:
        self._trap()
        value = self._bus.tsc()
        self.set(x86.UC_X86_REG_EAX, value & 0xFFFFFFFF)
        self.set(x86.UC_X86_REG_EDX, value >> 32)
        return 1
