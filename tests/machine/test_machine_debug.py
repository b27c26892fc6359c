"""Separate debug files: found where GDB finds them, refused where they belong to something else."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from code86 import BASE, HLT, elf, with_sections

from guestsim.errors import InputError
from guestsim.machine import debug
from guestsim.machine.debug import debug_files
from guestsim.machine.image import Image, load_image
from guestsim.machine.images import find_image
from guestsim.machine.symbols import symbols_of

NOTE, PROGBITS = 7, 1
BUILD_ID = bytes(range(20))
LINE = (PROGBITS, b"line")


def note(build_id: bytes) -> tuple[int, bytes]:
    return NOTE, struct.pack("<III4s", 4, len(build_id), 3, b"GNU\0") + build_id


def link(name: str, crc: int) -> tuple[int, bytes]:
    text = name.encode() + b"\0"
    return PROGBITS, text + bytes(-len(text) % 4) + struct.pack("<I", crc)


PLAIN = elf([(BASE, HLT * 8)])
DEBUG = with_sections(PLAIN, {".debug_info": LINE, "note": note(BUILD_ID)})
OTHER = with_sections(PLAIN, {".debug_info": LINE, "note": note(bytes(20))})
LINKED = with_sections(PLAIN, {".gnu_debuglink": link("x.debug", zlib.crc32(DEBUG))})
NUMBERED = with_sections(PLAIN, {"note": note(BUILD_ID)})
ID = BUILD_ID.hex()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debug, "SYSTEM_DEBUG", tmp_path / "system")


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def image(folder: Path, content: bytes) -> Image:
    return load_image("x", put(folder / "root/usr/lib/xen/boot/x.elf", content))


def contents(images: list[Image], given: Sequence[Path] = ()) -> dict[str, bytes]:
    return {name: file.content for name, file in debug_files(images, given).items()}


PLACES = [
    (LINKED, "root/usr/lib/xen/boot/x.debug"),
    (LINKED, "root/usr/lib/xen/boot/.debug/x.debug"),
    (LINKED, "root/usr/lib/debug/usr/lib/xen/boot/x.debug"),
    (NUMBERED, f"root/usr/lib/debug/.build-id/{ID[:2]}/{ID[2:]}.debug"),
    (NUMBERED, f"system/.build-id/{ID[:2]}/{ID[2:]}.debug"),
]


@pytest.mark.parametrize(("content", "place"), PLACES, ids=[place for _, place in PLACES])
def test_it_is_found_by_its_link_or_its_build_id(
    tmp_path: Path, content: bytes, place: str
) -> None:
    wanted = image(tmp_path, content)
    assert debug_files([wanted]) == {}
    put(tmp_path / place, DEBUG)
    assert contents([wanted]) == {"x": DEBUG}


@pytest.mark.parametrize("place", [place for content, place in PLACES if content == LINKED])
def test_one_that_does_not_belong_is_passed_over(tmp_path: Path, place: str) -> None:
    put(tmp_path / place, OTHER)
    assert debug_files([image(tmp_path, LINKED)]) == {}


BY_ID = f".build-id/{ID[:2]}/{ID[2:]}.debug"
INSIDE = ["x.debug", "boot/x.debug", "usr/lib/xen/boot/x.debug", BY_ID]


@pytest.mark.parametrize("place", INSIDE)
def test_a_folder_of_the_users_is_searched(tmp_path: Path, place: str) -> None:
    both = with_sections(
        PLAIN, {"note": note(BUILD_ID), ".gnu_debuglink": link("x.debug", zlib.crc32(DEBUG))}
    )
    put(tmp_path / "mine" / place, DEBUG)
    assert contents([image(tmp_path, both)], [tmp_path / "mine"]) == {"x": DEBUG}


def test_a_file_of_the_users_comes_first(tmp_path: Path) -> None:
    wanted = image(tmp_path, NUMBERED)
    put(tmp_path / PLACES[3][1], DEBUG)
    mine = put(tmp_path / "mine", DEBUG + b"more")
    assert contents([wanted], [mine]) == {"x": DEBUG + b"more"}


def test_an_image_without_any_mark_is_compared_by_its_sections(tmp_path: Path) -> None:
    mine = put(tmp_path / "mine", with_sections(PLAIN, {".debug_info": LINE}))
    assert contents([image(tmp_path, PLAIN)], [mine]) == {"x": mine.read_bytes()}


@pytest.mark.parametrize("changed", [False, True])
def test_an_image_made_of_a_program_and_more_has_its_lines(tmp_path: Path, changed: bool) -> None:
    program = find_image("frontend")
    segments = [(each.address, each.data) for each in load_image("p", program).segments]
    if changed:
        address, data = segments[0]
        segments[0] = address, bytes((data[0] ^ 1, *data[1:]))
    made = image(tmp_path, elf([*segments, (0x300000, HLT)], entry=segments[0][0]))
    if changed:
        with pytest.raises(InputError, match=r"is not of x: their sections differ$"):
            debug_files([made], [program])
    else:
        assert contents([made], [program]) == {"x": program.read_bytes()}


def test_an_image_with_lines_of_its_own_needs_none(tmp_path: Path) -> None:
    put(tmp_path / "root/usr/lib/xen/boot/x.debug", DEBUG)
    own = with_sections(
        PLAIN, {".debug_info": LINE, ".gnu_debuglink": link("x.debug", zlib.crc32(DEBUG))}
    )
    assert debug_files([image(tmp_path, own)]) == {}


CRC = f"{zlib.crc32(OTHER):#010x}, not {zlib.crc32(DEBUG):#010x}"
REFUSED = {
    "build id": (NUMBERED, OTHER, f"is not of x: build id {'00' * 20}, not {ID}"),
    "crc": (LINKED, OTHER, f"is not of x: its CRC is {CRC}"),
    "no elf": (LINKED, b"MZ", "not a whole ELF file"),
    "no lines": (LINKED, PLAIN, "has no debug information"),
}


@pytest.mark.parametrize(("content", "given", "why"), REFUSED.values(), ids=REFUSED)
def test_one_of_the_users_that_does_not_belong_is_refused(
    tmp_path: Path, content: bytes, given: bytes, why: str
) -> None:
    mine = put(tmp_path / "mine", given)
    with pytest.raises(InputError) as caught:
        debug_files([image(tmp_path, content)], [mine])
    assert str(caught.value) == f"--debug {mine}: {why}"


def test_what_is_not_there_or_no_use_is_refused(tmp_path: Path) -> None:
    wanted = image(tmp_path, LINKED)
    with pytest.raises(InputError, match=r"gone: no such file"):
        debug_files([wanted], [tmp_path / "gone"])
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match=r"empty: has nothing about x$"):
        debug_files([wanted], [empty])


def test_a_stripped_image_gets_its_lines_back(tmp_path: Path) -> None:
    whole = find_image("frontend").read_bytes()
    stripped = with_sections(whole, {".gnu_debuglink": link("f.debug", zlib.crc32(whole))})
    path = put(tmp_path / "frontend", stripped)
    put(tmp_path / "f.debug", whole)
    stripped_image = load_image("frontend", path)
    assert symbols_of(stripped).line(stripped_image.entry) == ("", 0)
    assert symbols_of(stripped).function(stripped_image.entry) == ""
    found = symbols_of(debug_files([stripped_image])["frontend"].content)
    assert found.line(stripped_image.entry)[0] == "entry.S"
