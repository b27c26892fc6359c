"""The lessons say what is true: goals by search, starts and the presses in the text by playing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from guestsim.execute import ENGINES, Execution
from guestsim.page.lessons import Lesson, load_lessons, to_play
from guestsim.runner import set_up
from guestsim.runner.executions import scripted
from guestsim.runner.searched import search
from guestsim.runner.setup import Setup
from guestsim.scenario import Scenario, Step
from guestsim.search import begin_after
from guestsim.trace import Op, Outcome
from guestsim.trace.events import parse_event
from guestsim.trace.memory_model import DRAIN, STORE_BUFFER, MemoryModel
from guestsim.trace.shared import place

ROOT = Path(__file__).parent.parent
LESSONS = load_lessons(ROOT / "docs" / "lessons")
HVMLOADER = os.environ.get("GUESTSIM_HVMLOADER")

PRESS = re.compile(
    r"[Pp]ress \*\*(?P<who>guest|daemon)\*\* (?:(?P<count>once|twice|\d+ times)|until "
    r"(?:it has (?P<what>stored|loaded) `(?P<place>[a-z_]+ = \d+)`"
    r"|(?P<end>it gives the ring up|the play ends)))"
    r"|[Ll]et the (?P<buffer>guest|daemon)'s oldest store out"
)
"""How a lesson says what to do. "Until" is one press at least."""
TOTAL = {"03-torn-reset": 9, "10-broken-fixes": 10}
"""Lessons whose text says how many presses it takes."""
COUNTED = {
    "03-torn-reset": [
        ["store req_prod"],
        ["wait server_pending"],
        ["load req_prod", "load req_cons", "load req_cons"],
    ],
    "06-poison": [["store rsp_prod"]],
    "07-closing-protocol": [
        ["store connection"],
        ["send server_pending", "load connection", "rmw evtchn_pending"],
        ["send evtchn_pending"],
    ],
    "08-feature-bits": [["store req_prod"]],
    "09-what-a-close-drops": [["load rsp_prod", "load rsp_cons"]],
    "10-broken-fixes": [["send server_pending", "store req_prod"]],
    "11-store-buffers": [
        ["store req_prod", "store req_cons", "store rsp_prod", "store rsp_cons"],
        [
            "wait server_pending",
            *["load req_prod", "load req_cons", "load req_cons", "load req_prod"],
            *["fence", "store error"],
        ],
    ],
    "12-real-hvmloader": [["store req_prod"]],
}
"""By lesson, what each instruction that counts presses does: the text beside it says so."""
PATIENCE = 40
"""More presses than this in a row nobody makes."""

each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)


def scenario_and_setup(lesson: Lesson) -> tuple[Scenario, Setup]:
    scenario = to_play(lesson, ROOT / "scenarios")
    if not lesson.scenario.startswith("real/"):
        return scenario, set_up(scenario)
    if HVMLOADER is None:
        pytest.skip("GUESTSIM_HVMLOADER names no hvmloader")
    return scenario, set_up(scenario, {"hvmloader": Path(HVMLOADER)})


def begun(lesson: Lesson) -> Execution:
    """The lesson's play, where the reader takes over."""
    scenario, setup = scenario_and_setup(lesson)
    model = scenario.search.memory_model
    is_tso = model is MemoryModel.TSO
    # As the search does it: the way there is under sc, and nothing is left in a buffer.
    prefix = begin_after(
        scripted(scenario, to_end=False), setup.actors, setup.memory, fences=is_tso
    )
    play = ENGINES[model](setup.actors, setup.memory)
    play.start()
    for actor, drains, _ in prefix.moves(STORE_BUFFER if is_tso else None):
        press(play, actor + DRAIN if drains else actor)
    assert play.end is None
    assert bytes(play.memory) == prefix.memory
    return play


def press(play: Execution, button: str) -> Op:
    actor = play.index(button)
    assert actor is not None
    op = play.peek(actor)
    play.step(actor)
    return op


def instructions(lesson: Lesson) -> Iterator[re.Match[str]]:
    """What the numbered paragraphs tell the reader to press."""
    for paragraph in re.findall(
        r"^\d+\. (.*?)(?=\n\n|\n\d+\. |\Z)", lesson.text, re.DOTALL | re.MULTILINE
    ):
        yield from PRESS.finditer(" ".join(paragraph.split()))


