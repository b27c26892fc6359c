"""Who asks the daemon has a lane, and the reader says whose turn it is."""

from __future__ import annotations

from dataclasses import replace

from browsing import SCENARIOS, Open, Opened, html
from small_actors import REQ_PROD, Line, halt, load
from small_pages import small_content

from guestsim.page.html import player_html
from guestsim.scenario import load_one
from guestsim.trace import MEANING, NOBODY, Kind, Op, Outcome, asks
from guestsim.trace.ops import End, Site

BACKEND = Site(stage="backend")
LANES = "[...document.querySelector('#rows').lastElementChild.children].map((td) => td.innerText)"


def page_of(opened: Open) -> Opened:
    """The daemon serves nobody, or the backend, which then cannot go on."""
    choose = Op(Kind.CHOOSE, value=2, note=MEANING.join([NOBODY, asks("backend")]))
    end = End(Outcome.CRASHED, "backend: read x=1: was answered 2, not 1", BACKEND)
    daemon: list[Line | Op] = [
        Line(choose, {0: 1, 1: 2}),
        Line(load(REQ_PROD), {0: 0}),
        Op(Kind.ACT, site=BACKEND, note="read x=1"),
        Op(Kind.HALT, site=BACKEND, end=end),
    ]
    content = small_content([halt()], daemon)
    labels = {"guest": "guest", "daemon": "xenstored", "backend": "backend"}
    page = opened(player_html(replace(content, labels=labels)))
    page.solved()
    return page


def test_the_reader_chooses_who_asks(opened: Open) -> None:
    page = page_of(opened)
    assert page.text(".card.by-1 .next") == "next: choose who asks"
    options = page.page.locator("select:visible option").all_inner_texts()
    assert options == ["nobody else asks", "backend asks"]
    page.page.select_option("select:visible", "1")
    page.page.click("button.step[data-actor='1']")
    assert page.text(".card.by-1 .next") == "next: backend: read x=1"
    page.page.click("button.step[data-actor='1']")
    heads = page.page.locator(".lanes thead th").all_inner_texts()
    assert heads == ["op", "guest", "xenstored", "backend", "where"]
    # The choice and what is asked are one row.
    assert page.js(LANES)[:4] == ["0", "", "", "read x=1"]


def test_nobody_is_an_answer_of_the_daemons(opened: Open) -> None:
    page = page_of(opened)
    page.page.click("button.step[data-actor='1']")
    assert page.js(LANES)[:4] == ["0", "", "nobody else asks", ""]


def test_a_run_ends_where_somebody_has_asked(opened: Open) -> None:
    page = page_of(opened)
    page.page.select_option("select:visible", "1")
    page.page.click("button.run[data-actor='1']")
    assert page.js("guestsim.play.steps.length") == 2


def test_who_cannot_go_on_says_so(opened: Open) -> None:
    page = page_of(opened)
    page.page.select_option("select:visible", "1")
    for _ in range(3):
        page.page.click("button.step[data-actor='1']")
    said = "crashed: backend cannot go on: read x=1: was answered 2, not 1."
    assert page.text("#outcome") == said


def test_what_others_ask_is_not_folded_away(opened: Open) -> None:
    """Each stands in its lane, whatever the daemon has done around it."""
    name = "museum/backends/added-late.toml#at-once-oxenstored"
    scenario = load_one(SCENARIOS / name)
    lines = [line for other in scenario.others for line in other.do]
    page = opened(html(name))
    page.js("guestsim.way(0)")
    shown = page.js(
        "[...document.querySelectorAll('#rows tr')].map((row) => row.children[3]?.innerText ?? '')"
    )
    assert [text for text in shown if text] == lines
