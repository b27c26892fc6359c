"""What `check` and `mutants` do with many scenarios: read them, run them, print as they go."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from pathlib import Path

from guestsim.cli.ending import FAILED, INCONCLUSIVE, OK, OUR_FAULT, WRONG_INPUT, complain
from guestsim.errors import InputError
from guestsim.report.progress import live_progress
from guestsim.runner import Options, check_all
from guestsim.runner.campaign import Campaign
from guestsim.runner.check import Reporter
from guestsim.runner.cluster import on_cluster
from guestsim.scenario import Scenario, find, load
from guestsim.trace.results import Fault, Result, Verdict

__all__ = ["load_all", "refuse_unused", "run_all", "status_of"]


def load_all(paths: Sequence[Path], max_cases: int) -> list[Scenario | Result]:
    """The scenarios, and in its place a result for each file that is none: the others still run."""
    found: list[Scenario | Result] = []
    for path in find(paths):
        try:
            found.extend(load(path, max_cases))
        except InputError as error:
            complain(error, WRONG_INPUT)
            what = str(error)
            found.append(
                Result(str(path), "", Verdict.ERROR, None, {}, {}, what, fault=Fault.INPUT)
            )
    return found


def refuse_unused(images: Iterable[str], scenarios: Sequence[Scenario]) -> None:
    """InputError where `--image` names a stage that no scenario has."""
    stages = {stage.name for scenario in scenarios for stage in scenario.boot.stages}
    unused = sorted(set(images) - stages)
    if unused:
        raise InputError(f"--image {unused[0]}: no scenario has a stage of that name")


def run_all(
    plan: Sequence[Scenario | Result],
    options: Options,
    jobs: int | None,
    tell: Callable[[Result], None] = lambda _: None,
    *,
    dask: str | None = None,
    campaign: Campaign | None = None,
) -> list[Result]:
    """The results in the order of `plan`, on `jobs` cores (None: all there are) or on the cluster
    of the scheduler `dask`, with live progress. `tell` gets each as soon as it and all before it
    are there, `campaign` each that is new."""
    results: list[Result] = []
    if campaign is not None:
        plan = [_known(campaign, each) for each in plan]
    scenarios = [each for each in plan if isinstance(each, Scenario)]
    cores = jobs or len(os.sched_getaffinity(0))

    def add(number: int, result: Result) -> None:
        if campaign is not None:
            campaign.add(scenarios[number], result)

    def check(report: Reporter) -> Generator[Result, None, None]:
        if dask is not None:
            yield from on_cluster(scenarios, options, dask, add)
            return
        for number, result in enumerate(check_all(scenarios, options, cores, report)):
            add(number, result)
            yield result

    with (
        live_progress([scenario.name for scenario in scenarios]) as shown,
        closing(check(shown.report)) as checks,
    ):
        finished = 0
        for each in plan:
            if isinstance(each, Result):
                result = each
            else:
                result = next(checks)
                shown.done(finished)
                finished += 1
                if result.error is not None and result.verdict is Verdict.ERROR:
                    shown.complain(f"guestsim: {result.error}")
            results.append(result)
            with shown.set_aside():
                tell(result)
    return results


def _known(campaign: Campaign, each: Scenario | Result) -> Scenario | Result:
    return each if isinstance(each, Result) else campaign.known(each) or each


def status_of(results: Sequence[Result]) -> int:
    """The exit status that says the worst of them."""
    verdicts = {result.verdict for result in results}
    if any(result.fault is Fault.GUESTSIM for result in results):
        return OUR_FAULT
    if Verdict.ERROR in verdicts:
        return WRONG_INPUT
    if Verdict.FAIL in verdicts:
        return FAILED
    return INCONCLUSIVE if Verdict.INCONCLUSIVE in verdicts else OK
