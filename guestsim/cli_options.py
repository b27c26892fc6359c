"""Options that several commands have, and what their values mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from guestsim.errors import InputError

__all__ = [
    "AllOption",
    "ConsoleOption",
    "DebugOption",
    "ImageOption",
    "JobsOption",
    "SaveOption",
    "SocketOption",
    "SourceOption",
    "StopAtOption",
    "WidthOption",
    "budget_of",
    "images_of",
]

ImageOption = Annotated[
    list[str] | None,
    typer.Option(
        "--image",
        metavar="NAME=PATH",
        help="Use the ELF file PATH for the stage NAME of the boot chain. May be repeated.",
    ),
]
DebugOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--debug",
        metavar="PATH",
        help="A separate debug file of an image, or a folder of such files (/usr/lib/debug is "
        "looked at anyway). May be repeated.",
    ),
]
SourceOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--source",
        metavar="FOLDER",
        help="Show the text of source lines, from the files below FOLDER. May be repeated.",
    ),
]
AllOption = Annotated[bool, typer.Option("--all", help="Show every op, without folding.")]
ConsoleOption = Annotated[
    bool, typer.Option("--console", help="Show what the guest printed, after the timeline.")
]
JobsOption = Annotated[
    int | None,
    typer.Option("-j", "--jobs", min=1, help="Processes; default: one for each core."),
]
WidthOption = Annotated[
    int | None,
    typer.Option(min=40, help="Columns to print; default: the terminal's, 120 in a pipe."),
]
SaveOption = Annotated[
    Path | None,
    typer.Option("--save", metavar="FILE", help="Write the schedule, for `guestsim replay`."),
]
SocketOption = Annotated[
    Path | None,
    typer.Option(
        "--socket",
        metavar="PATH",
        help="Stop on the way, and serve the daemon's store on a Unix socket there.",
    ),
]
StopAtOption = Annotated[
    str | None,
    typer.Option(
        "--stop-at",
        metavar="EVENT",
        help='Where --socket stops, as in scripts ("store connection"). Default: at each '
        "request of the guest.",
    ),
]


def budget_of(limits: list[str] | None, unit: str) -> int | None:
    """`--budget` in seconds (unit "s": `30s`) or in states (unit "": `100000`), None where there is
    none; InputError where an option is neither."""
    found = None
    for limit in limits or ():
        number = limit.removesuffix("s")
        if not (number.isascii() and number.isdecimal() and int(number)):
            raise InputError(f"--budget {limit}: write seconds (30s) or states (100000)")
        if limit == number + unit:
            found = int(number)
    return found


def images_of(options: list[str] | None) -> dict[str, Path]:
    """`--image`: the files by the stages' names; InputError where an option is none."""
    images = {}
    for option in options or ():
        name, equals, path = option.partition("=")
        if not (name and equals and path):
            raise InputError(f"--image {option}: write NAME=PATH")
        images[name] = Path(path)
    return images
