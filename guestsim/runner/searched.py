"""`check` by exhaustive or bounded search: outcomes, rules, witnesses and a certificate."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterable, Mapping

import msgspec

from guestsim import __version__
from guestsim.execute import Schedule
from guestsim.rules import ALL, Monitor, check_trace
from guestsim.runner.control import Options, Progress, Report
from guestsim.runner.interrupt import INTERRUPTED, requested
from guestsim.runner.judge import Evidence, judge
from guestsim.runner.setup import Setup
from guestsim.runner.strategy import scripted
from guestsim.runner.witnesses import save_schedule, witness_path
from guestsim.scenario import Scenario
from guestsim.scenario import Strategy as StrategyName
from guestsim.search import (
    Found,
    Limits,
    Reductions,
    SearchRules,
    Witness,
    begin_after,
    explore,
    schedule_of_witness,
)
from guestsim.trace import Outcome
from guestsim.trace.memory_model import MemoryModel
from guestsim.trace.results import Certificate, Result, SearchStats

__all__ = ["DEFAULTS", "check_by_search", "schedule_for_witness", "search"]

DEFAULTS = Options()

NO_REDUCTIONS = Reductions(
    macro_steps=False, justified_turns=False, eager_stores=False, forget_unheeded=False
)
"""Every state is stored. Points are still merged: without that, no search of a loop ends."""


def check_by_search(
    scenario: Scenario, setup: Setup, options: Options, progress: Progress | None
) -> Result:
    """Search the scenario and judge it.

    Checked over all interleavings are the rules that the scenario judges; of the others, those are
    reported that the witness of an outcome breaks. Every witness has been replayed live, and is
    written where that is wanted.
    """
    started = time.perf_counter()
    judged = scenario.expect.rules.judged
    found = search(scenario, setup, options, judged, progress)
    certificate = found.certificate
    evidence = Evidence()
    for outcome, witness in found.outcomes.items():
        path = _written(witness, str(outcome), scenario, setup, options)
        evidence.outcomes[outcome] = path
        evidence.counts[outcome] = 1
        for violation in check_trace(witness.run.initial, witness.run.events):
            if violation.rule not in judged:
                evidence.broken.setdefault(violation.rule, (violation.message, path))
    for rule, witness in found.violations.items():
        assert witness.violation is not None
        path = _written(witness, rule, scenario, setup, options)
        evidence.broken[rule] = witness.violation.message, path
    if certificate.why_incomplete is not None:
        why = INTERRUPTED if requested() else certificate.why_incomplete
        evidence.cut_short.append(why)
    stats = SearchStats(
        strategy=str(scenario.search.strategy),
        memory_model=str(scenario.search.memory_model),
        complete=certificate.complete,
        states=certificate.states,
        transitions=certificate.transitions,
        executions=None,
        seconds=round(time.perf_counter() - started, 3),
        certificate=_certificate(found, setup),
        string_stores=str(scenario.search.string_stores),
    )
    names = tuple(rule.name for rule in ALL if rule.name in judged or rule.name in evidence.broken)
    return judge(scenario, evidence, stats, every=certificate.complete, rules=names)


def search(
    scenario: Scenario,
    setup: Setup,
    options: Options = DEFAULTS,
    judged: Iterable[str] = (),
    progress: Progress | None = None,
) -> Found:
    """The scenario's search, with the rules named in `judged`."""
    wanted = set(judged)
    rules = None
    if wanted:
        monitor = Monitor(rule for rule in ALL if rule.name in wanted)
        rules = SearchRules(monitor.initial, monitor.step, monitor.concerned, monitor.looks)
    bounded = scenario.search.strategy is StrategyName.BOUNDED
    setup.guest.keep_states = True
    started = time.perf_counter()
    begin = None
    model = MemoryModel(str(scenario.search.memory_model))
    if scenario.search.script:
        begin = begin_after(
            scripted(scenario, to_end=False),
            setup.actors,
            setup.memory,
            fences=model is MemoryModel.TSO,
        )
    return explore(
        setup.actors,
        setup.memory,
        begin=begin,
        unheeded=setup.unheeded,
        model=model,
        rules=rules,
        reductions=Reductions() if options.reduce else NO_REDUCTIONS,
        limits=Limits(
            preemptions=scenario.search.bound if bounded else None, states=options.states
        ),
        twice=options.twice,
        validate_seeds=range(options.validate),
        should_stop=_deadline(options, started),
        progress=_reporter(progress, started),
    )


def schedule_for_witness(witness: Witness, scenario: Scenario, setup: Setup) -> Schedule:
    """The schedule of a witness, without the scenario's path."""
    return schedule_of_witness(
        witness,
        scenario="",
        images=setup.scheduled_images,
        memory_model=str(scenario.search.memory_model),
        strategy=str(scenario.search.strategy),
        title=scenario.title,
        guestsim=__version__,
    )


def _deadline(options: Options, started: float) -> Callable[[], bool]:
    seconds = options.seconds
    if seconds is None:
        return requested
    return lambda: requested() or time.perf_counter() - started > seconds


def _reporter(
    progress: Progress | None, started: float
) -> Callable[[int, int, tuple[Outcome, ...]], None] | None:
    if progress is None:
        return None

    def report(states: int, frontier: int, outcomes: tuple[Outcome, ...]) -> None:
        rate = states / max(time.perf_counter() - started, 1e-9)
        progress(Report(states, None, f"{rate:,.0f}/s, {frontier:,} open", outcomes))

    return report


def _written(
    witness: Witness, what: str, scenario: Scenario, setup: Setup, options: Options
) -> str | None:
    if options.witnesses is None:
        return None
    path = witness_path(options.witnesses, scenario, what)
    save_schedule(schedule_for_witness(witness, scenario, setup), scenario, path)
    return str(path)


def _certificate(found: Found, setup: Setup) -> Certificate:
    known = found.certificate
    reductions: Mapping[str, bool] = msgspec.structs.asdict(known.reductions)
    return Certificate(
        complete=known.complete,
        why_incomplete=known.why_incomplete,
        begins_after=known.begins_after,
        memory_images=known.memories,
        live_runs=sum(known.live_runs),
        compared_events=known.compared_events,
        preemption_bound=known.preemptions,
        store_buffer=known.store_buffer,
        store_buffer_full=known.hit_store_buffer,
        reductions=tuple(name for name, used in reductions.items() if used),
        images={image.name: image.sha256 for image in setup.images},
        search_bytes=known.peak_bytes,
        peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )
