"""From a sighting in a search to an execution: its schedule, replayed live at once.

The way to a sighting is a list of an explorer's moves. In a schedule, a store's entry into the
store buffer is a step of its own, made while it is its actor's turn. The schedule is played by
freshly started actors in an ordinary execution, and that is held against the records, event by
event; it must show what the search has seen. Anything else is an `InternalError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec

from guestsim.errors import InternalError
from guestsim.execute.execution import Execution, Observer
from guestsim.execute.strategies import answers, fair
from guestsim.record import RecordedExecution
from guestsim.search.problem import RuleSet, Sighting
from guestsim.search.search import Search
from guestsim.search.validate import compare, live_execution
from guestsim.trace import Event, Kind, Outcome, Violation
from guestsim.trace.memory_model import DRAIN
from guestsim.trace.results import Run

__all__ = ["Witness", "observer_of", "witness_of"]

_HANG_OPS = 20_000
"""Ops within which an execution has to show that it hangs."""


class Witness(msgspec.Struct, frozen=True):
    """An execution that shows something, as it was replayed live."""

    outcome: Outcome | None
    """None for a broken rule, whose schedule stops at the event that breaks it."""
    preemptions: int
    """As the search counts them; -1 for a hang, of which a search counts none."""
    run: Run
    """The live execution. Its `outcome` is None for a broken rule, and for a hang in which shared
    memory keeps changing for ever: no single execution can show that."""
    violation: Violation | None = None

    @property
    def switches(self) -> int:
        """Between actors; store buffers are nobody."""
        names = [name for name, _ in self.run.steps if not name.endswith(DRAIN)]
        return sum(one != other for one, other in pairwise(names))


def witness_of(
    search: Search,
    sighting: Sighting,
    *,
    outcome: Outcome | None = None,
    rule: str | None = None,
) -> Witness:
    """The execution that shows `sighting`, which `search` has for `outcome` or for `rule`."""
    what = f"witness for {outcome or rule}"
    rules = search.problem.rules
    execution = live_execution(search, observer_of(rules) if rules and rule else None)
    execution.start()
    steps, choices = _schedule(search, sighting)
    execution.choose = answers(choices)
    hangs = outcome is Outcome.HUNG
    for name, count in steps:
        mover = execution.index(name)
        assert mover is not None
        reason = "the buffer drains" if name.endswith(DRAIN) else "witness"
        done = execution.run_steps(mover, count, reason)
        if hangs and execution.outcome is Outcome.HUNG:
            break  # on a circle already: an execution sees that, and the search had gone round it
        if rule is not None and _broken(execution, rule):
            break
        if done != count:
            raise InternalError(
                f"the {what} does not replay: {name} made {done} of {count} steps, then "
                f"{execution.end or execution.situation()}"
            )
    compare(search, execution, what)
    run = execution.result()
    if rule is not None and not _broken(execution, rule) and sighting.mover < 0:
        # By waiting for ever, which is no event: it has that from here on.
        execution.show_endless_waits()
        hangs = True
    if hangs:
        _go_round(execution, what)
        if execution.outcome is Outcome.HUNG:
            compare(search, execution, what)
            run = execution.result()
    elif rule is None and run.outcome is not outcome:
        raise InternalError(f"the {what} ended {run.outcome}")
    violation = next((found for found in execution.violations if found.rule == rule), None)
    if rule is not None and violation is None:
        raise InternalError(f"the {what} does not break it live")
    return Witness(
        outcome=outcome,
        preemptions=sighting.preemptions,
        run=run,
        violation=violation,
    )


def _broken(execution: Execution, rule: str) -> bool:
    return any(violation.rule == rule for violation in execution.violations)


def _go_round(execution: Execution, what: str) -> None:
    """Go on until the execution itself says that it hangs, or long enough to be sure that it goes
    on for ever: the search has shown that nothing ends it."""
    execution.max_ops = 2 * execution.steps + _HANG_OPS
    if execution.end is None:
        fair(execution, "nothing ends from here")
    if execution.outcome not in (None, Outcome.HUNG):
        raise InternalError(f"the {what} ended {execution.outcome}")


def _schedule(search: Search, sighting: Sighting) -> tuple[list[tuple[str, int]], list[int]]:
    """The steps on the way to the sighting, as runs of one mover, and the answers of CHOOSE ops."""
    problem, names = search.problem, [record.name for record in search.records]
    steps: list[tuple[str, int]] = []
    choices: list[int] = []

    def add(name: str) -> None:
        count = steps.pop()[1] if steps and steps[-1][0] == name else 0
        steps.append((name, count + 1))

    for name, is_drain, events in problem.begun():
        add(name + DRAIN if is_drain else name)
        choices += [event.value for event in events if event.op.kind is Kind.CHOOSE]
    if sighting.stop < 0:
        # Somewhere in here the rule is broken: a step at a time.
        return [(name, 1) for name, count in steps for _ in range(count)], choices
    played = RecordedExecution(search.records, problem.first_memory, tso=problem.tso)
    bound = problem.store_buffer if problem.tso else 0

    def step(actor: int, answer: int = 0) -> None:
        if played.op(actor).kind is Kind.CHOOSE:
            choices.append(answer)
        played.step(actor, answer)
        add(names[actor])

    def enter(actor: int) -> None:
        """To an explorer, stores enter their buffer as soon as they can."""
        while played.op(actor).kind is Kind.STORE and len(played.standing.buffers[actor]) < bound:
            step(actor)

    for mover, answer in search.explorer.path(sighting):
        actor = mover % len(names)
        drains = mover >= len(names)
        if not drains or not played.standing.buffers[actor]:
            enter(actor)
        if drains:
            played.drain(actor)
            add(names[actor] + DRAIN)
        else:
            step(actor, answer)
            enter(actor)
    if sighting.mover < 0:
        for actor in range(len(names)):
            enter(actor)
    return steps, choices


def observer_of(rules: Sequence[RuleSet]) -> Observer:
    """The rules as an observer of one live execution."""
    histories = [each.initial for each in rules]

    def observe(memory: bytearray, event: Event) -> Iterable[Violation]:
        found: list[Violation] = []
        for at, each in enumerate(rules):
            histories[at], violations = each.step(histories[at], memory, event)
            found += violations
        return found

    return observe
