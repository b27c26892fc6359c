"""Somebody's firmware, in as few bytes as it takes: it does nothing, and hands over.

Writes a 32-bit ELF file: one segment at 1 MiB with the code, and one with the note that says where
a PVH guest begins (docs/misc/pvh.pandoc). `python make_firmware.py FILE`.
"""

import struct
import sys
from pathlib import Path

ADDRESS = 0x100000
CODE = bytes.fromhex(
    "0f20c0"  # mov eax, cr0
    "83e0fe"  # and eax, ~1: real mode
    "0f22c0"  # mov cr0, eax
    "eaf0ff000000f0"  # ljmp 0xf000:0xfff0, the reset vector
)
NOTE = struct.pack("<III4sI", 4, 4, 18, b"Xen\0", ADDRESS)  # XEN_ELFNOTE_PHYS32_ENTRY
LOAD, PT_NOTE, ALL = 1, 4, 7


def firmware() -> bytes:
    """The file."""
    first = 52 + 2 * 32
    header = struct.pack(
        "<4s5B7xHHIIIIIHHHHHH",
        *(b"\x7fELF", 1, 1, 1, 0, 0, 2, 3, 1, ADDRESS, 52, 0, 0, 52, 32, 2, 0, 0, 0),
    )
    code = struct.pack("<8I", LOAD, first, ADDRESS, ADDRESS, len(CODE), len(CODE), ALL, 16)
    note_at = first + len(CODE)
    note = struct.pack("<8I", PT_NOTE, note_at, 0, 0, len(NOTE), len(NOTE), 4, 4)
    return header + code + note + CODE + NOTE


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(firmware())
