"""Links and files that are broken, huge or meant badly: a line, and soon."""

from __future__ import annotations

import time

import msgspec
from browsing import Open, html

SOON = 3.0
"""Seconds, on a machine that is busy."""


SCHEDULES: list[tuple[dict[str, object], str]] = [
    ({"steps": [None]}, "a step is not an actor with a count"),
    ({"steps": [5]}, "a step is not an actor with a count"),
    ({"steps": [{"0": "guest"}]}, "a step is not an actor with a count"),
    ({"steps": [[]]}, "this page has no nothing"),
    ({"steps": [["x" * 100_000, 1]]}, 'this page has no "xxxxxx'),
    ({"steps": [["guest", "3"]]}, "a step count is not a number"),
    ({"steps": [["guest", True]]}, "a step count is not a number"),
    ({"steps": [["guest", 10**12]]}, "it has more than 200,000 steps"),
    ({"steps": [["daemon", 100_000]] * 3}, "it has more than 200,000 steps"),
    ({"images": 5}, "other images"),
    ({"images": None}, "other images"),
    ({"images": [None]}, "other images"),
    ({"images": [{"name": {"toString": 5}, "sha256": []}]}, "other images"),
    ({"requests": [["read a"]]}, "this schedule is for other requests than this page"),
    ({"choices": 5}, "the choices are not numbers"),
    ({"choices": "abc"}, "the choices are not numbers"),
    ({"choices": [-1]}, "the choices are not numbers"),
    ({"choices": [None]}, "the choices are not numbers"),
    ({"memory_model": {"toString": 5}}, "this schedule is for {"),
]
LINKS = [
    ("#p=1x1000000000000", "it has more than 200,000 steps"),
    ("#p=1x" + "9" * 400, "it has more than 200,000 steps"),
    ("#p=" + "1x150000." * 9 + "0x1", "it has more than 200,000 steps"),
    ("#p=9x1", "there is no mover 9"),
    ("#p=-1x1", "this link has no play that can be read"),
    ("#p=0x-1", "this link has no play that can be read"),
    ("#p=0xé", "this link has no play that can be read"),
    ("#p=0x1&c=", "this link has no play that can be read"),
]


def test_a_bad_schedule_is_a_line(opened: Open) -> None:
    page = opened(html("dom0less.toml#xenstored-sc"))
    whole = msgspec.json.decode(page.js("(guestsim.step(0), guestsim.schedule())"))
    for change, said in SCHEDULES:
        text = msgspec.json.encode(whole | change).decode()
        begun = time.monotonic()
        page.page.evaluate("(text) => guestsim.openSchedule(text, 'x.json')", text)
        assert time.monotonic() - begun < SOON, change
        line = page.text("#said")
        assert line.startswith("x.json: ")
        assert said in line
        assert "\n" not in line
        assert len(line) < 200


def test_a_bad_link_is_a_line(opened: Open) -> None:
    page = opened(html("dom0less.toml#xenstored-sc"))
    for fragment, said in LINKS:
        page.js("guestsim.say('')")
        begun = time.monotonic()
        page.page.evaluate("(fragment) => { location.hash = fragment; }", fragment)
        page.until("document.getElementById('said').textContent")
        assert time.monotonic() - begun < SOON, fragment
        assert said in page.text("#said")


def test_a_very_long_play_is_shown(opened: Open) -> None:
    """The daemon may be woken for other domains' work again and again."""
    page = opened(html("dom0less.toml#xenstored-sc"))
    page.js("while (guestsim.play.steps.length < 190000 && guestsim.step(1));")
    assert page.js("guestsim.play.steps.length") == 190_000
    page.js("(guestsim.undo(), guestsim.show())")
    assert page.text("#position").startswith("step 189999 of 190000")
