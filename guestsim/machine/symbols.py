"""Functions and source lines for addresses in an image: ELF symbols and DWARF line programs."""

from __future__ import annotations

import bisect
import functools
import io
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from guestsim.machine.elf import DamagedError, reading

__all__ = ["Symbols", "symbols_of"]


@dataclass(frozen=True)
class Symbols:
    """Sorted tables, searched by address."""

    functions: tuple[tuple[int, int, str], ...]
    """(address, size in bytes or 0, name)."""
    lines: tuple[tuple[int, int, str, int], ...]
    """(first address, end address, file name, line)."""
    damage: str = ""
    """Why a table could not be read; "" where all could."""

    def function(self, address: int) -> str:
        """The function that covers `address`, "" where unknown."""
        index = bisect.bisect_right(self.functions, (address, 1 << 62, "")) - 1
        if index < 0:
            return ""
        start, size, name = self.functions[index]
        # The compiler's suffixes (ring_read.part.0) say nothing to a reader of the source.
        return name.partition(".")[0] if not size or address < start + size else ""

    def line(self, address: int) -> tuple[str, int]:
        """(file, line) of `address`, ("", 0) where unknown. The file has no folders."""
        index = bisect.bisect_right(self.lines, (address, 1 << 62, "", 0)) - 1
        if index < 0:
            return "", 0
        _, end, file, line = self.lines[index]
        return (file, line) if address < end else ("", 0)


@functools.lru_cache(maxsize=16)
def symbols_of(content: bytes) -> Symbols:
    """Read the symbols of an ELF file (or of its separate debug file) given as bytes. What is
    damaged is left out, and said: an image boots without them."""
    functions: list[tuple[int, int, str]] = []
    lines: list[tuple[int, int, str, int]] = []
    damage = ""
    try:
        with reading():
            elf = ELFFile(io.BytesIO(content))
            functions = _functions(elf)
            lines = _all_lines(elf)
    except DamagedError as error:
        damage = str(error)
    return Symbols(tuple(sorted(functions)), tuple(sorted(lines)), damage)


def _functions(elf: ELFFile) -> list[tuple[int, int, str]]:
    return [
        (symbol["st_value"], symbol["st_size"], symbol.name)
        for section in elf.iter_sections()
        if isinstance(section, SymbolTableSection)
        for symbol in section.iter_symbols()
        if symbol["st_info"]["type"] == "STT_FUNC"
    ]


def _all_lines(elf: ELFFile) -> list[tuple[int, int, str, int]]:
    lines: list[tuple[int, int, str, int]] = []
    if not elf.has_dwarf_info(strict=True):
        return lines
    dwarf = elf.get_dwarf_info()
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        if program is not None:
            lines.extend(_lines(program, int(program["version"])))
    return lines


def _lines(program: Any, version: int) -> list[tuple[int, int, str, int]]:
    # DWARF 5 counts files from 0, earlier versions from 1.
    first = 0 if version >= 5 else 1
    names = [
        PurePosixPath(entry.name.decode(errors="replace")).name for entry in program["file_entry"]
    ]
    found: list[tuple[int, int, str, int]] = []
    previous = None
    for entry in program.get_entries():
        state = entry.state
        if state is None:
            continue
        if previous is not None and state.address > previous.address and previous.line:
            index = previous.file - first
            if 0 <= index < len(names):
                found.append((previous.address, state.address, names[index], previous.line))
        previous = None if state.end_sequence else state
    return found
