"""A folder of lessons as a small site: an index, each lesson beside its player, and the pages of
the documentation to which they link."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from guestsim.errors import InputError
from guestsim.files import MIB, read_text, write_file
from guestsim.page.content import Content
from guestsim.page.html import Entry, doc_html, index_html, lesson_html
from guestsim.page.lessons import Lesson, load_lessons, to_play
from guestsim.page.markdown import linked_files
from guestsim.scenario import Scenario, shipped_scenarios
from guestsim.trace.text import escaped

__all__ = ["BACK", "Site", "holds_lessons", "site_of"]

BACK = "all lessons"
"""The words of the link to the index."""


class Site(NamedTuple):
    """What the site of a folder consists of."""

    lessons: tuple[Lesson, ...]
    scenarios: tuple[Scenario, ...]
    """What is played beside each."""
    docs: dict[str, str]
    """File name -> Markdown text, of the documentation that they link to."""

    @property
    def names(self) -> list[str]:
        """The files of the lessons."""
        return [f"{lesson.name}.html" for lesson in self.lessons]

    @property
    def others(self) -> list[str]:
        """The other files."""
        return ["index.html", *self.docs]

    def html(self, number: int, content: Content) -> str:
        """The page of a lesson."""
        names = self.names
        return lesson_html(
            content,
            self.lessons[number],
            back=BACK,
            before=names[number - 1] if number else "",
            after=names[number + 1] if number + 1 < len(names) else "",
        )

    def write_around(self, folder: Path, written: Sequence[str]) -> None:
        """The index of the lessons of which a page is there, and the documentation."""
        entries = [
            Entry(name, lesson.title, lesson.task, lesson.name)
            for name, lesson in zip(self.names, self.lessons, strict=True)
            if name in written
        ]
        write_file(folder / "index.html", index_html("Lessons", entries, script=True).encode())
        for name, text in self.docs.items():
            write_file(folder / name, doc_html(text, back=BACK).encode())


def holds_lessons(folder: Path) -> bool:
    """Whether it is a folder of lessons: Markdown, and no scenario."""
    return folder.is_dir() and any(folder.glob("*.md")) and not any(folder.glob("*.toml"))


def site_of(folder: Path) -> Site:
    """Read the lessons of a folder. InputError where something is wrong with one."""
    lessons = load_lessons(folder)
    scenarios = tuple(to_play(lesson, shipped_scenarios()) for lesson in lessons)
    docs: dict[str, str] = {}
    todo = [(folder, link) for lesson in lessons for link in linked_files(lesson.text)]
    known = {path.resolve() for path in folder.glob("*.md")}
    for beside, link in todo:
        path = (beside / link).resolve()
        if path in known:
            continue
        known.add(path)
        if not path.is_file():
            raise InputError(
                f"{escaped(str(beside))}: links to {escaped(link)}, which is not there"
            )
        text = read_text(path, MIB, "documentation")
        name = f"{path.stem}.html"
        if name in docs or name == "index.html" or path.stem in {each.name for each in lessons}:
            raise InputError(f"{escaped(str(path))}: two pages would be called {escaped(name)}")
        docs[name] = text
        todo += [(path.parent, further) for further in linked_files(text)]
    return Site(lessons, scenarios, docs)
