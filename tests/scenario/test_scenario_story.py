"""What a scenario file says about itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from guestsim.scenario import story_of


@pytest.mark.parametrize(
    ("text", "story"),
    [
        ("# One.\n#\n# Two\n# lines.\ntitle = 'x'\n# not this\n", "One.\n\nTwo\nlines."),
        ("title = 'x'\n# not this\n", ""),
        ("", ""),
        ("#\n#   indented\n", "indented"),
        ("#: a mark of its own\n", ": a mark of its own"),
    ],
)
def test_the_comment_at_the_top(text: str, story: str, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    assert story_of(path) == story
