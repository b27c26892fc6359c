"""The reference explorer: the same search as plainly as can be, to hold the compiled one against.

States are values, tables are dictionaries keyed by values, and the rules see the real memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Any, NamedTuple

from guestsim.record import Record
from guestsim.search.problem import NO_MOVE, Explorer, Move, Poll, Problem, Sighting
from guestsim.search.rule_histories import RuleHistories
from guestsim.trace import Event, Flag, Kind, Op, Outcome, Violation
from guestsim.trace.effects import apply, result
from guestsim.trace.memory_model import overlay
from guestsim.trace.ops import ANSWERED

__all__ = ["ReferenceExplorer"]


class State(NamedTuple):
    """Everything that decides what can happen next."""

    nodes: tuple[int, ...]
    buffers: tuple[tuple[Op, ...], ...]
    memory: bytes
    history: tuple[Any, ...]


Stop = tuple[State, int]
"""A state, and the actor whose turn it is."""

_LEAVE = "leave"
"""In place of a parent: the turn passes from the stop to others."""

Step = tuple[State | Op | None, tuple[Violation, ...]]
"""Where a move leads: a state, a HALT, or nowhere because it cannot be made. What it breaks."""


class ReferenceExplorer(Explorer):
    """One search."""

    def __init__(
        self, problem: Problem, records: tuple[Record, ...], histories: RuleHistories | None
    ) -> None:
        super().__init__(problem, records)
        history = () if histories is None else tuple(each[0] for each in histories.histories)
        self._histories = {history}
        nobody = (0,) * self.count
        first = State(nobody, ((),) * self.count, problem.first_memory, history)
        for actor, record in enumerate(records):
            first = self._stand(first, actor, record.first, ())
        self._first = first
        self._successors: dict[State, set[State]] = {first: set()}
        self._ends: set[State] = set()
        self._drained: set[State] = set()
        self._memories: dict[bytes, bytes] = {}
        """Equal contents are kept once."""
        self._steps: dict[Stop, Step] = {}
        self._parents: dict[Stop, tuple[Stop | None, Move | None]] = {}
        self._stops: list[Stop] = []
        self._broken: list[Violation] = []
        """By the move that is being made."""

    # -- moves ----------------------------------------------------------------------------------

    def _op(self, state: State, actor: int) -> Op:
        return self.records[actor].ops[state.nodes[actor]]

    def _answers(self, state: State, actor: int) -> int:
        """How many there are to the actor's CHOOSE; 1 where it stands at none."""
        op = self._op(state, actor)
        return op.value if op.kind is Kind.CHOOSE else 1

    def _stand(self, state: State, actor: int, node: int, buffer: tuple[Op, ...]) -> State:
        """The actor comes to `node`. Under tso, stores that come then enter its buffer at once."""
        record = self.records[actor]
        while self.problem.tso and record.ops[node].kind is Kind.STORE:
            if len(buffer) == self.problem.store_buffer:
                self.buffer_was_full = True
                break
            buffer, node = (*buffer, record.ops[node]), record.following[node]
        nodes, buffers = list(state.nodes), list(state.buffers)
        nodes[actor], buffers[actor] = node, buffer
        return state._replace(nodes=tuple(nodes), buffers=tuple(buffers))

    def _perform(self, state: State, actor: int, op: Op, value: int) -> State:
        """The op's event: the rules see it, then it changes memory."""
        event = Event(self.records[actor].name, op, value)
        history = list(state.history)
        for at, rules in enumerate(self.problem.rules):
            if rules.concerned(event):
                history[at], broken = rules.step(history[at], state.memory, event)
                self._broken += broken
        self._histories.add(tuple(history))
        memory = bytearray(state.memory)
        if not self.is_unheeded(op):
            apply(memory, op)
        contents = bytes(memory)
        contents = self._memories.setdefault(contents, contents)
        return state._replace(memory=contents, history=tuple(history))

    def _value(self, state: State, actor: int, answer: int) -> int:
        """What the actor's op gives."""
        op = self._op(state, actor)
        if op.kind is Kind.CHOOSE:
            return answer
        if self.is_unheeded(op):
            return 1 if op.kind is Kind.SEND else 0
        value = result(state.memory, op)
        if op.kind is Kind.LOAD:
            data = bytearray(value.to_bytes(op.size, "little"))
            for store in state.buffers[actor]:
                overlay(data, op, store)
            value = int.from_bytes(data, "little")
        return value

    def _step(self, state: State, actor: int, answer: int = 0) -> State | Op | None:
        """The state after the actor's own move, its HALT, or None where it cannot move."""
        record, node, op = self.records[actor], state.nodes[actor], self._op(state, actor)
        buffer = state.buffers[actor]
        if buffer and op.kind not in (Kind.LOAD, Kind.CHOOSE):
            return None
        value = self._value(state, actor, answer)
        if op.kind is Kind.WAIT and not value and not op.flags & Flag.SPURIOUS:
            return None
        state = self._perform(state, actor, op, value)
        if op.kind is Kind.HALT:
            return op
        then = self.after(actor, node, value) if op.kind in ANSWERED else record.following[node]
        if op.kind is Kind.RMW:
            half = record.ops[then]
            state, then = self._perform(state, actor, half, half.value), record.following[then]
        return self._stand(state, actor, then, buffer)

    def _own(self, state: State, actor: int) -> Step:
        """The actor's own move, where it answers a CHOOSE by 0, and what that breaks."""
        stop = state, actor
        if stop not in self._steps:
            then = self._step(state, actor)
            self._steps[stop] = then, tuple(self._broken)
            self._broken.clear()
        return self._steps[stop]

    def _drain(self, state: State, actor: int) -> State:
        """The state after the oldest store of the actor's buffer has reached memory."""
        oldest, *rest = state.buffers[actor]
        state = self._perform(state, actor, oldest, oldest.value)
        return self._stand(state, actor, state.nodes[actor], tuple(rest))

    def _yields(self, state: State, actor: int) -> bool:
        """Whether to leave the actor is no preemption: it sleeps or is blocked, or it spins: alone,
        it comes back to this state without sleeping."""
        at: State | Op | None = state
        seen: set[State] = set()
        sleeps = False
        while isinstance(at, State) and at not in seen and not sleeps:
            seen.add(at)
            op = self._op(at, actor)
            sleeps = op.kind is Kind.WAIT and not op.flags & Flag.POLL
            sleeps = sleeps and not self._value(at, actor, 0)
            if not sleeps:
                at, _ = self._own(at, actor)
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
            for move, then in self._moves(state, actor, here):
                push(preemptions, switches, (then, actor), stop, move)
            push(preemptions, switches + 1, stop, _LEAVE, None)
            self.states = len(self._successors)
            self.histories = len(self._histories) if self.problem.rules else 0
            if limits.states is not None and self.states > limits.states:
                return f"the budget of {limits.states} states is used up"
            if poll(self.states, len(queue)):
                return "stopped: the time is used up"
        self.memories = len({state.memory for state in self._successors})
        return None

    def _moves(self, state: State, actor: int, here: Sighting) -> Iterable[tuple[Move, State]]:
        """Every move while it is the actor's turn: its own, and those of all store buffers."""
        for answer in range(self._answers(state, actor)):
            if answer:
                then = self._step(state, actor, answer)
            else:
                then, broken = self._own(state, actor)
                self._broken += broken
            self._see(then, here._replace(mover=actor, answer=answer))
            self.transitions += then is not None
            if isinstance(then, State):
                self._lead(state, then)
                yield (actor, answer), then
            elif then is not None:
                self._ends.add(state)
        for owner in range(self.count):
            if state.buffers[owner]:
                then = self._drain(state, owner)
                self._see(then, here._replace(mover=self.count + owner))
                self.transitions += state not in self._drained
                self._lead(state, then)
                yield (self.count + owner, 0), then
        self._drained.add(state)

    def _lead(self, state: State, then: State) -> None:
        self._successors[state].add(then)
        self._successors.setdefault(then, set())

    def _see(self, then: State | Op | None, here: Sighting) -> None:
        """What a move has broken, and the end that it is: the first time counts."""
        for violation in self._broken:
            self.violations.setdefault(violation.rule, (violation, here))
        self._broken.clear()
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
            or any(state.buffers)
            or any(then.memory != state.memory for then in successors)
            or any(self._answers(state, each) > 1 for each in actors)
        )
        for state in hung:
            if state in changing:
                continue
            here = self._arrival(state)
            for actor in actors:
                op = self._op(state, actor)
                if op.kind is Kind.WAIT and not op.flags & Flag.SPURIOUS:
                    state = self._perform(state, actor, op, 0)  # noqa: PLW2901 (as the rules go on)
                    self._see(None, here)
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

    def path(self, sighting: Sighting) -> list[Move]:
        """As `Explorer.path`."""
        stop: Stop | None = self._stops[sighting.stop]
        moves = [(sighting.mover, sighting.answer)] if sighting.mover >= 0 else []
        while stop is not None:
            stop, move = self._parents[stop]
            moves += [move] if move is not None else []
        return moves[::-1]
