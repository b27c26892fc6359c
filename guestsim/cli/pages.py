"""The command `page`."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from guestsim.cli.checks import refuse_unused
from guestsim.cli.command import Command
from guestsim.cli.commands import app
from guestsim.cli.ending import INCONCLUSIVE, OK, OUR_FAULT, WRONG_INPUT
from guestsim.cli.options import (
    BudgetOption,
    DebugOption,
    ImageOption,
    JobsOption,
    MaxCasesOption,
    PathsArgument,
    SourceOption,
)
from guestsim.report.console import make_console
from guestsim.report.progress import live_progress
from guestsim.runner import Options
from guestsim.runner.control import budget_of, images_of
from guestsim.scenario import MAX_CASES, find, load
from guestsim.trace.results import Fault, Verdict
from guestsim.trace.text import escaped

if TYPE_CHECKING:
    from guestsim.runner.pages import Page

__all__ = ["page"]


@app.command(cls=Command, short_help="Write scenarios as pages in which their order is played.")
def page(
    context: typer.Context,
    paths: PathsArgument,
    to: Annotated[
        Path,
        typer.Option(
            "--to", metavar="FOLDER", help="Write the pages there; made where its parent is there."
        ),
    ],
    image: ImageOption = None,
    debug: DebugOption = None,
    source: SourceOption = None,
    jobs: JobsOption = None,
    max_cases: MaxCasesOption = MAX_CASES,
    budget: BudgetOption = None,
) -> None:
    """Write each scenario as one HTML file that needs no network: the reader decides who moves.

    Of more than one, an index, and the sides of a file beside each other. A folder of lessons
    (Markdown with front matter) becomes a site.
    """
    # jinja2 takes a while to import, and no other command needs it.
    from guestsim.runner.lesson_pages import BACK, holds_lessons, site_of
    from guestsim.runner.pages import (
        Wanted,
        check_folder,
        names_around,
        names_of,
        write_around,
        write_pages,
    )

    options = Options(
        images=images_of(image),
        seconds=budget_of(budget, "s"),
        states=budget_of(budget, ""),
        traceback=context.obj.traceback,
    )
    site = site_of(paths[0]) if len(paths) == 1 and holds_lessons(paths[0]) else None
    if site is not None:
        scenarios, names, others, back = list(site.scenarios), site.names, site.others, BACK
    else:
        loaded = [scenario for file in find(paths) for scenario in load(file, max_cases)]
        scenarios = list({scenario.name: scenario for scenario in loaded}.values())
        names = names_of(scenarios)
        several = len(scenarios) > 1 or any(path.is_dir() for path in paths)
        others = names_around(scenarios, names) if several else []
        back = "all pages" if several else ""
    refuse_unused(options.images, scenarios)
    check_folder(to, [*names, *others])
    wanted = Wanted(to, options, tuple(debug or ()), tuple(source or ()), back)
    out = make_console(sys.stdout)
    cores = jobs or len(os.sched_getaffinity(0))
    pages: list[Page] = []
    with (
        live_progress([scenario.name for scenario in scenarios]) as shown,
        closing(
            write_pages(
                scenarios, names, wanted, cores, shown.report, None if site is None else site.html
            )
        ) as written,
    ):
        for number, one in enumerate(written):
            pages.append(one)
            shown.done(number)
            if one.verdict is Verdict.ERROR:
                shown.complain(f"guestsim: {one.note}")
                continue
            with shown.set_aside():
                out.print(_line(one, to))
    if not any(one.file for one in pages):
        others = []
    elif site is not None:
        site.write_around(to, [one.file for one in pages])
    elif others:
        write_around(to, _title(paths), scenarios, pages)
    if others:
        count = sum(bool(one.file) for one in pages)
        out.print(Text(f"{escaped(str(to / 'index.html'))}: {count} pages"))
    raise typer.Exit(_status(pages))


def _line(one: Page, folder: Path) -> Text:
    """What became of one page."""
    if one.file:
        return Text(f"{escaped(str(folder / one.file))}: {one.note}")
    return Text(f"{escaped(one.scenario)}: {one.verdict}: {one.note}")


def _title(paths: list[Path]) -> str:
    return "guestsim: " + ", ".join(escaped(str(path)) for path in paths)


def _status(pages: list[Page]) -> int:
    if any(one.fault is Fault.GUESTSIM for one in pages):
        return OUR_FAULT
    verdicts = {one.verdict for one in pages}
    if Verdict.ERROR in verdicts:
        return WRONG_INPUT
    return INCONCLUSIVE if Verdict.INCONCLUSIVE in verdicts else OK
