"""What the second CPU of tests is: registers, memory, and the ops that its accesses are.

It knows nothing of Unicorn, of translated code or of pages that hold code: memory is bytes. Its
instructions are in `instructions86`, and `reference86` runs them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, Self

from code86 import RING, SHARED_INFO
from decode86 import Instruction

from guestsim.trace import shared
from guestsim.trace.ops import End, Kind, Op, Outcome

__all__ = ["RAM", "Core", "Expected", "UnmodelledError", "WaitsError"]

PAGE: Final = 4096
RAM: Final = 16 << 20
EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI = range(8)
MASK: Final = 0xFFFFFFFF

_DRAINS = frozenset({Kind.RMW, Kind.SEND, Kind.WAIT, Kind.UNMASK, Kind.FENCE})
"""Ops after which no earlier store of the same actor waits."""


class UnmodelledError(Exception):
    """The program did something that this CPU does not know: the test itself is wrong."""


class Expected(NamedTuple):
    """An op that the machine must surface."""

    kind: Kind
    address: int
    size: int
    value: int
    locked: bool
    pc: range
    """Where the op's site may lie: one address, or the bytes of a call of the hypercall page."""
    outcome: Outcome | None = None

    def matches(self, op: Op) -> bool:
        """Whether `op` is that one."""
        return (
            (op.kind, op.address, op.size, op.value) == self[:4]
            and bool(op.flags & 1) == self.locked
            and op.site.pc in self.pc
            and (self.kind is not Kind.HALT or (op.end is not None and self._ends(op.end)))
        )

    def _ends(self, end: End) -> bool:
        """Whether a power-off is a good end, is for others to judge: by the replies it took."""
        good = (Outcome.CONNECTED, Outcome.CORRUPTED)
        return end.outcome in good if self.outcome in good else end.outcome == self.outcome

    def __str__(self) -> str:
        end = f" {self.outcome}" if self.outcome else ""
        return f"{self.kind.name} {self.address:#x}/{self.size} = {self.value:#x}" + (
            f"{' locked' if self.locked else ''}{end} at {self.pc.start:#x}"
        )


# -- the CPU --------------------------------------------------------------------------------------


class WaitsError(Exception):
    """The instruction needs an answer that it does not have."""

    def __init__(self, op: Expected) -> None:
        super().__init__()
        self.op = op


