"""The command line: `guestsim check | mutants | run | replay | serve | images | schema`.

Exit status: 0 all as expected; 1 an expectation failed; 2 the input is wrong; 3 inconclusive;
4 guestsim itself is wrong.
"""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from typer.exceptions import TyperException

from guestsim import __version__
from guestsim.cli_options import (
    AllOption,
    ConsoleOption,
    DebugOption,
    ImageOption,
    JobsOption,
    SaveOption,
    SocketOption,
    SourceOption,
    StopAtOption,
    WidthOption,
    budget_of,
    images_of,
)
from guestsim.errors import GuestsimError, InputError, InternalError, StoppedError
from guestsim.report.as_json import check_json
from guestsim.report.console import make_console
from guestsim.report.mutants import mutants_report
from guestsim.report.progress import live_progress
from guestsim.report.summary import summary
from guestsim.report.timeline import render
from guestsim.runner import (
    Options,
    builtin_images,
    check_all,
    replay_once,
    run_once,
    save_schedule,
    set_up,
    shrink,
)
from guestsim.runner.control import ExplorerName
from guestsim.runner.interrupt import listening
from guestsim.runner.mutants import refuse_what_is_no_mutant, score
from guestsim.runner.once import scenario_of
from guestsim.runner.symbolize import Sources, Symbolizer
from guestsim.scenario import Scenario, find, load, schema
from guestsim.trace import Outcome
from guestsim.trace.results import Result, Verdict

if TYPE_CHECKING:
    from guestsim.runner.visit import Visit

__all__ = ["main"]

OK, FAILED, WRONG_INPUT, INCONCLUSIVE, OUR_FAULT = range(5)
TYPER_INTERRUPTED = 130
"""What typer makes of Ctrl-C."""

app = typer.Typer(
    name="guestsim",
    help="Boot real x86 firmware against a simulated xenstore ring, and own every interleaving.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


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
            help="Write a schedule for each outcome and each broken rule. Default with --json: "
            "a folder beside FILE.",
        ),
    ] = None,
    jobs: JobsOption = None,
    budget: Annotated[
        list[str] | None,
        typer.Option(
            "--budget",
            metavar="LIMIT",
            help="End each scenario after so many seconds (30s), or its search after so many "
            "stored states (100000). What was cut short is inconclusive. May be given once for "
            "each.",
        ),
    ] = None,
    validate: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Compare N random live executions with each search's record."
        ),
    ] = 0,
    twice: Annotated[
        bool, typer.Option("--twice", help="Run every actor twice for each value, and compare.")
    ] = False,
    explorer: Annotated[
        ExplorerName,
        typer.Option(
            help="Who explores a search's states: the compiled explorer, or the slow and plain one "
            "against which it is tested."
        ),
    ] = ExplorerName.COMPILED,
) -> None:
    """Run scenarios and judge them against what they expect."""
    options = Options(
        images=images_of(image),
        witnesses=witnesses or (json.with_name(f"{json.stem}-witnesses") if json else None),
        seconds=budget_of(budget, "s"),
        states=budget_of(budget, ""),
        explorer=explorer,
        twice=twice,
        validate=validate,
    )
    results, scenarios = _load_all(paths)
    stages = {stage.name for scenario in scenarios for stage in scenario.boot.stages}
    unused = sorted(set(options.images) - stages)
    if unused:
        raise InputError(f"--image {unused[0]}: no scenario has a stage of that name")
    results += _run_all(scenarios, options, jobs)
    if json is not None:
        _write(json, check_json(results, __version__))
    make_console(sys.stdout).print(summary(results))
    raise typer.Exit(_status(results))


@app.command()
def mutants(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A scenario or a folder of them.")
    ] = Path("scenarios/mutants"),
    jobs: JobsOption = None,
) -> None:
    """Run scenarios of something wrong on purpose, and count those that are noticed."""
    scenarios = [scenario for file in find([path]) for scenario in load(file)]
    refuse_what_is_no_mutant(scenarios)
    results = _run_all(scenarios, Options(), jobs)
    scored = score(results)
    make_console(sys.stdout).print(mutants_report(scored))
    missed = not all(mutant.caught for mutant in scored)
    raise typer.Exit(_status(results) or (FAILED if missed else OK))


@app.command()
def run(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A scenario, or FILE#VARIANT.")],
    seed: Annotated[
        int | None, typer.Option(min=0, help="The random execution with this seed.")
    ] = None,
    outcome: Annotated[
        Outcome | None,
        typer.Option(
            help="An execution that ends so: of a search the simplest, of samples the first."
        ),
    ] = None,
    fewer: Annotated[
        bool,
        typer.Option(
            "--shrink", help="Of a search: leave out requests as long as the outcome is the same."
        ),
    ] = False,
    full: AllOption = False,
    console: ConsoleOption = False,
    save: SaveOption = None,
    socket: SocketOption = None,
    stop_at: StopAtOption = None,
    image: ImageOption = None,
    debug: DebugOption = None,
    source: SourceOption = None,
    width: WidthOption = None,
) -> None:
    """Run one execution of a scenario and print its timeline."""
    if stop_at is not None and socket is None:
        raise InputError("--stop-at: belongs to --socket")
    with _visits(socket, stop_at) as visit:
        sources = Sources(source or ())
        scenario, *others = load(path)
        setup = set_up(scenario, images_of(image))
        symbols = Symbolizer(setup.images, debug or ())
        with listening():
            with live_progress([scenario.name]) as shown:
                result, schedule = run_once(
                    scenario, setup, seed=seed, outcome=outcome, progress=partial(shown.report, 0)
                )
            if fewer and result.outcome is not None:
                scenario = shrink(scenario, result.outcome, Options(images=images_of(image)))
                setup = set_up(scenario, images_of(image))
                result, schedule = run_once(scenario, setup, outcome=result.outcome)
                requests = tuple(stage.requests or () for stage in scenario.boot.stages)
                schedule = msgspec.structs.replace(schedule, requests=requests)
        if visit is not None:
            result = visit.run(schedule, scenario, setup)
    changes = visit.changes if visit is not None else []
    out = make_console(sys.stdout, width=width)
    out.print(Text(scenario.title, style="bold"))
    if others:
        names = ", ".join(f"#{other.variant}" for other in others)
        out.print(Text(f"this is {scenario.name}; the file also has {names}", style="dim"))
    out.print()
    render(symbols.run(result), setup.names, out, full=full, source=sources)
    _after(out, setup.guest.console, symbols.notices(setup.guest.notices), show=console)
    for change in changes:
        out.print(Text(f"  changed by hand at step {change.step}: {change.request}", style="dim"))
    if changes and save is not None:
        raise InputError(f"{save}: not written: a run that was changed by hand cannot be replayed")
    if save is not None:
        save_schedule(schedule, scenario, save)
    if result.outcome is None:
        raise typer.Exit(INCONCLUSIVE)


