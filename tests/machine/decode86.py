"""Decoding the instructions that `guest_programs` emits, and a listing of them for people.

Source: Intel SDM volume 2, instruction format and the opcode maps.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import NamedTuple

__all__ = ["Instruction", "decode", "text_of"]


class Instruction(NamedTuple):
    """One decoded instruction. `code` is the opcode, 0x0fXX for those of two bytes."""

    length: int
    code: int
    size: int
    """Operand size, bytes."""
    lock: bool
    rep: int
    """0, 0xf2 or 0xf3."""
    reg: int
    rm: int
    """The register of a register operand, or -1 where the operand is memory."""
    base: int
    scaled: int
    scale: int
    disp: int
    imm: int


_MODRM_IMM8 = frozenset((0x80, 0x83, 0xC0, 0xC1, 0xC6, 0x6B, 0x0FBA))
_MODRM_IMM = frozenset((0x81, 0xC7, 0x69))
_MODRM = frozenset(
    [op << 3 | form for op in range(8) for form in range(4)]
    + [0x62, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8B, 0x8D, 0x8F]
    + [0xC4, 0xC5, 0xF6, 0xF7, 0xFE, 0xFF]
    + [0x0F00 | op for op in (0x01, 0xAE, 0xB0, 0xB1, 0xB6, 0xB7, 0xBE, 0xBF, 0xC0, 0xC1, 0xC7)]
    + [0x0FA3, 0x0FAB, 0x0FB3, 0x0FBB]
)
_BYTE_CODES = frozenset(
    [op << 3 | form for op in range(8) for form in (0, 2)]
    + [0x80, 0x84, 0x86, 0x88, 0x8A, 0xA0, 0xA2, 0xA4, 0xA6, 0xA8, 0xAA, 0xAC, 0xAE, 0xC0, 0xC6]
    + [0xE4, 0xE6, 0xEC, 0xEE, 0xF6, 0xFE, 0x0FB0, 0x0FC0]
)
_IMM8 = frozenset(
    [*range(0x70, 0x80), *range(0xB0, 0xB8), 0x6A, 0xA8, 0xE2, 0xE4, 0xE5, 0xE6, 0xE7, 0xEB, 0x04]
    + [op << 3 | 4 for op in range(8)]
)
_IMM = frozenset([*range(0xB8, 0xC0), 0x68, 0xA9, 0xE8, 0xE9] + [op << 3 | 5 for op in range(8)])


@lru_cache(maxsize=1 << 16)
def decode(window: bytes) -> Instruction:
    """The instruction at the beginning of these bytes."""
    at, lock, rep, small = 0, False, 0, False
    while window[at] in (0x66, 0xF0, 0xF2, 0xF3):
        prefix = window[at]
        small |= prefix == 0x66
        lock |= prefix == 0xF0
        rep = prefix if prefix in (0xF2, 0xF3) else rep
        at += 1
    code = window[at]
    at += 1
    if code == 0x0F:
        code = 0x0F00 | window[at]
        at += 1
    size = 1 if code in _BYTE_CODES else 2 if small else 4
    reg, rm, base, index, scale, disp, imm = 0, -1, -1, -1, 1, 0, 0
    if code in _MODRM or code in _MODRM_IMM or code in _MODRM_IMM8:
        modrm = window[at]
        at += 1
        mod, reg, low = modrm >> 6, modrm >> 3 & 7, modrm & 7
        if mod == 3:
            rm = low
        else:
            base = low
            if low == 4:
                sib = window[at]
                at += 1
                base, index, scale = sib & 7, sib >> 3 & 7, 1 << (sib >> 6)
                index = -1 if index == 4 else index
            if mod == 0 and base == 5:
                base, mod = -1, 2
            if mod == 1:
                (disp,) = struct.unpack_from("<b", window, at)
                at += 1
            elif mod == 2:
                (disp,) = struct.unpack_from("<I", window, at)
                at += 4
    elif 0xA0 <= code <= 0xA3:
        (disp,) = struct.unpack_from("<I", window, at)
        at += 4
    wide = min(size, 4)
    has_imm8 = code in _MODRM_IMM8 or code in _IMM8 or (code == 0xF6 and reg == 0)
    if has_imm8:
        (imm,) = struct.unpack_from("<b", window, at)
        at += 1
    elif code in _MODRM_IMM or code in _IMM or (code == 0xF7 and reg == 0):
        imm = int.from_bytes(window[at : at + wide], "little", signed=True)
        at += wide
    return Instruction(at, code, size, lock, rep, reg, rm, base, index, scale, disp, imm)


_NAMES32 = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")
_NAMES16 = ("ax", "cx", "dx", "bx", "sp", "bp", "si", "di")
_NAMES8 = ("al", "cl", "dl", "bl", "ah", "ch", "dh", "bh")
_CONDITIONS = (
    "o",
    "no",
    "b",
    "ae",
    "z",
    "nz",
    "be",
    "a",
    "s",
    "ns",
    "p",
    "np",
    "l",
    "ge",
    "le",
    "g",
)
_ALU = ("add", "or", "adc", "sbb", "and", "sub", "xor", "cmp")
_MNEMONICS = {
    0x60: "pusha", 0x61: "popa", 0x62: "bound", 0x68: "push", 0x6A: "push", 0x69: "imul",
    0x84: "test", 0x85: "test", 0x86: "xchg", 0x87: "xchg", 0x8D: "lea", 0x8F: "pop",
    0x90: "nop", 0xA4: "movsb", 0xA5: "movs", 0xA6: "cmpsb", 0xA7: "cmps", 0xAA: "stosb",
    0xAB: "stos", 0xAC: "lodsb", 0xAD: "lods", 0xC3: "ret", 0xC4: "les", 0xC5: "lds",
    0xE2: "loop", 0xE4: "in", 0xE5: "in", 0xE6: "out", 0xE7: "out", 0xE8: "call", 0xE9: "jmp",
    0xEB: "jmp", 0xEC: "in", 0xED: "in", 0xEE: "out", 0xEF: "out", 0xFC: "cld", 0xFD: "std",
    0x0FA2: "cpuid", 0x0F30: "wrmsr", 0x0F31: "rdtsc", 0x0FB0: "cmpxchg", 0x0FB1: "cmpxchg",
    0x0FB6: "movzx", 0x0FB7: "movzx", 0x0FBE: "movsx", 0x0FBF: "movsx", 0x0FC0: "xadd",
    0x0FC1: "xadd", 0x0FC7: "cmpxchg8b", 0x0F0B: "ud2",
}  # fmt: skip
_GROUPS = {
    0xF6: ("test", "test", "not", "neg", "mul", "imul", "div", "idiv"),
    0xF7: ("test", "test", "not", "neg", "mul", "imul", "div", "idiv"),
    0xFE: ("inc", "dec", "?", "?", "?", "?", "?", "?"),
    0xFF: ("inc", "dec", "call", "callf", "jmp", "jmpf", "push", "?"),
    0xC0: ("rol", "ror", "rcl", "rcr", "shl", "shr", "sal", "sar"),
    0xC1: ("rol", "ror", "rcl", "rcr", "shl", "shr", "sal", "sar"),
    0x0FBA: ("?", "?", "?", "?", "bt", "bts", "btr", "btc"),
    0x0F01: ("sgdt", "sidt", "lgdt", "lidt", "smsw", "?", "lmsw", "invlpg"),
    0x0FAE: ("?", "?", "?", "?", "?", "lfence", "mfence", "sfence"),
}


def text_of(pc: int, window: bytes) -> str:
    """One line of a listing: roughly Intel's syntax, for people who read a failed test."""
    ins = decode(window)
    code = ins.code
    if code in _GROUPS:
        name = _GROUPS[code][ins.reg]
    elif code in (0x80, 0x81, 0x83):
        name = _ALU[ins.reg]
    elif code < 0x40 and code & 7 < 6:
        name = _ALU[code >> 3]
    else:
        spans = ((0x40, "inc"), (0x48, "dec"), (0x50, "push"), (0x58, "pop"), (0xB0, "mov"))
        at_register = next((name for first, name in spans if first == code & 0xF8), None)
        if at_register and at_register != "mov":
            name = f"{at_register} {_NAMES32[code & 7]}"
        elif code & 0xF0 == 0x70:
            name = f"j{_CONDITIONS[code & 15]}"
        else:
            name = _MNEMONICS.get(code, "mov")
    where = ""
    if ins.rm >= 0:
        where = _register_name(ins.rm, ins.size)
    elif code in _MODRM or code in _MODRM_IMM or code in _MODRM_IMM8 or 0xA0 <= code <= 0xA3:
        parts = [_NAMES32[ins.base]] if ins.base >= 0 else []
        parts += [f"{_NAMES32[ins.scaled]}*{ins.scale}"] if ins.scaled >= 0 else []
        parts += [f"{ins.disp:#x}"] if ins.disp or not parts else []
        where = f"{('', 'byte', 'word', '', 'dword')[ins.size]} [{'+'.join(parts)}]"
    if where and code not in _GROUPS and code not in (0x80, 0x81, 0x83, 0xC6, 0xC7, 0x8F):
        register = _register_name(0 if 0xA0 <= code <= 0xA3 else ins.reg, ins.size)
        to_register = code in (0x8A, 0x8B, 0x8D, 0xA0, 0xA1) or (code < 0x40 and code & 2)
        where = f"{register}, {where}" if to_register or code > 0xFF else f"{where}, {register}"
    if 0xB0 <= code <= 0xBF:
        where = _register_name(code & 7, 1 if code < 0xB8 else ins.size)
    prefix = ("lock " if ins.lock else "") + ("rep " if ins.rep else "")
    immediate = f" {ins.imm & 0xFFFFFFFF:#x}" if ins.imm else ""
    return (
        f"{pc:#8x}: {window[: ins.length].hex(' '):<33} {prefix}{name} {where}{immediate}".rstrip()
    )


def _register_name(number: int, size: int) -> str:
    return {1: _NAMES8, 2: _NAMES16}.get(size, _NAMES32)[number]