class Core:
    """Registers, memory, and the ops since the last answer."""

    def __init__(
        self, code: bytes, base: int, *, fences: bool = False, cmps_edi_first: bool = False
    ) -> None:
        """`fences`: whether instructions that order memory surface as FENCE where a store may
        wait. `cmps_edi_first`: which of its operands CMPS loads first; the manual does not say."""
        self.regs = [0] * 8
        self.eip = base
        self.cf = self.zf = self.df = False
        self.pages: dict[int, bytearray] = {}
        self.fed: list[int] = []
        self.ops: list[Expected] = []
        self.asked: Expected | None = None
        self.several = False
        """Whether the instruction that waits loads several shared words: it may be refused."""
        self.halted = False
        self.trace: list[tuple[int, bytes]] | None = None
        self.fences = fences
        self.edi_first = cmps_edi_first
        self.waiting_store = False
        self.at = range(0)
        """Where the site of the instruction's ops may lie."""
        self.length = 0
        """Bytes of the instruction."""
        self.next = 0
        """Answers used up by the instruction."""
        self.caller = range(0)
        self.tsc = 0
        self.cmos = bytearray(128), 0
        self.pci_address = 0
        assert base % PAGE == 0
        for at in range(0, len(code), PAGE):
            part = code[at : at + PAGE]
            self.page(base + at)[: len(part)] = part

    def copy(self) -> Self:
        """The same CPU again, to go on differently."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.regs = list(self.regs)
        other.pages = {number: bytearray(page) for number, page in self.pages.items()}
        other.fed, other.ops = list(self.fed), []
        other.cmos = bytearray(self.cmos[0]), self.cmos[1]
        return other

    def state(self) -> tuple[object, ...]:
        """What tells two histories apart; flags left out, since some are undefined."""
        pages = tuple((number, bytes(self.pages[number])) for number in sorted(self.pages))
        return self.eip, tuple(self.regs), tuple(self.fed), self.tsc, pages

    # -- ops ------------------------------------------------------------------------------------

    def surface(self, op: Expected) -> None:
        self.ops.append(op)
        if op.kind is Kind.STORE and not op.locked:
            self.waiting_store = True
        elif op.kind in _DRAINS:
            self.waiting_store = False

    def order(self) -> None:
        """The instruction lets no later load pass an earlier store."""
        if self.fences and self.waiting_store:
            self.surface(Expected(Kind.FENCE, 0, 0, 0, False, self.at))

    def ask(self, kind: Kind, address: int, size: int) -> int:
        if self.next < len(self.fed):
            self.next += 1
            return self.fed[self.next - 1]
        raise WaitsError(Expected(kind, address, size, 0, False, self.at))

    def halt(self, outcome: Outcome) -> None:
        self.halted = True
        self.surface(Expected(Kind.HALT, 0, 0, 0, False, self.at, outcome))

    # -- memory ---------------------------------------------------------------------------------

    def page(self, address: int) -> bytearray:
        number = address // PAGE
        page = self.pages.get(number)
        if page is None:
            page = self.pages[number] = bytearray(PAGE)
        return page

    def load(self, address: int, size: int, kind: Kind = Kind.LOAD) -> int:
        """What a load gives; asks where it is shared. Parts that nothing answers are ones."""
        value = 0
        for first, length, place in parts(address, size):
            if place is not None:
                part = self.ask(kind, place, length)
            elif first < RAM or first // PAGE == SHARED_INFO // PAGE:
                page, offset = self.page(first), first % PAGE
                part = int.from_bytes(page[offset : offset + length], "little")
            else:
                part = (1 << 8 * length) - 1
            value |= part << 8 * (first - address)
        return value

    def store(self, address: int, size: int, value: int, *, locked: bool = False) -> None:
        """A store; an op where it is shared, lost where there is nothing."""
        for first, length, place in parts(address, size):
            part = value >> 8 * (first - address) & (1 << 8 * length) - 1
            if place is not None:
                self.surface(Expected(Kind.STORE, place, length, part, locked, self.at))
            elif first < RAM or first // PAGE == SHARED_INFO // PAGE:
                offset = first % PAGE
                self.page(first)[offset : offset + length] = part.to_bytes(length, "little")

    def is_shared(self, address: int, size: int) -> bool:
        """Whether others see an access there, or a part of it."""
        return any(place is not None for _, _, place in parts(address, size))

    # -- registers and operands -----------------------------------------------------------------

    def get(self, number: int, size: int) -> int:
        """A register; number as in the encoding."""
        if size == 1:
            return self.regs[number & 3] >> (8 if number > 3 else 0) & 0xFF
        return self.regs[number] & (1 << 8 * size) - 1

    def set(self, number: int, size: int, value: int) -> None:
        """Change a register, or its low part."""
        if size == 1:
            shift = 8 if number > 3 else 0
            old = self.regs[number & 3] & ~(0xFF << shift)
            self.regs[number & 3] = old | (value & 0xFF) << shift
        elif size == 2:
            self.regs[number] = self.regs[number] & 0xFFFF0000 | value & 0xFFFF
        else:
            self.regs[number] = value & MASK

    def where(self, ins: Instruction) -> int:
        """The address of a memory operand."""
        address = ins.disp
        if ins.base >= 0:
            address += self.regs[ins.base]
        if ins.scaled >= 0:
            address += self.regs[ins.scaled] * ins.scale
        return address & MASK

    def read(self, ins: Instruction, size: int, kind: Kind = Kind.LOAD) -> int:
        """The operand that ModRM names."""
        if ins.rm >= 0:
            return self.get(ins.rm, size)
        return self.load(self.where(ins), size, kind)

    def write(self, ins: Instruction, size: int, value: int, *, locked: bool = False) -> None:
        """Change the operand that ModRM names."""
        if ins.rm >= 0:
            self.set(ins.rm, size, value)
        else:
            self.store(self.where(ins), size, value, locked=locked)

    def modify(self, ins: Instruction, change: Callable[[int], int], *, locks: bool = False) -> int:
        """Load, change, store; returns the old value. Atomic with LOCK, or where it `locks` by
        itself (XCHG)."""
        atomic = (ins.lock or locks) and ins.rm < 0
        here = atomic and self.is_shared(self.where(ins), ins.size)
        old = self.read(ins, ins.size, Kind.RMW if here else Kind.LOAD)
        if here:
            # The load half is an op by now.
            self.waiting_store = False
        elif atomic:
            self.order()
        self.write(ins, ins.size, change(old) & (1 << 8 * ins.size) - 1, locked=here)
        return old

    def push(self, value: int) -> None:
        """Push 4 bytes."""
        address = self.regs[ESP] - 4 & MASK
        self.store(address, 4, value)
        self.regs[ESP] = address

    def pop(self) -> int:
        """Pop 4 bytes."""
        value = self.load(self.regs[ESP], 4)
        self.regs[ESP] = self.regs[ESP] + 4 & MASK
        return value

    def flags(self, result: int, size: int, *, carry: bool | None) -> None:
        """ZF of a result, and CF where it is defined."""
        self.zf = result & (1 << 8 * size) - 1 == 0
        if carry is not None:
            self.cf = carry


def parts(address: int, size: int) -> tuple[tuple[int, int, int | None], ...]:
    """(address, size, shared place or None) of what an access touches, page by page."""
    offset = address % PAGE
    if offset + size <= PAGE:
        return ((address, size, _place(address)),)
    first = PAGE - offset
    beyond = address + first & MASK
    return (address, first, _place(address)), (beyond, size - first, _place(beyond))


def _place(address: int) -> int | None:
    page, offset = address & ~(PAGE - 1), address % PAGE
    if page == RING:
        return offset
    if page == SHARED_INFO and (offset < 8 or 0x800 <= offset < 0x900):
        return shared.SHARED_INFO + offset
    return None
