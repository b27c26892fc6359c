"""Small guests in machine code, and ELF files around them, for tests of the machine.

Every function gives the bytes of one instruction (Intel syntax in its docstring); a guest is their
concatenation, loaded at `BASE`.
"""

from __future__ import annotations

import struct
from pathlib import Path

from guestsim.machine.guest import Guest, Stage
from guestsim.machine.hypervisor import STORE_PFN
from guestsim.machine.image import load_image
from guestsim.machine.profile import Profile

BASE = 0x100000
RING = STORE_PFN << 12
HYPERCALL_PAGE = 0x180000
DATA = 0x190000
SHARED_INFO = 0xFEE10000
PORT = 4


def u32(value: int) -> bytes:
    return struct.pack("<I", value & 0xFFFFFFFF)


def mov_eax(value: int) -> bytes:
    """mov eax, imm32."""
    return b"\xb8" + u32(value)


def mov_ebx(value: int) -> bytes:
    """mov ebx, imm32."""
    return b"\xbb" + u32(value)


def mov_ecx(value: int) -> bytes:
    """mov ecx, imm32."""
    return b"\xb9" + u32(value)


def mov_edx(value: int) -> bytes:
    """mov edx, imm32."""
    return b"\xba" + u32(value)


def mov_edi(value: int) -> bytes:
    """mov edi, imm32."""
    return b"\xbf" + u32(value)


def mov_esi(value: int) -> bytes:
    """mov esi, imm32."""
    return b"\xbe" + u32(value)


def mov_esp(value: int) -> bytes:
    """mov esp, imm32."""
    return b"\xbc" + u32(value)


def load(address: int) -> bytes:
    """mov eax, [address]."""
    return b"\xa1" + u32(address)


def load16(address: int) -> bytes:
    """mov ax, [address]."""
    return b"\x66\xa1" + u32(address)


def store(address: int) -> bytes:
    """mov [address], eax."""
    return b"\xa3" + u32(address)


def poke(address: int, value: int) -> bytes:
    """mov dword [address], imm32."""
    return b"\xc7\x05" + u32(address) + u32(value)


def out(port: int, value: int) -> bytes:
    """mov al, imm8; out imm8, al."""
    return bytes((0xB0, value, 0xE6, port))


def call(at: int, target: int) -> bytes:
    """mov eax, target; call eax (`at` is not needed: the jump is absolute)."""
    del at
    return mov_eax(target) + b"\xff\xd0"


def jump(target: int) -> bytes:
    """mov eax, target; jmp eax."""
    return mov_eax(target) + b"\xff\xe0"


HAND_OVER = (
    b"\x0f\x20\xc0"  # mov eax, cr0
    b"\x83\xe0\xfe"  # and eax, ~1
    b"\x0f\x22\xc0"  # mov cr0, eax
    b"\xea\xf0\xff\0\0\0\xf0"  # ljmp 0xf000:0xfff0
)
"""To real mode, and to the reset vector."""

HLT = b"\xf4"
SPIN = b"\xeb\xfe"  # jmp $
UD2 = b"\x0f\x0b"
CPUID = b"\x0f\xa2"
RDTSC = b"\x0f\x31"
WRMSR = b"\x0f\x30"
REP_STOSB = b"\xf3\xaa"
REP_STOSD = b"\xf3\xab"
CMPSD = b"\xa7"

SET_UP = (
    mov_esp(DATA)
    + mov_eax(0x40000002)
    + CPUID
    + b"\x89\xd9"  # mov ecx, ebx
    + mov_eax(HYPERCALL_PAGE)
    + b"\x31\xd2"  # xor edx, edx
    + WRMSR
)
"""A stack, and the hypercall page."""


def hypercall(number: int, first: int, argument: int = 0, third: int = 0) -> bytes:
    """Call the hypercall page's entry; the result is in eax."""
    return (
        mov_ebx(first) + mov_ecx(argument) + mov_edx(third) + call(0, HYPERCALL_PAGE + 32 * number)
    )


def map_shared_info() -> bytes:
    """XENMEM_add_to_physmap of shared_info at SHARED_INFO."""
    words = struct.unpack("<IIII", struct.pack("<HHIII", 0x7FF0, 0, 0, 0, SHARED_INFO >> 12))
    pokes = b"".join(poke(DATA + 4 * i, word) for i, word in enumerate(words))
    return pokes + hypercall(12, 7, DATA)


def shutdown(reason: int) -> bytes:
    """SCHEDOP_shutdown."""
    return poke(DATA, reason) + hypercall(29, 2, DATA)


def elf(
    segments: list[tuple[int, bytes]],
    *,
    entry: int = BASE,
    elf_class: int = 1,
    machine: int = 3,
    kind: int = 2,
    memory_size: int | None = None,
) -> bytes:
    """A minimal ELF file: a header, program headers, and the segments' bytes (System V ABI)."""
    header_size, entry_size = 52, 32
    offset = header_size + entry_size * len(segments)
    table = b""
    body = b""
    for address, data in segments:
        size = len(data) if memory_size is None else memory_size
        table += struct.pack(
            "<IIIIIIII", 1, offset + len(body), address, address, len(data), size, 7, 4
        )
        body += data
    ident = b"\x7fELF" + bytes((elf_class, 1, 1)) + bytes(9)
    header = ident + struct.pack(
        "<HHIIIIIHHHHHH",
        kind, machine, 1, entry, header_size, 0, 0, header_size, entry_size, len(segments), 0, 0, 0,
    )  # fmt: skip
    return header + table + body


def with_sections(file: bytes, sections: dict[str, tuple[int, bytes]]) -> bytes:
    """`file` with these sections (name: type and data) and no others."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name in (*sections, ".shstrtab"))
    table = bytes(40)
    body = file + bytes(-len(file) % 4)
    for name, (kind, data) in {**sections, ".shstrtab": (3, names)}.items():
        at = names.index(b"\0" + name.encode() + b"\0") + 1
        table += struct.pack("<10I", at, kind, 0, 0, len(body), len(data), 0, 0, 4, 0)
        body += data + bytes(-len(data) % 4)
    header = struct.pack("<IIHHHHHH", len(body), 0, 52, 32, *struct.unpack("<H", file[44:46]), 40,
                         len(sections) + 2, len(sections) + 1)  # fmt: skip
    return body[:32] + header + body[52:] + table


def guest(
    folder: Path, *stages: bytes, budget: int = 100_000, profile: Profile | None = None
) -> Guest:
    """A guest whose boot chain is `stages`, each the code of one image."""
    chain = []
    for index, code in enumerate(stages):
        path = folder / f"stage{index}.elf"
        path.write_bytes(elf([(BASE, code)]))
        chain.append(Stage(load_image(f"stage{index}", path)))
    return Guest(chain, PORT, profile, budget)
