"""The CPU as GDB is told of it: its registers, in the order of the packet `g`.

Source: the GDB manual, appendix "Target Descriptions", "i386 Features", org.gnu.gdb.i386.core. The
feature has to have the registers of the FPU; they are not available here, which GDB shows as such.
"""

from __future__ import annotations

__all__ = ["NAMES", "REGISTERS", "TARGET_XML"]

_TYPES = {"esp": "data_ptr", "ebp": "data_ptr", "eip": "code_ptr", "eflags": "i386_eflags"}
NAMES = (
    *("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip", "eflags"),
    *("cs", "ss", "ds", "es", "fs", "gs"),
)
"""32 bits each."""
_FLOATS = tuple(f"st{number}" for number in range(8))
_CONTROL = ("fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop")

_FLAGS = {
    "CF": 0, "PF": 2, "AF": 4, "ZF": 6, "SF": 7, "TF": 8, "IF": 9, "DF": 10, "OF": 11,
}  # fmt: skip

REGISTERS = {
    **dict.fromkeys(NAMES, 4),
    **dict.fromkeys(_FLOATS, 10),
    **dict.fromkeys(_CONTROL, 4),
}
"""Bytes of each, in order."""


def _xml() -> str:
    lines = [
        '<?xml version="1.0"?>',
        '<!DOCTYPE target SYSTEM "gdb-target.dtd">',
        "<target>",
        "<architecture>i386</architecture>",
        '<feature name="org.gnu.gdb.i386.core">',
        '<flags id="i386_eflags" size="4">',
        *(f'<field name="{name}" start="{bit}" end="{bit}"/>' for name, bit in _FLAGS.items()),
        "</flags>",
        *(
            f'<reg name="{name}" bitsize="32" type="{_TYPES.get(name, "int32")}"/>'
            for name in NAMES
        ),
        *(f'<reg name="{name}" bitsize="80" type="i387_ext"/>' for name in _FLOATS),
        *(f'<reg name="{name}" bitsize="32" type="int" group="float"/>' for name in _CONTROL),
        "</feature>",
        "</target>",
    ]
    return "\n".join(lines)


TARGET_XML = _xml()
