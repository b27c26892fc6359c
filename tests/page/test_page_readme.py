"""What the README opens with is what the program makes today."""

from __future__ import annotations

import base64
import re
import zlib
from pathlib import Path

import make_player
from browsing import SCENARIOS
from playwright.sync_api import Browser

DOCS = SCENARIOS.parent / "docs"
AGAIN = "out of date: run `python docs/make_player.py`"


def parts(page: str) -> tuple[str, bytes]:
    """The page without its data, and these: another zlib packs the same in another way."""
    found = re.search(r'id="content">([^<]*)<', page)
    assert found is not None
    return page.replace(found[1], ""), zlib.decompress(base64.b64decode(found[1]))


def test_the_page_is_what_guestsim_writes_today() -> None:
    shell, data = parts((DOCS / make_player.PAGE).read_text())
    now, made = parts(make_player.page())
    assert data == made, AGAIN
    assert shell == now, AGAIN


def test_the_picture_is_of_that_page(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(make_player.page())
    made = make_player.picture(browser, page)
    assert made == (DOCS / make_player.PICTURE).read_text(), AGAIN
