"""Options that several commands have, and what their values mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from guestsim.trace import Outcome
from guestsim.trace.spelling import not_one_of
from guestsim.trace.text import quoted

__all__ = [
    "AllOption",
    "BudgetOption",
    "ConsoleOption",
    "DebugOption",
    "DebuggedArgument",
    "ImageOption",
    "JobsOption",
    "MaxCasesOption",
    "MermaidOption",
    "MutantsArgument",
    "OutcomeOption",
    "PathsArgument",
    "PerfettoOption",
    "PortOption",
    "SaveOption",
    "ScenarioArgument",
    "ScheduleArgument",
    "SeedOption",
    "SocketOption",
    "SourceOption",
    "StopAtOption",
    "SvgOption",
    "ValidateOption",
    "VcdOption",
    "WidthOption",
    "one_word_of",
]


# Arguments are hidden from typer's help, and shown by `cli_command.Command`.
_Word = TypeVar("_Word", bound=StrEnum)


def _whole(least: int, most: int) -> Callable[[str], int]:
    """A number of ASCII digits, from `least` to `most`."""

    def parse(text: str | int) -> int:
        if isinstance(text, int):
            return text  # the default
        digits = text.isascii() and text.isdecimal() and len(text) < 20
        if not digits or not least <= int(text) <= most:
            raise typer.BadParameter(f"{quoted(text)} is no number from {least} to {most}")
        return int(text)

    return parse


def one_word_of(choices: Iterable[_Word]) -> Callable[[str], _Word]:
    """One of a `StrEnum`'s members."""
    known = {str(choice): choice for choice in choices}

    def parse(text: str) -> _Word:
        if text not in known:
            raise typer.BadParameter(not_one_of(text, known))
        return known[text]

    return parse


PathsArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="PATH",
        hidden=True,
        help="A scenario file, FILE#VARIANT, or a folder, in which *.toml are looked for, in "
        "capitals as well; not in hidden folders, and neither hidden files nor pyproject.toml.",
    ),
]
MutantsArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="PATH",
        hidden=True,
        help="A scenario or a folder of them; default: those that guestsim comes with.",
    ),
]
ScenarioArgument = Annotated[
    Path, typer.Argument(metavar="FILE", hidden=True, help="A scenario, or FILE#VARIANT.")
]
ScheduleArgument = Annotated[
    Path, typer.Argument(metavar="FILE", hidden=True, help="A *.schedule.json file.")
]
DebuggedArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", hidden=True, help="A scenario, FILE#VARIANT, or a *.schedule.json file."
    ),
]
PortOption = Annotated[
    int,
    typer.Option(
        parser=_whole(0, 65535),
        metavar="PORT",
        help="Listen there, on this machine only; 0: any that is free.",
    ),
]
BudgetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--budget",
        metavar="LIMIT",
        help="End each scenario after so many seconds (30s), or its search after so many stored "
        "states (100000). What was cut short is inconclusive. May be given once for each.",
    ),
]
ValidateOption = Annotated[
    int,
    typer.Option(
        parser=_whole(0, 1_000_000),
        metavar="N",
        help="Compare N random live executions with each search's record.",
    ),
]
SeedOption = Annotated[
    int | None,
    typer.Option(
        parser=_whole(0, (1 << 32) - 1),
        metavar="N",
        help="The random execution with this seed.",
    ),
]
OutcomeOption = Annotated[
    Outcome | None,
    typer.Option(
        parser=one_word_of(Outcome),
        metavar="OUTCOME",
        help=f"An execution that ends so ({', '.join(Outcome)}): of a search the simplest, of "
        "samples the first.",
    ),
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
    typer.Option(
        "-j",
        "--jobs",
        parser=_whole(1, 256),
        metavar="N",
        help="Scenarios at the same time; default: one for each core.",
    ),
]
MaxCasesOption = Annotated[
    int,
    typer.Option(
        parser=_whole(1, 1_000_000),
        metavar="N",
        help="How many cases a matrix may have.",
    ),
]
WidthOption = Annotated[
    int | None,
    typer.Option(
        parser=_whole(40, 1000),
        metavar="COLUMNS",
        help="Columns to print; default: the terminal's, 120 in a pipe.",
    ),
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
SvgOption = Annotated[
    Path | None,
    typer.Option("--svg", metavar="FILE", help="Write the timeline as a picture."),
]
PerfettoOption = Annotated[
    Path | None,
    typer.Option(
        "--perfetto",
        metavar="FILE",
        help="Write the execution as Trace Event Format JSON, for ui.perfetto.dev.",
    ),
]
VcdOption = Annotated[
    Path | None,
    typer.Option(
        "--vcd",
        metavar="FILE",
        help="Write the indices and other shared fields as waveforms, for GTKWave.",
    ),
]
MermaidOption = Annotated[
    Path | None,
    typer.Option(
        "--mermaid", metavar="FILE", help="Write the execution as a Mermaid sequence diagram."
    ),
]
