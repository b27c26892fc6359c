"""What a failed scenario says: the expectation, the timeline that shows why, and the way back."""

from __future__ import annotations

import io
import shlex
from pathlib import Path

from guestsim.report.console import make_console
from guestsim.report.timeline import render
from guestsim.runner import Options
from guestsim.runner.once import replay_once, scenario_of
from guestsim.runner.symbolize import Symbolizer
from guestsim.scenario import Scenario
from guestsim.trace.results import Result
from guestsim.trace.text import escaped

__all__ = ["failure_of", "timeline_of"]


def failure_of(result: Result) -> str:
    """Which expectations failed: what summaries repeat."""
    return "\n".join(map(escaped, result.failures))


def timeline_of(result: Result, scenario: Scenario, options: Options, width: int) -> str:
    """The timeline of an execution that shows why, at most `width` columns wide, and how to see it
    again; "" where no one execution does."""
    shown = _witness(result)
    if shown is None:
        return ""
    what, path = shown
    own = {stage.name for stage in scenario.boot.stages}
    images = {name: image for name, image in options.images.items() if name in own}
    command = ["guestsim", "replay", path]
    command += [f"--image={name}={image}" for name, image in images.items()]
    text = _timeline(Path(path), images, scenario.search.max_ops, width)
    return f"{what}:\n\n{text.rstrip()}\n\nagain: {shlex.join(command)}"


def _witness(result: Result) -> tuple[str, str] | None:
    """What shows best why it failed, and the schedule of that; None where nothing does: something
    is missing."""
    always = any(each.expected == "always" for each in result.outcomes.values())
    for outcome, finding in result.outcomes.items():
        wrong = finding.expected == "never" or (always and finding.expected != "always")
        if finding.found and wrong and finding.witness is not None:
            return f"an execution that ends {outcome}", finding.witness
    for name, rule in result.rules.items():
        if rule.expected == "kept" and not rule.kept and rule.witness is not None:
            return f"an execution that breaks {name}", rule.witness
    return None


def _timeline(path: Path, images: dict[str, Path], max_ops: int, width: int) -> str:
    schedule, _, setup = scenario_of(path, images)
    run = replay_once(schedule, setup, max_ops=max_ops, go_on=True)
    out = io.StringIO()
    render(Symbolizer(setup.images).run(run), setup.names, make_console(out, width=width))
    return out.getvalue()
