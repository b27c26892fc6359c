"""Markdown as HTML: CommonMark with tables, without markup of its own, so that text stays text."""

from __future__ import annotations

import re
from functools import cache
from pathlib import PurePosixPath

from markdown_it import MarkdownIt
from markdown_it.token import Token

__all__ = ["linked_files", "title_of", "to_html"]

_TITLE = re.compile(r"^# +(.+)$", re.MULTILINE)


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def to_html(text: str) -> str:
    """As HTML. A link to another `*.md` is one to the page that is made of it, in the same folder:
    `../rules.md#signal` becomes `rules.html#signal`."""
    tokens = _parser().parse(text)
    for link in _links(tokens):
        target = str(link.attrs["href"])
        file, mark, part = target.partition("#")
        if _is_page(file):
            link.attrs["href"] = PurePosixPath(file).with_suffix(".html").name + mark + part
    return str(_parser().renderer.render(tokens, _parser().options, {}))


def linked_files(text: str) -> list[str]:
    """The `*.md` that the text links to, as it names them."""
    targets = (str(link.attrs["href"]).partition("#")[0] for link in _links(_parser().parse(text)))
    return list(dict.fromkeys(filter(_is_page, targets)))


def title_of(text: str) -> str:
    """The first heading."""
    found = _TITLE.search(text)
    return found[1] if found else ""


def _is_page(file: str) -> bool:
    return file.endswith(".md") and "://" not in file


def _links(tokens: list[Token]) -> list[Token]:
    inner = [child for token in tokens for child in token.children or ()]
    return [token for token in inner if token.type == "link_open"]
