"""The files: each page holds everything that it needs, and asks nobody for anything."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import NamedTuple

import jinja2
import msgspec

from guestsim import __version__
from guestsim.page.content import Content
from guestsim.page.encode import deflated, to_json
from guestsim.page.lessons import Lesson
from guestsim.page.markdown import title_of, to_html

__all__ = [
    "MARK",
    "SCRIPTS",
    "Entry",
    "beside_html",
    "doc_html",
    "index_html",
    "lesson_html",
    "player_html",
    "script_of",
]

MARK = "<!-- a guestsim page:"
"""In the second line of each file: so that none of somebody else is overwritten."""

SCRIPTS = {
    "player": (
        "ops", "program", "effects", "places", "engine", "memories", "states", "graph", "solver",
        "chronicle", "words", "tears", "sentence", "link", "dom", "ring", "panels", "lanes",
        "card", "picture", "player", "lesson", "main",
    ),
    "index": ("dom", "lesson", "index"),
    "beside": ("beside",),
}  # fmt: skip
"""The modules of each page's script, in the order in which they stand there."""

_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
"""Content-Security-Policy: no network at all."""

_IMPORT = re.compile(r"^import .*;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export ", re.MULTILINE)


class Entry(NamedTuple):
    """A line of an index."""

    file: str
    title: str
    note: str = ""
    lesson: str = ""
    """The lesson's name, where it is one."""


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("guestsim.page", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _asset(name: str) -> str:
    return resources.files("guestsim.page").joinpath("assets", name).read_text()


@cache
def script_of(modules: tuple[str, ...]) -> str:
    """The modules in one script, a block: what they import stands above them already."""
    texts = (_asset(f"{name}.js") for name in modules)
    text = "\n".join(_EXPORT.sub("", _IMPORT.sub("", module)) for module in texts)
    return f'"use strict";\n{{\n{text}}}\n'


def _render(template: str, **values: object) -> str:
    return (
        _environment()
        .get_template(template)
        .render(
            style=_asset("style.css"),
            guestsim=__version__,
            **{"policy": _POLICY, "script": "", **values},
        )
    )


def player_html(content: Content, *, back: str = "") -> str:
    """The page of one scenario. `back`: the words of a link to the index beside it."""
    return _player(content, back=back, lesson=None)


def lesson_html(
    content: Content, lesson: Lesson, *, back: str = "", before: str = "", after: str = ""
) -> str:
    """A lesson beside its player. `before` and `after`: the files of its neighbours."""
    data = {
        "name": lesson.name,
        "goal": {"reach": lesson.goal.reach, "never": lesson.goal.never},
        "question": lesson.question,
    }
    return _player(
        content,
        back=back,
        lesson=lesson,
        text=to_html(lesson.text),
        lesson_data=deflated(msgspec.json.encode(data)),
        before=before,
        after=after,
    )


def doc_html(text: str, *, back: str = "") -> str:
    """A page of the documentation, as a lesson links to it."""
    return _render("doc.html.j2", title=title_of(text), text=to_html(text), back=back)


def _player(content: Content, **values: object) -> str:
    return _render(
        "player.html.j2",
        content=content,
        labels=list(content.labels.values()),
        data=deflated(to_json(content)),
        script=script_of(SCRIPTS["player"]),
        **values,
    )


def index_html(
    title: str,
    entries: Sequence[Entry],
    *,
    pairs: Sequence[Entry] = (),
    intro: str = "",
    script: bool = False,
) -> str:
    """The list of the pages beside it. `script`: lessons that are done are marked."""
    return _render(
        "index.html.j2",
        title=title,
        entries=entries,
        pairs=pairs,
        intro=intro,
        script=script_of(SCRIPTS["index"]) if script else "",
    )


def beside_html(title: str, left: Entry, right: Entry) -> str:
    """Two pages under the same moves."""
    return _render(
        "beside.html.j2",
        title=title,
        left=left,
        right=right,
        policy=f"{_POLICY}; frame-src 'self' file:",
        script=script_of(SCRIPTS["beside"]),
    )
