"""Loads and stores in windows: the pages that the guest shares with others.

A window is mapped write-only. A load traps; where its value is not known yet the access is refused,
and Unicorn stops precisely at that instruction, which a later run executes anew with the value. A
store is reported and goes on. Unicorn calls a hook once for an access that goes over a page's edge,
with the page on which it begins: it is split here, as hardware does.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from unicorn.unicorn_py3.unicorn import uclib

from guestsim.machine.bus import Bus, Stop, StopKind
from guestsim.machine.callbacks import READ, WRITE
from guestsim.machine.cpu import EIP, Cpu
from guestsim.machine.guard import Pages, page_of
from guestsim.machine.instructions import Instruction
from guestsim.machine.memory import PAGE

__all__ = ["Windows"]

_MASKS = {size: (1 << 8 * size) - 1 for size in (1, 2, 4, 8)}


class Windows:
    """The hooks `on_load` and `on_store`, and what they know of the run."""

    def __init__(
        self,
        cpu: Cpu,
        pages: Pages,
        bus: Bus,
        trap: Callable[[], None],
        instruction: Callable[[int], Instruction],
    ) -> None:
        """`trap` is called for each access to a window."""
        self._cpu = cpu
        self._pages = pages
        self._bus = bus
        self._trap = trap
        self._instruction = instruction
        self._pc = 0
        self._answers: tuple[int, ...] = ()
        self.taken = 0
        """How many answers the run has used."""
        self._alone = False
        self._stored = False
        self.stop: Stop | None = None
        """Where the run has ended for want of an answer."""
        self.on_load = READ(self._load_hook())
        self.on_store = WRITE(self._store_hook())

    def begin(self, pc: int, answers: tuple[int, ...], *, alone: bool) -> None:
        """Before a run from `pc`; `alone` where it is of one instruction."""
        self._pc = pc
        self._answers, self.taken = answers, 0
        self._alone, self._stored = alone, False
        self.stop = None

    # -- loads ----------------------------------------------------------------------------------

    def _load_hook(self) -> Any:
        """Everything that it needs is a local variable."""
        windows, load, cpu, trap = self._pages.windows, self._load, self._cpu, self._trap

        def on_load(_h: int, _kind: int, address: int, size: int, _v: int, _d: int) -> bool:
            try:
                trap()
                offset = address % PAGE
                window = windows.get(address - offset)
                if window is None or offset + size > PAGE:
                    return self._split_load(address, size)
                value = load(address, size, whole=True)
                if value is None:
                    return False
                data = value.to_bytes(size, "little")
                window.host[offset : offset + size] = data
                window.expected[offset : offset + size] = data
            except BaseException as error:  # re-raised by Cpu.start()
                cpu.raise_later(error)
                return False
            return True

        return on_load

    def _load(self, address: int, size: int, *, whole: bool) -> int | None:
        """What a load in a window gives, None where the CPU has to stop for it. `whole`: it is all
        that its access loads."""
        value = self._bus.load(address, size)
        if value is not None:
            return value
        taken = self.taken
        if taken < len(self._answers):
            self.taken = taken + 1
            return self._answers[taken] & (1 << 8 * size) - 1
        pc = self._cpu.get(EIP)
        instruction = self._instruction(pc)
        if instruction.loads_again and pc == self._pc and taken and not self._stored:
            return self._answers[-1]
        if size == 8 and not instruction.is_cmpxchg8b:
            raise self._bus.refusal(pc, "loads 8 bytes of a shared page at once")
        if self._alone and self._stored:
            raise self._bus.refusal(pc, "stores to a shared page and then loads from one")
        alone = self._alone or not (whole and instruction.loads_once)
        answers = self._answers if self._alone else ()
        self.stop = Stop(StopKind.LOAD, pc, address, size, None, alone, answers)
        return None

    def _split_load(self, address: int, size: int) -> bool:
        """A load that begins on the page before a window, or goes over a window's edge."""
        pages = self._pages
        for first, length in _parts(address, size):
            page = page_of(first)
            at = first - page
            window = pages.windows.get(page)
            if window is not None:
                value = self._load(first, length, whole=length == size)
                if value is None:
                    return False
                data = value.to_bytes(length, "little")
                window.host[at : at + length] = data
                window.expected[at : at + length] = data
            elif pages.is_nothing(page):
                self._bus.missing_page(first, length, write=False)
                pages.nothing[at : at + length] = b"\xff" * length
            elif not self._bus.is_ram(first):
                self._bus.missing_page(first, length, write=False)
        return True

    # -- stores ---------------------------------------------------------------------------------

    def _store_hook(self) -> Any:
        """Everything that it needs is a local variable: by far the most frequent call."""
        read, handle = uclib.uc_reg_read, self._cpu.handle
        pc = ctypes.c_uint64()
        pc_ref = ctypes.byref(pc)
        store, windows, cpu = self._bus.store, self._pages.windows, self._cpu
        trap = self._trap

        def on_store(_h: int, _kind: int, address: int, size: int, value: int, _d: int) -> None:
            try:
                trap()
                offset = address % PAGE
                window = windows.get(address - offset)
                read(handle, EIP, pc_ref)
                if window is None or offset + size > PAGE:
                    self._split_store(address, size, value & _MASKS[size], pc.value)
                    return
                if size == 1:
                    value &= 0xFF
                    window.expected[offset] = value
                else:
                    value &= _MASKS[size]
                    window.expected[offset : offset + size] = value.to_bytes(size, "little")
                    if size == 8:
                        self._check_wide_store(pc.value)
                self._stored = True
                store(address, size, value, pc.value)
            except BaseException as error:  # re-raised by Cpu.start()
                cpu.raise_later(error)

        return on_store

    def _check_wide_store(self, pc: int) -> None:
        if not self._instruction(pc).is_cmpxchg8b:
            raise self._bus.refusal(pc, "stores 8 bytes of a shared page at once")

    def _split_store(self, address: int, size: int, value: int, pc: int) -> None:
        """A store that begins on the page before a window, or goes over a window's edge."""
        pages = self._pages
        for first, length in _parts(address, size):
            page = page_of(first)
            at = first - page
            window = pages.windows.get(page)
            if window is not None:
                part = value >> 8 * (first - address) & (1 << 8 * length) - 1
                window.expected[at : at + length] = part.to_bytes(length, "little")
                self._stored = True
                self._bus.store(first, length, part, pc)
            elif page in pages.code:
                raise self._bus.refusal(pc, "stores to a shared page and to one that holds code")
            elif pages.is_nothing(page) or not self._bus.is_ram(first):
                self._bus.missing_page(first, length, write=True)


def _parts(address: int, size: int) -> list[tuple[int, int]]:
    """(address, size) of the parts of an access, page by page."""
    beyond = page_of(address) + PAGE
    if address + size <= beyond:
        return [(address, size)]
    return [(address, beyond - address), (beyond & 0xFFFFFFFF, address + size - beyond)]
