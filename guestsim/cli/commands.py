"""Commands that run scenarios and show what is known: check, mutants, run, replay, images, schema.

How a command ends, and with which status, is in `guestsim.cli.ending`; what its options mean, in
`guestsim.cli.options`.
"""

from __future__ import annotations

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

from guestsim import __version__
from guestsim.cli.checks import load_all, refuse_unused, run_all, status_of
from guestsim.cli.command import Command
from guestsim.cli.ending import FAILED, INCONCLUSIVE, OK, STATUSES, Wishes, ended
from guestsim.cli.figures import Figures
from guestsim.cli.options import (
    AllOption,
    BudgetOption,
    ConsoleOption,
    DebugOption,
    ImageOption,
    JobsOption,
    MaxCasesOption,
    MermaidOption,
    MutantsArgument,
    OutcomeOption,
    PathsArgument,
    PerfettoOption,
    SaveOption,
    ScenarioArgument,
    ScheduleArgument,
    SeedOption,
    SocketOption,
    SourceOption,
    StopAtOption,
    SvgOption,
    ValidateOption,
    VcdOption,
    WidthOption,
    one_word_of,
)
from guestsim.cli.results import Results
from guestsim.cli.streams import prepare_streams
from guestsim.errors import InputError
from guestsim.files import check_writable
from guestsim.report.console import make_console
from guestsim.report.matrix import Matrices
from guestsim.report.mutants import mutants_report
from guestsim.report.progress import live_progress
from guestsim.report.summary import Page
from guestsim.report.timeline import render
from guestsim.runner import (
    Options,
    builtin_images,
    replay_once,
    run_once,
    save_schedule,
    set_up,
    shrink,
)
from guestsim.runner.campaign import Campaign
from guestsim.runner.control import ExplorerName, budget_of, images_of
from guestsim.runner.interrupt import interrupted, listening, raised
from guestsim.runner.mutants import refuse_what_is_no_mutant, score
from guestsim.runner.once import scenario_of
from guestsim.runner.symbolize import Sources, Symbolizer
from guestsim.runner.verdicts import default_folder
from guestsim.scenario import MAX_CASES, Scenario, find, load, schema, shipped_scenarios

if TYPE_CHECKING:
    from guestsim.runner.visit import Visit

__all__ = ["app", "main", "say"]

app = typer.Typer(
    name="guestsim",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback(
    invoke_without_command=True,
    help="Boot real x86 firmware against a simulated xenstore ring, and own every interleaving.",
    epilog=STATUSES,
)
def guestsim(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    show_traceback: Annotated[
        bool,
        typer.Option("--traceback", help="Of a fault of guestsim, print Python's traceback, too."),
    ] = False,
) -> None:
    """What stands before the command."""
    context.obj.traceback = show_traceback
    if version:
        print(f"guestsim {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


@app.command(cls=Command)
def check(
    context: typer.Context,
    paths: PathsArgument,
    json: Annotated[
        Path | None,
        typer.Option(
            "--json",
            metavar="FILE",
            help="Write the results as JSON, and schedules into a folder beside FILE "
            "(--witnesses); to standard output for -, and the report to standard error then.",
        ),
    ] = None,
    image: ImageOption = None,
    witnesses: Annotated[
        Path | None,
        typer.Option(
            "--witnesses",
            metavar="FOLDER",
            help="Write a schedule for each outcome and each broken rule. Default with --json "
            "NAME.json: the folder NAME-witnesses beside it.",
        ),
    ] = None,
    jobs: JobsOption = None,
    max_cases: MaxCasesOption = MAX_CASES,
    budget: BudgetOption = None,
    validate: ValidateOption = 0,
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume",
            metavar="FILE",
            help="Add each result to this JSON Lines file as it comes; what it has already is not "
            "run again.",
        ),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            "--dask",
            metavar="ADDRESS",
            help="Run them on the cluster of this scheduler (tcp://HOST:8786), whose workers see "
            "the same files.",
        ),
    ] = None,
    no_cache: Annotated[
        bool,
        typer.Option(
            "--no-cache",
            help="Run everything, also where an earlier run has the verdict, on the same images, "
            "scenario, options and guestsim.",
        ),
    ] = False,
    twice: Annotated[
        bool, typer.Option("--twice", help="Run every actor twice for each value, and compare.")
    ] = False,
    explorer: Annotated[
        ExplorerName,
        typer.Option(
            parser=one_word_of(ExplorerName),
            metavar="compiled|reference",
            help="Who explores a search's states: the compiled explorer, or the slow and plain one "
            "against which it is tested.",
        ),
    ] = ExplorerName.COMPILED,
) -> None:
    """Run scenarios and judge them against what they expect."""
    results_to = Results(json)
    options = Options(
        images=images_of(image),
        witnesses=witnesses or results_to.witnesses,
        seconds=budget_of(budget, "s"),
        states=budget_of(budget, ""),
        explorer=explorer,
        twice=twice,
        validate=validate,
        traceback=context.obj.traceback,
        cache=None if no_cache else default_folder(),
    )
    plan = load_all(paths, max_cases)
    scenarios = [each for each in plan if isinstance(each, Scenario)]
    results_to.check([scenario.path for scenario in scenarios], witnesses)
    refuse_unused(options.images, scenarios)
    out = make_console(results_to.report)
    page = Page(
        [(each.name if isinstance(each, Scenario) else each.scenario, each.title) for each in plan]
    )
    results = run_all(
        plan,
        options,
        jobs,
        lambda result: out.print(page.entry(result)),
        dask=dask,
        campaign=None if resume is None else Campaign(resume, options),
    )
    results_to.write(results)
    pairs = zip(plan, results, strict=True)
    out.print(Matrices([(of, it) for of, it in pairs if isinstance(of, Scenario)]))
    out.print(page.ending())
    raise typer.Exit(status_of(results))


