"""What the reader chooses is what happens, by any button or key; and hints say what to choose."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from browsing import Open, Opened
from small_actors import REQ_PROD, Line, halt, load
from small_pages import small_content

from guestsim.page.content import Content
from guestsim.page.html import player_html
from guestsim.trace import Kind, Op, Outcome


def content() -> Content:
    """The guest chooses how it ends; the daemon looks on."""
    choose = Op(Kind.CHOOSE, value=2, note="left | right")
    guest: list[Line | Op] = [Line(choose, {0: 1, 1: 2}), halt(), halt(Outcome.REFUSED)]
    return small_content(guest, [Line(load(REQ_PROD), {0: 0})])


def at_the_choice(opened: Open) -> Opened:
    page = opened(player_html(content()))
    page.solved()
    assert page.page.locator("select:visible option").all_inner_texts() == ["left", "right"]
    return page


def by_button(what: str) -> Callable[[Opened], None]:
    return lambda page: page.page.click(f"button.{what}[data-actor='0']")


def by_key(key: str) -> Callable[[Opened], None]:
    return lambda page: page.page.keyboard.press(key)


@pytest.mark.parametrize("how", [by_button("step"), by_button("run"), by_key("g"), by_key("G")])
def test_the_choice_is_made_that_is_shown(how: Callable[[Opened], None], opened: Open) -> None:
    page = at_the_choice(opened)
    page.page.select_option("select:visible", "1")
    page.page.evaluate("document.activeElement.blur()")
    how(page)
    assert page.js("guestsim.play.steps[0].answer") == 1


def test_what_others_do_does_not_change_it(opened: Open) -> None:
    page = at_the_choice(opened)
    page.page.select_option("select:visible", "1")
    page.page.click("button.step[data-actor='1']")
    assert page.page.input_value("select:visible") == "1"


def test_a_hint_says_what_to_choose(opened: Open) -> None:
    page = at_the_choice(opened)
    assert page.js("guestsim.hint('refused')") == (
        'move the guest, choosing "right", once, then the guest once: that is refused'
    )
