"""Live progress of a check, on standard error: one line for each scenario under way."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from guestsim.report.console import make_console
from guestsim.trace import Outcome

__all__ = ["LiveProgress", "State", "live_progress"]


class State(Protocol):
    """How far a scenario has come (`guestsim.runner.control.Report`)."""

    @property
    def done(self) -> int:
        """Executions or states."""

    @property
    def total(self) -> int | None:
        """Of executions; None for states."""

    @property
    def detail(self) -> str:
        """Rate and frontier."""

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Found so far."""


class LiveProgress:
    """The lines. Silent where standard error is no terminal."""

    def __init__(self, progress: Progress, names: Sequence[str]) -> None:
        self._progress = progress
        self._names = names
        self._all = progress.add_task("", total=len(names), text=f"0 of {len(names)} scenarios")
        self._tasks: dict[int, TaskID] = {}
        self._finished = 0

    def report(self, number: int, state: State) -> None:
        """Scenario `number` has come so far."""
        task = self._tasks.get(number)
        if task is None:
            task = self._tasks[number] = self._progress.add_task("", total=None, text="")
        what = f"{state.done:,} states" if state.total is None else f"{state.done} of {state.total}"
        parts = (what, state.detail, ", ".join(state.outcomes))
        text = f"{self._names[number]}  {', '.join(part for part in parts if part)}"
        self._progress.update(task, text=text)

    def done(self, number: int) -> None:
        """Scenario `number` has its result."""
        self._finished += 1
        text = f"{self._finished} of {len(self._names)} scenarios"
        self._progress.update(self._all, completed=self._finished, text=text)
        if number in self._tasks:
            self._progress.remove_task(self._tasks.pop(number))

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """While the block prints where the lines may stand."""
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()

    def complain(self, line: str) -> None:
        """One line of error, above the progress."""
        self._progress.console.print(Text(line), soft_wrap=True)


@contextmanager
def live_progress(names: Sequence[str]) -> Iterator[LiveProgress]:
    """Shown while the block runs, and gone at its end."""
    console = make_console(sys.stderr)
    words = TextColumn("{task.fields[text]}", markup=False)
    # Not `console.is_terminal`: FORCE_COLOR makes a pipe one, and asks for colours only.
    moves = sys.stderr.isatty() and not console.is_dumb_terminal
    with Progress(
        SpinnerColumn(),
        words,
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not moves,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as progress:
        yield LiveProgress(progress, names)
