"""A lesson in the browser: what its text says is done, its goal is noticed, its question asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from browsing import SCENARIOS, Open, Opened

from guestsim.page.html import Entry, index_html, lesson_html
from guestsim.page.lessons import Lesson, load_lessons, to_play
from guestsim.runner import Options
from guestsim.runner.player import content_of

LESSONS = {each.name: each for each in load_lessons(SCENARIOS.parent / "docs" / "lessons")}


def page_of(lesson: Lesson) -> str:
    found = content_of(to_play(lesson, SCENARIOS), Options(), beside=SCENARIOS)
    return lesson_html(found, lesson, back="all lessons")


def press(page: Opened, actor: str, times: int = 1) -> None:
    for _ in range(times):
        page.page.get_by_role("button", name=f"{actor}: 1 op").click()


def answer(page: Opened, right: int) -> None:
    answers = page.page.locator("#answers button")
    for number in range(answers.count()):
        answers.nth(number).click()
        if number + 1 == right:
            assert page.text("#because").startswith("Yes. ")
            return
        assert page.text("#because") == "No: look again."


def test_lesson_three_is_followed_to_the_refused_ring(opened: Open, tmp_path: Path) -> None:
    """As its text says: nine presses. Then the list knows that it is done."""
    lesson = LESSONS["03-torn-reset"]
    page = opened(page_of(lesson), "03-torn-reset.html")
    page.solved()
    assert page.text("#goal") == "Goal: refused."
    press(page, "guest")
    press(page, "daemon", 4)
    presses = 5
    while not page.outcome:
        press(page, "daemon")
        presses += 1
    assert (page.outcome, presses) == ("refused", 9)
    assert page.text("#goal") == "Done."
    answer(page, lesson.question.right)
    entries = [Entry("03-torn-reset.html", "3", "", "03-torn-reset"), Entry("x.html", "x", "", "x")]
    (tmp_path / "index.html").write_text(index_html("Lessons", entries, script=True))
    page.page.goto((tmp_path / "index.html").as_uri())
    done = "[...document.querySelectorAll('[data-lesson].done')].map((one) => one.dataset.lesson)"
    assert page.js(done) == ["03-torn-reset"]
    page.requests.clear()


def test_a_goal_that_nobody_can_miss_needs_a_play_to_its_end(opened: Open) -> None:
    lesson = LESSONS["07-closing-protocol"]
    page = opened(page_of(lesson))
    page.solved()
    assert page.text("#goal").startswith("Goal: play it to its end. Can it be refused or ")
    page.js(
        """(() => {
            while (!guestsim.outcome) if (!guestsim.step(0)) guestsim.step(1);
            guestsim.show();
        })()"""
    )
    assert page.text("#goal").startswith("Done. The page has tried every order: refused, ")


@pytest.mark.parametrize("name", LESSONS)
def test_every_goal_is_true_to_the_solver_in_the_page(name: str, opened: Open) -> None:
    lesson = LESSONS[name]
    if "real/" in lesson.scenario:
        pytest.skip("its search is judged in tests/test_lessons.py")
    page = opened(page_of(lesson))
    page.solved()
    possible = set(page.js("[...guestsim.solver.distance.keys()]"))
    if lesson.goal.reach:
        assert lesson.goal.reach in possible
    assert possible.isdisjoint(lesson.goal.never)
