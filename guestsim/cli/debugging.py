"""The command `debug`."""

from __future__ import annotations

from functools import partial

from guestsim.cli.command import Command
from guestsim.cli.commands import app
from guestsim.cli.options import (
    DebuggedArgument,
    DebugOption,
    ImageOption,
    OutcomeOption,
    PortOption,
    SourceOption,
)
from guestsim.report.progress import live_progress
from guestsim.runner.control import images_of
from guestsim.runner.interrupt import listening
from guestsim.runner.symbolize import Sources, Symbolizer

__all__ = ["debug"]


@app.command(cls=Command, short_help="Let GDB step through one execution, forward and back.")
def debug(
    path: DebuggedArgument,
    outcome: OutcomeOption = None,
    port: PortOption = 1234,
    image: ImageOption = None,
    debug: DebugOption = None,
    source: SourceOption = None,
) -> None:
    """Let GDB step through the guest of one execution, forward and back: of a search, the simplest
    way to its worst outcome. It ends when GDB leaves."""
    from guestsim.runner.debugging import debugging, subject_of, to_type, witness_of

    Sources(source or ())
    subject = subject_of(path, images_of(image), outcome)
    symbols = Symbolizer(subject.setup.images, debug or ())
    with listening():
        with live_progress([subject.scenario.name]) as shown:
            schedule = witness_of(subject, outcome, partial(shown.report, 0))
        with debugging(subject, schedule, symbols, port) as (server, serve):
            print(f"{subject.scenario.name}: {schedule.outcome or 'an execution'}")
            print(to_type(subject, symbols, server.port, source or ()), flush=True)
            serve()
