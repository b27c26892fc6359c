"""`check`: run a scenario's search and judge it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from guestsim.errors import MissingImageError
from guestsim.explore import execute, fair
from guestsim.rules import ALL
from guestsim.runner.judge import Evidence, judge
from guestsim.runner.once import save_schedule, with_hints
from guestsim.runner.setup import Setup, set_up
from guestsim.runner.strategy import SAMPLED, refuse_what_is_not_there, sampled, scripted
from guestsim.runner.watch import rule_observer
from guestsim.scenario import Scenario
from guestsim.trace.results import Result, Run, SearchStats, Verdict

__all__ = ["Progress", "check"]

Progress = Callable[[int, int], None]
"""Called with executions done, and executions in all."""

_RULES = tuple(rule.name for rule in ALL)


def check(
    scenario: Scenario,
    images: Mapping[str, Path] | None = None,
    *,
    witnesses: Path | None = None,
    progress: Progress | None = None,
) -> Result:
    """Run the scenario's search and judge it.

    `images` replaces stages by name. `witnesses`: a folder for the schedule of the first execution
    that shows each outcome. A scenario that allows it is skipped where an image is not there.
    """
    refuse_what_is_not_there(scenario)
    try:
        setup = set_up(scenario, images)
    except MissingImageError as error:
        if not scenario.boot.skip_without_image:
            raise
        return _skipped(scenario, str(error))
    started = time.perf_counter()
    evidence = Evidence()
    length = 0
    every = scenario.search.strategy not in SAMPLED
    total = 1 if every else scenario.search.runs
    if not every:
        plain = execute(fair, setup.actors, setup.memory, record=False)
        length = sum(count for _, count in plain.steps)
    for number in range(total):
        strategy = scripted(scenario) if every else sampled(scenario, number, length)
        run = execute(
            strategy,
            setup.actors,
            setup.memory,
            rule_observer(),
            record=every or witnesses is not None,
            max_ops=scenario.search.max_ops,
        )
        run = with_hints(run, setup)
        write = _writer(run, scenario, setup, number, witnesses)
        _note(evidence, run, write)
        if progress is not None:
            progress(number + 1, total)
    stats = SearchStats(
        strategy=str(scenario.search.strategy),
        memory_model=str(scenario.search.memory_model),
        complete=False,
        states=None,
        transitions=None,
        executions=total,
        seconds=round(time.perf_counter() - started, 3),
    )
    return judge(scenario, evidence, stats, every=every, rules=_RULES)


def _writer(
    run: Run, scenario: Scenario, setup: Setup, number: int, folder: Path | None
) -> Callable[[str], str | None]:
    """Writes the schedule of `run` as the witness of something, and gives its path."""

    def write(what: str) -> str | None:
        if folder is None:
            return None
        stem = scenario.name.replace("/", "-").replace("#", "-").replace(".toml", "")
        path = folder / f"{stem.lstrip('.-')}-{what}.schedule.json"
        save_schedule(run, scenario, setup, path, number=number)
        return str(path)

    return write


def _note(evidence: Evidence, run: Run, write: Callable[[str], str | None]) -> None:
    if run.outcome is None:
        evidence.cut_short.append(run.end.message)
    else:
        if run.outcome not in evidence.outcomes:
            evidence.outcomes[run.outcome] = write(run.outcome.value)
        evidence.counts[run.outcome] = evidence.counts.get(run.outcome, 0) + 1
    for violation in run.violations:
        if violation.rule not in evidence.broken:
            evidence.broken[violation.rule] = violation.message, write(violation.rule)


def _skipped(scenario: Scenario, why: str) -> Result:
    return Result(scenario.name, scenario.title, Verdict.SKIP, None, {}, {}, why)
