"""Pages of scenarios, written into a folder: one each, an index, and pairs of them side by side."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial
from itertools import combinations, groupby
from pathlib import Path
from typing import NamedTuple, TypeVar

from guestsim.errors import InputError, MissingImageError, StoppedError, blame
from guestsim.files import MIB, read_file, write_file
from guestsim.page.content import Content
from guestsim.page.html import MARK, Entry, beside_html, index_html, player_html
from guestsim.runner.check import Reporter
from guestsim.runner.control import Options, Progress
from guestsim.runner.interrupt import INTERRUPTED, listening, requested
from guestsim.runner.player import content_of
from guestsim.runner.workers import Died, in_processes
from guestsim.scenario import Scenario, Strategy
from guestsim.trace.results import Fault, Verdict
from guestsim.trace.text import escaped

__all__ = [
    "Page",
    "Wanted",
    "check_folder",
    "names_around",
    "names_of",
    "write_around",
    "write_pages",
]

T = TypeVar("T")

_PROOFS = frozenset({Strategy.EXHAUSTIVE, Strategy.BOUNDED})
"""Strategies that claim something about every order."""


class Wanted(NamedTuple):
    """What goes into every page."""

    folder: Path
    options: Options
    debug: tuple[Path, ...] = ()
    source: tuple[Path, ...] = ()
    back: str = ""
    """The words of a link to the index, where there is one."""


class Page(NamedTuple):
    """What became of one page."""

    scenario: str
    title: str
    file: str
    """Its name in the folder; "" where there is none."""
    verdict: Verdict
    note: str
    """How large, what it holds; why there is none."""
    fault: Fault | None = None


def check_folder(folder: Path, names: Iterable[str]) -> None:
    """Make the folder, and refuse to write over what is no page of ours. InputError."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"{escaped(str(folder))}: no folder for pages: {error.strerror}") from None
    if not os.access(folder, os.W_OK):
        raise InputError(f"{escaped(str(folder))}: no folder for pages: Permission denied")
    for name in names:
        path = folder / name
        if not path.exists():
            continue
        if MARK.encode() not in read_file(path, 64 * MIB)[:200]:
            here = escaped(str(path))
            raise InputError(f"{here}: is there already, and no page of guestsim: not written")


def names_of(scenarios: Sequence[Scenario]) -> list[str]:
    """The file name of each page: the scenario's path below the folder that all have in common,
    and its variant."""
    if not scenarios:
        return []
    common = Path(os.path.commonpath([each.path.resolve().parent for each in scenarios]))
    names = []
    for each in scenarios:
        parts = each.path.resolve().with_suffix("").relative_to(common).parts
        variant = () if each.variant is None else (each.variant,)
        names.append("-".join((*parts, *variant)) + ".html")
    for name in names:
        if names.count(name) > 1 or name == "index.html":
            raise InputError(f"{escaped(name)}: two pages would have this name")
    return names


def names_around(scenarios: Sequence[Scenario], names: Sequence[str]) -> list[str]:
    """The files that `write_around` may write beside the pages `names`."""
    around = ["index.html"]
    for sides in _cases(list(zip(scenarios, names, strict=True))):
        # Of some there may be no page in the end: then others stand beside each other.
        around += [_pair(left, right) for left, right in combinations(sides, 2)]
    for name in sorted({*names} & {*around}):
        raise InputError(f"{escaped(name)}: two pages would have this name")
    return around


def write_pages(
    scenarios: Sequence[Scenario],
    names: Sequence[str],
    wanted: Wanted,
    jobs: int,
    report: Reporter,
    html: Callable[[int, Content], str] | None = None,
) -> Generator[Page, None, None]:
    """Write the pages, each in a process of its own; what became of each, in order. `html` makes
    the text of a page, if not `player_html`."""
    make = html or (lambda _, content: player_html(content, back=wanted.back))
    with listening():
        pieces = [
            partial(_written, scenario, name, wanted, partial(make, number))
            for number, (scenario, name) in enumerate(zip(scenarios, names, strict=True))
        ]
        for scenario, page in zip(scenarios, in_processes(pieces, jobs, report), strict=True):
            if isinstance(page, Died):
                yield _failed(scenario, f"{scenario.name}: {page}", Fault.GUESTSIM)
            else:
                yield page


def _written(
    scenario: Scenario,
    name: str,
    wanted: Wanted,
    make: Callable[[Content], str],
    progress: Progress,
) -> Page:
    if requested():
        return Page(scenario.name, scenario.title, "", Verdict.INCONCLUSIVE, INTERRUPTED)
    try:
        content = content_of(
            scenario,
            wanted.options,
            beside=wanted.folder,
            debug=wanted.debug,
            source=wanted.source,
            progress=progress,
        )
        text = make(content).encode()
        write_file(wanted.folder / name, text)
    except MissingImageError as error:
        if not scenario.boot.skip_without_image:
            return _failed(scenario, str(error), Fault.INPUT)
        return Page(scenario.name, scenario.title, "", Verdict.SKIP, str(error))
    except InputError as error:
        return _failed(scenario, str(error), Fault.INPUT)
    except StoppedError as error:
        why = INTERRUPTED if requested() else str(error)
        return Page(scenario.name, scenario.title, "", Verdict.INCONCLUSIVE, why)
    except Exception as error:
        # As in a check: a fault of ours, told, which costs no other page.
        if wanted.options.traceback:
            traceback.print_exception(error)
        return _failed(scenario, f"{scenario.name}: {blame(error)}", Fault.GUESTSIM)
    size = f"{len(text) / 1000:.0f} kB"
    assert content.certificate is not None
    if content.whole:
        note = f"{content.states:,} states, {size}"
        return Page(scenario.name, scenario.title, name, Verdict.PASS, note)
    cut = not content.certificate.complete and scenario.search.strategy in _PROOFS
    note = f"only the ways that were found, {size}: {content.why_not_whole}"
    verdict = Verdict.INCONCLUSIVE if cut else Verdict.PASS
    return Page(scenario.name, scenario.title, name, verdict, note)


def _failed(scenario: Scenario, why: str, fault: Fault) -> Page:
    return Page(scenario.name, scenario.title, "", Verdict.ERROR, why, fault)


def write_around(
    folder: Path, title: str, scenarios: Sequence[Scenario], pages: Sequence[Page]
) -> None:
    """The index of the pages that are there, and each file's first variant beside the others of
    the same case."""
    there = [(of, page) for of, page in zip(scenarios, pages, strict=True) if page.file]
    entries = [Entry(page.file, page.title, f"{of.name}: {page.note}") for of, page in there]
    pairs = []
    for left, *others in _cases(there):
        for right in others:
            name = _pair(left.file, right.file)
            pair = f"{Path(left.file).stem} and {Path(right.file).stem}"
            text = beside_html(pair, Entry(left.file, left.title), Entry(right.file, right.title))
            write_file(folder / name, text.encode())
            pairs.append(Entry(name, pair))
    write_file(folder / "index.html", index_html(title, entries, pairs=pairs).encode())


def _pair(left: str, right: str) -> str:
    """The file in which two pages are side by side."""
    return f"{Path(left).stem}--{right}"


def _cases(all_of: Sequence[tuple[Scenario, T]]) -> Iterable[list[T]]:
    """Of each file and case what belongs to its sides, in their order."""
    for _, group in groupby(all_of, key=lambda each: each[0].path):
        by = {(of.side, of.case): page for of, page in group}
        sides = list(dict.fromkeys(side for side, _ in by))
        for case in dict.fromkeys(case for _, case in by):
            yield [by[side, case] for side in sides if (side, case) in by]
