"""The reference explorer: the same search as plainly as can be, to hold the compiled one against.

States are values, tables are dictionaries keyed by values, actors move as in any execution of
records, and the rules see the real memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Any, NamedTuple

from guestsim.record import Record, RecordedExecution, Standing
from guestsim.search.problem import NO_MOVE, Crowd, Explorer, Move, Poll, Problem, Sighting
from guestsim.search.rule_histories import RuleHistories
from guestsim.trace import Event, Flag, Kind, Op, Outcome, Violation
from guestsim.trace.effects import ready
from guestsim.trace.ops import ANSWERED
from guestsim.trace.shared import fields

__all__ = ["ReferenceExplorer"]


class State(NamedTuple):
    """Everything that decides what can happen next."""

    standing: Standing
    history: tuple[Any, ...]


Stop = tuple[State, int]
"""A state, and the actor whose turn it is."""

_LEAVE = "leave"
"""In place of a parent: the turn passes from the stop to others."""

Made = tuple[State | Op | None, tuple[Violation, ...]]
"""Where a move leads: a state, a HALT, or nowhere because it cannot be made. What it breaks."""


class ReferenceExplorer(Explorer):
    """One search."""

    def __init__(
        self, problem: Problem, records: tuple[Record, ...], histories: RuleHistories | None
    ) -> None:
        super().__init__(problem, records)
        self._nobody_heeds = [
            (start, problem.first_memory[start:end])
            for name, start, end in fields()
            if name in problem.unheeded
        ]
        self._play = RecordedExecution(records, problem.first_memory, tso=problem.tso)
        for actor in range(self.count):
            self._enter(actor)
        history = () if histories is None else tuple(each[0] for each in histories.histories)
        self._histories = {history}
        self._first = State(self._play.standing, history)
        self._successors: dict[State, set[State]] = {self._first: set()}
        self._ends: set[State] = set()
        self._made: dict[tuple[State, Move], Made] = {}
        self._parents: dict[Stop, tuple[Stop | None, Move | None]] = {}
        self._stops: list[Stop] = []

    # -- moves ----------------------------------------------------------------------------------

    def _op(self, state: State, actor: int) -> Op:
        return self.records[actor].ops[state.standing.nodes[actor]]

    def _answers(self, state: State, actor: int) -> int:
        """How many there are to the actor's CHOOSE; 1 where it stands at none."""
        op = self._op(state, actor)
        return op.value if op.kind is Kind.CHOOSE else 1

    def _is_full(self, actor: int) -> bool:
        return len(self._play.standing.buffers[actor]) == self.problem.store_buffer

    def _enter(self, actor: int) -> None:
        """Under tso, stores enter the actor's buffer as soon as they can."""
        while self.problem.tso and self._play.op(actor).kind is Kind.STORE:
            if self._is_full(actor):
                self.buffer_was_full = True
                break
            self._play.step(actor)

    def _make(self, state: State, move: Move) -> Made:
        """Make a move of an actor, or, behind them all, of a store buffer."""
        if (state, move) not in self._made:
            made = self._made[state, move] = self._moved(state, move)
            self.transitions += made[0] is not None
        return self._made[state, move]

    def _moved(self, state: State, move: Move) -> Made:
        mover, answer = move
        actor, play = mover % self.count, self._play
        play.standing = self._unheeded(state.standing, as_first=False)
        op = play.op(actor)
        events: tuple[Event, ...] | None = None
        if mover != actor:
            events = play.drain(actor)
        elif op.kind is not Kind.STORE or not self.problem.tso:
            events = play.step(actor, answer)
        if events is None:
            return None, ()
        history, broken = self._judged(state, events)
        if op.kind is Kind.HALT and mover == actor:
            return op, broken
        if op.kind in ANSWERED and mover == actor:
            self.after(actor, state.standing.nodes[actor], events[0].value)
        self._enter(actor)
        return State(self._unheeded(play.standing, as_first=True), history), broken

    def _unheeded(self, standing: Standing, *, as_first: bool) -> Standing:
        """Events that nobody heeds are never there for an actor, and no part of a state: as they
        were at first."""
        memory = bytearray(standing.memory)
        for start, first in self._nobody_heeds:
            memory[start : start + len(first)] = first if as_first else bytes(len(first))
        return standing._replace(memory=bytes(memory))

    def _judged(
        self, state: State, events: Iterable[Event]
    ) -> tuple[tuple[Any, ...], tuple[Violation, ...]]:
        """The rules' histories after the events of one move, and what these break."""
        history = list(state.history)
        found: list[Violation] = []
        for event in events:
            for at, rules in enumerate(self.problem.rules):
                if rules.concerned(event):
                    memory = state.standing.memory
                    history[at], broken = rules.step(history[at], memory, event)
                    found += broken
            self._histories.add(tuple(history))
        return tuple(history), tuple(found)

    def _yields(self, state: State, actor: int) -> bool:
        """Whether to leave the actor is no preemption: it sleeps or is blocked, or it spins: alone,
        it comes back to this state without sleeping."""
        at: State | Op | None = state
        seen: set[State] = set()
        while isinstance(at, State) and at not in seen:
            seen.add(at)
            op = self._op(at, actor)
            sleeps = op.kind is Kind.WAIT and not op.flags & Flag.POLL
            if sleeps and (self.is_unheeded(op) or not ready(at.standing.memory, op)):
                return at == state
            at, _ = self._make(at, (actor, 0))
        return at == state

    # -- the search -----------------------------------------------------------------------------

    def run(self, poll: Poll) -> str | None:
        """As `Explorer.run`."""
        limits = self.problem.limits
        queue: list[tuple[int, int, int, Stop, Any, Move | None]] = []
        pushed = 0

        def push(preemptions: int, switches: int, stop: Stop, parent: Any, by: Move | None) -> None:
            nonlocal pushed
            pushed += 1
            if limits.preemptions is None or preemptions <= limits.preemptions:
                heappush(queue, (preemptions, switches, pushed, stop, parent, by))

        for actor in range(self.count):
            push(0, 0, (self._first, actor), None, None)
        while queue:
            preemptions, switches, _, stop, parent, by = heappop(queue)
            state, actor = stop
            if parent == _LEAVE:
                # What the actor does alone is known by now: it costs nothing more.
                extra = 0 if self._yields(state, actor) else 1
                for other in range(self.count):
                    push(preemptions + extra, switches, (state, other), stop, None)
                continue
            if stop in self._parents:
                continue
            self._parents[stop] = parent, by
            here = Sighting(len(self._stops), 0, 0, preemptions, switches)
            self._stops.append(stop)
            for move in self._moves(state, actor):
                then, broken = self._make(state, move)
                self._see(then, broken, here._replace(mover=move[0], answer=move[1]))
                if isinstance(then, State):
                    self._successors[state].add(then)
                    self._successors.setdefault(then, set())
                    push(preemptions, switches, (then, actor), stop, move)
                elif then is not None:
                    self._ends.add(state)
            push(preemptions, switches + 1, stop, _LEAVE, None)
            self.states = len(self._successors)
            self.histories = len(self._histories) if self.problem.rules else 0
            if limits.states is not None and self.states > limits.states:
                return f"the budget of {limits.states} states is used up"
            if poll(self.states, len(queue)):
                return "stopped: the time is used up"
        self.memories = len({state.standing.memory for state in self._successors})
        return None

    def _moves(self, state: State, actor: int) -> list[Move]:
        """Every move while it is the actor's turn: its own, and those of all store buffers."""
        own = [(actor, answer) for answer in range(self._answers(state, actor))]
        buffers = enumerate(state.standing.buffers)
        return own + [(self.count + owner, 0) for owner, buffer in buffers if buffer]

    def _see(self, then: State | Op | None, broken: Iterable[Violation], here: Sighting) -> None:
        """What a move has broken, and the end that it is: the first time counts."""
        for violation in broken:
            self.violations.setdefault(violation.rule, (violation, here))
        if isinstance(then, Op):
            end = self.end_of(then)
            if end.outcome is not None:
                self.outcomes.setdefault(end.outcome, here)
            elif self.cut_short is None:
                self.cut_short = f"an execution was cut short: {end.message}"

    # -- what never ends ------------------------------------------------------------------------

    def is_bounded(self) -> bool:
        """As `Explorer.is_bounded`."""
        return len(self._stops) < self.states * self.count

    def classify(self, poll: Poll) -> bool:
        """As `Explorer.classify`."""
        actors = range(self.count)
        known = self._successors
        open_ends = {
            state for state in known if any((state, each) not in self._parents for each in actors)
        }
        ending = self._reaching(self._ends | open_ends)
        hung = [state for state in known if state not in ending]
        if hung:
            self.outcomes[Outcome.HUNG] = self._arrival(hung[0])
        changing = self._reaching(
            state
            for state, successors in known.items()
            if state in ending
            or any(state.standing.buffers)
            or any(then.standing.memory != state.standing.memory for then in successors)
            or any(self._answers(state, each) > 1 for each in actors)
        )
        for state in hung:
            if state in changing:
                continue
            here = self._arrival(state)
            for actor in actors:
                op = self._op(state, actor)
                if op.kind is Kind.WAIT and not op.flags & Flag.SPURIOUS:
                    endless = Event(self.records[actor].name, op, 0)
                    history, broken = self._judged(state, [endless])
                    state = State(state.standing, history)  # noqa: PLW2901 (as the rules go on)
                    self._see(None, broken, here)
        return not poll(self.states, 0)

    def _reaching(self, some: Iterable[State]) -> set[State]:
        """The states from which one of `some` can be reached."""
        before: dict[State, list[State]] = {}
        for state, successors in self._successors.items():
            for then in successors:
                before.setdefault(then, []).append(state)
        todo = list(some)
        found = set(todo)
        while todo:
            new = [state for state in before.get(todo.pop(), ()) if state not in found]
            found.update(new)
            todo += new
        return found

    def _arrival(self, state: State) -> Sighting:
        return NO_MOVE._replace(
            stop=next(at for at, stop in enumerate(self._stops) if stop[0] == state)
        )

    def crowd(self, actor: int) -> Crowd:
        """As `Explorer.crowd`."""
        standings = [state.standing for state in self._successors]
        return Crowd(
            dict(Counter(standing.nodes[actor] for standing in standings)),
            sum(bool(standing.buffers[actor]) for standing in standings),
        )

    def path(self, sighting: Sighting) -> list[Move]:
        """As `Explorer.path`."""
        stop: Stop | None = self._stops[sighting.stop]
        moves = [(sighting.mover, sighting.answer)] if sighting.mover >= 0 else []
        while stop is not None:
            stop, move = self._parents[stop]
            moves += [move] if move is not None else []
        return moves[::-1]
