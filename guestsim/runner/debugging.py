"""A scenario's witness for a debugger: `debug`."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

import guestsim
from guestsim.debug import Monitor, Plan, Server, Session, Stage, Stepper, Timeline, listen
from guestsim.errors import InputError
from guestsim.execute import SUFFIX, Schedule
from guestsim.runner.control import Progress
from guestsim.runner.executions import rule_observer
from guestsim.runner.interrupt import requested
from guestsim.runner.once import replay_once, run_once, scenario_of
from guestsim.runner.setup import Setup, set_up
from guestsim.runner.symbolize import Symbolizer
from guestsim.scenario import Scenario, StringOrder, load
from guestsim.trace import Outcome

__all__ = ["Subject", "debugging", "plan_of", "subject_of", "to_type", "witness_of"]


class Subject(msgspec.Struct, frozen=True):
    """What is to be debugged."""

    scenario: Scenario
    setup: Setup
    schedule: Schedule | None
    """Of a schedule's file; None where it is still to be found."""


def subject_of(path: Path, images: Mapping[str, Path], outcome: Outcome | None) -> Subject:
    """A scenario, or the execution of a schedule's file. InputError where it is neither."""
    if path.name.endswith(SUFFIX):
        if outcome is not None:
            raise InputError(f"{path}: is one execution: --outcome is for scenarios")
        schedule, scenario, setup = scenario_of(path, images)
    else:
        schedule, scenario = None, load(path)[0]
        setup = set_up(scenario, images)
    if scenario.search.string_stores is StringOrder.ANY_ORDER:
        raise InputError(
            f"{scenario.name}: search.string_stores is any-order: a debugger shows the stores of "
            "an instruction in its own order"
        )
    return Subject(scenario, setup, schedule)


def witness_of(
    subject: Subject, outcome: Outcome | None, progress: Progress | None = None
) -> Schedule:
    """The execution that is to be debugged: as `run` picks it."""
    scenario, setup = subject.scenario, subject.setup
    if subject.schedule is None:
        return run_once(scenario, setup, outcome=outcome, progress=progress)[1]
    replay_once(subject.schedule, setup, max_ops=scenario.search.max_ops, go_on=True)
    return subject.schedule


def plan_of(scenario: Scenario, setup: Setup, schedule: Schedule) -> Plan:
    """The execution of a schedule, of which the guest can be stopped anywhere."""
    return Plan(
        guest=Stepper(setup.guest),
        daemon=setup.daemon,
        memory=setup.memory,
        memory_model=schedule.memory_model,
        steps=tuple((segment.actor, segment.steps) for segment in schedule.steps),
        choices=schedule.choices,
        observer=rule_observer,
        max_ops=scenario.search.max_ops,
        should_stop=requested,
    )


@contextmanager
def debugging(
    subject: Subject, schedule: Schedule, symbols: Symbolizer, port: int
) -> Iterator[tuple[Server, Callable[[], None]]]:
    """A stub that listens, and what serves it until GDB leaves."""
    setup = subject.setup
    timeline = Timeline(plan_of(subject.scenario, setup, schedule))
    stages = [Stage(image.name, str(symbols.files[image.name])) for image in setup.images]
    session = Session(timeline, Monitor(timeline, stages, setup.names, symbols.site))
    with listen(port) as server:
        yield server, lambda: server.serve(session, requested)


def to_type(subject: Subject, symbols: Symbolizer, port: int, sources: Sequence[Path]) -> str:
    """The command line of GDB for this stub. `sources`: folders with sources, the user's."""
    first = subject.setup.images[0]
    commands = [f"directory {folder.absolute()}" for folder in (*_own_sources(), *sources)]
    commands.append(f"target remote :{port}")
    options = " ".join(f"-ex {shlex.quote(command)}" for command in commands)
    return f"gdb {options} {shlex.quote(str(symbols.files[first.name].absolute()))}"


def _own_sources() -> list[Path]:
    """Where our own firmware's sources are, in a checkout."""
    root = Path(guestsim.__file__).parent.parent
    return [root] if (root / "firmware").is_dir() else []