@app.command(cls=Command, short_help="Run known mistakes, and see that each is caught.")
def mutants(
    context: typer.Context,
    path: MutantsArgument = None,
    jobs: JobsOption = None,
) -> None:
    """Run scenarios of something wrong on purpose, and count those that are noticed."""
    folder = path or shipped_scenarios() / "mutants"
    scenarios = [scenario for file in find([folder]) for scenario in load(file)]
    refuse_what_is_no_mutant(scenarios)
    results = run_all(scenarios, Options(traceback=context.obj.traceback), jobs)
    scored = score(results)
    make_console(sys.stdout).print(mutants_report(scored))
    missed = not all(mutant.caught for mutant in scored)
    raise typer.Exit(status_of(results) or (FAILED if missed else OK))


@app.command(cls=Command)
def run(
    path: ScenarioArgument,
    seed: SeedOption = None,
    outcome: OutcomeOption = None,
    fewer: Annotated[
        bool,
        typer.Option(
            "--shrink", help="Of a search: leave out requests as long as the outcome is the same."
        ),
    ] = False,
    full: AllOption = False,
    console: ConsoleOption = False,
    save: SaveOption = None,
    svg: SvgOption = None,
    perfetto: PerfettoOption = None,
    vcd: VcdOption = None,
    mermaid: MermaidOption = None,
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
    if save is not None:
        check_writable(save)
    figures = Figures(svg=svg, perfetto=perfetto, vcd=vcd, mermaid=mermaid)
    figures.check({"--save": save})
    with _visits(socket, stop_at) as visit:
        sources = Sources(source or ())
        scenario, *others = load(path)
        if visit is not None:
            visit.check(scenario)
        figures.spare(scenario.path)
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
    told = symbols.run(result)
    figures.write(told, setup.names, scenario.title, full=full)
    changes = visit.changes if visit is not None else []
    out = make_console(sys.stdout, width=width)
    out.print(Text(scenario.title, style="bold"))
    if others:
        names = ", ".join(f"#{other.variant}" for other in others)
        out.print(Text(f"this is {scenario.name}; the file also has {names}", style="dim"))
    out.print()
    render(told, setup.names, out, full=full, source=sources)
    _after(out, setup.guest.console, symbols.notices(setup.guest.notices), show=console)
    for change in changes:
        out.print(Text(f"  changed by hand at step {change.step}: {change.request}", style="dim"))
    if changes and save is not None:
        raise InputError(f"{save}: not written: a run that was changed by hand cannot be replayed")
    if save is not None:
        save_schedule(schedule, scenario, save)
    if result.outcome is None or interrupted():
        raise typer.Exit(INCONCLUSIVE)


@app.command(cls=Command)
def replay(
    path: ScheduleArgument,
    full: AllOption = False,
    console: ConsoleOption = False,
    svg: SvgOption = None,
    perfetto: PerfettoOption = None,
    vcd: VcdOption = None,
    mermaid: MermaidOption = None,
    image: ImageOption = None,
    debug: DebugOption = None,
    source: SourceOption = None,
    width: WidthOption = None,
) -> None:
    """Replay a schedule exactly, or say at which step it does not fit."""
    figures = Figures(svg=svg, perfetto=perfetto, vcd=vcd, mermaid=mermaid)
    figures.check({})
    sources = Sources(source or ())
    schedule, scenario, setup = scenario_of(path, images_of(image))
    figures.spare(path, scenario.path)
    symbols = Symbolizer(setup.images, debug or ())
    try:
        with listening():
            result = replay_once(schedule, setup, max_ops=scenario.search.max_ops, go_on=True)
    except InputError as error:
        raise type(error)(f"{path}: {error}") from None
    title, told = schedule.title or scenario.title, symbols.run(result)
    figures.write(told, setup.names, title, full=full)
    out = make_console(sys.stdout, width=width)
    out.print(Text(title, style="bold"))
    out.print()
    render(told, setup.names, out, full=full, source=sources)
    _after(out, setup.guest.console, symbols.notices(setup.guest.notices), show=console)


@app.command(cls=Command)
def images() -> None:
    """List the built-in firmware images."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    for image in builtin_images().values():
        table.add_row(image.name, image.purpose)
    make_console(sys.stdout).print(table)


@app.command(name="schema", cls=Command)
def print_schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(schema())).decode() + "\n")


def main() -> None:
    """Entry point: runs the command line, and turns whatever ends it into an exit status."""
    prepare_streams()
    raised()
    wishes = Wishes()
    sys.exit(ended(lambda: app(obj=wishes, standalone_mode=False), wishes))


def _visits(socket: Path | None, stop_at: str | None) -> AbstractContextManager[Visit | None]:
    """Stops on the way of a run, if they are wanted."""
    if socket is None:
        return nullcontext()
    from guestsim.runner.visit import visiting

    return visiting(socket, stop_at, say)


def say(line: str) -> None:
    """A line about what is going on, to standard error."""
    print(f"guestsim: {line}", file=sys.stderr)


def _after(out: Console, console: str, notices: tuple[str, ...], *, show: bool) -> None:
    for notice in notices:
        out.print(Text(f"  {notice}", style="dim"))
    if show:
        out.print()
        out.print(Text("the guest's console:", style="dim"))
        out.print(Text(console.rstrip()))
