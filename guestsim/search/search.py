"""Every interleaving: a search of all states that actors on one shared memory can get into.

States are visited in order of cost, which is (preemptions, switches): first everything that needs
no preemption, with rising numbers of switches, then everything that needs one… So the first way to
an outcome has the fewest preemptions, and among those the fewest switches between actors. A switch
is a *preemption* where the actor that is left could have gone on. An actor that waits for an event
that is not there yields, even where its wait could end without the event; and so does one that
spins: alone, it would come back to the same state for ever, without sleeping.

Under sc that is exact for every outcome but a hang, whatever the reductions. Under tso with
macro-steps, and for hangs and broken rules, what a sighting counts is at most what its execution
needs: a bound on preemptions then explores more than it says, never less.
"""

from __future__ import annotations

import sys
from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence

import msgspec

from guestsim.errors import InternalError
from guestsim.record.record import Record
from guestsim.search.footprint import RoundOfChoices
from guestsim.search.graph import ENDED, NONE, STUCK, UNKNOWN, Graph
from guestsim.search.macro import Closure
from guestsim.search.model import (
    BLOCKED,
    CHOICE,
    HALTED,
    NODE_MASK,
    SLEEPING,
    Rules,
    lay_out,
)
from guestsim.search.options import RUN, Limits, Progress, Reductions, Sighting
from guestsim.search.parts import TooManyError
from guestsim.search.prefix import Beginning, Move
from guestsim.search.world import World
from guestsim.trace import Actor, Flag, Kind, Outcome, Violation
from guestsim.trace.actor import set_fences
from guestsim.trace.effects import apply
from guestsim.trace.memory_model import STORE_BUFFER, MemoryModel

__all__ = ["Search"]

_POLL = 256
"""New states between two looks at the time."""

_Turns = defaultdict[int, "array[int]"]


def _stops() -> array[int]:
    return array("q")


