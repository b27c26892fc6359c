"""docs/museum.md is what the files of the museum say, and each of them says all that it has to."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import make_museum
import pytest
from make_museum import MARKS, piece

from guestsim.runner import Options, builtin_images, check
from guestsim.scenario import Strategy, find, load
from guestsim.trace.results import Verdict

PATHS = find([make_museum.MUSEUM])

FIRMWARE = Path(__file__).parents[1] / "firmware" / "images"
RIGHT = {"blocks-unmasked", "byte-by-byte"}
"""Images that are frontend, but for a part that they do in another way, and right."""
AT_FAULT = [
    main.parent.name
    for main in sorted(FIRMWARE.glob("*/main.c"))
    if "image_main(" not in main.read_text() and main.parent.name not in RIGHT
]
"""Images that are frontend, but for the part that they get wrong."""

NEVER_REST = {"over-reads", "unchecked"}
"""Pieces whose daemon reads on for ever what nobody has sent: a search of all of it has no end."""

SIDES = """
[boot]
chain = ["frontend"]
[[variant]]
name = "broken"
expect.hung = "sometimes"
[[variant]]
name = "fixed"
expect.connected = "always"
"""


def test_the_page_is_made_of_the_files_as_they_are() -> None:
    made = make_museum.page()
    there = make_museum.PAGE.read_text(encoding="utf-8")
    assert made == there, "out of date: run `python docs/make_museum.py`"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_piece_has_two_sides_at_least_and_every_interleaving_is_tried(path: Path) -> None:
    each = piece(path)
    assert len(each.sides) >= 2
    for scenario in (case for side in each.sides for case in side):
        assert scenario.side is not None
        never_rests = scenario.search.strategy is Strategy.SCRIPT and path.stem in NEVER_REST
        assert never_rests or scenario.search.strategy is Strategy.EXHAUSTIVE, scenario.name
    ends = {
        (*case.expect.outcomes.items(), *case.expect.rules.judged.items())
        for side in each.sides
        for case in side
    }
    assert len(ends) >= 2, "its sides are expected to end in the same way"


@pytest.mark.parametrize("image", AT_FAULT)
def test_what_is_found_comes_of_what_the_image_gets_wrong(image: str) -> None:
    """A side that has the image fails where frontend takes its place."""
    options = Options(images={image: builtin_images()["frontend"].path})
    cases = [
        case
        for path in PATHS
        for case in load(path)
        if any(stage.name == image for stage in case.boot.stages)
    ]
    assert any(check(case, options).verdict is Verdict.FAIL for case in cases)


def test_no_two_pieces_have_one_name() -> None:
    """Of the headings, links are made."""
    titles = Counter(
        [*make_museum.SUBJECTS.values(), *(each.title for each in make_museum.pieces())]
    )
    assert max(titles.values()) == 1, titles.most_common(3)


def test_what_a_comment_says_is_taken_apart(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(
        "# One sentence.\n#\n# A story\n# of two lines.\n#\n# Another: paragraph.\n#\n"
        "# Broken: this, and Fixed things\n#   too.\n# Fixed: that.\n# Source: Xen 1234567.\n"
        f'title = "x"\n{SIDES}'
    )
    found = piece(path)
    assert found.title == "One sentence"
    assert found.story == "A story of two lines.\n\nAnother: paragraph."
    assert found.said == {
        "Broken": "this, and Fixed things too.",
        "Fixed": "that.",
        "Source": "Xen 1234567.",
    }
    assert [[case.side for case in side] for side in found.sides] == [["broken"], ["fixed"]]


@pytest.mark.parametrize(
    "comment",
    [
        "",
        "# One.\n#\n# Story.\n",
        "# One.\n#\n# Story.\n#\n# Broken: a.\n# Fixed: b.\n",
        "# One.\n#\n# Story.\n#\n# Broken: a.\n# Source: c.\n# Fixed: b.\n",
        "# One.\n#\n# Story.\n#\n# Broken: a.\n# Fixed:\n# Source: c.\n",
        "# One.\n#\n# Broken: a.\n# Fixed: b.\n# Source: c.\n",
        "# One.\n#\n# Story.\n# Broken: a.\n# Fixed: b.\n# Source: c.\n",
    ],
)
def test_what_a_comment_lacks_is_said(comment: str, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(f'{comment}title = "x"\n{SIDES}')
    with pytest.raises(ValueError, match="its comment has to"):
        piece(path)


def test_a_folder_that_is_no_subject_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "".join(f"# {mark}: x.\n" for mark in MARKS)
    (tmp_path / "clinets").mkdir()
    path = tmp_path / "clinets" / "x.toml"
    path.write_text(f'# One.\n#\n# Story.\n#\n{lines}title = "x"\n{SIDES}')
    monkeypatch.setattr(make_museum, "MUSEUM", tmp_path)
    with pytest.raises(ValueError, match="the folders of the museum are hvmloader, clients,"):
        make_museum.pieces()
