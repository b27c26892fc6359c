"""From a sighting in a search to an execution: its schedule, replayed live at once.

The way to a sighting is a list of moves; macro-steps are turned back into the ops that they are.
Ops that floated while it was not their actor's turn are put off until it is (nobody can tell), so
that the schedule has no more switches than the search has counted. The schedule is played twice:
on the record, and by freshly started actors in an ordinary execution. Both must give the same
trace, event by event, and what the search has seen; anything else is an `InternalError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise, zip_longest

import msgspec

from guestsim.errors import InternalError
from guestsim.execute.digest import Digest
from guestsim.execute.execution import Execution, Observer
from guestsim.execute.schedule import Image, Schedule, Segment
from guestsim.execute.strategies import answers, fair
from guestsim.execute.tso import DRAIN, TsoExecution
from guestsim.record.recorded_execution import RecordedExecution
from guestsim.search.graph import NONE, Move
from guestsim.search.macro import Log
from guestsim.search.model import CHOICE, HALTED, SLEEPING, Rules
from guestsim.search.options import RUN, Sighting
from guestsim.search.search import Search
from guestsim.trace import Actor, Event, Kind, Outcome, Violation
from guestsim.trace.effects import apply
from guestsim.trace.results import Run

__all__ = ["Witness", "observer_of", "schedule_of_witness", "witness_of"]

_HANG_OPS = 20_000
"""Ops within which an execution has to show that it hangs."""

Steps = list[tuple[str, int]]


class Witness(msgspec.Struct, frozen=True):
    """An execution that shows something, as it was replayed live."""

    outcome: Outcome | None
    """None for a broken rule, whose schedule stops at the event that breaks it."""
    preemptions: int
    """As the search counts them; -1 for a hang, of which a search counts none."""
    switches: int
    """Between actors; store buffers are nobody."""
    steps: tuple[tuple[str, int], ...]
    """The schedule: actor (or `guest:drain`) and number of steps."""
    digests: tuple[str, ...]
    """Of the trace, one for each entry of `steps`."""
    run: Run
    """The live execution. Its `outcome` is None for a broken rule, and for a hang in which shared
    memory keeps changing for ever: no single execution can show that."""
    violation: Violation | None = None
    choices: tuple[int, ...] = ()
    """The answers of all CHOOSE ops, in their order."""


def witness_of(
    search: Search,
    sighting: Sighting,
    actors: Sequence[Actor],
    *,
    outcome: Outcome | None = None,
    rule: str | None = None,
) -> Witness:
    """The execution that shows `sighting`, which `search` has for `outcome` or for `rule`.

    `actors` are started afresh. InternalError where the live execution is another.
    """
    flat, choices = _flat(search, sighting, to_end=outcome is Outcome.HUNG or rule is not None)
    rules = search.rules
    played = _Played(search, flat, rule, choices)
    if outcome is not Outcome.HUNG and rule is None:
        op = played.events[-1].op if played.events else None
        if op is None or op.end is None or op.end.outcome is not outcome:
            raise InternalError(f"the search's way to {outcome} ends otherwise: {op!r}")
    execution = _execution(search, actors, observer_of(rules) if rules and rule else None)
    execution.start()
    execution.choose = answers(played.choices)
    hang = outcome is Outcome.HUNG
    for name, count in played.steps:
        mover = execution.index(name)
        assert mover is not None
        done = execution.run_steps(mover, count, _reason(name))
        if hang and execution.outcome is Outcome.HUNG:
            break  # on a circle already: an execution sees that, and the search had gone round it
        if done != count:
            raise InternalError(
                f"the witness for {outcome or rule} does not replay: {name} made {done} of {count} "
                f"steps, then {execution.end or execution.situation()}"
            )
    known = len(execution.events)
    _compare(execution.events, played.events[:known] if hang else played.events, outcome or rule)
    if hang:
        _go_round(execution)
        if execution.outcome is Outcome.HUNG:
            after = execution.choices[len(played.choices) - len(choices) :]
            played = _Played(search, _as_log(search, execution), None, after)
        else:
            execution.events = execution.events[:known]
    elif rule is None and execution.outcome is not outcome:
        raise InternalError(f"the witness for {outcome} ended {execution.outcome}")
    run = execution.result()
    violation = None
    if rule is not None:
        violation = next((found for found in run.violations if found.rule == rule), None)
        if violation is None:
            raise InternalError(f"the witness for a breach of {rule} does not break it live")
    return Witness(
        outcome=outcome,
        preemptions=sighting.preemptions,
        switches=played.switches,
        steps=tuple(played.steps),
        digests=played.digests,
        run=run,
        violation=violation,
        choices=played.choices,
    )


def _go_round(execution: Execution) -> None:
    """Go on until the execution itself says that it hangs, or long enough to be sure that it goes
    on for ever: the search has shown that nothing ends it."""
    execution.max_ops = 2 * execution.steps + _HANG_OPS
    if execution.end is None:
        fair(execution, "nothing ends from here")
    if execution.outcome not in (None, Outcome.HUNG):
        raise InternalError(f"the witness for a hang ended {execution.outcome}")


def _as_log(search: Search, execution: Execution) -> Log:
    """What the execution did from where the search begins."""
    count = len(execution.actors)
    movers = {name: number for number, name in enumerate(execution.names)}
    skipped = sum(1 for _ in search.begun())
    log: Log = []
    for name, steps in execution.result().steps:
        left = max(0, steps - skipped)
        skipped -= steps - left
        if left:
            log.append((movers[name] % count, movers[name] >= count, left))
    return log


def schedule_of_witness(
    witness: Witness,
    *,
    scenario: str,
    images: Sequence[Image],
    memory_model: str,
    strategy: str,
    title: str = "",
    guestsim: str = "",
) -> Schedule:
    """The witness as a schedule that `guestsim.execute.replay` follows."""
    return Schedule(
        guestsim=guestsim,
        title=title,
        scenario=scenario,
        images=tuple(images),
        memory_model=memory_model,
        strategy=strategy,
        outcome=witness.run.outcome,
        steps=tuple(Segment(name, count) for name, count in witness.steps),
        digests=witness.digests,
        choices=witness.choices,
    )


def observer_of(rules: Rules) -> Observer:
    """The rules as an observer of one live execution."""
    history = rules.initial

    def observe(memory: bytearray, event: Event) -> Iterable[Violation]:
        nonlocal history
        history, violations = rules.step(history, memory, event)
        return violations

    return observe


def _execution(search: Search, actors: Sequence[Actor], observe: Observer | None) -> Execution:
    if search.world.tso:
        return TsoExecution(actors, search.memory, observe, bound=search.store_buffer)
    return Execution(actors, search.memory, observe)


def _reason(name: str) -> str:
    return "the buffer drains" if name.endswith(DRAIN) else "witness"


def _flat(search: Search, sighting: Sighting, *, to_end: bool) -> tuple[Log, list[int]]:
    """All steps on the way to the sighting, and the answers of CHOOSE ops. `to_end`: the steps that
    were put off as well."""
    graph, world, closure = search.graph, search.world, search.closure
    actors = graph.actors
    flat: Log = []
    put_off: list[Log] = [[] for _ in range(actors)]
    floated: Log = []
    choices: list[int] = []

    def float_in(current: int) -> None:
        for step in floated:
            actor, is_drain, _ = step
            if (actor == current or is_drain) and not put_off[actor]:
                flat.append(step)
            else:
                put_off[actor].append(step)
        floated.clear()

    def flush(actor: int) -> None:
        flat.extend(put_off[actor])
        put_off[actor].clear()

    key = _settled(search, world.first, floated)
    float_in(NONE)
    for move in _moves(search, sighting):
        if key != graph.keys[move.stop // actors]:
            raise InternalError("the way to a sighting leads elsewhere")
        owner = move.mover % actors
        flush(owner)
        if move.is_run:
            new = closure.run(move.mover, key, flat)
            if new == HALTED:
                flat.append((move.mover, False, 1))
        elif move.mover < actors:
            new = world.steps[move.mover](key)
            if new == CHOICE:
                new = world.chosen(move.mover, key, move.answer)
                choices.append(move.answer)
            flat.append((move.mover, False, 1))
        else:
            new = world.drain(owner, key)
            flat.append((owner, True, 1))
        if new <= SLEEPING:
            new = SLEEPING - new
        if new < 0:
            break
        key = _settled(search, new, floated)
        float_in(move.stop % actors if move.mover >= actors else owner)
    if to_end:
        for actor in range(actors):
            flush(actor)
    return flat, choices


def _moves(search: Search, sighting: Sighting) -> list[Move]:
    if sighting.stop == NONE:
        return []
    moves = search.graph.path(sighting.stop)
    if sighting.mover == RUN:
        moves.append(Move(sighting.stop, 1 - sighting.stop % 2, True))
    elif sighting.mover != NONE:
        moves.append(Move(sighting.stop, sighting.mover, False))
    return moves


def _settled(search: Search, key: int, log: Log) -> int:
    return search.closure.settle(key, log)


class _Played:
    """The steps as a schedule, and the trace that they give on the record."""

    def __init__(self, search: Search, flat: Log, rule: str | None, choices: Sequence[int]) -> None:
        """`choices`: those from where the search begins."""
        self.steps: Steps = []
        self.events: list[Event] = []
        self.boundaries: list[int] = []
        """How many events there are at the end of each entry of `steps`."""
        self._rule = rule
        self._rules = search.rules
        self._history = search.rules.initial if search.rules else None
        memory = bytearray(search.memory)
        for name, is_drain, events in search.begun():
            if self._add(name + DRAIN if is_drain else name, events, memory):
                return
            for event in events:
                apply(memory, event.op)
        player = RecordedExecution(
            search.records, search.first_memory, tso=search.world.tso, choices=choices
        )
        names = search.world.names
        for actor, is_drain, count in flat:
            for _ in range(count):
                events = (player.drained(actor),) if is_drain else player.events(actor)
                name = names[actor] + DRAIN if is_drain else names[actor]
                if self._add(name, events, player.memory):
                    return
                if is_drain:
                    player.drain(actor)
                else:
                    player.step(actor)
        if rule is not None:
            raise InternalError(f"the way to a breach of {rule} does not break it")

    def _add(self, name: str, events: tuple[Event, ...], memory: bytearray) -> bool:
        """One step. `memory` is that before it. Whether it breaks the rule that this is about."""
        broken = False
        if self._rules is not None and self._rule is not None:
            memory = bytearray(memory)
            for event in events:
                self._history, found = self._rules.step(self._history, memory, event)
                broken = broken or any(each.rule == self._rule for each in found)
                apply(memory, event.op)
        self.events += events
        if self.steps and self.steps[-1][0] == name:
            self.steps[-1] = name, self.steps[-1][1] + 1
            self.boundaries[-1] = len(self.events)
        else:
            self.steps.append((name, 1))
            self.boundaries.append(len(self.events))
        return broken

    @property
    def choices(self) -> tuple[int, ...]:
        """The answers of all CHOOSE ops, in their order."""
        return tuple(event.value for event in self.events if event.op.kind is Kind.CHOOSE)

    @property
    def switches(self) -> int:
        """Between actors."""
        names = [name for name, _ in self.steps if not name.endswith(DRAIN)]
        return sum(one != other for one, other in pairwise(names))

    @property
    def digests(self) -> tuple[str, ...]:
        """One for each entry of `steps`."""
        digest = Digest()
        return tuple(
            digest.add(self.events[first:last]) for first, last in pairwise([0, *self.boundaries])
        )


def _compare(live: Sequence[Event], recorded: Sequence[Event], what: Outcome | str | None) -> None:
    for number, (one, other) in enumerate(zip_longest(live, recorded), 1):
        if one != other:
            raise InternalError(
                f"the witness for {what} does not replay: event {number} is {one!r}, and on the "
                f"record {other!r}"
            )
