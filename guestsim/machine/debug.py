"""Separate debug files: where they are looked for, and whether one belongs to an image.

Sources: GDB's manual, "Debugging Information in Separate Files" (`.gnu_debuglink` with its CRC, the
build id, the folders); System V ABI for notes.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import NoteSection

from guestsim.errors import InputError
from guestsim.files import MIB, read_file
from guestsim.machine.elf import DamagedError, reading
from guestsim.machine.image import Image

__all__ = ["SYSTEM_DEBUG", "DebugFile", "debug_files"]

SYSTEM_DEBUG = Path("/usr/lib/debug")
"""Where distributions put debug files."""
_EXECUTED = SH_FLAGS.SHF_ALLOC | SH_FLAGS.SHF_EXECINSTR


class _Wanted(NamedTuple):
    """How an image says which debug file is its own."""

    build_id: str
    """Hexadecimal, "" for none."""
    link: str
    """The file's name, "" for none."""
    crc: int


class DebugFile(NamedTuple):
    """A separate debug file."""

    path: Path
    content: bytes


def debug_files(images: Sequence[Image], given: Sequence[Path] = ()) -> dict[str, DebugFile]:
    """The separate debug file of each image that has none of its own, by the image's name.

    `given`: files and folders of the user's. InputError where one of them is there for nothing, or
    does not belong to the image. In other places, a file that does not belong is passed over.
    """
    found: dict[str, DebugFile] = {}
    reasons: dict[Path, str] = {}
    used: set[Path] = set()
    for image in images:
        try:
            with reading():
                elf = ELFFile(io.BytesIO(image.content))
                if elf.has_dwarf_info(strict=True):
                    continue
                wanted = _wanted(elf)
        except DamagedError:
            continue  # its symbols say so
        for path, asked in _candidates(image, wanted, given):
            content = _content(path, asked=asked is not None)
            if content is None:
                continue
            wrong = _mismatch(image, elf, wanted, content)
            if wrong is None:
                found.setdefault(image.name, DebugFile(path, content))
                used.update(() if asked is None else (asked,))
            elif asked is not None:
                reasons.setdefault(asked, f"{path}: {wrong}")
    for path in given:
        if path not in used:
            names = ", ".join(image.name for image in images)
            raise InputError(f"--debug {reasons.get(path, f'{path}: has nothing about {names}')}")
    return found


def _candidates(
    image: Image, wanted: _Wanted, given: Sequence[Path]
) -> Iterator[tuple[Path, Path | None]]:
    """Files to look at, best first, each with the `given` path that asked for it."""
    for path in given:
        if not path.is_dir():
            yield path, path
            continue
        for inside in _inside(path, image, wanted):
            if inside.is_file():
                yield inside, path
    folder = image.path.resolve().parent
    places = [*_inside(SYSTEM_DEBUG, image, wanted)]
    if wanted.link:
        places += [folder / wanted.link, folder / ".debug" / wanted.link]
    # A package unpacked beside its debug package.
    for above in folder.parents:
        places += _inside(above / "usr/lib/debug", image, wanted)
    for place in places:
        if place.is_file() and not place.samefile(image.path):
            yield place, None


def _inside(root: Path, image: Image, wanted: _Wanted) -> Iterator[Path]:
    """Where below `root` the image's debug file would be: by build id, by the image's folders (all
    of them, or the last ones), or at the top."""
    if wanted.build_id:
        yield root / ".build-id" / wanted.build_id[:2] / f"{wanted.build_id[2:]}.debug"
    folders = image.path.resolve().parent.parts[1:]
    for name in dict.fromkeys((wanted.link or image.path.name, f"{image.path.name}.debug")):
        for first in range(len(folders) + 1):
            yield root.joinpath(*folders[first:], name)


def _content(path: Path, *, asked: bool) -> bytes | None:
    try:
        return read_file(path, 256 * MIB)
    except InputError as error:
        if asked:
            raise InputError(f"--debug {error}") from None
        return None


def _mismatch(image: Image, elf: ELFFile, wanted: _Wanted, content: bytes) -> str | None:
    """Why `content` is not the image's debug file; None where it is."""
    try:
        with reading():
            other = ELFFile(io.BytesIO(content))
            if not other.has_dwarf_info(strict=True):
                return "has no debug information"
            build_id = _wanted(other).build_id
            sections = _sections(other)
            contains = _contains(image, other)
            own = _sections(elf)
    except DamagedError:
        return "not a whole ELF file"
    name = image.name
    if wanted.build_id and build_id:
        if build_id == wanted.build_id:
            return None
        return f"is not of {name}: build id {build_id}, not {wanted.build_id}"
    if wanted.link:
        crc = zlib.crc32(content)
        if crc == wanted.crc:
            return None
        return f"is not of {name}: its CRC is {crc:#010x}, not {wanted.crc:#010x}"
    if sections == own or contains:
        return None
    return f"is not of {name}: their sections differ"


def _wanted(elf: ELFFile) -> _Wanted:
    build_id = ""
    for section in elf.iter_sections():
        if isinstance(section, NoteSection):
            for note in section.iter_notes():
                if note["n_type"] == "NT_GNU_BUILD_ID":
                    build_id = note["n_desc"]
    link = elf.get_section_by_name(".gnu_debuglink")
    if link is None:
        return _Wanted(build_id, "", 0)
    data = link.data()
    name = data.partition(b"\0")[0]
    return _Wanted(build_id, name.decode(errors="replace"), struct.unpack("<I", data[-4:])[0])


def _contains(image: Image, program: ELFFile) -> bool:
    """Whether all code of `program` is in the image, byte for byte and at its addresses: the image
    was made of it, and of more, as GRUB's are of their kernel."""
    code = [
        (section["sh_addr"], section.data())
        for section in program.iter_sections()
        if section["sh_type"] == "SHT_PROGBITS"
        and section["sh_flags"] & _EXECUTED == _EXECUTED
        and section["sh_size"]
    ]
    return bool(code) and all(
        any(
            start <= at and segment.data[at - start :].startswith(data)
            for segment in image.segments
            for start in (segment.address,)
        )
        for at, data in code
    )


def _sections(elf: ELFFile) -> list[tuple[str, int, int]]:
    """Name, address and size of what is in memory."""
    return [
        (section.name, section["sh_addr"], section["sh_size"])
        for section in elf.iter_sections()
        if section["sh_addr"]
    ]
