"""The instructions of tests' second CPU: those that `guest_programs` emits, and no others.

Each is a function of the CPU and the decoded instruction; one that jumps returns where to. Source:
Intel SDM volume 2.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from code86 import HYPERCALL_PAGE
from cpu86 import (
    EAX,
    EBP,
    EBX,
    ECX,
    EDI,
    EDX,
    ESI,
    ESP,
    MASK,
    Core,
    UnmodelledError,
)
from decode86 import Instruction

from guestsim.trace.ops import Outcome

__all__ = ["HANDLERS"]


def _alu(cpu: Core, operation: int, left: int, right: int, size: int) -> int:
    mask = (1 << 8 * size) - 1
    right &= mask
    if operation in (5, 7):
        cpu.flags(left - right, size, carry=left < right)
        return left - right & mask
    if operation == 0:
        cpu.flags(left + right, size, carry=left + right > mask)
        return left + right & mask
    if operation in (1, 4, 6):
        result = {1: left | right, 4: left & right, 6: left ^ right}[operation]
        cpu.flags(result, size, carry=False)
        return result
    raise UnmodelledError(f"ALU operation {operation}")


def _alu_form(cpu: Core, ins: Instruction) -> None:
    operation, form = ins.code >> 3, ins.code & 7
    if form in (2, 3):  # r, r/m
        right = cpu.read(ins, ins.size)
        result = _alu(cpu, operation, cpu.get(ins.reg, ins.size), right, ins.size)
        if operation != 7:
            cpu.set(ins.reg, ins.size, result)
    elif form in (4, 5):  # eax, imm
        size = 1 if form == 4 else ins.size
        result = _alu(cpu, operation, cpu.get(EAX, size), ins.imm, size)
        if operation != 7:
            cpu.set(EAX, size, result)
    else:
        _alu_memory(cpu, ins, operation, cpu.get(ins.reg, ins.size))


def _alu_immediate(cpu: Core, ins: Instruction) -> None:
    _alu_memory(cpu, ins, ins.reg, ins.imm)


def _alu_memory(cpu: Core, ins: Instruction, operation: int, right: int) -> None:
    if operation == 7:
        _alu(cpu, 7, cpu.read(ins, ins.size), right, ins.size)
    else:
        cpu.modify(ins, lambda old: _alu(cpu, operation, old, right, ins.size))


def _test(cpu: Core, ins: Instruction) -> None:
    cpu.flags(cpu.read(ins, ins.size) & cpu.get(ins.reg, ins.size), ins.size, carry=False)


def _group3(cpu: Core, ins: Instruction) -> None:
    mask = (1 << 8 * ins.size) - 1
    if ins.reg == 0:
        cpu.flags(cpu.read(ins, ins.size) & ins.imm, ins.size, carry=False)
    elif ins.reg == 2:
        cpu.modify(ins, lambda old: ~old & mask)
    elif ins.reg == 3:
        # A machine that makes a loop of compare-and-exchange of it may say that it does so.
        cpu.several = ins.lock
        old = cpu.modify(ins, lambda old: -old & mask)
        cpu.flags(-old, ins.size, carry=old != 0)
    else:
        raise UnmodelledError(f"group 3 /{ins.reg}")


def _group5(cpu: Core, ins: Instruction) -> int | None:
    if ins.reg in (0, 1):
        step = 1 if ins.reg == 0 else -1
        old = cpu.modify(ins, lambda old: old + step)
        cpu.flags(old + step, ins.size, carry=None)
    elif ins.reg == 2:
        target = cpu.read(ins, 4)
        _call(cpu, target)
        return target
    elif ins.reg == 4:
        return cpu.read(ins, 4)
    elif ins.reg == 6:
        cpu.push(cpu.read(ins, 4))
    else:
        raise UnmodelledError(f"group 5 /{ins.reg}")
    return None


def _call(cpu: Core, target: int) -> None:
    cpu.push(cpu.eip + cpu.length)
    cpu.caller = range(cpu.eip, cpu.eip + cpu.length)
    del target


def _call_relative(cpu: Core, ins: Instruction) -> int:
    target = cpu.eip + ins.length + ins.imm
    _call(cpu, target)
    return target


def _xchg(cpu: Core, ins: Instruction) -> None:
    new = cpu.get(ins.reg, ins.size)
    cpu.set(ins.reg, ins.size, cpu.modify(ins, lambda _: new, locks=True))


def _xadd(cpu: Core, ins: Instruction) -> None:
    add = cpu.get(ins.reg, ins.size)
    cpu.set(ins.reg, ins.size, cpu.modify(ins, lambda old: _alu(cpu, 0, old, add, ins.size)))


def _cmpxchg(cpu: Core, ins: Instruction) -> None:
    accumulator, new = cpu.get(EAX, ins.size), cpu.get(ins.reg, ins.size)
    old = cpu.modify(ins, lambda old: new if old == accumulator else old)
    _alu(cpu, 7, accumulator, old, ins.size)
    if old != accumulator:
        cpu.set(EAX, ins.size, old)


def _cmpxchg8b(cpu: Core, ins: Instruction) -> None:
    if ins.reg != 1 or ins.rm >= 0:
        raise UnmodelledError(f"0f c7 /{ins.reg}")
    expected = cpu.regs[EDX] << 32 | cpu.regs[EAX]
    new = cpu.regs[ECX] << 32 | cpu.regs[EBX]
    old = cpu.modify(ins._replace(size=8), lambda old: new if old == expected else old)
    cpu.zf = old == expected
    if not cpu.zf:
        cpu.regs[EAX], cpu.regs[EDX] = old & MASK, old >> 32


def _bit(cpu: Core, ins: Instruction) -> None:
    bit = 1 << ins.imm % (8 * ins.size)
    if ins.reg == 4:
        old = cpu.read(ins, ins.size)
    else:
        changes: dict[int, Callable[[int], int]] = {
            5: lambda old: old | bit,
            6: lambda old: old & ~bit,
            7: lambda old: old ^ bit,
        }
        old = cpu.modify(ins, changes[ins.reg])
    cpu.cf = bool(old & bit)


def _rol(cpu: Core, ins: Instruction) -> None:
    if ins.reg != 0 or ins.rm < 0:
        raise UnmodelledError("only rol of a register")
    bits, old = ins.imm & 31, cpu.get(ins.rm, ins.size)
    cpu.set(ins.rm, ins.size, old << bits | old >> (8 * ins.size - bits))


def _imul(cpu: Core, ins: Instruction) -> None:
    cpu.set(ins.reg, ins.size, cpu.read(ins, ins.size) * ins.imm)


def _mov_to_rm(cpu: Core, ins: Instruction) -> None:
    cpu.write(ins, ins.size, cpu.get(ins.reg, ins.size))


def _mov_from_rm(cpu: Core, ins: Instruction) -> None:
    cpu.set(ins.reg, ins.size, cpu.read(ins, ins.size))


def _mov_immediate(cpu: Core, ins: Instruction) -> None:
    cpu.write(ins, ins.size, ins.imm & (1 << 8 * ins.size) - 1)


def _mov_register(cpu: Core, ins: Instruction) -> None:
    cpu.set(ins.code & 7, 1 if ins.code < 0xB8 else ins.size, ins.imm)


def _mov_absolute(cpu: Core, ins: Instruction) -> None:
    if ins.code < 0xA2:
        cpu.set(EAX, ins.size, cpu.load(ins.disp, ins.size))
    else:
        cpu.store(ins.disp, ins.size, cpu.get(EAX, ins.size))


def _extend(cpu: Core, ins: Instruction) -> None:
    size = 1 if ins.code in (0x0FB6, 0x0FBE) else 2
    value = cpu.read(ins, size)
    if ins.code >= 0x0FBE and value >> (8 * size - 1):
        value -= 1 << 8 * size
    cpu.set(ins.reg, ins.size, value)


def _lea(cpu: Core, ins: Instruction) -> None:
    cpu.set(ins.reg, ins.size, cpu.where(ins))


def _count(cpu: Core, ins: Instruction) -> None:
    step = 1 if ins.code < 0x48 else -1
    cpu.regs[ins.code & 7] = cpu.regs[ins.code & 7] + step & MASK
    cpu.flags(cpu.regs[ins.code & 7], 4, carry=None)


def _push_register(cpu: Core, ins: Instruction) -> None:
    cpu.push(cpu.regs[ins.code & 7])


def _push_immediate(cpu: Core, ins: Instruction) -> None:
    cpu.push(ins.imm & MASK)


def _pop_register(cpu: Core, ins: Instruction) -> None:
    value = cpu.pop()
    cpu.regs[ins.code & 7] = value


def _pop_memory(cpu: Core, ins: Instruction) -> None:
    value = cpu.pop()
    cpu.write(ins, 4, value)


def _pusha(cpu: Core, _: Instruction) -> None:
    esp = cpu.regs[ESP]
    if cpu.is_shared(esp - 32, 32):
        raise UnmodelledError("pusha into a shared page")
    for number in range(8):
        cpu.push(esp if number == ESP else cpu.regs[number])


def _popa(cpu: Core, _: Instruction) -> None:
    esp = cpu.regs[ESP]
    cpu.several = cpu.is_shared(esp, 32)
    order = (EDI, ESI, EBP, EBX, EDX, ECX, EAX)  # what was ESP is skipped, not loaded
    values = [cpu.load(esp + 4 * (7 - number), 4) for number in order]
    for number, value in zip(order, values, strict=True):
        cpu.regs[number] = value
    cpu.regs[ESP] = esp + 32 & MASK


def _ret(cpu: Core, _: Instruction) -> int:
    return cpu.pop()


def _jump(cpu: Core, ins: Instruction) -> int:
    return cpu.eip + ins.length + ins.imm


def _jump_if(cpu: Core, ins: Instruction) -> int | None:
    taken = {0x72: cpu.cf, 0x73: not cpu.cf, 0x74: cpu.zf, 0x75: not cpu.zf}[ins.code]
    return _jump(cpu, ins) if taken else None


def _string(cpu: Core, ins: Instruction) -> int | None:
    size, code = ins.size, ins.code & 0xFE
    if ins.rep and cpu.regs[ECX] == 0:
        return None
    step = -size if cpu.df else size
    esi, edi = cpu.regs[ESI], cpu.regs[EDI]
    moved = code in (0xA4, 0xA6, 0xAC), code in (0xA4, 0xA6, 0xAA)
    if code == 0xAA:
        cpu.store(edi, size, cpu.get(EAX, size))
    elif code == 0xA4:
        cpu.store(edi, size, cpu.load(esi, size))
    elif code == 0xAC:
        cpu.set(EAX, size, cpu.load(esi, size))
    else:
        cpu.several = cpu.is_shared(esi, size) and cpu.is_shared(edi, size)
        if cpu.edi_first:
            right, left = cpu.load(edi, size), cpu.load(esi, size)
        else:
            left, right = cpu.load(esi, size), cpu.load(edi, size)
        _alu(cpu, 7, left, right, size)
    cpu.regs[ESI] = esi + step * moved[0] & MASK
    cpu.regs[EDI] = edi + step * moved[1] & MASK
    if not ins.rep:
        return None
    cpu.regs[ECX] -= 1
    goes_on = code != 0xA6 or cpu.zf == (ins.rep == 0xF3)
    return cpu.eip if goes_on else None


def _bound(cpu: Core, ins: Instruction) -> None:
    address = cpu.where(ins)
    cpu.several = cpu.is_shared(address, 8)
    low, high = (_signed(cpu.load(address + 4 * at, 4)) for at in range(2))
    if not low <= _signed(cpu.regs[ins.reg]) <= high:
        cpu.halt(Outcome.CRASHED)


def _far_pointer(cpu: Core, ins: Instruction) -> None:
    address = cpu.where(ins)
    cpu.several = cpu.is_shared(address, 6)
    offset, selector = cpu.load(address, 4), cpu.load(address + 4, 2)
    if selector > 3:
        raise UnmodelledError("a selector that is not null")
    cpu.regs[ins.reg] = offset


def _table(cpu: Core, ins: Instruction) -> None:
    if ins.reg not in (2, 3) or ins.rm >= 0:
        raise UnmodelledError(f"0f 01 /{ins.reg}")
    address = cpu.where(ins)
    cpu.several = cpu.is_shared(address, 6)
    cpu.load(address, 2)
    cpu.load(address + 2, 4)
    cpu.order()


def _memory_fence(cpu: Core, ins: Instruction) -> None:
    if ins.reg == 6:
        cpu.order()
    elif ins.reg not in (5, 7):
        raise UnmodelledError(f"0f ae /{ins.reg}")


def _cld(cpu: Core, ins: Instruction) -> None:
    cpu.df = ins.code == 0xFD


def _nop(cpu: Core, _: Instruction) -> None:
    pass


def _cpuid(cpu: Core, _: Instruction) -> None:
    answers = {
        0x40000000: (0x40000002, *struct.unpack("<III", b"XenVMMXenVMM")),
        0x40000001: (4 << 16 | 17, 0, 0, 0),
        0x40000002: (1, 0x40000000, 0, 0),
    }
    leaf = cpu.regs[EAX]
    if leaf not in answers:
        raise UnmodelledError(f"cpuid leaf {leaf:#x}")
    cpu.order()
    cpu.regs[EAX], cpu.regs[EBX], cpu.regs[ECX], cpu.regs[EDX] = answers[leaf]


def _wrmsr(cpu: Core, _: Instruction) -> None:
    cpu.order()
    if (cpu.regs[ECX], cpu.regs[EAX]) != (0x40000000, HYPERCALL_PAGE):
        raise UnmodelledError("wrmsr of something else")


def _rdtsc(cpu: Core, _: Instruction) -> None:
    cpu.tsc += 1000
    cpu.regs[EAX], cpu.regs[EDX] = cpu.tsc & MASK, cpu.tsc >> 32


def _in(cpu: Core, ins: Instruction) -> None:
    cpu.order()
    port = ins.imm & 0xFF if ins.code < 0xE8 else cpu.regs[EDX] & 0xFFFF
    if port == 0xE9:
        value = 0xE9
    elif port == 0x71:
        value = cpu.cmos[0][cpu.cmos[1]]
    elif port == 0xCF8 and ins.size == 4:
        value = cpu.pci_address
    elif port in (0x80, 0x3F8, 0x60):
        value = MASK
    else:
        raise UnmodelledError(f"in {port:#x}")
    cpu.set(EAX, ins.size, value)


def _out(cpu: Core, ins: Instruction) -> None:
    cpu.order()
    port = ins.imm & 0xFF if ins.code < 0xE8 else cpu.regs[EDX] & 0xFFFF
    value = cpu.get(EAX, ins.size)
    if port == 0x70:
        cpu.cmos = cpu.cmos[0], value & 0x7F
    elif port == 0x71:
        cpu.cmos[0][cpu.cmos[1]] = value & 0xFF
    elif port == 0xCF8 and ins.size == 4:
        cpu.pci_address = value
    elif port not in (0xE9, 0x3F8) and not (port == 0x80 and value & 0xFF != 0xE0):
        raise UnmodelledError(f"out {port:#x}")


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value


def _crash(cpu: Core, _: Instruction) -> None:
    cpu.halt(Outcome.CRASHED)


_Handler = Callable[[Core, Instruction], int | None]
HANDLERS: dict[int, _Handler] = {
    **{op << 3 | form: _alu_form for op in (0, 1, 4, 5, 6, 7) for form in range(6)},
    **dict.fromkeys((0x80, 0x81, 0x83), _alu_immediate),
    **dict.fromkeys((0x84, 0x85), _test),
    **dict.fromkeys((0x86, 0x87), _xchg),
    **dict.fromkeys((0x88, 0x89), _mov_to_rm),
    **dict.fromkeys((0x8A, 0x8B), _mov_from_rm),
    **dict.fromkeys((0xC6, 0xC7), _mov_immediate),
    **dict.fromkeys(range(0xA0, 0xA4), _mov_absolute),
    **dict.fromkeys(range(0xB0, 0xC0), _mov_register),
    **dict.fromkeys((*range(0xA4, 0xA8), *range(0xAA, 0xAE)), _string),
    **dict.fromkeys((0xF6, 0xF7), _group3),
    **dict.fromkeys((0xFE, 0xFF), _group5),
    **dict.fromkeys(range(0x40, 0x50), _count),
    **dict.fromkeys(range(0x50, 0x58), _push_register),
    **dict.fromkeys(range(0x58, 0x60), _pop_register),
    **dict.fromkeys((0x68, 0x6A), _push_immediate),
    **dict.fromkeys(range(0x72, 0x76), _jump_if),
    **dict.fromkeys((0xE9, 0xEB), _jump),
    **dict.fromkeys((0xE4, 0xE5, 0xEC, 0xED), _in),
    **dict.fromkeys((0xE6, 0xE7, 0xEE, 0xEF), _out),
    **dict.fromkeys((0xFC, 0xFD), _cld),
    **dict.fromkeys((0x0FB0, 0x0FB1), _cmpxchg),
    **dict.fromkeys((0x0FC0, 0x0FC1), _xadd),
    **dict.fromkeys((0x0FB6, 0x0FB7, 0x0FBE, 0x0FBF), _extend),
    0x0F01: _table,
    0x0F0B: _crash,
    0x0F30: _wrmsr,
    0x0F31: _rdtsc,
    0x0FA2: _cpuid,
    0x0FAE: _memory_fence,
    0x0FBA: _bit,
    0x0FC7: _cmpxchg8b,
    0x60: _pusha,
    0x61: _popa,
    0x62: _bound,
    0x69: _imul,
    0x8D: _lea,
    0x8F: _pop_memory,
    0x90: _nop,
    0xC1: _rol,
    0xC3: _ret,
    0xC4: _far_pointer,
    0xE8: _call_relative,
}