@app.command()
def replay(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A *.schedule.json file.")],
    full: AllOption = False,
    console: ConsoleOption = False,
    image: ImageOption = None,
    debug: DebugOption = None,
    source: SourceOption = None,
    width: WidthOption = None,
) -> None:
    """Replay a schedule exactly, or say at which step it does not fit."""
    sources = Sources(source or ())
    schedule, scenario, setup = scenario_of(path, images_of(image))
    symbols = Symbolizer(setup.images, debug or ())
    try:
        with listening():
            result = replay_once(schedule, setup, max_ops=scenario.search.max_ops, go_on=True)
    except InputError as error:
        raise type(error)(f"{path}: {error}") from None
    out = make_console(sys.stdout, width=width)
    out.print(Text(schedule.title or scenario.title, style="bold"))
    out.print()
    render(symbols.run(result), setup.names, out, full=full, source=sources)
    _after(out, setup.guest.console, symbols.notices(setup.guest.notices), show=console)


@app.command()
def serve(
    socket: Annotated[
        Path,
        typer.Option(
            "--socket", metavar="PATH", help="Make the socket there; for your own user only."
        ),
    ],
    store: Annotated[
        Path | None,
        typer.Option(
            "--store",
            metavar="FILE",
            help="Begin with the [store] of this TOML file. Default: an empty store.",
        ),
    ] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Print every message.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing.")] = False,
) -> None:
    """Be a xenstored on a Unix socket, until Ctrl-C: for xenstore-ls, libxenstore and the like."""
    # asyncio takes a while to import, and no other command needs it.
    from guestsim.serve import Listener, new_hub
    from guestsim.serve import serve as serve_clients

    say = _ignore if quiet else _say
    tell = _ignore if quiet else partial(print, flush=True)

    def ready(listener: Listener) -> None:
        if listener.took_over:
            say(f"{listener.path}: nobody listened on the socket that was there; replaced")
        tell(f"ready: export XENSTORED_PATH={listener.path.absolute()}")

    hub = new_hub(store, partial(print, flush=True) if trace else None)
    serve_clients(hub, socket, ready=ready, say=say)


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
    except StoppedError as error:
        status = _complain(error, INCONCLUSIVE)
    except (GuestsimError, TyperException) as error:
        status = _complain(error, WRONG_INPUT)
    except KeyboardInterrupt:
        status = TYPER_INTERRUPTED
    if status == TYPER_INTERRUPTED:
        print("guestsim: interrupted: incomplete", file=sys.stderr)
        status = INCONCLUSIVE
    sys.exit(status if isinstance(status, int) else OK)


def _load_all(paths: list[Path]) -> tuple[list[Result], list[Scenario]]:
    """The scenarios, and a result for each file that is none: the others still run."""
    results: list[Result] = []
    scenarios: list[Scenario] = []
    for path in find(paths):
        try:
            scenarios.extend(load(path))
        except InputError as error:
            _complain(error, WRONG_INPUT)
            results.append(Result(str(path), "", Verdict.ERROR, None, {}, {}, str(error)))
    return results, scenarios


def _run_all(scenarios: list[Scenario], options: Options, jobs: int | None) -> list[Result]:
    """Check them, on `jobs` cores (None: all there are), with live progress."""
    results: list[Result] = []
    cores = jobs or len(os.sched_getaffinity(0))
    with live_progress([scenario.name for scenario in scenarios]) as shown:
        for number, result in enumerate(check_all(scenarios, options, cores, shown.report)):
            shown.done(number)
            if result.verdict is Verdict.ERROR:
                shown.complain(f"guestsim: {result.error}")
            results.append(result)
    return results


def _complain(error: GuestsimError | TyperException, status: int) -> int:
    text = error.format_message() if isinstance(error, TyperException) else str(error)
    print(f"guestsim: {' '.join(text.split())}", file=sys.stderr)
    return status


def _visits(socket: Path | None, stop_at: str | None) -> AbstractContextManager[Visit | None]:
    """Stops on the way of a run, if they are wanted."""
    if socket is None:
        return nullcontext()
    from guestsim.runner.visit import visiting

    return visiting(socket, stop_at, _say)


def _say(line: str) -> None:
    print(f"guestsim: {line}", file=sys.stderr)


def _ignore(_: str) -> None:
    pass


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise InputError(f"{path}: cannot write the results: {error.strerror}") from None


def _after(out: Console, console: str, notices: tuple[str, ...], *, show: bool) -> None:
    for notice in notices:
        out.print(Text(f"  {notice}", style="dim"))
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
