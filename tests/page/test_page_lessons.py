"""Lessons are read whole, or refused in one line that names the file and the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from guestsim.errors import InputError
from guestsim.page.lessons import Goal, Lesson, Question, load_lesson, load_lessons, to_play
from guestsim.scenario import Step, Strategy
from guestsim.trace import Outcome
from guestsim.trace.memory_model import MemoryModel

SCENARIOS = Path(__file__).parent.parent.parent / "scenarios"

FRONT = """\
title = "The torn reset"
scenario = "torn-reset.toml#legacy"
goal = { reach = "refused" }
task = "Make the daemon refuse the ring."
start = [
  { run = "guest", until = "store req_prod = 0", stage = "reset-poison" },
  { run = "daemon" },
]
[question]
ask = "Why?"
answers = ["So.", "Not so."]
right = 2
because = "It is not so."
"""
WHOLE = f"+++\n{FRONT}+++\n\nOnce upon a time.\n\nThe end.\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(text: str, name: str = "03-x.md") -> Path:
    path = Path(name)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def changed(old: str, new: str) -> Path:
    assert WHOLE.count(old) == 1
    return written(WHOLE.replace(old, new))


def complaint(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_lesson(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def test_a_lesson_is_read() -> None:
    assert load_lesson(written(WHOLE)) == Lesson(
        name="03-x",
        title="The torn reset",
        scenario="torn-reset.toml#legacy",
        goal=Goal(reach=Outcome.REFUSED),
        task="Make the daemon refuse the ring.",
        start=(
            Step(run="guest", until="store req_prod = 0", stage="reset-poison"),
            Step(run="daemon"),
        ),
        question=Question(ask="Why?", answers=("So.", "Not so."), right=2, because="It is not so."),
        text="Once upon a time.\n\nThe end.",
    )


def test_what_is_never_reached_is_a_goal_too() -> None:
    goal = 'goal = { never = ["refused", "hung"] }'
    lesson = load_lesson(changed('goal = { reach = "refused" }', goal))
    assert lesson.goal == Goal(never=(Outcome.REFUSED, Outcome.HUNG))


def test_line_ends_of_windows_and_a_byte_order_mark_change_nothing() -> None:
    lesson = load_lesson(written("\ufeff" + WHOLE.replace("\n", "\r\n")))
    assert lesson.title == "The torn reset"
    assert lesson.text.split() == ["Once", "upon", "a", "time.", "The", "end."]


def test_a_line_of_pluses_in_the_text_belongs_to_the_text() -> None:
    assert load_lesson(written(WHOLE + "+++\nMore.\n")).text.endswith("+++\nMore.")


def test_start_may_be_left_out() -> None:
    start = FRONT[FRONT.index("start = [") : FRONT.index("[question]")]
    assert load_lesson(changed(start, "")).start == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title =", "titel =", 'titel: unknown key; did you mean "title"?'),
        ("reach =", "reech =", 'goal.reech: unknown key; did you mean "reach"?'),
        ("right =", "rihgt =", 'question.rihgt: unknown key; did you mean "right"?'),
        ("stage =", "stagge =", 'start[0].stagge: unknown key; did you mean "stage"?'),
        (
            "task =",
            "bios =",
            "bios: unknown key; known here: title, scenario, goal, task, start, question",
        ),
        (
            'title = "The',
            'model = "xenstored"\ntitle = "The',
            "model: unknown key; known here: title, scenario, goal, task, start, question",
        ),
        (
            'title = "The',
            'answers = ["So."]\ntitle = "The',
            "answers: unknown key; it belongs in [question]",
        ),
        ('because = "It is not so."\n', "", "question.because: missing; expected a string"),
        (
            '"refused" }',
            '"refusd" }',
            'goal.reach: "refusd" is not one of connected, refused, corrupted, hung, crashed; '
            'did you mean "refused"?',
        ),
        (
            '{ reach = "refused" }',
            "{}",
            "goal: names what to reach, or what is never reached: one of the two",
        ),
        (
            '{ reach = "refused" }',
            '{ reach = "refused", never = ["hung"] }',
            "goal: names what to reach, or what is never reached: one of the two",
        ),
        (
            '{ reach = "refused" }',
            "{ never = [] }",
            "goal: names what to reach, or what is never reached: one of the two",
        ),
        ("right = 2", "right = 3", "question.right: 3 is none of the 2 answers"),
        ("right = 2", "right = 0", "question.right: 0 is too small; at least 1"),
        (
            "right = 2",
            'right = "2"',
            'question.right: expected an integer, got the string "2"',
        ),
        (
            '["So.", "Not so."]',
            '["So."]',
            "question.answers: a question has two answers at least",
        ),
        ('"Not so."', '" "', "question.answers[1]: may not be empty"),
        ('"Why?"', '""', "question.ask: may not be empty"),
        ('"It is not so."', '""', "question.because: may not be empty"),
        ('"The torn reset"', '""', "title: may not be empty"),
        (
            '"Make the daemon refuse the ring."',
            '"Two\\nlines."',
            'task: must be one line of text, got "Two\\nlines."',
        ),
        (
            '"torn-reset.toml#legacy"',
            '"../torn-reset.toml"',
            'scenario: names a scenario below scenarios/, as "torn-reset.toml#legacy"',
        ),
        (
            '"torn-reset.toml#legacy"',
            '"/torn-reset.toml"',
            'scenario: names a scenario below scenarios/, as "torn-reset.toml#legacy"',
        ),
        (
            'run = "daemon"',
            'run = "demon"',
            'start[1].run: "demon" is not one of guest, daemon; did you mean "daemon"?',
        ),
        (
            'run = "daemon"',
            'run = "daemon", nth = 2',
            "start[1].nth: says which event is meant, but there is no until",
        ),
        ("\nOnce upon a time.\n\nThe end.\n", "\n", "nothing follows the front matter"),
    ],
)
def test_a_mistake_is_named_with_its_key(old: str, new: str, message: str) -> None:
    assert complaint(changed(old, new)) == message


def test_an_event_that_does_not_parse_is_named_with_its_key() -> None:
    assert complaint(changed("store req_prod = 0", "stroe req_prod = 0")).startswith(
        "start[0].until: "
    )


def test_the_line_of_what_is_no_toml_is_that_of_the_file() -> None:
    assert complaint(changed('scenario = "', "scenario = ")).startswith("line 3, column 12: ")


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("Once upon a time.\n", "line 1 is no +++"),
        ("", "line 1 is no +++"),
        (f"+++\n{FRONT}", "no second +++"),
        (f"+++ {FRONT}+++\n", "line 1 is no +++"),
    ],
)
def test_a_file_without_front_matter_is_no_lesson(text: str, missing: str) -> None:
    expected = f"a lesson begins with front matter between two lines +++; {missing}"
    assert complaint(written(text)) == expected


def test_what_is_not_there_is_an_input_error() -> None:
    assert complaint(Path("04-y.md")) == "no such file"
    with pytest.raises(InputError, match=r"^nowhere: no such folder$"):
        load_lessons(Path("nowhere"))
    Path("empty").mkdir()
    with pytest.raises(InputError, match=r"^empty: no lesson \(\*\.md\) in this folder$"):
        load_lessons(Path("empty"))


def test_lessons_come_in_the_order_of_their_names() -> None:
    for name in ("10-c.md", "02-b.md", "01-a.md"):
        written(WHOLE, name)
    written("not a lesson", "notes.txt")
    assert [lesson.name for lesson in load_lessons(Path())] == ["01-a", "02-b", "10-c"]


def test_what_is_played_is_every_interleaving_from_the_start() -> None:
    lesson = load_lesson(written(WHOLE))
    scenario = to_play(lesson, SCENARIOS)
    assert scenario.search.strategy is Strategy.EXHAUSTIVE
    assert scenario.search.script == lesson.start
    assert scenario.search.memory_model is MemoryModel.SC
    assert scenario.boot.chain == ("reset-poison", "frontend")


def test_the_memory_model_is_that_of_the_variant() -> None:
    scenario = to_play(load_lesson(changed("#legacy", "#every-tso")), SCENARIOS)
    assert scenario.search.memory_model is MemoryModel.TSO


def test_a_start_in_a_stage_that_the_scenario_has_not_is_refused() -> None:
    lesson = load_lesson(changed('stage = "reset-poison"', 'stage = "reset-poisn"'))
    with pytest.raises(InputError) as caught:
        to_play(lesson, SCENARIOS)
    assert str(caught.value) == (
        'lesson 03-x: start[0].stage: "reset-poisn" is not in the boot chain '
        '(reset-poison, frontend); did you mean "reset-poison"?'
    )


def test_a_variant_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match='no variant is called "legcay"; did you mean "legacy"'):
        to_play(load_lesson(changed("#legacy", "#legcay")), SCENARIOS)
