"""Loading images: what is accepted, and the one line for everything that is not."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from code86 import BASE, HLT, elf
from elftools.elf.elffile import ELFFile

from guestsim.errors import InputError
from guestsim.machine.boot import check_fits
from guestsim.machine.image import load_image
from guestsim.machine.images import builtin_images
from guestsim.machine.symbols import symbols_of
from guestsim.runner.symbolize import Symbolizer


def test_a_good_image_gives_its_segments_and_hash(tmp_path: Path) -> None:
    path = tmp_path / "good.elf"
    path.write_bytes(elf([(0x200000, b"data"), (BASE, HLT)], memory_size=64))
    image = load_image("good", path)
    assert [(s.address, s.data, s.size) for s in image.segments] == [
        (BASE, HLT, 64),
        (0x200000, b"data", 64),
    ]
    assert image.entry == BASE
    assert image.end == 0x200000 + 64
    assert len(image.sha256) == 64


GOOD = elf([(BASE, HLT * 16)])

BAD = {
    "not an ELF file": b"MZ" + bytes(100),
    "the file is empty": b"",
    "truncated: the ELF header": GOOD[:40],
    "truncated: segment 0": GOOD[:-8],
    "64-bit": elf([(BASE, HLT)], elf_class=2) + bytes(64),
    "for another machine (ARM)": elf([(BASE, HLT)], machine=40),
    "not an executable but ET_DYN": elf([(BASE, HLT)], kind=3),
    "nothing to load": elf([]),
    "segments overlap at 0x100004": elf([(BASE, bytes(16)), (BASE + 4, bytes(16))]),
    "inside the first page": elf([(0x800, HLT)], entry=0x800),
    "its entry point 0x5000 is outside": elf([(BASE, HLT)], entry=0x5000),
    "larger in the file than in memory": elf([(BASE, HLT * 8)], memory_size=4),
}


@pytest.mark.parametrize(("what", "content"), BAD.items(), ids=BAD)
def test_a_bad_image_is_refused_in_one_line(tmp_path: Path, what: str, content: bytes) -> None:
    path = tmp_path / "bad.elf"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_image("bad", path)
    message = str(caught.value)
    assert what in message, message
    assert message.startswith(f"{path}: image 'bad': ")
    assert "\n" not in message


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_image("gone", tmp_path / "gone.elf")


@pytest.mark.parametrize("cut", range(0, len(GOOD), 3))
def test_no_truncation_gets_past_the_loader(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut.elf"
    path.write_bytes(GOOD[:cut])
    with pytest.raises(InputError):
        load_image("cut", path)


@pytest.mark.parametrize(
    ("address", "what"),
    [(0x1000000 - 8, "outside the guest's 16 MiB"), (0xFEFFC000, "over the ring page")],
)
def test_an_image_outside_memory_is_refused(tmp_path: Path, address: int, what: str) -> None:
    path = tmp_path / "far.elf"
    path.write_bytes(elf([(address, bytes(4096))], entry=address))
    with pytest.raises(InputError, match=what):
        check_fits(load_image("far", path), 16 << 20)


def frontend() -> bytes:
    return builtin_images()["frontend"].path.read_bytes()


def test_a_note_that_makes_no_sense_is_one_line(tmp_path: Path) -> None:
    # Its name has no end: pyelftools gives up with an error of its own parser.
    path = tmp_path / "damaged.elf"
    path.write_bytes(frontend().replace(b"Xen\0", b"XenX", 1))
    with pytest.raises(InputError, match="not a whole ELF file") as found:
        load_image("damaged", path)
    assert str(found.value).isprintable()


def test_damaged_lines_are_left_out_and_said(tmp_path: Path) -> None:
    whole = frontend()
    elf = ELFFile(io.BytesIO(whole))
    lines = elf.get_section_by_name(".debug_line")
    assert lines is not None
    data = bytearray(whole)
    first = lines["sh_offset"]
    data[first : first + lines["sh_size"]] = b"\x55" * lines["sh_size"]
    path = tmp_path / "damaged.elf"
    path.write_bytes(data)
    image = load_image("damaged", path)
    assert symbols_of(whole).damage == ""
    found = symbols_of(image.content)
    assert found.damage != ""
    assert found.function(image.entry) == symbols_of(whole).function(image.entry)
    assert found.function(image.entry)
    (notice,) = Symbolizer([image]).notices([])
    assert notice.startswith("damaged: no functions or lines, or not all: its tables are damaged")
