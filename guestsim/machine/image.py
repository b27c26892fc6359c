"""Firmware images: ELF files, read with pyelftools.

An image is a 32-bit x86 executable that boots by the PVH convention
(docs/misc/pvh.pandoc): its entry point is the one in the `XEN_ELFNOTE_PHYS32_ENTRY` note, or, where
there is none (hvmloader), the ELF header's.
"""

from __future__ import annotations

import hashlib
import io
import itertools
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import NoteSection
from elftools.elf.segments import NoteSegment

from guestsim.errors import InputError, MissingFileError, MissingImageError
from guestsim.files import MIB, read_file
from guestsim.machine.elf import DamagedError, reading
from guestsim.machine.stack import stack_of
from guestsim.trace.text import escaped, printable

__all__ = ["Image", "Segment", "load_image"]

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


def _parse(name: str, path: Path, content: bytes) -> Image:
    def wrong(what: str) -> InputError:
        return InputError(f"{escaped(str(path))}: image {name!r}: {what}")

    if not content:
        raise wrong("the file is empty")
    if content[:4] != b"\x7fELF":
        raise wrong("not an ELF file")
    if len(content) < 52:
        raise wrong("truncated: the ELF header does not fit in the file")
    elf = ELFFile(io.BytesIO(content))
    if elf.elfclass != 32:
        raise wrong(f"{elf.elfclass}-bit: only 32-bit images boot by the PVH convention")
    if elf["e_machine"] != "EM_386":
        raise wrong(f"for another machine ({elf.get_machine_arch()}), not x86")
    if elf["e_type"] != "ET_EXEC":
        raise wrong(f"not an executable but {elf['e_type']}: link it at a fixed address")
    segments: list[Segment] = []
    for header in elf.iter_segments():
        if header["p_type"] != "PT_LOAD" or not header["p_memsz"]:
            continue
        first, length = header["p_offset"], header["p_filesz"]
        if first + length > len(content):
            raise wrong(
                f"truncated: segment {len(segments)} ends at byte {first + length} of a file "
                f"of {len(content)} bytes"
            )
        if length > header["p_memsz"]:
            raise wrong(f"segment {len(segments)} is larger in the file than in memory")
        segments.append(
            Segment(header["p_paddr"], content[first : first + length], header["p_memsz"])
        )
    if not segments:
        raise wrong("nothing to load: it has no PT_LOAD segment")
    ordered = sorted(segments, key=lambda segment: segment.address)
    for below, above in itertools.pairwise(ordered):
        if below.address + below.size > above.address:
            raise wrong(f"segments overlap at {above.address:#x}")
    if ordered[0].address < LOW_RESERVED:
        raise wrong(f"a segment starts at {ordered[0].address:#x}, inside the first page")
    entry = _phys32_entry(elf) or elf["e_entry"]
    if not any(s.address <= entry < s.address + s.size for s in segments):
        raise wrong(f"its entry point {entry:#x} is outside its segments")
    digest = hashlib.sha256(content).hexdigest()
    stack = stack_of(elf, entry, ordered)
    return Image(name, path, digest, entry, tuple(ordered), content, stack)


def _phys32_entry(elf: ELFFile) -> int | None:
    parts = (*elf.iter_segments(), *elf.iter_sections())
    for part in parts:
        if not isinstance(part, (NoteSegment, NoteSection)):
            continue
        for note in part.iter_notes():
            if note["n_name"] == "Xen" and int(note["n_type"]) == XEN_ELFNOTE_PHYS32_ENTRY:
                return int.from_bytes(note["n_descdata"][:4], "little")
    return None
