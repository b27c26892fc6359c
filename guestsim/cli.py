"""The command line: `guestsim check | run | replay | images | schema`.

Exit status: 0 all as expected; 1 an expectation failed; 2 the input is wrong; 3 inconclusive;
4 guestsim itself is wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text
from typer.exceptions import TyperException

from guestsim import __version__
from guestsim.errors import GuestsimError, InputError, InternalError
from guestsim.report.as_json import check_json
from guestsim.report.console import make_console
from guestsim.report.summary import summary
from guestsim.report.timeline import render
from guestsim.runner import builtin_images, replay_once, run_once, save_schedule, set_up
from guestsim.runner import check as check_scenario
from guestsim.runner.once import scenario_of
from guestsim.runner.symbolize import symbolize
from guestsim.scenario import Scenario, find, load, schema
from guestsim.trace import Outcome
from guestsim.trace.results import Result, Verdict

__all__ = ["main"]

OK, FAILED, WRONG_INPUT, INCONCLUSIVE, OUR_FAULT = range(5)

app = typer.Typer(
    name="guestsim",
    help="Boot real x86 firmware against a simulated xenstore ring, and own every interleaving.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

ImageOption = Annotated[
    list[str] | None,
    typer.Option(
        "--image",
        metavar="NAME=PATH",
        help="Use the ELF file PATH for the stage NAME of the boot chain. May be repeated.",
    ),
]
AllOption = Annotated[bool, typer.Option("--all", help="Show every op, without folding.")]
ConsoleOption = Annotated[
    bool, typer.Option("--console", help="Show what the guest printed, after the timeline.")
]
WidthOption = Annotated[
    int | None,
    typer.Option(min=40, help="Columns to print; default: the terminal's, 120 in a pipe."),
]
SaveOption = Annotated[
    Path | None,
    typer.Option("--save", metavar="FILE", help="Write the schedule, for `guestsim replay`."),
]


@app.callback(invoke_without_command=True)
def guestsim(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Boot real x86 firmware against a simulated xenstore ring, and own every interleaving."""
    if version:
        print(f"guestsim {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Scenarios or folders.")],
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the results as JSON.")
    ] = None,
    image: ImageOption = None,
    witnesses: Annotated[
        Path | None,
        typer.Option(
            "--witnesses",
            metavar="FOLDER",
            help="Write a schedule for the first execution that shows each outcome.",
        ),
    ] = None,
) -> None:
    """Run scenarios and judge them against what they expect."""
    images = _images(image)
    results: list[Result] = []
    scenarios: list[Scenario] = []
    for path in find(paths):
        try:
            scenarios.extend(load(path))
        except InputError as error:
            results.append(_wrong(str(path), "", error))
    stages = {stage.name for scenario in scenarios for stage in scenario.boot.stages}
    unused = sorted(set(images) - stages)
    if unused:
        raise InputError(f"--image {unused[0]}: no scenario has a stage of that name")
    with _progress(len(scenarios)) as step:
        for scenario in scenarios:
            own = {stage.name for stage in scenario.boot.stages} & set(images)
            step.begin(scenario)
            try:
                result = check_scenario(
                    scenario,
                    {name: images[name] for name in sorted(own)},
                    witnesses=witnesses,
                    progress=step.executions,
                )
            except InputError as error:
                result = _wrong(scenario.name, scenario.title, error)
            results.append(result)
    if json is not None:
        _write(json, check_json(results, __version__))
    make_console(sys.stdout).print(summary(results))
    raise typer.Exit(_status(results))


@app.command()
def run(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A scenario, or FILE#VARIANT.")],
    seed: Annotated[
        int | None, typer.Option(min=0, help="The random execution with this seed.")
    ] = None,
    outcome: Annotated[
        Outcome | None, typer.Option(help="The first sampled execution that ends so.")
    ] = None,
    full: AllOption = False,
    console: ConsoleOption = False,
    save: SaveOption = None,
    image: ImageOption = None,
    width: WidthOption = None,
) -> None:
    """Run one execution of a scenario and print its timeline."""
    scenario, *others = load(path)
    setup = set_up(scenario, _images(image))
    result, number = run_once(scenario, setup, seed=seed, outcome=outcome)
    out = make_console(sys.stdout, width=width)
    out.print(Text(scenario.title, style="bold"))
    if others:
        names = ", ".join(other.name for other in others)
        out.print(Text(f"this is {scenario.name}; the file also has {names}", style="dim"))
    out.print()
    render(symbolize(result, setup.images), setup.names, out, full=full)
    _after(out, setup.guest.console, setup.guest.notices, show=console)
    if save is not None:
        save_schedule(result, scenario, setup, save, number=number)
    if result.outcome is None:
        raise typer.Exit(INCONCLUSIVE)


