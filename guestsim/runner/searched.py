"""`check` by exhaustive or bounded search: outcomes, rules, witnesses and a certificate."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial

from guestsim.rules import ALL, Monitor, as_judged, check_trace
from guestsim.runner.bulk import bulk_of
from guestsim.runner.control import Options, Progress, Report
from guestsim.runner.executions import scripted
from guestsim.runner.handovers import SAME_HANDOVER, plain_handovers, wrong_handover
from guestsim.runner.interrupt import INTERRUPTED, Deadline, requested
from guestsim.runner.judge import Evidence, judge
from guestsim.runner.setup import Setup
from guestsim.runner.symbolize import Symbolizer
from guestsim.runner.witnesses import schedule_for_witness, write_witness
from guestsim.scenario import Scenario
from guestsim.scenario import Strategy as StrategyName
from guestsim.search import (
    Findings,
    Limits,
    Problem,
    RuleSet,
    Witness,
    begin_after,
    explore,
)
from guestsim.trace import Outcome
from guestsim.trace.memory_model import MemoryModel
from guestsim.trace.results import Result, SearchStats

__all__ = ["DEFAULTS", "check_by_search", "problem_of", "search"]

DEFAULTS = Options()


def check_by_search(
    scenario: Scenario, setup: Setup, options: Options, progress: Progress | None
) -> Result:
    """Search the scenario and judge it.

    Checked over all interleavings are the rules that the scenario judges; of the others, those are
    reported that the witness of an outcome breaks. Every witness has been replayed live, and is
    written where that is wanted.
    """
    started = time.perf_counter()
    judged = scenario.judged
    plain = plain_handovers(scenario, setup, options)
    found = search(scenario, setup, options, judged, progress)
    certificate = found.certificate
    evidence = Evidence()
    everything = Monitor()

    def write(witness: Witness, what: str) -> str | None:
        schedule = partial(schedule_for_witness, witness, scenario, setup)
        return write_witness(options.witnesses, scenario, what, schedule)

    for outcome, witness in found.outcomes.items():
        path = write(witness, str(outcome))
        evidence.outcomes[outcome] = path
        evidence.counts[outcome] = 1
        for violation in check_trace(witness.run.initial, witness.run.events, everything):
            if violation.rule not in judged:
                evidence.broken.setdefault(violation.rule, (violation.message, path))
    for rule, witness in found.violations.items():
        assert witness.violation is not None
        path = write(witness, rule)
        evidence.broken[rule] = witness.violation.message, path
    if SAME_HANDOVER in judged and (sentence := wrong_handover(plain, setup)):
        evidence.broken[SAME_HANDOVER] = sentence, None
    if certificate.why_incomplete is not None:
        why = INTERRUPTED if requested() else certificate.why_incomplete
        evidence.cut_short.append(why)
    stats = SearchStats(
        strategy=str(scenario.search.strategy),
        memory_model=str(scenario.search.memory_model),
        complete=certificate.complete,
        states=found.states,
        transitions=found.transitions,
        executions=None,
        seconds=round(time.perf_counter() - started, 3),
        certificate=certificate,
        string_stores=str(scenario.search.string_stores),
        bulk=bulk_of(found, Symbolizer(setup.images)) if found.crowds else None,
    )
    known = (*(rule.name for rule in ALL), SAME_HANDOVER)
    names = tuple(name for name in known if name in judged or name in evidence.broken)
    return judge(scenario, evidence, stats, every=certificate.complete, rules=names)


def search(
    scenario: Scenario,
    setup: Setup,
    options: Options = DEFAULTS,
    judged: Iterable[str] = (),
    progress: Progress | None = None,
) -> Findings:
    """The scenario's search, with the rules named in `judged`."""
    setup.guest.keep_states = True
    started, deadline = time.perf_counter(), Deadline(options.seconds)
    setup.guest.should_stop = deadline.late
    return explore(
        problem_of(scenario, setup, options, judged),
        explorer=options.explorer,
        images={image.name: image.sha256 for image in setup.images},
        validate_seeds=range(options.validate),
        should_stop=deadline.over,
        give_up=deadline.late,
        progress=_reporter(progress, started),
    )


def problem_of(
    scenario: Scenario, setup: Setup, options: Options = DEFAULTS, judged: Iterable[str] = ()
) -> Problem:
    """What the scenario's search is about."""
    wanted = set(judged)
    monitors = [Monitor([rule]) for rule in ALL if rule.name in wanted]
    rules = tuple(
        RuleSet(each.initial, each.step, each.concerned, each.looks, as_judged) for each in monitors
    )
    model = MemoryModel(str(scenario.search.memory_model))
    prefix = None
    if scenario.search.script:
        prefix = begin_after(
            scripted(scenario, to_end=False),
            setup.actors,
            setup.memory,
            fences=model is MemoryModel.TSO,
        )
    bounded = scenario.search.strategy is StrategyName.BOUNDED
    return Problem(
        actors=setup.actors,
        memory=setup.memory,
        prefix=prefix,
        unheeded=setup.unheeded,
        model=model,
        rules=rules,
        limits=Limits(
            preemptions=scenario.search.bound if bounded else None, states=options.states
        ),
        twice=options.twice,
    )


def _reporter(
    progress: Progress | None, started: float
) -> Callable[[int, int, tuple[Outcome, ...]], None] | None:
    if progress is None:
        return None

    def report(states: int, frontier: int, outcomes: tuple[Outcome, ...]) -> None:
        rate = states / max(time.perf_counter() - started, 1e-9)
        progress(Report(states, None, f"{rate:,.0f}/s, {frontier:,} open", outcomes))

    return report
