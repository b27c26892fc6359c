"""For everybody: screen readers, keyboards, phones, dark rooms, and who is made ill by motion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import SCENARIOS, Open, html

from guestsim.page.html import Entry, doc_html, index_html, lesson_html
from guestsim.page.lessons import load_lessons, to_play
from guestsim.runner import Options
from guestsim.runner.player import content_of

WIDER = [(1024, 768), (1600, 1000)]
WIDTHS = [(360, 740), *(pytest.param(size, marks=pytest.mark.heavy) for size in WIDER)]


def a_lesson() -> str:
    lesson = next(
        each
        for each in load_lessons(SCENARIOS.parent / "docs" / "lessons")
        if each.name == "03-torn-reset"
    )
    found = content_of(to_play(lesson, SCENARIOS), Options(), beside=SCENARIOS)
    return lesson_html(found, lesson, back="all lessons", before="02.html", after="04.html")


PAGES: dict[str, Callable[[], str]] = {
    "sc": lambda: html("torn-reset.toml#every-sc"),
    "tso": lambda: html("torn-reset.toml#every-tso"),
    "lesson": a_lesson,
    "index": lambda: index_html("Lessons", [Entry("a.html", "A", "note", "a")], script=True),
    "doc": lambda: doc_html((SCENARIOS.parent / "docs" / "rules.md").read_text(), back="all"),
}


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        *(pytest.param(name, "light") for name in ("sc", "lesson", "index", "doc")),
        *(pytest.param(name, "dark", marks=pytest.mark.heavy) for name in PAGES if name != "sc"),
        pytest.param("sc", "dark"),
        pytest.param("tso", "light", marks=pytest.mark.heavy),
    ],
)
def test_axe_has_nothing_to_say(name: str, scheme: str, opened: Open) -> None:
    page = opened(PAGES[name](), color_scheme=scheme, reduced_motion="reduce")
    if name not in ("index", "doc"):
        page.solved()
        page.js("(guestsim.way(1), guestsim.seek(guestsim.play.steps.length - 2), guestsim.show())")
    found: dict[str, Any] = Axe().run(page.page).response
    wrong = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]]
    assert wrong == []


@pytest.mark.parametrize("size", WIDTHS, ids=str)
@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_wider_than_the_window(name: str, size: tuple[int, int], opened: Open) -> None:
    page = opened(PAGES[name](), viewport={"width": size[0], "height": size[1]})
    if name not in ("index", "doc"):
        page.js("guestsim.way(0)")
    assert page.js("document.documentElement.scrollWidth") <= size[0]


def test_nothing_moves_by_itself(opened: Open) -> None:
    page = opened(html("torn-reset.toml#every-sc"))
    page.solved()
    page.js("guestsim.way(0)")
    assert page.js("document.getAnimations().length") == 0
    assert page.js("getComputedStyle(document.body).transitionDuration") == "0s"


def test_every_control_has_a_name(opened: Open) -> None:
    page = opened(html("torn-reset.toml#every-tso"))
    page.js("guestsim.way(0)")
    named = page.page.locator("button, input, select, summary, a[href]")
    for number in range(named.count()):
        one = named.nth(number)
        name = one.evaluate(
            "(node) => node.ariaLabel || node.labels?.[0]?.textContent || node.textContent"
        )
        assert name.strip(), one.evaluate("(node) => node.outerHTML")


def test_a_circle_says_in_words_what_it_shows(opened: Open) -> None:
    page = opened(html("torn-reset.toml#every-sc"))
    page.solved()
    page.js("(guestsim.way(1), guestsim.seek(guestsim.play.steps.length - 2), guestsim.show())")
    title = page.page.text_content(".circle title")
    assert title is not None
    assert title.startswith("requests: req_cons ")
    assert "bytes unread" in title