def follow(play: Execution, told: re.Match[str]) -> list[Op]:
    """Do what the text says, and see that it comes true; an op for each press."""
    assert play.end is None, f"{told[0]}: the play is over"
    button = told["who"] or told["buffer"] + DRAIN
    if told["count"] or told["buffer"]:
        count = {None: 1, "once": 1, "twice": 2}.get(told["count"]) or int(told["count"].split()[0])
        return [press(play, button) for _ in range(count)]
    ops: list[Op] = []
    while len(ops) < PATIENCE:
        known, before = len(play.events), bytearray(play.memory)
        ops.append(press(play, button))
        if is_done(play, told, known, before):
            return ops
    raise AssertionError(f"{told[0]}: not within {PATIENCE} presses")


def is_done(play: Execution, told: re.Match[str], known: int, before: bytearray) -> bool:
    """Whether what an "until" names has come with the events from `known` on."""
    if told["end"] == "the play ends":
        return play.end is not None
    if told["end"]:
        return play.outcome is Outcome.REFUSED
    kind = {"stored": "store", "loaded": "load"}[told["what"]]
    event = parse_event(f"{kind} {told['place']}")
    word = event.word(before)
    return any(event.matches(each, play.memory, word) for each in play.events[known:])


def test_there_are_lessons_numbered_without_holes() -> None:
    assert len(LESSONS) >= 10
    numbers = [lesson.name.partition("-")[0] for lesson in LESSONS]
    assert numbers == [f"{number:02}" for number in range(1, len(LESSONS) + 1)]


@each_lesson
def test_a_lesson_is_short_and_has_a_way_to_walk(lesson: Lesson) -> None:
    assert 150 <= len(lesson.text.split()) <= 400
    assert list(instructions(lesson))


@each_lesson
def test_every_instruction_is_one_that_is_tried(lesson: Lesson) -> None:
    plain = " ".join(lesson.text.split())
    found = re.findall(r"[Pp]ress \*\*(?:guest|daemon)|oldest store out", plain)
    assert len(found) == len(list(instructions(lesson)))


@each_lesson
def test_every_link_leads_somewhere(lesson: Lesson) -> None:
    """Links are relative to the lesson's file."""
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", lesson.text):
        assert "://" in target or (ROOT / "docs" / "lessons" / target).is_file(), target


@each_lesson
def test_what_the_text_tells_to_press_comes_true(lesson: Lesson) -> None:
    play = begun(lesson)
    presses = sum(len(follow(play, told)) for told in instructions(lesson))
    assert presses == TOTAL.get(lesson.name, presses)
    if lesson.goal.reach is not None:
        assert play.outcome is lesson.goal.reach
    else:
        assert play.outcome not in lesson.goal.never


@each_lesson
def test_presses_that_are_counted_do_what_the_text_says(lesson: Lesson) -> None:
    play = begun(lesson)
    done: list[list[str]] = []
    for told in instructions(lesson):
        if told["count"]:
            done.append([])
        for op in follow(play, told):
            if told["count"]:
                where = place(op.address, op.size) if op.size else ""
                done[-1].append(f"{op.kind.name.lower()} {where}".rstrip())
    assert done == COUNTED.get(lesson.name, [])


@each_lesson
def test_the_goal_is_true_of_every_interleaving(lesson: Lesson) -> None:
    scenario, setup = scenario_and_setup(lesson)
    found = search(scenario, setup)
    assert found.certificate.complete
    outcomes = set(found.outcomes)
    if lesson.goal.reach is not None:
        assert lesson.goal.reach in outcomes
    else:
        assert outcomes
        assert not outcomes & set(lesson.goal.never)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("03-torn-reset", Step(run="guest", until="store rsp_cons = 0")),
        ("05-silent-corruption", Step(run="daemon", until="store rsp_prod = 23")),
        ("09-what-a-close-drops", Step(run="daemon", until="store rsp_prod = 40")),
        ("12-real-hvmloader", Step(run="guest", until="store rsp_cons = 0")),
    ],
)
def test_the_other_way_that_a_lesson_names_ends_well(name: str, first: Step) -> None:
    """What the reader is to try after an undo."""
    lesson = next(each for each in LESSONS if each.name == name)
    scenario, setup = scenario_and_setup(
        msgspec.structs.replace(lesson, start=(*lesson.start, first))
    )
    assert set(search(scenario, setup).outcomes) == {Outcome.CONNECTED}
