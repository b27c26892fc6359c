"""`check` by a script's one execution, or by samples."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from guestsim.errors import StoppedError
from guestsim.execute import execute, fair
from guestsim.rules import ALL
from guestsim.runner.control import Options, Progress, Report
from guestsim.runner.executions import SAMPLED, execute_once, sampled, scripted
from guestsim.runner.handovers import SAME_HANDOVER, plain_handovers, wrong_handover
from guestsim.runner.interrupt import Deadline
from guestsim.runner.judge import Evidence, judge
from guestsim.runner.setup import Setup
from guestsim.runner.witnesses import schedule_for, write_witness
from guestsim.scenario import Scenario
from guestsim.trace.results import Result, Run, SearchStats

__all__ = ["check_by_samples"]

_RULES = tuple(rule.name for rule in ALL)


def check_by_samples(
    scenario: Scenario, setup: Setup, options: Options, progress: Progress | None
) -> Result:
    """Run the scenario's executions, with all rules, and judge them. Never a proof."""
    started, deadline = time.perf_counter(), Deadline(options.seconds)
    setup.guest.should_stop = deadline.over
    evidence = Evidence()
    every = scenario.search.strategy not in SAMPLED
    plain_left = plain_handovers(scenario, setup, options)
    total = 1 if every else scenario.search.runs
    length = 0
    if not every:
        plain = execute(fair, setup.actors, setup.memory, record=False, should_stop=deadline.over)
        length = sum(count for _, count in plain.steps)
    for number in range(total):
        try:
            if deadline.over():
                raise StoppedError(deadline.why)
            run = execute_once(
                scripted(scenario) if every else sampled(scenario, number, length),
                setup,
                scenario.search.max_ops,
                record=every or options.witnesses is not None,
            )
        except StoppedError as error:
            evidence.cut_short.append(deadline.why if deadline.over() else str(error))
            total, every = number + 1, False
            break
        schedule = partial(schedule_for, run, scenario, setup, number)
        _note(evidence, run, partial(write_witness, options.witnesses, scenario, schedule=schedule))
        if progress is not None:
            progress(Report(number + 1, total, "", tuple(evidence.outcomes)))
    names = _RULES
    if SAME_HANDOVER in scenario.judged:
        names = (*_RULES, SAME_HANDOVER)
        if sentence := wrong_handover(plain_left, setup):
            evidence.broken[SAME_HANDOVER] = sentence, None
    stats = SearchStats(
        strategy=str(scenario.search.strategy),
        memory_model=str(scenario.search.memory_model),
        complete=False,
        states=None,
        transitions=None,
        executions=total,
        seconds=round(time.perf_counter() - started, 3),
        string_stores=str(scenario.search.string_stores),
    )
    return judge(scenario, evidence, stats, every=every, rules=names)


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