class Search:
    """One search. `run` makes it; then the attributes tell what it found.

    `actors` are run to record them, and nothing else may run them meanwhile. The search starts
    where they start, on `memory`, or where `begin` ends. `should_stop` is asked every few hundred
    states. A KeyboardInterrupt ends the search, incomplete. Nobody's behaviour depends on the
    fields of memory that are named in `unheeded` (InternalError where it does), so states that
    differ in nothing else can be one.
    """

    def __init__(
        self,
        actors: Sequence[Actor],
        memory: bytes,
        *,
        begin: Beginning | None = None,
        unheeded: Collection[str] = (),
        model: MemoryModel = MemoryModel.SC,
        rules: Rules | None = None,
        reductions: Reductions | None = None,
        limits: Limits | None = None,
        store_buffer: int = STORE_BUFFER,
        twice: bool = False,
        should_stop: Callable[[], bool] | None = None,
        progress: Progress | None = None,
    ) -> None:
        if not actors or len({actor.name for actor in actors}) != len(actors):
            raise InternalError("a search needs actors with different names")
        set_fences(actors, model is MemoryModel.TSO)
        self.model = model
        self.memory = bytes(memory)
        self.reductions = reductions or Reductions()
        self.limits = limits or Limits()
        self.store_buffer = store_buffer
        self._most_states = sys.maxsize if self.limits.states is None else self.limits.states
        self._should_stop = should_stop
        self._progress = progress
        self.outcomes: dict[Outcome, Sighting] = {}
        """How executions can end, and where that was first seen. `hung` is known at the end."""
        self.violations: dict[str, tuple[Violation, Sighting]] = {}
        """The first violation of each rule that can be broken."""
        self.why_incomplete: str | None = None
        """One clause; None where everything was explored."""
        self._cut_short: str | None = None
        self._stop = NONE
        self._mover = 0
        self._preemptions = self._switches = 0
        self.begin = begin
        self.rules = rules
        bursts = (None,) * len(actors) if begin is None else begin.bursts
        self.records = tuple(
            Record(actor, len(memory), merge=self.reductions.merge, twice=twice, begin=burst)
            for actor, burst in zip(actors, bursts, strict=True)
        )
        self.first_memory = self.memory if begin is None else begin.memory
        """Shared memory where the search begins."""
        history = None if rules is None else self._judge_beginning(rules)
        tso = model is MemoryModel.TSO
        if not self.reductions.forget_unheeded:
            unheeded = ()
        layout = lay_out(len(actors), self.first_memory, model, unheeded)
        self.world = World(
            self.records,
            layout,
            tso=tso,
            bound=store_buffer,
            rules=None if rules is None else rules._replace(initial=history),
            on_violation=None if rules is None else self._broken,
        )
        plain = rules is None and not tso
        self._solo = self.world if plain else World(self.records, layout)
        self._broken_before = dict(self.violations)
        self._prepare()

    def _prepare(self) -> None:
        """Nothing is explored yet."""
        count = len(self.records)
        self.closure = Closure(
            self.world,
            self._solo,
            float_ops=self.reductions.macro_steps and count == 2,
            into_buffers=self.reductions.eager_stores,
        )
        self.graph = Graph(count, 2 * count if self.world.tso else count)
        self.outcomes.clear()
        self.violations = dict(self._broken_before)
        self._stop, self._mover = NONE, 0
        self._preemptions = self._switches = 0

    @property
    def complete(self) -> bool:
        """Whether every interleaving was explored."""
        return self.why_incomplete is None

    def begun(self) -> Iterator[Move]:
        """What every execution does before the search begins, under the search's memory model."""
        if self.begin is None:
            return iter(())
        return self.begin.moves(self.store_buffer if self.world.tso else None)

    def run(self) -> None:
        """Search until everything is explored or a limit is reached."""
        try:
            try:
                self._explore()
            except RoundOfChoices:
                self.reductions = msgspec.structs.replace(self.reductions, macro_steps=False)
                self._prepare()
                self._explore()
        except KeyboardInterrupt:
            self.why_incomplete = "interrupted"
        except TooManyError as error:
            self.why_incomplete = str(error)
        self.graph.trim()
        if self.why_incomplete is not None:
            # In the middle of a move, perhaps: nothing can be said about what never ends.
            return
        if self.graph.open_states():
            self.why_incomplete = f"only up to {self.limits.preemptions} preemptions"
        self.why_incomplete = self.why_incomplete or self._cut_short
        self._classify()

    def _classify(self) -> None:
        """Find out whether there is a state from which nothing ends."""
        state = self.graph.doomed().find(1)
        if state >= 0:
            stop = self.graph.arrival(state)
            # States are numbered in the order of cost; which cost it was is counted along the way.
            self.outcomes.setdefault(Outcome.HUNG, Sighting(stop, NONE, -1, -1))

    def _judge_beginning(self, rules: Rules) -> Hashable:
        """The rules' history where the search begins."""
        history = rules.initial
        memory = bytearray(self.memory)
        for event in () if self.begin is None else self.begin.events:
            history, violations = rules.step(history, memory, event)
            for violation in violations:
                self._broken(violation)
            apply(memory, event.op)
        return history

    def _broken(self, violation: Violation) -> None:
        if violation.rule not in self.violations:
            self.violations[violation.rule] = (
                violation,
                Sighting(self._stop, self._mover, self._preemptions, self._switches),
            )

    def _explore(self) -> None:  # noqa: PLR0915
        graph, world = self.graph, self.world
        count, movers = graph.actors, graph.movers
        keys, ids, moves = graph.keys, graph.ids, graph.moves
        visits, parents, add = graph.visits, graph.parents, graph.add
        steps, known_moves, plain = world.steps, world.known_moves, not world.tso
        settle = self.closure.settle
        settles = self.reductions.macro_steps and count == 2
        settles = settles or (world.tso and self.reductions.eager_stores)
        most = self.limits.preemptions
        two = count == 2
        justified = self.reductions.justified_turns and two and not world.tso
        watched = world.judge is not None
        drains = movers > count
        poll = min(_POLL, self._most_states)

        start = settle(world.first) if settles else world.first
        add(start)
        turns = array("q", range(count - 1, -1, -1))
        """Stops to visit at this cost, their parents noted."""
        now: _Turns = defaultdict(_stops)
        """Switches -> stops at which the turn passes on, without another preemption."""
        later: _Turns = defaultdict(_stops)
        """The same, with one preemption more."""
        soon, preempted = _stops(), _stops()
        """Stops of this cost at which the turn passes on, without and with a preemption more."""
        preemptions = switches = chain = 0
        while True:
            while turns:
                stop = turns.pop()
                if visits[stop]:
                    continue
                chain += 1
                state = stop // count
                actor = stop - state * count
                step = steps[actor]
                shift, tables, masks = known_moves[actor]
                key = keys[state]
                while True:
                    visits[stop] = chain
                    if watched:
                        self._stop, self._mover = stop, actor
                        self._preemptions, self._switches = preemptions, switches
                    # World.steps, without the call where the move is known.
                    node = key >> shift & NODE_MASK
                    table = tables[node] if plain else None
                    delta = table.get(key & masks[node]) if table else None
                    new = step(key) if delta is None else key + delta
                    yields = False
                    if new < 0:
                        if new <= SLEEPING:
                            yields = True
                            new = SLEEPING - new
                        elif new == CHOICE:
                            new = self._choose(stop, turns)
                        elif new == HALTED:
                            self._ended(stop, actor, actor, preemptions, switches)
                        else:
                            yields = new == BLOCKED or world.sleeps(actor, key)
                    if new >= 0:
                        if settles:
                            new = settle(new)
                        then = ids.get(new, NONE)
                        if then < 0:
                            then = len(keys)
                            if then < graph.room:
                                ids[new] = then
                                keys.append(new)
                            else:
                                add(new)
                            if then >= poll:
                                poll = min(then + _POLL, self._most_states)
                                if self._poll(
                                    turns, soon, preempted, *now.values(), *later.values()
                                ):
                                    return
                        moves[state * movers + actor] = then
                    else:
                        moves[state * movers + actor] = ENDED if new == HALTED else STUCK
                    if drains:
                        self._drain(stop, turns)
                    # The turn may pass to another here.
                    if not two or not visits[stop ^ 1]:
                        if yields:
                            soon.append(stop)
                        else:
                            preempted.append(stop)
                    if new < 0:
                        break
                    after = then * count + actor
                    if visits[after]:
                        if visits[after] == chain:
                            self._spin(after, soon)
                        break
                    parents[after] = stop
                    stop, state, key = after, then, new
            # All of this cost is visited: the next one.
            if soon:
                now[switches + 1].extend(soon)
            if preempted and (most is None or preemptions < most):
                later[switches + 1].extend(preempted)
            while not now:
                if not later:
                    return
                now, later = later, defaultdict(_stops)
                preemptions += 1
            switches = min(now)
            soon, preempted = _stops(), _stops()
            for stop in now.pop(switches):
                if justified and self._pass_turn(stop, turns, preemptions, switches):
                    continue
                if two:
                    if not visits[stop ^ 1]:
                        parents[stop ^ 1] = stop
                        turns.append(stop ^ 1)
                    continue
                state = stop // count
                for other in range(state * count, state * count + count):
                    if not visits[other]:
                        parents[other] = stop
                        turns.append(other)

    def _pass_turn(self, stop: int, turns: array[int], preemptions: int, switches: int) -> bool:
        """Let the other actor run from here up to an op that matters to the one that is left.

        False where every op matters, because the one that is left sleeps, or goes round by way of
        a CHOOSE: it yields here, and might not elsewhere.
        """
        graph, world = self.graph, self.world
        state, left = divmod(stop, 2)
        actor = 1 - left
        here = stop ^ 1
        if graph.visits[here] or graph.runs[here] != UNKNOWN:
            return True
        key = graph.keys[state]
        op = world.op(left, key)
        if op.kind is Kind.CHOOSE or (world.sleeps(left, key) and op.flags & Flag.SPURIOUS):
            return False
        self._stop, self._mover = stop, RUN
        self._preemptions, self._switches = preemptions, switches
        new = self.closure.run(actor, key)
        if new == HALTED:
            graph.runs[here] = ENDED
            self._ended(stop, actor, RUN, preemptions, switches)
        elif new < 0:
            graph.runs[here] = STUCK
        else:
            new = self.closure.settle(new)
            known = graph.ids.get(new)
            then = graph.runs[here] = graph.add(new) if known is None else known
            after = then * 2 + actor
            if not graph.visits[after]:
                graph.parents[after] = -2 - stop
                turns.append(after)
        return True

    def _choose(self, stop: int, turns: array[int]) -> int:
        """The actor's moves by its CHOOSE: all answers but 0 begin ways of their own. The key after
        0."""
        graph, world = self.graph, self.world
        count = graph.actors
        state, actor = divmod(stop, count)
        key = graph.keys[state]
        others = graph.choices.setdefault(state * graph.movers + actor, [])
        if not others:
            for answer in range(1, world.op(actor, key).value):
                new = self.closure.settle(world.chosen(actor, key, answer))
                known = graph.ids.get(new)
                others.append(graph.add(new) if known is None else known)
        for then in others:
            after = then * count + actor
            if not graph.visits[after]:
                graph.parents[after] = stop
                turns.append(after)
        return world.chosen(actor, key, 0)

    def _drain(self, stop: int, turns: array[int]) -> None:
        """The moves of the store buffers, whoever's turn it is."""
        graph, world = self.graph, self.world
        count, movers = graph.actors, graph.movers
        state, actor = divmod(stop, count)
        for owner in range(count):
            mover = count + owner
            then = graph.moves[state * movers + mover]
            if then == UNKNOWN:
                self._mover = mover
                new = world.drain(owner, graph.keys[state])
                if new < 0:
                    then = STUCK
                else:
                    new = self.closure.settle(new)
                    known = graph.ids.get(new)
                    then = graph.add(new) if known is None else known
                graph.moves[state * movers + mover] = then
            if then >= 0:
                after = then * count + actor
                if not graph.visits[after]:
                    graph.parents[after] = stop
                    turns.append(after)

    def _spin(self, stop: int, soon: array[int]) -> None:
        """The actor came back to `stop` alone. If it does not sleep on the way, it yields."""
        graph = self.graph
        count = graph.actors
        actor = stop % count
        circle = array("q")
        at = stop
        while True:
            state = at // count
            if self.world.sleeps(actor, graph.keys[state]):
                return
            circle.append(at)
            at = graph.moves[state * graph.movers + actor] * count + actor
            if at == stop:
                break
        soon.extend(circle)

    def _ended(self, stop: int, actor: int, mover: int, preemptions: int, switches: int) -> None:
        key = self.graph.keys[stop // self.graph.actors]
        op = self.closure.halted_at if mover == RUN else self.world.op(actor, key)
        end = op.end
        if op.kind is not Kind.HALT or end is None:
            raise InternalError(f"{self.world.names[actor]}: a HALT without an end")
        if end.outcome is None:
            self._cut_short = self._cut_short or f"an execution was cut short: {end.message}"
        else:
            self.outcomes.setdefault(end.outcome, Sighting(stop, mover, preemptions, switches))

    def _poll(self, *frontier: array[int]) -> bool:
        states = len(self.graph.keys)
        if states > self._most_states:
            self.why_incomplete = f"the budget of {self.limits.states} states is used up"
        elif self._should_stop is not None and self._should_stop():
            self.why_incomplete = "stopped: the time is used up"
        if self._progress is not None:
            self._progress(states, sum(map(len, frontier)), tuple(self.outcomes))
        return self.why_incomplete is not None
