"""`check`: run a scenario's search and judge it; one scenario, or many on several cores."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from queue import Empty
from typing import Any

import msgspec

from guestsim.errors import InputError, MissingImageError, StoppedError
from guestsim.runner.control import Options, Progress, Report
from guestsim.runner.interrupt import INTERRUPTED, Note, listen, requested
from guestsim.runner.sampled import check_by_samples
from guestsim.runner.searched import check_by_search
from guestsim.runner.setup import set_up
from guestsim.runner.strategy import SAMPLED
from guestsim.runner.symbolize import Symbolizer
from guestsim.scenario import Scenario
from guestsim.scenario import Strategy as StrategyName
from guestsim.trace.results import Result, Verdict

__all__ = ["Reporter", "check", "check_all"]

Reporter = Callable[[int, Report], None]
"""Called with the number of a scenario and how far it has come."""

_POLL = 0.1
"""Seconds between two looks at what the workers say."""


def check(
    scenario: Scenario, options: Options | None = None, progress: Progress | None = None
) -> Result:
    """Run the scenario's search and judge it. A scenario that allows it is skipped where an image
    is not there; an InputError is the caller's."""
    options = options or Options()
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
) -> Iterator[Result]:
    """The results of `check`, in order, each as soon as it is there.

    With `jobs` over 1, in that many processes. An InputError becomes a result. After Ctrl-C,
    searches under way give what they know, and the others are inconclusive.
    """
    if jobs < 2 or len(scenarios) < 2:
        listen(threading.Event())
        for number, scenario in enumerate(scenarios):
            yield _checked(scenario, options, partial(report, number))
        return
    context = multiprocessing.get_context("fork")
    channel, note = context.Queue(), context.Event()
    listen(note)
    count = min(jobs, len(scenarios))
    with ProcessPoolExecutor(count, context, _begin, (channel, note)) as pool:
        futures = [
            pool.submit(_work, number, scenario, options)
            for number, scenario in enumerate(scenarios)
        ]
        for future in futures:
            _wait(future, channel, report)
            yield future.result()


def _checked(scenario: Scenario, options: Options, progress: Progress) -> Result:
    if requested():
        return _unknown(scenario, "interrupted before it began")
    try:
        return check(scenario, options, progress)
    except InputError as error:
        return Result(scenario.name, scenario.title, Verdict.ERROR, None, {}, {}, str(error))


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


_channel: Any = None
"""Of a worker process: where it reports to."""


def _begin(channel: Any, note: Note) -> None:
    global _channel  # noqa: PLW0603 (the only way to give a pool's process something)
    _channel = channel
    listen(note, worker=True)


def _work(number: int, scenario: Scenario, options: Options) -> Result:
    return _checked(scenario, options, lambda state: _channel.put((number, state)))


def _wait(future: Future[Result], channel: Any, report: Reporter) -> None:
    while not future.done():
        try:
            number, state = channel.get(timeout=_POLL)
        except Empty:
            continue
        report(number, state)
