"""Commands for who writes scenarios and images: `lint`, `new` and `image`."""

from __future__ import annotations

import os
import shlex
import sys
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from guestsim.cli.command import Command
from guestsim.cli.commands import app
from guestsim.cli.ending import FAILED, OK, WRONG_INPUT
from guestsim.cli.options import MaxCasesOption, PathsArgument, one_word_of
from guestsim.errors import InputError
from guestsim.files import check_writable, write_file
from guestsim.report.console import make_console
from guestsim.runner import builtin_images, describe_image
from guestsim.scenario import (
    BUILD,
    CLIENT,
    IMAGE_TEMPLATE,
    MAX_CASES,
    TEMPLATE,
    Lint,
    find,
    lint_file,
    load,
)
from guestsim.trace.text import escaped

__all__ = ["image", "lint", "new"]


class Format(StrEnum):
    """How `lint` writes what it finds."""

    TEXT = "text"
    GITHUB = "github"


@app.command(cls=Command, short_help="Find mistakes in scenarios without running them.")
def lint(
    paths: PathsArgument,
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            parser=one_word_of(Format),
            metavar="text|github",
            help="FILE:LINE:COLUMN: MESSAGE, or commands by which GitHub marks the lines.",
        ),
    ] = Format.TEXT,
    max_cases: MaxCasesOption = MAX_CASES,
) -> None:
    """Find mistakes in scenarios without running them: status 2; what is doubtful: status 1."""
    files = find(paths)
    tags = Counter(tag for path in files for tag in _tags(path, max_cases))
    images = builtin_images()
    found = [
        one
        for path in files
        for one in lint_file(path, max_cases, images, [tag for tag in tags if tags[tag] > 1])
    ]
    for one in found:
        print(_github(one) if form is Format.GITHUB else one)
    status = WRONG_INPUT if any(one.is_error for one in found) else FAILED if found else OK
    raise typer.Exit(status)


def _tags(path: Path, max_cases: int) -> set[str]:
    """Of a file that can be read."""
    try:
        return {tag for scenario in load(path, max_cases) for tag in scenario.tags}
    except InputError:
        return set()


def _github(found: Lint) -> str:
    """A workflow command (GitHub's documentation, "Workflow commands")."""
    kind = "error" if found.is_error else "warning"
    path, message = (text.replace("%", "%25") for text in (escaped(str(found.path)), found.message))
    path = path.replace(":", "%3A").replace(",", "%2C")
    line, column = found.position
    return f"::{kind} file={path},line={line},col={column}::{message}"


@app.command(cls=Command, short_help="Write a scenario with comments, to begin with.")
def new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", hidden=True, help="What the scenario is called.")
    ],
    with_image: Annotated[
        bool,
        typer.Option(
            "--image",
            help="Write NAME.c as well, a client of xenstore in C, which the scenario runs as "
            "./NAME.elf.",
        ),
    ] = False,
) -> None:
    """Write NAME.toml: a scenario with a comment for each table, to begin with. What is there
    already is left alone."""
    path = Path(name if name.endswith(".toml") else f"{name}.toml")
    texts = {path: IMAGE_TEMPLATE if with_image else TEMPLATE}
    source = path.with_suffix(".c")
    if with_image:
        texts[source] = CLIENT
    for each in texts:
        check_writable(each)
        if os.path.lexists(each):
            raise InputError(f"{escaped(str(each))}: is there already")
    if not path.stem.isprintable() or '"' in path.stem or "\\" in path.stem:
        raise InputError(f"{escaped(str(path))}: its name cannot stand in a title")
    for each, text in texts.items():
        content = text.replace("NAME", path.stem) if each == path else text
        write_file(each, content.encode())
    check = f"guestsim check {escaped(str(path))}"
    if not with_image:
        print(f"{escaped(str(path))}: now change it, and: {check}")
        return
    elf, c = (shlex.quote(str(path.with_suffix(suffix))) for suffix in (".elf", ".c"))
    print(f"{escaped(str(source))}, {escaped(str(path))}: now change them, and:")
    print(escaped(BUILD.format(elf=elf, source=c)))
    print(check)


@app.command(cls=Command, short_help="Say what an ELF file is as an image.")
def image(
    path: Annotated[Path, typer.Argument(metavar="FILE", hidden=True, help="An ELF file.")],
) -> None:
    """Say what an ELF file is as an image, and what is wrong with it: status 2 if it is no use."""
    found = describe_image(path)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    for name, line in found.rows:
        table.add_row(name, Text(line))
    out = make_console(sys.stdout)
    out.print(table)
    for mark, lines in (("!", found.remarks), ("✗", found.wrong)):
        for line in lines:
            out.print(Text(f"{mark} {line}"), soft_wrap=True)
    raise typer.Exit(WRONG_INPUT if found.wrong else OK)
