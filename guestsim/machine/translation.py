"""The code that a CPU executes: which pages hold it, what changes it, and what in it is special.

Unicorn translates code block by block and keeps what it has translated. So three things have to be
noticed: the first fetch from a page, a store to a page from which code was fetched (see
`guestsim.machine.guard`), and in each new block the few instructions that the machine has to know,
and that Unicorn cannot hook by itself: WRMSR, and under TSO those that wait for the store buffer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unicorn import unicorn_const as const
from unicorn import x86_const as x86

from guestsim.machine.bus import Bus
from guestsim.machine.callbacks import CODE, EDGE, READ, WRITE
from guestsim.machine.cpu import EIP, Cpu
from guestsim.machine.guard import Pages, page_of
from guestsim.machine.instructions import LONGEST, Instruction, decode, special
from guestsim.machine.memory import PAGE, WIDEST, Memory

__all__ = ["Translation"]


class Translation:
    """What of one CPU's run has to do with its code."""

    def __init__(
        self,
        cpu: Cpu,
        pages: Pages,
        memory: Memory,
        bus: Bus,
        trap: Callable[[], None],
        *,
        fences: bool,
    ) -> None:
        """`trap` is called for each instruction that needs us; `fences`: tell the bus of what waits
        until the store buffer is empty."""
        self._cpu = cpu
        self._pages = pages
        self._memory = memory
        self._bus = bus
        self._trap = trap
        self._fences = fences
        self._alone = False
        self._fetched: int | None = None
        self._found: list[int] = []
        self._refused_at = 0
        self.refused: list[tuple[int, int, int]] = []
        """(address, size, value) of each store to code that was refused in the run: all of one
        instruction."""
        self.beside_itself = False
        """Whether the latest refused store was to the page of its own instruction, or the next."""
        self._crossing: tuple[int, bytes] | None = None
        """What the first half of a store over a page's edge has overwritten."""
        self._edges: dict[int, Any] = {}
        """Page of code -> the hook on the last bytes of the data page before it."""
        self._specials: set[int] = set()
        self._decoded: dict[int, Instruction] = {}
        self._generation = 0
        self._on_edge = WRITE(cpu.guarded(self._on_crossing))
        self._on_special_code = CODE(cpu.guarded(self._on_special))
        cpu.hook(const.UC_HOOK_MEM_FETCH_PROT, READ(self._on_fetch))
        cpu.hook(const.UC_HOOK_MEM_WRITE_PROT, READ(self._on_store))
        cpu.hook(const.UC_HOOK_EDGE_GENERATED, EDGE(cpu.guarded(self._on_block)))

    def instruction(self, pc: int) -> Instruction:
        """The instruction at EIP = `pc`."""
        if self._generation != self._pages.generation:
            self._generation = self._pages.generation
            self._decoded.clear()
        known = self._decoded.get(pc)
        if known is None:
            real_mode = self._cpu.in_real_mode()
            code = self._fetch(self._cpu.linear(pc), LONGEST)
            known = decode(code, 16 if real_mode else 32)
            if not real_mode:  # there, it depends on CS
                self._decoded[pc] = known
        return known

    def begin(self, *, alone: bool) -> None:
        """Before a run; `alone` where it is of one instruction."""
        self._pages.settle(self._drop)
        self._alone = alone
        self._fetched = self._crossing = None
        self._found = []
        self.refused.clear()

    @property
    def is_interrupted(self) -> bool:
        """Whether the run has ended at a block that has to be translated anew."""
        return self._fetched is not None or bool(self._found)

    def set_apart(self, pc: int) -> int:
        """Have the instruction at `pc` translated without those behind it, which it may change, and
        whose beginning Unicorn would take for the place where flags were worked out: where the one
        behind it begins."""
        at = self._cpu.linear(pc)
        self._drop(at, 1)
        return at + len(self.instruction(pc).code)

    def is_over_an_edge(self, pc: int) -> bool:
        """Whether the run has ended at the second half of an instruction over a page's edge, in the
        block at `pc`."""
        fetched = self._fetched
        return fetched is not None and page_of(fetched) == page_of(self._cpu.linear(pc)) + PAGE

    def translate_anew(self) -> bool:
        """See to that; False where the CPU fetches from what can hold no code."""
        for address in self._found:
            self._specials.add(address)
            self._cpu.hook(const.UC_HOOK_CODE, self._on_special_code, address, address)
            self._drop(page_of(address))
        if self._fetched is None:
            return True
        page = page_of(self._fetched)
        if not self._pages.make_code(page):
            return False
        self._watch_edge(page)
        self._leave_edge(page + PAGE)
        return True

    def _watch_edge(self, page: int) -> None:
        """Where `page` is code and the one before it data: a store may begin there and end here."""
        code = self._pages.code
        if page in code and page - PAGE not in code and page not in self._edges:
            first, last = page - WIDEST + 1, page - 1
            hook = self._cpu.listen(const.UC_HOOK_MEM_WRITE, self._on_edge, first, last)
            self._edges[page] = hook

    def _leave_edge(self, page: int) -> None:
        hook = self._edges.pop(page, None)
        if hook is not None:
            self._cpu.unlisten(hook)

    def was_refused_at(self, pc: int) -> bool:
        """Whether the CPU, at `pc`, stands before the instruction whose store was refused."""
        return bool(self.refused) and pc == self._refused_at

    def store_to_code(self, pc: int) -> bool:
        """A store was refused, and the CPU stands at `pc`: whether it has to execute the
        instruction there alone."""
        if pc != self._refused_at:
            # Unicorn runs some instructions in C, to their end: all that it lacks is the store.
            for address, size, value in self.refused:
                self._pages.store_to_code(address, size, value)
            return False
        if self._crossing is not None:
            first, before = self._crossing
            if self.refused[0][0] == first + len(before):
                self._memory.put_back(first, before)
        page = page_of(self.refused[0][0])
        here = page_of(self._cpu.linear(pc))
        self.beside_itself = page in (here, here + PAGE)
        if self.beside_itself or not self._pages.make_data(page):
            return True
        self._leave_edge(page)
        self._watch_edge(page + PAGE)
        return False

    # -- hooks ----------------------------------------------------------------------------------

    def _on_fetch(self, _h: int, _kind: int, address: int, _size: int, _v: int, _d: int) -> bool:
        self._fetched = address
        return False

    def _on_store(self, _h: int, _kind: int, address: int, size: int, value: int, _d: int) -> bool:
        try:
            if self._alone:
                self._check_self(address, size)
                self._pages.store_to_code(address, size, value)
                return True
            if not self.refused:
                self._refused_at = self._cpu.get(EIP)
            self.refused.append((address, size, value))
        except BaseException as error:  # re-raised by Cpu.start()
            self._cpu.raise_later(error)
        return False

    def _check_self(self, address: int, size: int) -> None:
        pc = self._cpu.get(EIP)
        here = self._cpu.linear(pc)
        if here < address + size and address < here + len(self.instruction(pc).code):
            raise self._bus.refusal(pc, "overwrites itself")

    def _on_crossing(self, _h: int, _kind: int, address: int, size: int, _v: int, _d: int) -> None:
        beyond = page_of(address) + PAGE
        if address + size > beyond and self._bus.is_ram(address):
            self._crossing = address, self._memory.read(address, beyond - address)

    def _on_block(self, _h: int, block: Any, _previous: Any, _d: int) -> None:
        """Unicorn has translated a block, and is about to execute it."""
        address = block[0].pc
        code = self._fetch(address, block[0].size)
        found = special(code, 16 if self._cpu.in_real_mode() else 32, ordering=self._fences)
        self._found = [address + at for at in found if address + at not in self._specials]
        if self._found:
            self._cpu.halt()

    def _on_special(self, _h: int, _address: int, _size: int, _d: int) -> None:
        self._trap()
        cpu = self._cpu
        pc = cpu.get(EIP)
        if self._fences:
            self._bus.fence(pc)
        if self.instruction(pc).text == "wrmsr":
            number, low, high = (
                cpu.get(register) & 0xFFFFFFFF
                for register in (x86.UC_X86_REG_ECX, x86.UC_X86_REG_EAX, x86.UC_X86_REG_EDX)
            )
            self._bus.wrmsr(number, high << 32 | low, pc)

    # -- bytes ----------------------------------------------------------------------------------

    def _fetch(self, address: int, size: int) -> bytes:
        """Up to `size` bytes of code, as far as there is RAM."""
        code = b""
        while size > 0:
            part = min(size, PAGE - address % PAGE)
            physical = self._cpu.physical(address)
            if physical is None or not self._bus.is_ram(physical):
                break
            code += self._memory.read(physical, part)
            address, size = address + part & 0xFFFFFFFF, size - part
        return code

    def _drop(self, address: int, size: int = PAGE) -> None:
        """Forget what was translated from a page, or from less."""
        if self._cpu.is_paging():
            self._cpu.uc.ctl_flush_tb()  # the other call takes virtual addresses
        else:
            self._cpu.uc.ctl_remove_cache(address, address + size)