@app.command()
def replay(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A *.schedule.json file.")],
    full: AllOption = False,
    console: ConsoleOption = False,
    image: ImageOption = None,
    width: WidthOption = None,
) -> None:
    """Replay a schedule exactly, or say at which step it does not fit."""
    schedule, scenario, setup = scenario_of(path, _images(image))
    try:
        result = replay_once(schedule, setup, max_ops=scenario.search.max_ops)
    except InputError as error:
        raise type(error)(f"{path}: {error}") from None
    out = make_console(sys.stdout, width=width)
    out.print(Text(schedule.title or scenario.title, style="bold"))
    out.print()
    render(symbolize(result, setup.images), setup.names, out, full=full)
    _after(out, setup.guest.console, setup.guest.notices, show=console)


@app.command()
def images() -> None:
    """List the built-in firmware images."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    for image in builtin_images().values():
        table.add_row(image.name, image.purpose)
    make_console(sys.stdout).print(table)


@app.command(name="schema")
def print_schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(schema())).decode() + "\n")


def main() -> None:
    """Entry point: runs the command line and turns errors into one line and an exit status."""
    try:
        status = app(standalone_mode=False)
    except InternalError as error:
        status = _complain(error, OUR_FAULT)
    except (GuestsimError, TyperException) as error:
        status = _complain(error, WRONG_INPUT)
    except KeyboardInterrupt:
        print("guestsim: interrupted: incomplete", file=sys.stderr)
        status = INCONCLUSIVE
    sys.exit(status if isinstance(status, int) else OK)


def _wrong(name: str, title: str, error: InputError) -> Result:
    """The result for a scenario whose input is wrong; the others still run."""
    _complain(error, WRONG_INPUT)
    return Result(name, title, Verdict.ERROR, None, {}, {}, str(error))


def _complain(error: GuestsimError | TyperException, status: int) -> int:
    text = error.format_message() if isinstance(error, TyperException) else str(error)
    print(f"guestsim: {' '.join(text.split())}", file=sys.stderr)
    return status


def _images(options: list[str] | None) -> dict[str, Path]:
    images = {}
    for option in options or ():
        name, equals, path = option.partition("=")
        if not (name and equals and path):
            raise InputError(f"--image {option}: write NAME=PATH")
        images[name] = Path(path)
    return images


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise InputError(f"{path}: cannot write the results: {error.strerror}") from None


def _after(out: Console, console: str, notices: tuple[str, ...], *, show: bool) -> None:
    for notice in notices:
        out.print(Text(f"  the guest asked for what is not there: {notice}", style="dim"))
    if show:
        out.print()
        out.print(Text("the guest's console:", style="dim"))
        out.print(Text(console.rstrip()))


def _status(results: list[Result]) -> int:
    verdicts = {result.verdict for result in results}
    if Verdict.ERROR in verdicts:
        return WRONG_INPUT
    if Verdict.FAIL in verdicts:
        return FAILED
    return INCONCLUSIVE if Verdict.INCONCLUSIVE in verdicts else OK


class _Step:
    """Progress of a check: the scenario under way, and its executions."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._all = progress.add_task("scenarios", total=total)
        self._one = progress.add_task("", total=None)
        self._begun = False

    def begin(self, scenario: Scenario) -> None:
        if self._begun:
            self._progress.advance(self._all)
        self._begun = True
        self._progress.reset(self._one, total=None, description=scenario.name)

    def executions(self, done: int, total: int) -> None:
        self._progress.update(self._one, completed=done, total=total)


@contextmanager
def _progress(total: int) -> Iterator[_Step]:
    """On standard error, and gone at the end; nothing where that is not a terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        yield _Step(progress, total)
