"""What is said of an ELF file: what is in it, how it boots, and all that is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from code86 import BASE, HLT, elf, u32

from guestsim.errors import InputError
from guestsim.machine.description import Description, describe_image
from guestsim.machine.images import builtin_images

HIGH = 0x8048000


def described(folder: Path, content: bytes) -> Description:
    path = folder / "x.elf"
    path.write_bytes(content)
    return describe_image(path)


def with_note(kind: int, value: int) -> bytes:
    """An image whose second segment is a note of Xen's."""
    note = u32(4) + u32(4) + u32(kind) + b"Xen\0" + u32(value)
    content = bytearray(elf([(BASE, HLT * 16), (0x200000, note)]))
    content[52 + 32 : 52 + 36] = u32(4)  # PT_NOTE
    return bytes(content)


def test_a_built_in_image_is_described() -> None:
    rows, wrong, remarks = describe_image(builtin_images()["frontend"].path)
    assert (wrong, remarks) == ((), ())
    told = dict(rows)
    assert told["class"] == "32-bit"
    assert told["machine"] == "x86 (EM_386)"
    assert told["note"] == "Xen 18 (PHYS32_ENTRY) = 0x100000"
    assert told["entry"].startswith("0x100000 _start, entry.S:")
    assert told["segment 0"].startswith("0x100000 to 0x10")
    assert " r-x, " in told["segment 0"]
    assert told["segment 2"].split("rw-, ")[1].startswith("0 of ")
    assert told["debug info"] == "functions and lines"
    assert told["boots"].startswith("by the PVH convention")
    assert told["stack"].startswith("0x10")
    assert "SCHEDOP_shutdown" in told["as the last stage"]
    assert "F000:FFF0" in told["as an earlier one"]
    assert "SCHEDOP" not in told["as an earlier one"]


def test_an_image_without_a_note_boots_like_hvmloader(tmp_path: Path) -> None:
    rows, wrong, remarks = described(tmp_path, elf([(BASE, HLT)]))
    told = dict(rows)
    assert (wrong, remarks) == ((), ())
    assert told["note"] == "none"
    assert told["entry"] == f"{BASE:#x}"
    assert told["boots"].startswith("like hvmloader")
    assert told["debug info"].startswith("none")
    assert told["stack"].startswith("not known")


def test_the_entry_point_is_the_notes(tmp_path: Path) -> None:
    told = dict(described(tmp_path, with_note(18, BASE + 4)).rows)
    assert told["entry"] == f"{BASE + 4:#x}"
    assert told["boots"].startswith("by the PVH convention")


def test_another_note_of_xen_is_remarked(tmp_path: Path) -> None:
    found = described(tmp_path, with_note(1, BASE + 4))
    assert found.wrong == ()
    assert dict(found.rows)["note"] == "Xen 1, 4 bytes"
    assert dict(found.rows)["entry"] == f"{BASE:#x}"
    (remark,) = found.remarks
    assert "no PHYS32_ENTRY" in remark


def test_a_segment_out_of_the_usual_memory_is_remarked(tmp_path: Path) -> None:
    found = described(tmp_path, elf([(BASE, HLT), (HIGH, bytes(16))]))
    assert found.wrong == ()
    (remark,) = found.remarks
    assert "0x8048000" in remark
    assert "16 MiB" in remark
    assert 'platform.memory = "129 MiB"' in remark
    assert "-Ttext-segment" in remark


def test_a_segment_that_no_guest_has_room_for_is_wrong(tmp_path: Path) -> None:
    found = described(tmp_path, elf([(BASE, HLT), (0xFEFFC000, bytes(16))]))
    assert found.wrong == (
        "its segments end at 0xfeffc010: no guest has more than 2 GiB of memory",
    )


def test_an_entry_point_without_bytes_is_remarked(tmp_path: Path) -> None:
    found = described(tmp_path, elf([(BASE, HLT)], memory_size=64, entry=BASE + 8))
    (remark,) = found.remarks
    assert "no bytes" in remark


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    file = elf([(BASE, HLT * 9), (BASE + 4, HLT * 9)], kind=3, machine=40, entry=0x5000)
    found = described(tmp_path, file[:-4])
    assert [each.split(" (")[0].split(":")[0] for each in found.wrong] == [
        "for another machine",
        "not an executable but ET_DYN",
        "truncated",
        "segments overlap at 0x100004",
        "its entry point 0x5000 is outside its segments",
    ]
    assert "boots" not in dict(found.rows)


def test_what_strangers_write_stays_on_a_line(tmp_path: Path) -> None:
    rows, _, _ = described(tmp_path, with_note(18, BASE).replace(b"Xen\0", b"X\nn\0", 1))
    assert dict(rows)["note"] == r"X\nn 18, 4 bytes"


def test_a_damaged_note_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a whole ELF file") as found:
        described(tmp_path, with_note(18, BASE).replace(b"Xen\0", b"XenX", 1))
    assert str(found.value).isprintable()
