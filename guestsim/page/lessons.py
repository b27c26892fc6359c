"""Lessons: Markdown with TOML front matter, which says what is played beside the text.

The front matter stands between two lines of `+++`, at the top of the file:

    +++
    title = "The torn reset"
    scenario = "torn-reset.toml#every-sc"
    goal = { reach = "refused" }
    task = "Make the daemon refuse the ring."
    start = [{ run = "guest", until = "store req_prod = 0" }]
    [question]
    ask = "Why did it?"
    answers = ["…", "…"]
    right = 2
    because = "…"
    +++
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from guestsim.errors import InputError
from guestsim.files import MIB, read_text
from guestsim.scenario import Scenario, Search, Step, Strategy, lanes, load_one
from guestsim.scenario.loading import parse_toml
from guestsim.scenario.problem import Problem, key_path
from guestsim.scenario.sense import check_line, check_step
from guestsim.scenario.shape import check_shape
from guestsim.trace import Outcome
from guestsim.trace.text import escaped

__all__ = ["Goal", "Lesson", "Question", "load_lesson", "load_lessons", "to_play"]

_MARK = "+++"
_FRONT = re.compile(r"\+\+\+[ \t]*\r?\n(.*?)^\+\+\+[ \t]*\r?$\n?", re.DOTALL | re.MULTILINE)


class Goal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the reader is after: one of the two."""

    reach: Outcome | None = None
    """An outcome to reach by hand."""
    never: tuple[Outcome, ...] = ()
    """Outcomes that cannot be reached, whatever the reader does."""


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is asked in the end."""

    ask: str
    answers: tuple[str, ...]
    right: Annotated[int, Meta(ge=1)]
    """Which answer, counted from 1."""
    because: str


class _Front(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The front matter."""

    title: str
    scenario: str
    """Below `scenarios/`, with its variant."""
    goal: Goal
    task: str
    """One sentence, shown above the player."""
    start: tuple[Step, ...] = ()
    """Where the play begins, as the script of a scenario's search."""
    question: Question


class Lesson(_Front, frozen=True, kw_only=True):
    """One lesson."""

    name: str
    """The file's name without `.md`."""
    text: str
    """What follows the front matter: CommonMark."""


def load_lesson(path: Path) -> Lesson:
    """Read a lesson. InputError: one line with the file, the key and what is wrong."""
    whole = read_text(path, MIB)
    front = _FRONT.match(whole)
    if front is None:
        missing = "line 1 is no" if whole.partition("\n")[0].rstrip() != _MARK else "no second"
        raise _error(
            path, f"a lesson begins with front matter between two lines {_MARK}; {missing} {_MARK}"
        )
    # The line break: so that an error names the line of the file.
    document = parse_toml(path, "\n" + front[1])
    text = whole[front.end() :].strip()
    try:
        check_shape(document, _Front)
        lesson = _decoded(document, path.stem, text)
        _check(lesson)
    except Problem as problem:
        where = f"{key_path(problem.key)}: " if problem.key else ""
        raise _error(path, where + problem.message) from None
    return lesson


def load_lessons(folder: Path) -> tuple[Lesson, ...]:
    """All lessons (`*.md`) of a folder, in the order of their file names."""
    if not folder.is_dir():
        raise _error(folder, "no such folder")
    paths = sorted(folder.glob("*.md"))
    if not paths:
        raise _error(folder, "no lesson (*.md) in this folder")
    return tuple(map(load_lesson, paths))


def to_play(lesson: Lesson, scenarios: Path) -> Scenario:
    """The lesson's scenario as it is played: every interleaving, from where `start` leads to.

    `scenarios`: the folder that `lesson.scenario` is below. InputError where there is no such
    scenario, or `start` does not fit it.
    """
    scenario = load_one(scenarios / lesson.scenario)
    stages = tuple(dict.fromkeys(stage.name for stage in scenario.boot.stages))
    try:
        for index, step in enumerate(lesson.start):
            check_step(step, stages, lanes(scenario.others), ("start", index))
    except Problem as problem:
        where = f"lesson {escaped(lesson.name)}: {key_path(problem.key)}"
        raise InputError(f"{where}: {problem.message}") from None
    search = Search(
        strategy=Strategy.EXHAUSTIVE,
        memory_model=scenario.search.memory_model,
        string_stores=scenario.search.string_stores,
        max_ops=scenario.search.max_ops,
        script=lesson.start,
    )
    return msgspec.structs.replace(scenario, search=search)


def _decoded(document: dict[str, Any], name: str, text: str) -> Lesson:
    return msgspec.convert({**document, "name": name, "text": text}, Lesson)


def _check(lesson: Lesson) -> None:
    """What types cannot say."""
    question = lesson.question
    check_line(lesson.title, ("title",))
    if not lesson.text:
        raise Problem((), "nothing follows the front matter")
    scenario = PurePosixPath(lesson.scenario)
    if not lesson.scenario or scenario.is_absolute() or ".." in scenario.parts:
        raise Problem(
            ("scenario",), 'names a scenario below scenarios/, as "torn-reset.toml#legacy"'
        )
    if (lesson.goal.reach is None) == (not lesson.goal.never):
        raise Problem(("goal",), "names what to reach, or what is never reached: one of the two")
    check_line(lesson.task, ("task",))
    for index, step in enumerate(lesson.start):
        check_step(step, None, (), ("start", index))
    check_line(question.ask, ("question", "ask"))
    if len(question.answers) < 2:
        raise Problem(("question", "answers"), "a question has two answers at least")
    for index, answer in enumerate(question.answers):
        check_line(answer, ("question", "answers", index))
    if question.right > len(question.answers):
        count = len(question.answers)
        raise Problem(("question", "right"), f"{question.right} is none of the {count} answers")
    check_line(question.because, ("question", "because"))


def _error(path: Path, message: str) -> InputError:
    return InputError(f"{escaped(str(path))}: {message}")
