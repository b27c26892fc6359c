"""Makes what the README opens with: the page of the torn reset, and a picture of the player in it.

`python docs/make_player.py [FOLDER]`, with what `pip install -e '.[test]'` brings, and Chromium.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from guestsim.page.html import player_html
from guestsim.runner import Options
from guestsim.runner.player import content_of
from guestsim.scenario import load_one

DOCS = Path(__file__).parent
ROOT = DOCS.parent
PAGE, PICTURE = "torn-reset-every-sc.html", "player.svg"


def page() -> str:
    """The page, as `guestsim page scenarios/torn-reset.toml#every-sc --to docs` writes it."""
    scenario = load_one(ROOT / "scenarios" / "torn-reset.toml#every-sc")
    return player_html(content_of(scenario, Options(), beside=DOCS))


def picture(browser: Browser, file: Path) -> str:
    """The ring at the last op but four of the simplest way to `refused`: the daemon holds a
    req_cons from before the reset."""
    shown = browser.new_page()
    shown.goto(file.as_uri())
    shown.wait_for_selector("html[data-ready]", state="attached")
    ways = "guestsim.program.ways"
    shown.evaluate(f"guestsim.way({ways}.findIndex(({{outcome}}) => outcome === 'refused'))")
    shown.evaluate("(guestsim.seek(guestsim.play.steps.length - 4), guestsim.show())")
    text: str = shown.evaluate("guestsim.picture()")
    shown.close()
    return text + "\n"


def main() -> None:
    """Write both."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS
    (folder / PAGE).write_text(page())
    chromium = os.environ.get("GUESTSIM_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        (folder / PICTURE).write_text(picture(browser, (folder / PAGE).resolve()))


if __name__ == "__main__":
    main()
