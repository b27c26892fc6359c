"""Makes docs/museum.md from what the files of `scenarios/museum` say: `python docs/make_museum.py`.

A piece opens with a comment: one sentence, its story, and a line each for `Broken:`, `Fixed:` and
`Source:`, which may go on in the next line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from guestsim.scenario import Scenario, find, load, story_of

__all__ = ["MARKS", "MUSEUM", "PAGE", "SUBJECTS", "Piece", "page", "piece", "pieces"]

DOCS = Path(__file__).parent
MUSEUM = DOCS.parent / "scenarios" / "museum"
PAGE = DOCS / "museum.md"

SUBJECTS: Final = {
    "hvmloader": "hvmloader",
    "clients": "Other clients of the ring",
    "requests": "What clients ask, and what they make of the answer",
    "xenstored": "C xenstored",
    "oxenstored": "oxenstored",
    "backends": "Drivers, and those on the other side of them",
    "hostile": "Guests that mean harm",
}
"""The folders of the museum in the order of the page, and their headings."""

MARKS: Final = ("Broken", "Fixed", "Source")
"""What the comment of each piece says in lines of their own, in this order."""

_OPENING = """\
# The museum of real bugs

Bugs of the xenstore ring that real programs had, or have. Each is a scenario of at least two sides:
one in which it happens, and one in which it does not, both searched in every interleaving; but for
two whose broken daemon never comes to rest, of which one execution is shown. None of the code is
from these programs: where one is not there to be booted, a small image makes the same mistake.

This page is made from the files, by `python docs/make_museum.py`. "Expected" is what
`guestsim check` holds each side to; an outcome in brackets is one that may not occur.
"""

_HEAD = """\
| side | what it is | daemon; memory model | expected |
| --- | --- | --- | --- |
"""


class Piece(NamedTuple):
    """One file of the museum."""

    path: Path
    title: str
    story: str
    """Paragraphs, with an empty line between."""
    said: dict[str, str]
    """By mark."""
    sides: tuple[tuple[Scenario, ...], ...]
    """The cases of each variant, in the order of the file."""

    @property
    def place(self) -> str:
        """`SUBJECT/NAME`, as the README writes names of scenarios."""
        return self.path.relative_to(MUSEUM).with_suffix("").as_posix()

    @property
    def subject(self) -> str:
        """The folder that it is in."""
        return self.path.parent.name


def piece(path: Path) -> Piece:
    """A file of the museum; ValueError says what its comment lacks."""
    paragraphs = [" ".join(part.split()) for part in story_of(path).split("\n\n")]
    told, last = paragraphs[:-1], paragraphs[-1]
    texts = re.split(rf"(?:^|(?<= ))({'|'.join(MARKS)}): ", last)
    said = dict(zip(texts[1::2], (text.strip() for text in texts[2::2]), strict=True))
    if texts[0] or tuple(said) != MARKS or not all(said.values()):
        raise ValueError(f"{path}: its comment has to end with {', '.join(MARKS)}, a line each")
    if len(told) < 2:
        raise ValueError(f"{path}: its comment has to open with a sentence, and then tell a story")
    sides = tuple(tuple(cases) for _, cases in groupby(load(path), lambda case: case.side))
    return Piece(path, told[0].removesuffix("."), "\n\n".join(told[1:]), said, sides)


def pieces() -> list[Piece]:
    """All of them, in the order of the page; ValueError for a folder that is no subject."""
    found = [piece(path) for path in find([MUSEUM])]
    order = list(SUBJECTS)
    for each in found:
        if each.path.parent.parent != MUSEUM or each.subject not in order:
            raise ValueError(f"{each.path}: the folders of the museum are {', '.join(order)}")
    return sorted(found, key=lambda each: (order.index(each.subject), each.path.name))


def _anchor(title: str) -> str:
    """What a heading is called in links, as GitHub and guestsim's own pages make it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _expected(case: Scenario) -> str:
    outcomes = [
        f"({name})" if frequency == "never" else f"{name} {frequency}"
        for name, frequency in case.expect.outcomes.items()
    ]
    judged = case.expect.rules.judged
    broken = [f"`{rule}`" for rule, judgement in judged.items() if judgement == "broken"]
    kept = [f"`{rule}`" for rule, judgement in judged.items() if judgement == "kept"]
    if broken:
        outcomes.append(f"breaks {', '.join(broken)}")
    if kept and not (broken and case.expect.rules.all):
        outcomes.append("every rule kept" if case.expect.rules.all else f"keeps {', '.join(kept)}")
    return "; ".join(outcomes)


def _once(words: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(words))


def _row(cases: Sequence[Scenario]) -> str:
    side, *_ = cases
    # where the memory model varies, the title of a case ends with it
    title = side.title.removesuffix(f", under {side.search.memory_model}")
    expected = dict.fromkeys(_expected(case) for case in cases)
    with_what = _once(str(case.daemon.model) for case in cases)
    models = _once(str(case.search.memory_model) for case in cases)
    cells = [f"`{side.side}`", title, f"{with_what}; {models}", " / ".join(expected)]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _text(each: Piece) -> str:
    link = Path("..") / each.path.relative_to(DOCS.parent)
    rows = "\n".join(_row(cases) for cases in each.sides)
    said = "\n".join(f"- **{mark}:** {text}" for mark, text in each.said.items())
    return (
        f"### {each.title}\n\n[`{each.place}`]({link.as_posix()})\n\n{each.story}\n\n{said}\n\n"
        f"{_HEAD}{rows}\n"
    )


def page() -> str:
    """The page."""
    subjects = [(name, list(group)) for name, group in groupby(pieces(), lambda p: p.subject)]
    contents, texts = [], []
    for name, group in subjects:
        heading = SUBJECTS[name]
        contents.append(f"- [{heading}](#{_anchor(heading)})")
        contents += [f"  - [{each.title}](#{_anchor(each.title)})" for each in group]
        texts += [f"## {heading}\n", *(_text(each) for each in group)]
    return "\n".join([_OPENING, *contents, "", *texts])


def main() -> None:
    """Write it."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
