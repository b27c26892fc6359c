"""What an ELF file is as an image, in words: what is in it, how it boots, what is wrong with it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from elftools.elf.elffile import ELFFile

from guestsim.errors import InputError
from guestsim.files import MIB, read_file
from guestsim.machine.boot import memory_for
from guestsim.machine.elf import DamagedError, reading
from guestsim.machine.image import (
    XEN_ELFNOTE_PHYS32_ENTRY,
    entry_of,
    header_problem,
    load_image,
    loaded_headers,
    notes_of,
    problems_of,
)
from guestsim.machine.profile import Profile
from guestsim.machine.symbols import Symbols, symbols_of
from guestsim.trace.text import escaped, printable

__all__ = ["Description", "describe_image"]

_KINDS = {"ET_EXEC": "executable", "ET_DYN": "position-independent or shared", "ET_REL": "object"}
_FLAGS = ((4, "r"), (2, "w"), (1, "x"))
_MOST_MEMORY = 2048 * MIB
"""Of a guest: `platform.memory`."""
_BY_NOTE = "by the PVH convention: its note PHYS32_ENTRY names the entry point"
_WITHOUT_NOTE = "like hvmloader: without a PVH note, at the entry point of the ELF header"
_ENDS = (
    ("as the last stage", "ends well by SCHEDOP_shutdown with reason poweroff, or at F000:FFF0"),
    ("as an earlier one", "ends at F000:FFF0, in real mode, where the next stage begins"),
)


class Description(NamedTuple):
    """An ELF file, described."""

    rows: tuple[tuple[str, str], ...]
    """What it is: a name, and a line in words."""
    wrong: tuple[str, ...]
    """Why it cannot be used, a line each; empty where it can."""
    remarks: tuple[str, ...]
    """What its author may not have meant, a line each."""


def describe_image(path: Path) -> Description:
    """Look at the file; InputError, in one line, where it is no ELF file or a damaged one."""
    content = read_file(path, 64 * MIB)
    here = escaped(str(path))
    if problem := header_problem(content):
        raise InputError(f"{here}: {problem}")
    try:
        with reading():
            elf = ELFFile(io.BytesIO(content))
            wrong = problems_of(elf, content)
            symbols = symbols_of(content)
            rows = tuple(_rows(elf, symbols))
            remarks = list(_remarks(elf))
    except DamagedError as error:
        raise InputError(f"{here}: not a whole ELF file ({printable(str(error))})") from None
    if wrong:
        return Description(rows, tuple(wrong), tuple(remarks))
    image = load_image(path.stem, path)
    memory = memory_for(image)
    if memory > _MOST_MEMORY:
        what = f"its segments end at {image.end:#x}: no guest has more than 2 GiB of memory"
        return Description(rows, (what,), tuple(remarks))
    usual = Profile().memory
    if memory > usual:
        remarks.append(
            f"its last segment is at {image.segments[-1].address:#x}, outside the {usual // MIB} "
            "MiB that a guest has by default: link it lower (-Wl,-Ttext-segment=0x100000), or set "
            f'platform.memory = "{memory // MIB} MiB"'
        )
    stack = f"{image.stack.start:#x} to {image.stack.stop:#x}"
    if not image.stack:
        stack = "not known: there is no object called `stack` among its symbols"
    _, by_note = entry_of(elf)
    boots = _BY_NOTE if by_note else _WITHOUT_NOTE
    rows = (*rows, ("stack", stack), ("boots", boots), *_ENDS)
    return Description(rows, (), tuple(remarks))


def _rows(elf: ELFFile, symbols: Symbols) -> Iterator[tuple[str, str]]:
    yield "class", f"{elf.elfclass}-bit"
    yield "machine", f"{elf.get_machine_arch()} ({elf['e_machine']})"
    yield "type", f"{_KINDS.get(elf['e_type'], 'other')} ({elf['e_type']})"
    for note in _notes(elf):
        yield "note", note
    for number, header in enumerate(loaded_headers(elf)):
        yield f"segment {number}", _segment(header)
    entry, _ = entry_of(elf)
    file, line = symbols.line(entry)
    where = ", ".join(filter(None, (symbols.function(entry), f"{file}:{line}" if file else "")))
    yield "entry", f"{entry:#x}{' ' if where else ''}{escaped(where)}"
    if symbols.damage:
        yield "debug info", f"damaged: {printable(symbols.damage)}"
    elif symbols.lines:
        yield "debug info", "functions and lines"
    elif symbols.functions:
        yield "debug info", "functions, but no lines: compile it with -g"
    else:
        yield "debug info", "none: compile it with -g, and do not strip it"


def _notes(elf: ELFFile) -> list[str]:
    found = []
    for name, kind, content in notes_of(elf):
        if name == "Xen" and kind == XEN_ELFNOTE_PHYS32_ENTRY:
            what = f"{kind} (PHYS32_ENTRY) = {int.from_bytes(content[:4], 'little'):#x}"
        else:
            what = f"{kind}, {len(content)} bytes"
        found.append(f"{printable(str(name))} {what}")
    return list(dict.fromkeys(found)) or ["none"]


def _segment(header: Any) -> str:
    start, size, filled = header["p_paddr"], header["p_memsz"], header["p_filesz"]
    flags = "".join(letter if header["p_flags"] & bit else "-" for bit, letter in _FLAGS)
    return f"{start:#x} to {start + size:#x} {flags}, {filled:,} of {size:,} bytes in the file"


def _remarks(elf: ELFFile) -> Iterator[str]:
    entry, by_note = entry_of(elf)
    if not by_note and any(name == "Xen" for name, _, _ in notes_of(elf)):
        yield "it has notes of Xen, but no PHYS32_ENTRY: the entry point of the ELF header is used"
    for header in loaded_headers(elf):
        start = header["p_paddr"]
        if start + header["p_filesz"] <= entry < start + header["p_memsz"]:
            yield f"its entry point {entry:#x} lies where the file has no bytes, only zeroes"
