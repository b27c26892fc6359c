"""Scripted schedules: a hand-written order of events, by name rather than by count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from guestsim.errors import InputError, InternalError
from guestsim.execute.execution import Chooser, Execution, Motion
from guestsim.execute.strategies import Strategy, fair, next_in_turn, useful, wakes, why
from guestsim.trace import MEANING, NOBODY, Kind, Op, asks
from guestsim.trace.events import Matcher, parse_event
from guestsim.trace.spelling import not_one_of

__all__ = ["ScriptStep", "script"]


class ScriptStep(msgspec.Struct, frozen=True):
    """One line of a script: who has priority, and up to which event."""

    run: str
    """The actor that has priority. It moves whenever it can. While it cannot, the others do. Or
    one of those who ask the daemon: then the daemon has priority, and serves them when it can."""
    until: str | None = None
    """An event (`guestsim.trace.events.parse_event`): the line is done as soon as `run` has
    performed it. None: until `run`, having moved, waits without an event (or spins, or halts)."""
    stage: str | None = None
    """Count only ops of this stage (`Site.stage`)."""
    nth: int = 1
    """How many such events, counted from the start of this line."""

    def __str__(self) -> str:
        words = [f"run {self.run}"]
        if self.until is not None:
            words.append(f"until {self.until}")
        if self.stage is not None:
            words.append(f"in {self.stage}")
        if self.nth != 1:
            words.append(f"({self.nth} times)")
        return " ".join(words)


def script(
    steps: Sequence[ScriptStep], *, to_end: bool = True, lanes: Mapping[str, str] | None = None
) -> Strategy:
    """Follow `steps`, then (`to_end`) `fair` to the end. `lanes`: for those who ask an actor
    (`Kind.ACT`), that actor's name.

    An actor that a line runs, and that waits without an event, wakes spuriously where its wait
    allows it: that is how a script writes a late wake-up. Once it is asleep again and nothing has
    come of it (no change of memory, no event that the line counts), or once it is known to go
    round in vain, it waits for an event like everybody else for the rest of the line, until
    nobody else can move.

    Mistakes in the script are an `InputError` at once; a line that cannot happen is one when the
    execution gets there. Needs an execution that records.
    """
    owners = lanes or {}
    lines = [(step, _matcher(number, step, owners)) for number, step in enumerate(steps, 1)]

    def follow(execution: Execution) -> None:
        if not execution.recording:
            raise InternalError("a script needs an execution that records its events")
        for number, (step, _) in enumerate(lines, 1):
            if execution.index(step.run) is None and step.run not in owners:
                wrong = not_one_of(step.run, (*execution.names, *owners))
                raise InputError(f"script step {number} ({step}): run: {wrong}")
        for number, (step, matcher) in enumerate(lines, 1):
            lane = step.run if step.run in owners else None
            name = owners.get(step.run, step.run)
            asked = name in owners.values()
            execution.choose = _serving(lane) if asked else execution.serve_when_idle
            _follow_line(execution, number, step, matcher, name)
        if to_end and execution.end is None:
            fair(execution, "the script is done" if lines else "first to move")

    return follow


def _serving(lane: str | None) -> Chooser:
    """Whom an actor serves first in a line of `lane`; None: in a line of its own, in which it
    serves nobody where that can be."""

    def choose(op: Op) -> int:
        meanings = op.note.split(MEANING)
        for wanted in (NOBODY,) if lane is None else (asks(lane), NOBODY):
            if wanted in meanings:
                return meanings.index(wanted)
        return 0

    return choose


def _matcher(number: int, step: ScriptStep, owners: Mapping[str, str]) -> Matcher | None:
    where = f"script step {number} ({step})"
    if step.nth < 1:
        raise InputError(f"{where}: nth counts from 1")
    if step.until is None:
        if step.stage is not None or step.nth != 1:
            raise InputError(f"{where}: stage and nth belong to an event; until names none")
        return Matcher(Kind.ACT, step.run) if step.run in owners else None
    try:
        return parse_event(step.until)
    except InputError as error:
        raise InputError(f"{where}: until: {error}") from None


def _follow_line(
    execution: Execution, number: int, step: ScriptStep, matcher: Matcher | None, name: str
) -> None:
    actor = execution.index(name)
    assert actor is not None
    reason = f"script step {number}" + (f": until {step.until}" if step.until else "")
    count = 0
    moved = came_round = False
    woken: tuple[int, int] | None = None
    while execution.end is None:
        asleep = execution.motion(actor) is Motion.SPURIOUS
        now = (execution.changed, count)
        came_round = came_round or (moved and execution.idle(actor)) or (asleep and now == woken)
        if matcher is None and moved and not useful(execution, actor):
            return
        if not useful(execution, actor, Motion.FREE if came_round else Motion.SPURIOUS):
            _let_others_move(execution, actor)
            continue
        moved = True
        woken = now if asleep else woken
        known = len(execution.events)
        word = 0 if matcher is None else matcher.word(execution.memory)
        execution.step(actor, reason)
        if matcher is None:
            continue
        # Of an RMW, both halves.
        for event in execution.events[known:]:
            meant = matcher.matches(event, execution.memory, word)
            count += meant and step.stage in (None, event.op.site.stage)
        if count >= step.nth:
            return
    if matcher is None and moved:
        return
    seen = f", {count} of {step.nth} times done" if count else ""
    how = execution.outcome or "without an outcome"
    raise InputError(
        f"script step {number} ({step}): the execution ended first ({how}: "
        f"{execution.end.message}), after {execution.steps} steps{seen}"
    )


def _let_others_move(execution: Execution, actor: int) -> None:
    """One step of somebody else; of the actor itself where only it has a use for one."""
    others = [number for number in range(len(execution.names)) if number != actor]
    free = [number for number in others if useful(execution, number)]
    sleeping = [number for number in others if useful(execution, number, Motion.SPURIOUS)]
    if free:
        execution.step(free[0], why(execution, actor))
    elif sleeping:
        reason = f"{wakes(execution, sleeping[0])}: {why(execution, actor)}"
        execution.step(sleeping[0], reason)
    else:
        only = next_in_turn(execution, actor)[0]
        execution.step(only, wakes(execution, only))
