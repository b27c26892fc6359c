"""What the page says of what can still happen."""

from __future__ import annotations

from browsing import Open
from small_actors import REQ_PROD, RSP_PROD, Line, fence, halt, load, store, wait
from small_pages import small_content

from guestsim.page.html import player_html
from guestsim.trace import Op, Outcome
from guestsim.trace.memory_model import MemoryModel


def test_it_hangs_only_once_nothing_can_change(opened: Open) -> None:
    """To hang in no more switches is not yet to hang."""
    for_ever = Line(wait(), {1: 1})
    page = opened(player_html(small_content([store(REQ_PROD, 1), for_ever], [for_ever])))
    page.solved()
    assert "hung in 0 switches" in page.text("#reach")
    assert page.outcome == ""
    page.page.click("button.step[data-actor='0']")
    assert "hung now" in page.text("#reach")
    assert page.outcome == "hung"


def test_a_store_that_enters_its_buffer_is_no_switch(opened: Open) -> None:
    """Nobody can see when it does; so no switch more is needed after it."""
    guest: list[Line | Op] = [Line(load(RSP_PROD), {0: 1, 1: 2}), halt(), halt(Outcome.REFUSED)]
    daemon: list[Line | Op] = [store(RSP_PROD, 1), Line(wait(), {1: 1})]
    page = opened(player_html(small_content(guest, daemon, MemoryModel.TSO)))
    page.solved()
    assert "refused in 0 switches" in page.text("#reach")
    for button in ("button.step[data-actor='1']", "button.drain[data-actor='1']"):
        page.page.click(button)
        assert "refused in 0 switches" in page.text("#reach")
    for _ in range(2):
        page.page.click("button.step[data-actor='0']")
    assert page.outcome == "refused"


def test_a_run_stops_where_a_store_that_others_notice_leaves_its_buffer(opened: Open) -> None:
    """By the button as by the key, though the op that follows cannot be made yet."""
    guest: list[Line | Op] = [store(0, 7), store(REQ_PROD, 1), store(1, 8), fence(), halt()]
    for_ever = Line(wait(), {1: 1})
    page = opened(player_html(small_content(guest, [for_ever], MemoryModel.TSO)))
    for _ in range(3):
        page.page.click("button.step[data-actor='0']")
    assert "its store buffer has to be empty first" in page.text(".card.by-0 .why")
    page.page.click("button.run[data-actor='0']")
    assert page.js("guestsim.play.buffers[0].map((op) => op.address)") == [1]
    page.page.click("button.run[data-actor='0']")
    assert page.js("guestsim.play.buffers[0].length") == 0
    assert page.page.is_enabled("button.run[data-actor='0']")
