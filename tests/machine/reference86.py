"""A second CPU, in plain Python: what a test's machine code does, worked out independently.

It interprets the few instructions that `guest_programs` emits, from the bytes in its own memory at
the moment they run, and gives the ops that the machine must surface. It knows nothing of Unicorn,
of translated code or of pages that hold code: memory is bytes. Source: Intel SDM volume 2.

What an instruction loads from a shared page, it loads before it changes anything. So an instruction
that waits for an answer can be run anew from its beginning with the answers that it has.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final, NamedTuple

from code86 import HYPERCALL_PAGE, PORT, RING, SHARED_INFO
from decode86 import Instruction, decode

from guestsim.trace import shared
from guestsim.trace.ops import End, Kind, Op, Outcome

__all__ = ["RAM", "Cpu", "Expected", "UnmodelledError"]

PAGE: Final = 4096
RAM: Final = 16 << 20
EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI = range(8)
_MASK: Final = 0xFFFFFFFF

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


class _WaitsError(Exception):
    """The instruction needs an answer that it does not have."""

    def __init__(self, op: Expected) -> None:
        super().__init__()
        self.op = op


class Cpu:
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
        self._fences = fences
        self._edi_first = cmps_edi_first
        self._waiting_store = False
        self._caller = range(0)
        self._tsc = 0
        self._cmos = bytearray(128), 0
        self._pci_address = 0
        assert base % PAGE == 0
        for at in range(0, len(code), PAGE):
            part = code[at : at + PAGE]
            self._page(base + at)[: len(part)] = part

    def copy(self) -> Cpu:
        """The same CPU again, to go on differently."""
        other = object.__new__(Cpu)
        other.__dict__.update(self.__dict__)
        other.regs = list(self.regs)
        other.pages = {number: bytearray(page) for number, page in self.pages.items()}
        other.fed, other.ops = list(self.fed), []
        other._cmos = bytearray(self._cmos[0]), self._cmos[1]
        return other

    def state(self) -> tuple[object, ...]:
        """What tells two histories apart; flags left out, since some are undefined."""
        pages = tuple((number, bytes(self.pages[number])) for number in sorted(self.pages))
        return self.eip, tuple(self.regs), tuple(self.fed), self._tsc, pages

    def run(self, answer: int | None = None) -> list[Expected]:
        """The ops up to the next one that needs an answer, or up to the end."""
        if answer is not None:
            assert self.asked is not None
            wide = 1 << 8 * self.asked.size
            self.fed.append(0 if self.asked.kind is Kind.WAIT else answer % wide)
        self.ops, self.asked = [], None
        while not self.halted:
            try:
                self._step()
            except _WaitsError as wait:
                self.asked = wait.op
                self._surface(wait.op)
                break
        return self.ops

    def _step(self) -> None:
        if HYPERCALL_PAGE <= self.eip < HYPERCALL_PAGE + PAGE:
            self._hypercall((self.eip - HYPERCALL_PAGE) // 32)
            return
        offset = self.eip % PAGE
        page = self._page(self.eip)
        window = bytes(page[offset : offset + 15])
        if len(window) < 15:
            window += bytes(self._page(self.eip + 15)[: 15 - len(window)])
        ins = decode(window)
        self._next = 0  # answers used up by this instruction
        self._at = range(self.eip, self.eip + 1)
        self._length = ins.length
        following = self.eip + ins.length
        handler = _HANDLERS.get(ins.code)
        if handler is None:
            raise UnmodelledError(f"{self.eip:#x}: {window.hex(' ')}")
        self.several = False
        target = handler(self, ins)
        if self.trace is not None:
            self.trace.append((self.eip, window))
        self.fed.clear()
        self.eip = following if target is None else target & _MASK

    # -- ops ------------------------------------------------------------------------------------

    def _surface(self, op: Expected) -> None:
        self.ops.append(op)
        if op.kind is Kind.STORE and not op.locked:
            self._waiting_store = True
        elif op.kind in _DRAINS:
            self._waiting_store = False

    def _order(self) -> None:
        """The instruction lets no later load pass an earlier store."""
        if self._fences and self._waiting_store:
            self._surface(Expected(Kind.FENCE, 0, 0, 0, False, self._at))

    def _ask(self, kind: Kind, address: int, size: int) -> int:
        if self._next < len(self.fed):
            self._next += 1
            return self.fed[self._next - 1]
        raise _WaitsError(Expected(kind, address, size, 0, False, self._at))

    def _halt(self, outcome: Outcome) -> None:
        self.halted = True
        self._surface(Expected(Kind.HALT, 0, 0, 0, False, self._at, outcome))

    # -- memory ---------------------------------------------------------------------------------

    def _page(self, address: int) -> bytearray:
        number = address // PAGE
        page = self.pages.get(number)
        if page is None:
            page = self.pages[number] = bytearray(PAGE)
        return page

    def load(self, address: int, size: int, kind: Kind = Kind.LOAD) -> int:
        """What a load gives; asks where it is shared. Parts that nothing answers are ones."""
        value = 0
        for first, length, place in _parts(address, size):
            if place is not None:
                part = self._ask(kind, place, length)
            elif first < RAM or first // PAGE == SHARED_INFO // PAGE:
                page, offset = self._page(first), first % PAGE
                part = int.from_bytes(page[offset : offset + length], "little")
            else:
                part = (1 << 8 * length) - 1
            value |= part << 8 * (first - address)
        return value

    def store(self, address: int, size: int, value: int, *, locked: bool = False) -> None:
        """A store; an op where it is shared, lost where there is nothing."""
        for first, length, place in _parts(address, size):
            part = value >> 8 * (first - address) & (1 << 8 * length) - 1
            if place is not None:
                self._surface(Expected(Kind.STORE, place, length, part, locked, self._at))
            elif first < RAM or first // PAGE == SHARED_INFO // PAGE:
                offset = first % PAGE
                self._page(first)[offset : offset + length] = part.to_bytes(length, "little")

    def is_shared(self, address: int, size: int) -> bool:
        """Whether others see an access there, or a part of it."""
        return any(place is not None for _, _, place in _parts(address, size))

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
            self.regs[number] = value & _MASK

    def where(self, ins: Instruction) -> int:
        """The address of a memory operand."""
        address = ins.disp
        if ins.base >= 0:
            address += self.regs[ins.base]
        if ins.scaled >= 0:
            address += self.regs[ins.scaled] * ins.scale
        return address & _MASK

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
            self._waiting_store = False
        elif atomic:
            self._order()
        self.write(ins, ins.size, change(old) & (1 << 8 * ins.size) - 1, locked=here)
        return old

    def push(self, value: int) -> None:
        """Push 4 bytes."""
        address = self.regs[ESP] - 4 & _MASK
        self.store(address, 4, value)
        self.regs[ESP] = address

    def pop(self) -> int:
        """Pop 4 bytes."""
        value = self.load(self.regs[ESP], 4)
        self.regs[ESP] = self.regs[ESP] + 4 & _MASK
        return value

    def flags(self, result: int, size: int, *, carry: bool | None) -> None:
        """ZF of a result, and CF where it is defined."""
        self.zf = result & (1 << 8 * size) - 1 == 0
        if carry is not None:
            self.cf = carry

    # -- instructions ---------------------------------------------------------------------------

    def _alu(self, operation: int, left: int, right: int, size: int) -> int:
        mask = (1 << 8 * size) - 1
        right &= mask
        if operation in (5, 7):
            self.flags(left - right, size, carry=left < right)
            return left - right & mask
        if operation == 0:
            self.flags(left + right, size, carry=left + right > mask)
            return left + right & mask
        if operation in (1, 4, 6):
            result = {1: left | right, 4: left & right, 6: left ^ right}[operation]
            self.flags(result, size, carry=False)
            return result
        raise UnmodelledError(f"ALU operation {operation}")

    def _alu_form(self, ins: Instruction) -> None:
        operation, form = ins.code >> 3, ins.code & 7
        if form in (2, 3):  # r, r/m
            right = self.read(ins, ins.size)
            result = self._alu(operation, self.get(ins.reg, ins.size), right, ins.size)
            if operation != 7:
                self.set(ins.reg, ins.size, result)
        elif form in (4, 5):  # eax, imm
            size = 1 if form == 4 else ins.size
            result = self._alu(operation, self.get(EAX, size), ins.imm, size)
            if operation != 7:
                self.set(EAX, size, result)
        else:
            self._alu_memory(ins, operation, self.get(ins.reg, ins.size))

    def _alu_immediate(self, ins: Instruction) -> None:
        self._alu_memory(ins, ins.reg, ins.imm)

    def _alu_memory(self, ins: Instruction, operation: int, right: int) -> None:
        if operation == 7:
            self._alu(7, self.read(ins, ins.size), right, ins.size)
        else:
            self.modify(ins, lambda old: self._alu(operation, old, right, ins.size))

    def _test(self, ins: Instruction) -> None:
        self.flags(self.read(ins, ins.size) & self.get(ins.reg, ins.size), ins.size, carry=False)

    def _group3(self, ins: Instruction) -> None:
        mask = (1 << 8 * ins.size) - 1
        if ins.reg == 0:
            self.flags(self.read(ins, ins.size) & ins.imm, ins.size, carry=False)
        elif ins.reg == 2:
            self.modify(ins, lambda old: ~old & mask)
        elif ins.reg == 3:
            # A machine that makes a loop of compare-and-exchange of it may say that it does so.
            self.several = ins.lock
            old = self.modify(ins, lambda old: -old & mask)
            self.flags(-old, ins.size, carry=old != 0)
        else:
            raise UnmodelledError(f"group 3 /{ins.reg}")

    def _group5(self, ins: Instruction) -> int | None:
        if ins.reg in (0, 1):
            step = 1 if ins.reg == 0 else -1
            old = self.modify(ins, lambda old: old + step)
            self.flags(old + step, ins.size, carry=None)
        elif ins.reg == 2:
            target = self.read(ins, 4)
            self._call(target)
            return target
        elif ins.reg == 4:
            return self.read(ins, 4)
        elif ins.reg == 6:
            self.push(self.read(ins, 4))
        else:
            raise UnmodelledError(f"group 5 /{ins.reg}")
        return None

    def _call(self, target: int) -> None:
        self.push(self.eip + self._length)
        self._caller = range(self.eip, self.eip + self._length)
        del target

    def _call_relative(self, ins: Instruction) -> int:
        target = self.eip + ins.length + ins.imm
        self._call(target)
        return target

    def _xchg(self, ins: Instruction) -> None:
        new = self.get(ins.reg, ins.size)
        self.set(ins.reg, ins.size, self.modify(ins, lambda _: new, locks=True))

    def _xadd(self, ins: Instruction) -> None:
        add = self.get(ins.reg, ins.size)
        self.set(ins.reg, ins.size, self.modify(ins, lambda old: self._alu(0, old, add, ins.size)))

    def _cmpxchg(self, ins: Instruction) -> None:
        accumulator, new = self.get(EAX, ins.size), self.get(ins.reg, ins.size)
        old = self.modify(ins, lambda old: new if old == accumulator else old)
        self._alu(7, accumulator, old, ins.size)
        if old != accumulator:
            self.set(EAX, ins.size, old)

    def _cmpxchg8b(self, ins: Instruction) -> None:
        if ins.reg != 1 or ins.rm >= 0:
            raise UnmodelledError(f"0f c7 /{ins.reg}")
        expected = self.regs[EDX] << 32 | self.regs[EAX]
        new = self.regs[ECX] << 32 | self.regs[EBX]
        old = self.modify(ins._replace(size=8), lambda old: new if old == expected else old)
        self.zf = old == expected
        if not self.zf:
            self.regs[EAX], self.regs[EDX] = old & _MASK, old >> 32

    def _bit(self, ins: Instruction) -> None:
        bit = 1 << ins.imm % (8 * ins.size)
        if ins.reg == 4:
            old = self.read(ins, ins.size)
        else:
            changes: dict[int, Callable[[int], int]] = {
                5: lambda old: old | bit,
                6: lambda old: old & ~bit,
                7: lambda old: old ^ bit,
            }
            old = self.modify(ins, changes[ins.reg])
        self.cf = bool(old & bit)

    def _rol(self, ins: Instruction) -> None:
        if ins.reg != 0 or ins.rm < 0:
            raise UnmodelledError("only rol of a register")
        bits, old = ins.imm & 31, self.get(ins.rm, ins.size)
        self.set(ins.rm, ins.size, old << bits | old >> (8 * ins.size - bits))

    def _imul(self, ins: Instruction) -> None:
        self.set(ins.reg, ins.size, self.read(ins, ins.size) * ins.imm)

    def _mov_to_rm(self, ins: Instruction) -> None:
        self.write(ins, ins.size, self.get(ins.reg, ins.size))

    def _mov_from_rm(self, ins: Instruction) -> None:
        self.set(ins.reg, ins.size, self.read(ins, ins.size))

    def _mov_immediate(self, ins: Instruction) -> None:
        self.write(ins, ins.size, ins.imm & (1 << 8 * ins.size) - 1)

    def _mov_register(self, ins: Instruction) -> None:
        self.set(ins.code & 7, 1 if ins.code < 0xB8 else ins.size, ins.imm)

    def _mov_absolute(self, ins: Instruction) -> None:
        if ins.code < 0xA2:
            self.set(EAX, ins.size, self.load(ins.disp, ins.size))
        else:
            self.store(ins.disp, ins.size, self.get(EAX, ins.size))

    def _extend(self, ins: Instruction) -> None:
        size = 1 if ins.code in (0x0FB6, 0x0FBE) else 2
        value = self.read(ins, size)
        if ins.code >= 0x0FBE and value >> (8 * size - 1):
            value -= 1 << 8 * size
        self.set(ins.reg, ins.size, value)

    def _lea(self, ins: Instruction) -> None:
        self.set(ins.reg, ins.size, self.where(ins))

    def _count(self, ins: Instruction) -> None:
        step = 1 if ins.code < 0x48 else -1
        self.regs[ins.code & 7] = self.regs[ins.code & 7] + step & _MASK
        self.flags(self.regs[ins.code & 7], 4, carry=None)

    def _push_register(self, ins: Instruction) -> None:
        self.push(self.regs[ins.code & 7])

    def _push_immediate(self, ins: Instruction) -> None:
        self.push(ins.imm & _MASK)

    def _pop_register(self, ins: Instruction) -> None:
        value = self.pop()
        self.regs[ins.code & 7] = value

    def _pop_memory(self, ins: Instruction) -> None:
        value = self.pop()
        self.write(ins, 4, value)

    def _pusha(self, _: Instruction) -> None:
        esp = self.regs[ESP]
        if self.is_shared(esp - 32, 32):
            raise UnmodelledError("pusha into a shared page")
        for number in range(8):
            self.push(esp if number == ESP else self.regs[number])

    def _popa(self, _: Instruction) -> None:
        esp = self.regs[ESP]
        self.several = self.is_shared(esp, 32)
        order = (EDI, ESI, EBP, EBX, EDX, ECX, EAX)  # what was ESP is skipped, not loaded
        values = [self.load(esp + 4 * (7 - number), 4) for number in order]
        for number, value in zip(order, values, strict=True):
            self.regs[number] = value
        self.regs[ESP] = esp + 32 & _MASK

    def _ret(self, _: Instruction) -> int:
        return self.pop()

    def _jump(self, ins: Instruction) -> int:
        return self.eip + ins.length + ins.imm

    def _jump_if(self, ins: Instruction) -> int | None:
        taken = {0x72: self.cf, 0x73: not self.cf, 0x74: self.zf, 0x75: not self.zf}[ins.code]
        return self._jump(ins) if taken else None

    def _string(self, ins: Instruction) -> int | None:
        size, code = ins.size, ins.code & 0xFE
        if ins.rep and self.regs[ECX] == 0:
            return None
        step = -size if self.df else size
        esi, edi = self.regs[ESI], self.regs[EDI]
        moved = code in (0xA4, 0xA6, 0xAC), code in (0xA4, 0xA6, 0xAA)
        if code == 0xAA:
            self.store(edi, size, self.get(EAX, size))
        elif code == 0xA4:
            self.store(edi, size, self.load(esi, size))
        elif code == 0xAC:
            self.set(EAX, size, self.load(esi, size))
        else:
            self.several = self.is_shared(esi, size) and self.is_shared(edi, size)
            if self._edi_first:
                right, left = self.load(edi, size), self.load(esi, size)
            else:
                left, right = self.load(esi, size), self.load(edi, size)
            self._alu(7, left, right, size)
        self.regs[ESI] = esi + step * moved[0] & _MASK
        self.regs[EDI] = edi + step * moved[1] & _MASK
        if not ins.rep:
            return None
        self.regs[ECX] -= 1
        goes_on = code != 0xA6 or self.zf == (ins.rep == 0xF3)
        return self.eip if goes_on else None

    def _bound(self, ins: Instruction) -> None:
        address = self.where(ins)
        self.several = self.is_shared(address, 8)
        low, high = (_signed(self.load(address + 4 * at, 4)) for at in range(2))
        if not low <= _signed(self.regs[ins.reg]) <= high:
            self._halt(Outcome.CRASHED)

    def _far_pointer(self, ins: Instruction) -> None:
        address = self.where(ins)
        self.several = self.is_shared(address, 6)
        offset, selector = self.load(address, 4), self.load(address + 4, 2)
        if selector > 3:
            raise UnmodelledError("a selector that is not null")
        self.regs[ins.reg] = offset

    def _table(self, ins: Instruction) -> None:
        if ins.reg not in (2, 3) or ins.rm >= 0:
            raise UnmodelledError(f"0f 01 /{ins.reg}")
        address = self.where(ins)
        self.several = self.is_shared(address, 6)
        self.load(address, 2)
        self.load(address + 2, 4)
        self._order()

    def _memory_fence(self, ins: Instruction) -> None:
        if ins.reg == 6:
            self._order()
        elif ins.reg not in (5, 7):
            raise UnmodelledError(f"0f ae /{ins.reg}")

    def _cld(self, ins: Instruction) -> None:
        self.df = ins.code == 0xFD

    def _nop(self, _: Instruction) -> None:
        pass

    def _cpuid(self, _: Instruction) -> None:
        answers = {
            0x40000000: (0x40000002, *struct.unpack("<III", b"XenVMMXenVMM")),
            0x40000001: (4 << 16 | 17, 0, 0, 0),
            0x40000002: (1, 0x40000000, 0, 0),
        }
        leaf = self.regs[EAX]
        if leaf not in answers:
            raise UnmodelledError(f"cpuid leaf {leaf:#x}")
        self._order()
        self.regs[EAX], self.regs[EBX], self.regs[ECX], self.regs[EDX] = answers[leaf]

    def _wrmsr(self, _: Instruction) -> None:
        self._order()
        if (self.regs[ECX], self.regs[EAX]) != (0x40000000, HYPERCALL_PAGE):
            raise UnmodelledError("wrmsr of something else")

    def _rdtsc(self, _: Instruction) -> None:
        self._tsc += 1000
        self.regs[EAX], self.regs[EDX] = self._tsc & _MASK, self._tsc >> 32

    def _in(self, ins: Instruction) -> None:
        self._order()
        port = ins.imm & 0xFF if ins.code < 0xE8 else self.regs[EDX] & 0xFFFF
        if port == 0xE9:
            value = 0xE9
        elif port == 0x71:
            value = self._cmos[0][self._cmos[1]]
        elif port == 0xCF8 and ins.size == 4:
            value = self._pci_address
        elif port in (0x80, 0x3F8, 0x60):
            value = _MASK
        else:
            raise UnmodelledError(f"in {port:#x}")
        self.set(EAX, ins.size, value)

    def _out(self, ins: Instruction) -> None:
        self._order()
        port = ins.imm & 0xFF if ins.code < 0xE8 else self.regs[EDX] & 0xFFFF
        value = self.get(EAX, ins.size)
        if port == 0x70:
            self._cmos = self._cmos[0], value & 0x7F
        elif port == 0x71:
            self._cmos[0][self._cmos[1]] = value & 0xFF
        elif port == 0xCF8 and ins.size == 4:
            self._pci_address = value
        elif port not in (0xE9, 0x3F8) and not (port == 0x80 and value & 0xFF != 0xE0):
            raise UnmodelledError(f"out {port:#x}")

    # -- hypercalls -----------------------------------------------------------------------------

    def _hypercall(self, number: int) -> None:
        self._next, self._at, self.several = 0, self._caller, False
        command, argument = self.regs[EBX], self.regs[ECX]
        result = 0
        port = int.from_bytes(self._words(argument, 4), "little")
        match number, command:
            case 29, 2:
                reason = int.from_bytes(self._words(argument, 4), "little")
                self._halt(Outcome.CONNECTED if reason == 0 else Outcome.CRASHED)
                return
            case 29, 3:
                ports, count, timeout = struct.unpack("<IIQ", self._words(argument, 16))
                if count != 1 or timeout:
                    raise UnmodelledError("a poll of several ports, or one that times out")
                polled = int.from_bytes(self._words(ports, 4), "little")
                address, size, bits = shared.pending_place(polled)
                if self._next == len(self.fed):
                    raise _WaitsError(Expected(Kind.WAIT, address, size, bits, False, self._at))
            case 32, 4 if port == PORT:
                place = shared.server_pending_place()
                self._surface(Expected(Kind.SEND, *place, False, self._at))
            case 32, 9:
                place = shared.pending_place(port)
                self._surface(Expected(Kind.UNMASK, *place, False, self._at))
            case 29, 0:
                if self._next == len(self.fed):
                    raise _WaitsError(Expected(Kind.WAIT, 0, 0, 0, False, self._at))
            case 17, 0:
                self._order()
                result = 4 << 16 | 17
            case 12, 7:  # add_to_physmap of shared_info, which is where it is from the start here
                self._order()
            case 20, _:
                self._order()
                result = -38
            case _:
                raise UnmodelledError(f"hypercall {number}, command {command}")
        self.fed.clear()
        self.regs[EAX] = result & _MASK
        self.eip = self.pop()

    def _words(self, address: int, size: int) -> bytes:
        return bytes(self._page(address + at)[(address + at) % PAGE] for at in range(size))


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value


def _parts(address: int, size: int) -> tuple[tuple[int, int, int | None], ...]:
    """(address, size, shared place or None) of what an access touches, page by page."""
    offset = address % PAGE
    if offset + size <= PAGE:
        return ((address, size, _place(address)),)
    first = PAGE - offset
    beyond = address + first & _MASK
    return (address, first, _place(address)), (beyond, size - first, _place(beyond))


def _place(address: int) -> int | None:
    page, offset = address & ~(PAGE - 1), address % PAGE
    if page == RING:
        return offset
    if page == SHARED_INFO and (offset < 8 or 0x800 <= offset < 0x900):
        return shared.SHARED_INFO + offset
    return None


def _crash(cpu: Cpu, _: Instruction) -> None:
    cpu._halt(Outcome.CRASHED)


_Handler = Callable[[Cpu, Instruction], int | None]
_HANDLERS: dict[int, _Handler] = {
    **{op << 3 | form: Cpu._alu_form for op in (0, 1, 4, 5, 6, 7) for form in range(6)},
    **dict.fromkeys((0x80, 0x81, 0x83), Cpu._alu_immediate),
    **dict.fromkeys((0x84, 0x85), Cpu._test),
    **dict.fromkeys((0x86, 0x87), Cpu._xchg),
    **dict.fromkeys((0x88, 0x89), Cpu._mov_to_rm),
    **dict.fromkeys((0x8A, 0x8B), Cpu._mov_from_rm),
    **dict.fromkeys((0xC6, 0xC7), Cpu._mov_immediate),
    **dict.fromkeys(range(0xA0, 0xA4), Cpu._mov_absolute),
    **dict.fromkeys(range(0xB0, 0xC0), Cpu._mov_register),
    **dict.fromkeys((*range(0xA4, 0xA8), *range(0xAA, 0xAE)), Cpu._string),
    **dict.fromkeys((0xF6, 0xF7), Cpu._group3),
    **dict.fromkeys((0xFE, 0xFF), Cpu._group5),
    **dict.fromkeys(range(0x40, 0x50), Cpu._count),
    **dict.fromkeys(range(0x50, 0x58), Cpu._push_register),
    **dict.fromkeys(range(0x58, 0x60), Cpu._pop_register),
    **dict.fromkeys((0x68, 0x6A), Cpu._push_immediate),
    **dict.fromkeys(range(0x72, 0x76), Cpu._jump_if),
    **dict.fromkeys((0xE9, 0xEB), Cpu._jump),
    **dict.fromkeys((0xE4, 0xE5, 0xEC, 0xED), Cpu._in),
    **dict.fromkeys((0xE6, 0xE7, 0xEE, 0xEF), Cpu._out),
    **dict.fromkeys((0xFC, 0xFD), Cpu._cld),
    **dict.fromkeys((0x0FB0, 0x0FB1), Cpu._cmpxchg),
    **dict.fromkeys((0x0FC0, 0x0FC1), Cpu._xadd),
    **dict.fromkeys((0x0FB6, 0x0FB7, 0x0FBE, 0x0FBF), Cpu._extend),
    0x0F01: Cpu._table,
    0x0F0B: _crash,
    0x0F30: Cpu._wrmsr,
    0x0F31: Cpu._rdtsc,
    0x0FA2: Cpu._cpuid,
    0x0FAE: Cpu._memory_fence,
    0x0FBA: Cpu._bit,
    0x0FC7: Cpu._cmpxchg8b,
    0x60: Cpu._pusha,
    0x61: Cpu._popa,
    0x62: Cpu._bound,
    0x69: Cpu._imul,
    0x8D: Cpu._lea,
    0x8F: Cpu._pop_memory,
    0x90: Cpu._nop,
    0xC1: Cpu._rol,
    0xC3: Cpu._ret,
    0xC4: Cpu._far_pointer,
    0xE8: Cpu._call_relative,
}
