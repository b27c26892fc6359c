"""Sites with functions, lines and source text; notices with their place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from guestsim.errors import InputError
from guestsim.machine.image import load_image
from guestsim.machine.images import find_image
from guestsim.machine.notices import Notice
from guestsim.runner.symbolize import Sources, Symbolizer
from guestsim.trace import Site

HVMLOADER = Path(os.environ.get("GUESTSIM_HVMLOADER", "/usr/lib/xen-4.17/boot/hvmloader"))
HVMLOADER_DEBUG = os.environ.get("GUESTSIM_HVMLOADER_DEBUG")

needs_debug_file = pytest.mark.skipif(
    not HVMLOADER.exists() or HVMLOADER_DEBUG is None,
    reason=f"Debian's hvmloader or its debug file is not there: {HVMLOADER}, {HVMLOADER_DEBUG} "
    "(GUESTSIM_HVMLOADER_DEBUG: the usr/lib/debug of xen-utils-4.17-dbg)",
)


@needs_debug_file
def test_debians_debug_file_belongs_to_debians_hvmloader() -> None:
    # The four stores of the reset: 4.17.7+13-g2445b30a44-0+deb12u1.
    assert HVMLOADER_DEBUG is not None
    image = load_image("hvmloader", HVMLOADER)
    symbols = Symbolizer([image], [Path(HVMLOADER_DEBUG)])
    lines = [str(symbols.site(Site("hvmloader", pc))) for pc in (0x10421F, 0x10422B, 0x103BB5)]
    assert lines == [
        "xenbus.c:93 xenbus_shutdown",
        "xenbus.c:94 xenbus_shutdown",
        "xenbus.c:142 ring_read",
    ]


def test_an_image_without_lines_keeps_its_addresses() -> None:
    symbols = Symbolizer([load_image("frontend", find_image("frontend"))])
    assert symbols.site(Site("another", 0x1234)) == Site("another", 0x1234)
    assert symbols.site(Site("frontend", 5)).function == ""


def test_a_notice_gets_its_place() -> None:
    image = load_image("frontend", find_image("frontend"))
    notice = Notice("hypercall 55", "ENOSYS", Site("frontend", image.entry))
    (line,) = Symbolizer([image]).notices([notice])
    assert line.startswith(
        f"hypercall 55 is not provided: ENOSYS (asked for at {image.entry:#x} in frontend, entry.S:"
    )


def put(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines))


def test_the_text_of_a_line(tmp_path: Path) -> None:
    put(tmp_path / "lib/x.c", "first", "\tsecond;  ", "third")
    source = Sources([tmp_path])
    assert source(Site("image", 1, "f", "x.c", 2)) == "second;"


@pytest.mark.parametrize(
    "site",
    [
        Site("image", 1, "f", "y.c", 2),
        Site("image", 1, "f", "x.c", 4),
        Site("image", 1, "f", "x.c", 0),
        Site("image", 1, "f"),
        Site("image", 1, "f", "twice.c", 1),
    ],
    ids=["no such file", "too few lines", "no line", "no file", "two files"],
)
def test_what_is_not_known_is_left_out(tmp_path: Path, site: Site) -> None:
    put(tmp_path / "lib/x.c", "first", "second", "third")
    for folder in ("a", "b"):
        put(tmp_path / folder / "twice.c", folder)
    assert Sources([tmp_path])(site) == ""
    assert Sources([])(site) == ""


def test_of_two_files_the_one_in_the_images_folder(tmp_path: Path) -> None:
    for folder in ("images/one", "images/two"):
        put(tmp_path / folder / "main.c", folder)
    assert Sources([tmp_path])(Site("two", 1, "f", "main.c", 1)) == "images/two"


def test_a_source_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gone: no such folder"):
        Sources([tmp_path / "gone"])
