"""`check`: run a scenario's search and judge it; one scenario, or many on several cores."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator, Sequence
from functools import partial

import msgspec

from guestsim.errors import InputError, MissingImageError, StoppedError, blame
from guestsim.runner.control import Options, Progress, Report
from guestsim.runner.executions import SAMPLED
from guestsim.runner.interrupt import INTERRUPTED, listening, requested
from guestsim.runner.sampled import check_by_samples
from guestsim.runner.searched import check_by_search
from guestsim.runner.setup import set_up
from guestsim.runner.symbolize import Symbolizer
from guestsim.runner.verdicts import keep, kept, key_of, program_digest
from guestsim.runner.workers import Died, in_processes
from guestsim.scenario import Scenario
from guestsim.scenario import Strategy as StrategyName
from guestsim.trace.results import Fault, Result, Verdict

__all__ = ["Reporter", "check", "check_all", "checked", "error_of"]

Reporter = Callable[[int, Report], None]
"""Called with the number of a scenario and how far it has come."""


def check(
    scenario: Scenario, options: Options | None = None, progress: Progress | None = None
) -> Result:
    """Run the scenario's search and judge it, or take the verdict of an earlier run, where
    `options.cache` has it. A scenario that allows it is skipped where an image is not there; an
    InputError is the caller's."""
    options = options or Options()
    key = None if options.cache is None else key_of(scenario, options)
    if options.cache is None or key is None:
        return _found_out(scenario, options, progress)
    result = kept(options.cache, key, scenario, options)
    if result is None:
        result = _found_out(scenario, options, progress)
        keep(options.cache, key, scenario, result, options)
    return result


def _found_out(scenario: Scenario, options: Options, progress: Progress | None) -> Result:
    own = {stage.name for stage in scenario.boot.stages}
    images = {name: path for name, path in options.images.items() if name in own}
    try:
        setup = set_up(scenario, images)
    except MissingImageError as error:
        if not scenario.boot.skip_without_image:
            raise
        return Result(scenario.name, scenario.title, Verdict.SKIP, None, {}, {}, str(error))
    by_samples = scenario.search.strategy in SAMPLED | {StrategyName.SCRIPT}
    way = check_by_samples if by_samples else check_by_search
    try:
        result = way(scenario, setup, options, progress)
    except StoppedError as error:
        result = _unknown(scenario, INTERRUPTED if requested() else str(error))
    notices = Symbolizer(setup.images).notices(setup.guest.notices)
    return msgspec.structs.replace(result, notices=notices)


def check_all(
    scenarios: Sequence[Scenario],
    options: Options,
    jobs: int,
    report: Reporter,
) -> Generator[Result, None, None]:
    """The results of `check`, in order, each as soon as it and all before it are there.

    With `jobs` over 1, each scenario in a process of its own, so many at the same time. Any error
    is the result of its scenario alone. After Ctrl-C, SIGTERM or SIGHUP, searches under way give
    what they know, and the others are inconclusive.
    """
    with listening():
        if jobs < 2 or len(scenarios) < 2:
            for number, scenario in enumerate(scenarios):
                yield checked(scenario, options, partial(report, number))
            return
        if options.cache is not None:
            program_digest()  # once, for all processes
        pieces = [partial(checked, scenario, options) for scenario in scenarios]
        results = in_processes(pieces, jobs, report)
        for scenario, result in zip(scenarios, results, strict=True):
            yield error_of(scenario, result) if isinstance(result, Died) else result


def checked(scenario: Scenario, options: Options, progress: Progress | None = None) -> Result:
    """The result of `check`, whatever happens."""
    if requested():
        return _unknown(scenario, "interrupted before it began")
    try:
        return check(scenario, options, progress)
    except InputError as error:
        return error_of(scenario, error)
    except Exception as error:
        # Whatever it is: a fault of ours, which says nothing about the other scenarios. It is told,
        # and ends in exit status 4. Besides this there is one such place: the top of the program.
        if options.traceback:
            traceback.print_exception(error)
        return error_of(scenario, error)


def error_of(scenario: Scenario, error: Exception | Died) -> Result:
    """The result of a scenario that could not be judged."""
    fault = Fault.INPUT if isinstance(error, InputError) else Fault.GUESTSIM
    text = str(error)
    if fault is Fault.GUESTSIM:
        text = f"{scenario.name}: {error if isinstance(error, Died) else blame(error)}"
    return Result(scenario.name, scenario.title, Verdict.ERROR, None, {}, {}, text, fault=fault)


def _unknown(scenario: Scenario, why: str) -> Result:
    """Nothing was found out."""
    return Result(
        scenario.name,
        scenario.title,
        Verdict.INCONCLUSIVE,
        None,
        {},
        {},
        None,
        (why,),
    )
