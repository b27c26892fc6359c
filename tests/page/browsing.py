# ruff: noqa: PLC0415
"""A real browser, and pages for it.

All tests load this, those of the explorer under sanitizers, too, where neither Capstone nor what
Playwright needs can be loaded: so it imports them where they are needed.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from guestsim.page.content import Content

SCENARIOS = Path(__file__).parents[2] / "scenarios"
CHROMIUM = os.environ.get("GUESTSIM_CHROMIUM") or shutil.which("chromium")
"""Debian's package `chromium`."""


@cache
def content(name: str) -> Content:
    """The content of the page of a scenario below `scenarios/`, as a page beside it has it."""
    from shipped import BINARIES

    from guestsim.runner import Options
    from guestsim.runner.player import content_of
    from guestsim.scenario import load_one

    scenario = load_one(SCENARIOS / name)
    return content_of(scenario, Options(images=BINARIES), beside=SCENARIOS)


@cache
def html(name: str) -> str:
    """The page of a scenario below `scenarios/`."""
    from guestsim.page.html import player_html

    return player_html(content(name))


class Opened:
    """A page in the browser, and what it complained about."""

    def __init__(self, browser: Browser, path: Path, **context: Any) -> None:
        self.path = path
        self.context = browser.new_context(**context)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.go()

    def go(self, fragment: str = "") -> None:
        """Open it, and wait until it can be played."""
        self.page.goto(f"{self.path.as_uri()}{fragment}")
        self.until("!document.getElementById('content') || document.documentElement.dataset.ready")

    def until(self, condition: str, seconds: float = 120) -> None:
        """Wait until a condition of the page holds. Its policy forbids Playwright's own wait."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, f"{condition}: not in {seconds} s; {self.complaints}"
            time.sleep(0.02)

    def solved(self) -> None:
        """Wait until the solver is done, however large it is."""
        self.until("guestsim.solver.phase !== 'exploring'")
        if self.js("guestsim.solver.phase") == "asking":
            self.page.click("#go-on")
        self.until("!['exploring', 'judging'].includes(guestsim.solver.phase)")
        assert self.js("guestsim.solver.phase") == "done", self.js("guestsim.solver.why")

    def js(self, expression: str) -> Any:
        """The value of an expression in the page."""
        return self.page.evaluate(expression)

    def text(self, selector: str) -> str:
        """What an element says."""
        return self.page.inner_text(selector)

    @property
    def outcome(self) -> str:
        """The outcome that the page names, "" where there is none."""
        return self.text("#outcome").partition(":")[0]


Open = Callable[..., Opened]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; the test is skipped where there is none, but never in CI."""
    if CHROMIUM is None:
        assert not os.environ.get("CI"), "CI needs Debian's package chromium"
        pytest.skip("no chromium here (Debian's package, or GUESTSIM_CHROMIUM)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # As root, which CI is, Chromium has no sandbox.
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens the page of a scenario; at the end, nothing was complained of, nothing asked for."""
    pages: list[Opened] = []

    def open_page(text: str, name: str = "page.html", **context: Any) -> Opened:
        path = tmp_path / name
        path.write_text(text)
        pages.append(Opened(browser, path, **context))
        return pages[-1]

    yield open_page
    for one in pages:
        one.context.close()
        assert one.complaints == []
        files = {page.path.as_uri() for page in pages}
        assert {url.partition("#")[0] for url in one.requests} <= files
