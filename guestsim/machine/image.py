"""Firmware images: ELF files, read with pyelftools.

An image is a 32-bit x86 executable that boots by the PVH convention
(docs/misc/pvh.pandoc): its entry point is the one in the `XEN_ELFNOTE_PHYS32_ENTRY` note, or, where
there is none (hvmloader), the ELF header's.
"""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile
from elftools.elf.enums import ENUM_NOTE_N_TYPE
from elftools.elf.sections import NoteSection
from elftools.elf.segments import NoteSegment

from guestsim.errors import InputError, MissingFileError, MissingImageError
from guestsim.files import MIB, read_file
from guestsim.machine.elf import DamagedError, reading
from guestsim.machine.stack import stack_of
from guestsim.trace.text import escaped, printable

__all__ = [
    "XEN_ELFNOTE_PHYS32_ENTRY",
    "Image",
    "Segment",
    "entry_of",
    "header_problem",
    "load_image",
    "loaded_headers",
    "notes_of",
    "problems_of",
]

XEN_ELFNOTE_PHYS32_ENTRY = 18
"""xen/include/public/elfnote.h."""

LOW_RESERVED = 0x1000
"""Images may not claim the first page: the hand-over's real-mode code lives there."""


@dataclass(frozen=True)
class Segment:
    """A loadable segment at its physical address."""

    address: int
    data: bytes
    size: int
    """In memory, bytes; what `data` does not cover is zero."""


@dataclass(frozen=True)
class Image:
    """One bootable image."""

    name: str
    path: Path
    sha256: str
    entry: int
    segments: tuple[Segment, ...]
    content: bytes
    """The whole file, for symbols and lines."""
    stack: range = range(0)
    """Addresses of its stack, where they are known: what lies there below the stack pointer is
    dead."""
    pvh: bool = False
    """Whether it has the note of the PVH convention."""

    @property
    def end(self) -> int:
        """First address after the last segment."""
        return max(segment.address + segment.size for segment in self.segments)


def load_image(name: str, path: Path) -> Image:
    """Read and check the image at `path`; InputError says in one line what is wrong with it."""
    try:
        content = read_file(path, 64 * MIB, f"image {name!r}")
    except MissingFileError as error:
        raise MissingImageError(str(error)) from None
    try:
        with reading():
            return _parse(name, path, content)
    except DamagedError as error:
        why = printable(str(error))
        raise InputError(
            f"{escaped(str(path))}: image {name!r}: not a whole ELF file ({why})"
        ) from None


def header_problem(content: bytes) -> str:
    """Why the bytes are no ELF file at all; "" where they may be one."""
    if not content:
        return "the file is empty"
    if content[:4] != b"\x7fELF":
        return "not an ELF file"
    if len(content) < 52:
        return "truncated: the ELF header does not fit in the file"
    return ""


def problems_of(elf: ELFFile, content: bytes) -> list[str]:
    """All that keeps an ELF file from being an image, what is behind the others first."""
    found = []
    if elf.elfclass != 32:
        found.append(f"{elf.elfclass}-bit: only 32-bit images boot by the PVH convention")
    if elf["e_machine"] not in ("EM_386", *(("EM_X86_64",) if found else ())):
        found.append(f"for another machine ({elf.get_machine_arch()}), not x86")
    if elf["e_type"] != "ET_EXEC":
        found.append(f"not an executable but {elf['e_type']}: link it at a fixed address")
    loaded = loaded_headers(elf)
    for number, header in enumerate(loaded):
        end = header["p_offset"] + header["p_filesz"]
        if end > len(content):
            found.append(
                f"truncated: segment {number} ends at byte {end} of a file of {len(content)} bytes"
            )
        if header["p_filesz"] > header["p_memsz"]:
            found.append(f"segment {number} is larger in the file than in memory")
    if not loaded:
        return [*found, "nothing to load: it has no PT_LOAD segment"]
    claimed = sorted((each["p_paddr"], each["p_paddr"] + each["p_memsz"]) for each in loaded)
    for (_, end), (start, _) in itertools.pairwise(claimed):
        if end > start:
            found.append(f"segments overlap at {start:#x}")
    if claimed[0][0] < LOW_RESERVED:
        found.append(f"a segment starts at {claimed[0][0]:#x}, inside the first page")
    entry, _ = entry_of(elf)
    if not any(start <= entry < end for start, end in claimed):
        found.append(f"its entry point {entry:#x} is outside its segments")
    return found


def loaded_headers(elf: ELFFile) -> list[Any]:
    """The program headers of what is loaded, in the order of the file."""
    headers = (segment.header for segment in elf.iter_segments())
    return [each for each in headers if each["p_type"] == "PT_LOAD" and each["p_memsz"]]


def entry_of(elf: ELFFile) -> tuple[int, bool]:
    """The physical address at which the image begins, and whether a PVH note says so."""
    for name, kind, content in notes_of(elf):
        if name == "Xen" and kind == XEN_ELFNOTE_PHYS32_ENTRY and any(content[:4]):
            return int.from_bytes(content[:4], "little"), True
    return elf["e_entry"], False


def notes_of(elf: ELFFile) -> Iterator[tuple[str, int, bytes]]:
    """Owner, type and content of each note: those of segments, then those of sections, which are
    mostly the same ones."""
    for part in (*elf.iter_segments(), *elf.iter_sections()):
        if isinstance(part, (NoteSegment, NoteSection)):
            for note in part.iter_notes():
                # pyelftools gives low numbers the names of GNU's notes, whoever's they are.
                kind = ENUM_NOTE_N_TYPE.get(note["n_type"], note["n_type"])
                yield note["n_name"], int(kind), note["n_descdata"]


def _parse(name: str, path: Path, content: bytes) -> Image:
    problem = header_problem(content)
    if not problem:
        elf = ELFFile(io.BytesIO(content))
        problem = next(iter(problems_of(elf, content)), "")
    if problem:
        raise InputError(f"{escaped(str(path))}: image {name!r}: {problem}")
    segments = [
        Segment(
            header["p_paddr"],
            content[header["p_offset"] : header["p_offset"] + header["p_filesz"]],
            header["p_memsz"],
        )
        for header in loaded_headers(elf)
    ]
    ordered = sorted(segments, key=lambda segment: segment.address)
    entry, noted = entry_of(elf)
    digest = hashlib.sha256(content).hexdigest()
    stack = stack_of(elf, entry, ordered)
    return Image(name, path, digest, entry, tuple(ordered), content, stack, noted)
