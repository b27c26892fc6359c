"""One execution: actors on shared memory, moved one step at a time by whoever holds the schedule.

A schedule counts *steps*. A step is one op, except that an atomic read-modify-write is one step
with two events: its load half and its store half, with nobody in between.

The first HALT ends the execution, whoever performs it, with the outcome of its `End`. An execution
in which nothing will ever change again ends as `hung`; one that uses up its budget of ops ends
with no outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from typing import Any

import msgspec

from guestsim.errors import InternalError, StoppedError
from guestsim.execute.hang import QUIET, Round, waits
from guestsim.trace import (
    MEANING,
    NOBODY,
    Actor,
    Burst,
    End,
    Event,
    Flag,
    Kind,
    Op,
    Outcome,
    Violation,
    is_yield,
)
from guestsim.trace.actor import set_fences
from guestsim.trace.effects import apply, ready, result
from guestsim.trace.results import Run
from guestsim.trace.shared import place

__all__ = ["MAX_OPS", "POLL", "Chooser", "Execution", "Motion", "Observer"]

POLL = 256
"""Steps between two looks at whether to stop."""
MAX_OPS = 1_000_000
"""Budget of one execution, in ops, where the caller names none."""

Observer = Callable[[bytearray, Event], Iterable[Violation] | None]
"""Called with each event and the shared memory as it is before the event's effect, which it must
not change or keep. May return the rules that the event breaks.

The events are those of the trace, both halves of an RMW among them; and at a hang, which is when no
wait of anybody will end, once the WAIT of each actor that is blocked in one, with the value 0. That
is no event of the trace, and a rule that it breaks has step -1. Whoever sleeps for ever in waits
that may end spuriously has been shown: it is known to go round only when it has come back to a
state in which it was since the last change, and each wait on that way has ended, for nothing."""

Chooser = Callable[[Op], int]
"""Answers a CHOOSE op: 0 to `op.value` - 1."""

# Names of this module, kinds compared by identity and flags as integers: attribute look-ups and
# the operators of enums would cost more than the ops themselves.
_LOAD = Kind.LOAD
_STORE = Kind.STORE
_RMW = Kind.RMW
_WAIT = Kind.WAIT
_HALT = Kind.HALT
_CHOOSE = Kind.CHOOSE
_SPURIOUS = int(Flag.SPURIOUS)
_POLL = int(Flag.POLL)
_LOCKED = int(Flag.LOCKED)


class Motion(IntEnum):
    """Whether an actor can move; the literature says "enabled". Only BLOCKED is false: an actor in
    a wait that may end without its event is enabled, but to move it is worth little."""

    BLOCKED = 0
    """It waits for an event that is not there."""
    SPURIOUS = 1
    """The same, but its wait may end without the event."""
    FREE = 2


class Execution:
    """Actors (any number, named by their position) on one shared memory.

    `memory` is the initial shared memory; it is copied. Without `record` no trace is kept.
    `start` begins the execution, and begins it again. Whoever calls `step` and `run_*` is the
    scheduler; `reason` says, for people, why an actor is the next to move, and is kept where the
    move is a switch. Misuse (moving who cannot move, or after the end) is an `InternalError`.
    """

    memory_model = "sc"
    """When a store is visible to others: here at once."""

    def __init__(
        self,
        actors: Sequence[Actor],
        memory: bytes,
        observe: Observer | None = None,
        record: bool = True,
        max_ops: int = MAX_OPS,
        *,
        fences: bool = False,
    ) -> None:
        """`fences`: have the actors give their FENCE ops under sc as well."""
        self.actors = tuple(actors)
        self.names = tuple(actor.name for actor in self.actors)
        if not self.actors or len(set(self.names)) != len(self.names):
            raise InternalError(f"actors need different names: {self.names}")
        set_fences(self.actors, fences or self.memory_model == "tso")
        self.initial = bytes(memory)
        self.recording = record
        self._observe = observe
        self.max_ops = max_ops
        """Budget in ops; may be changed on the way."""
        self.memory = bytearray()
        self.events: list[Event] = []
        """The trace so far; stays empty without `record`."""
        self.steps = 0
        """Steps made."""
        self.performed = 0
        """Ops performed: the events of the trace, recorded or not."""
        self.end: End | None = None
        """Why the execution is over; None while it is not."""
        self.outcome: Outcome | None = None
        """None as well where a budget ended it."""
        self.violations: list[Violation] = []
        """The first violation of each rule that the observer has reported."""
        self.after_step: Callable[[Event], None] | None = None
        """Called with the event of each step that reached shared memory, when it is over. May
        `replace`."""
        self.should_stop: Callable[[], bool] | None = None
        """Asked now and then: whether to give up, by a StoppedError."""
        self.choose: Chooser = _first_answer
        """Who answers CHOOSE ops."""
        self.choices: list[int] = []
        """The answers so far."""
        self.woken_idly: list[bool] = []
        """Of each actor, whether its last sleep has ended without an event."""
        self._ended_by = ""
        self._ops: list[tuple[Op, ...]] = []
        self._at: list[int] = []
        self._points: list[Any] = []
        self._rounds: list[Round] = []
        self._idle: list[int] = []
        self._changed = 0
        self._mover = -1
        self._counts: list[int] = []
        self._movers: list[int] = []
        self._reasons: list[str] = []
        self._began: list[int] = []

    def start(self) -> None:
        """Begin: every actor runs up to its first op."""
        count = len(self.actors)
        self.memory = bytearray(self.initial)
        self.events = []
        self.choices = []
        self.woken_idly = [False] * count
        self.violations = []
        self.steps = self.performed = self._changed = 0
        self.end = self.outcome = None
        self._ended_by = ""
        self._ops = [()] * count
        self._at = [0] * count
        self._points = [None] * count
        self._rounds = [Round(actor) for actor in self.actors]
        # The op count at the last change, for which the actor is known to go round: none yet.
        self._idle = [-1] * count
        self._mover = -1
        self._counts, self._movers, self._reasons, self._began = [], [], [], []
        for number, actor in enumerate(self.actors):
            self._accept(number, actor.start())
        self._check_hung()

    def index(self, name: str) -> int | None:
        """The position of the actor called `name`, None where nobody is."""
        return self.names.index(name) if name in self.names else None

    def peek(self, actor: int) -> Op:
        """The op that the actor performs next."""
        return self._ops[actor][self._at[actor]]

    def standing(self, actor: int) -> Burst:
        """What the actor does from here to its next answered op, and its point there."""
        return Burst(self._ops[actor][self._at[actor] :], self._points[actor])

    def motion(self, actor: int) -> Motion:
        """Whether the actor can move now. After the end nobody can."""
        if not self.enabled(actor):
            return Motion.BLOCKED
        op = self._ops[actor][self._at[actor]]
        if op.kind is not _WAIT or int(op.flags) & _POLL or ready(self.memory, op):
            return Motion.FREE
        return Motion.SPURIOUS

    def enabled(self, actor: int) -> bool:
        """Whether the actor can move now, be it only by a spurious end of its wait."""
        if self.end is not None:
            return False
        op = self._ops[actor][self._at[actor]]
        return op.kind is not _WAIT or bool(int(op.flags) & _SPURIOUS) or ready(self.memory, op)

    @property
    def changed(self) -> int:
        """How many ops had been performed when shared memory last got another value."""
        return self._changed

    def idle(self, actor: int) -> bool:
        """Whether the actor is known to be in a cycle of its states without effect (see
        `guestsim.execute.hang`), which it leaves only when somebody else changes memory."""
        return self._idle[actor] == self._changed

    def step(self, actor: int, reason: str = "") -> Event:
        """Perform the actor's next step; its event (of an RMW, the load half)."""
        if self.end is not None:
            raise InternalError(f"{self.names[actor]} is moved after the end")
        ops = self._ops[actor]
        at = self._at[actor]
        op = ops[at]
        kind = op.kind
        if kind is _WAIT and not self.enabled(actor):
            raise InternalError(f"{self.names[actor]} is moved while it waits")
        if actor != self._mover:
            self._switch(actor, reason)
        self._counts[-1] += 1
        self.steps += 1
        if not self.steps % POLL:
            self._poll()
        event = self._choose(actor, op) if kind is _CHOOSE else self._perform(actor, op)
        if kind is _WAIT:
            self.woken_idly[actor] = not event.value and not int(op.flags) & _POLL
        if kind is _HALT:
            self._halt(actor, op)
        elif kind is _LOAD or kind is _WAIT or kind is _RMW or kind is _CHOOSE:
            self._answer(actor, op, event.value)
        else:
            at += 1
            self._at[actor] = at
            if ops[at].kind is _WAIT and not self.enabled(actor):
                self._check_hung()
        if self.performed >= self.max_ops and self.end is None:
            self._give_up()
        if self.after_step is not None:
            self.after_step(event)
        return event

    def serve_when_idle(self, op: Op) -> int:
        """A `Chooser`: somebody who asks is served where nothing else is to be done, that is where
        the actor's sleep has ended without an event; of other answers the first."""
        meanings = op.note.split(MEANING)
        return int(NOBODY in meanings and self.woken_idly[self._mover % len(self.actors)])

    def point(self, actor: int) -> Any:
        """Where the actor stands: what `Actor.resume` takes once its burst is performed."""
        return self._points[actor]

    def replace(self, actor: int, burst: Burst) -> None:
        """Somebody from outside has changed what the actor knows: instead of the op whose answer
        it waits for it does `burst`. What it has still to do before that op stays."""
        left = self._ops[actor][self._at[actor] : -1]
        self._accept(actor, Burst((*left, *burst.ops), burst.point))
        self._rounds = [Round(each) for each in self.actors]
        self._idle = [-1] * len(self.actors)
        self._changed = self.performed

    def run_steps(self, actor: int, steps: int, reason: str = "") -> int:
        """Move the actor up to `steps` times, spurious ends included; how often it moved.

        Fewer where it cannot move any more, or the execution ends.
        """
        first = self.steps
        last = first + steps
        while self.steps < last and self.enabled(actor):
            self.step(actor, reason)
        return self.steps - first

    def run_busy(self, actor: int, steps: int, reason: str = "") -> int:
        """The same, but only while it is of use: no spurious end, and not when `idle`."""
        first = self.steps
        last = first + steps
        while self.steps < last and self.motion(actor) is Motion.FREE and not self.idle(actor):
            self.step(actor, reason)
        return self.steps - first

    def result(self) -> Run:
        """What has happened so far; without an outcome where it is not over."""
        end = self.end or _inconclusive(f"the schedule stops here: {self.situation()}")
        return Run(
            outcome=self.outcome,
            end=end,
            actor=self._ended_by,
            initial=self.initial,
            events=tuple(self.events),
            steps=tuple(
                (self.names[actor], count)
                for actor, count in zip(self._movers, self._counts, strict=True)
            ),
            violations=tuple(self.violations),
            reasons=tuple(self._reasons),
            began=tuple(self._began),
            choices=tuple(self.choices),
        )

    def situation(self) -> str:
        """What every actor is about to do, for people."""
        return ", ".join(
            f"{name} is about to {op.kind.name.lower()} {place(op.address, op.size)}".rstrip()
            if op.size
            else f"{name} is about to {'yield' if is_yield(op) else op.kind.name.lower()}"
            for name, op in zip(self.names, map(self.peek, range(len(self.names))), strict=True)
        )

    def _accept(self, actor: int, burst: Burst) -> None:
        ops, point = burst
        kind = ops[-1].kind if ops else None
        if not (kind is _LOAD or kind is _WAIT or kind is _RMW or kind is _HALT or kind is _CHOOSE):
            raise InternalError(f"{self.names[actor]}: a burst ends with an answered op or a HALT")
        self._ops[actor] = ops
        self._at[actor] = 0
        self._points[actor] = point

    def _poll(self) -> None:
        if self.should_stop is not None and self.should_stop():
            raise StoppedError

    def _switch(self, actor: int, reason: str) -> None:
        self._mover = actor
        self._movers.append(actor)
        self._counts.append(0)
        self._reasons.append(reason)
        self._began.append(self.performed)

    def _perform(self, actor: int, op: Op) -> Event:
        memory = self.memory
        event = Event(self.names[actor], op, result(memory, op))
        self._show(event)
        if op.kind is not _LOAD and apply(memory, op):
            self._changed = self.performed
        return event

    def _show(self, event: Event) -> None:
        """Before the event's effect: to the observer, and into the trace."""
        if self._observe is not None:
            found = self._observe(self.memory, event)
            if found:
                self._report(found, self.performed)
        if self.recording:
            self.events.append(event)
        self.performed += 1

    def _choose(self, actor: int, op: Op) -> Event:
        answer = self.choose(op)
        if not 0 <= answer < op.value:
            raise InternalError(f"{self.names[actor]}: {answer} is no answer to {op!r}")
        self.choices.append(answer)
        event = Event(self.names[actor], op, answer)
        self._show(event)
        # Another answer may lead out of a round: whoever goes round has to begin anew.
        self._changed = self.performed
        return event

    def _report(self, found: Iterable[Violation], step: int) -> None:
        known = {violation.rule for violation in self.violations}
        for violation in found:
            if violation.rule not in known:
                known.add(violation.rule)
                self.violations.append(msgspec.structs.replace(violation, step=step))

    def _answer(self, actor: int, op: Op, value: int) -> None:
        point = self._points[actor]
        changed = self._changed
        idle = self._idle[actor] == changed
        # The point is that of before the op: no round begins where the op itself changed memory.
        if self.performed - changed > QUIET and not idle:
            idle = self._rounds[actor].visit(op, point, changed)
            if idle:
                self._idle[actor] = changed
        self._accept(actor, self.actors[actor].resume(point, value))
        after = self._ops[actor][0]
        if op.kind is _RMW:
            if after.kind is not _STORE or not int(after.flags) & _LOCKED:
                raise InternalError(f"{self.names[actor]}: an RMW without its store half")
            self._perform(actor, after)
            self._at[actor] = 1
            after = self._ops[actor][1]
        if idle or (after.kind is _WAIT and not self.enabled(actor)):
            self._check_hung()

    def _halt(self, actor: int, op: Op) -> None:
        if op.end is None:
            raise InternalError(f"{self.names[actor]}: a HALT without an end")
        self.end = op.end
        self.outcome = op.end.outcome
        self._ended_by = self.names[actor]

    def show_endless_waits(self) -> None:
        """Nothing will ever change again: show the waits that never end. See `Observer`."""
        if self._observe is None:
            return
        for actor, name in enumerate(self.names[: len(self.actors)]):
            if self.peek(actor).kind is _WAIT and not self.enabled(actor):
                endless = Event(name, self.peek(actor))
                self._report(self._observe(self.memory, endless) or (), -1)

    def _check_hung(self) -> None:
        """End the execution if everyone is blocked or idle: see `guestsim.execute.hang`."""
        everyone = range(len(self.actors))
        if any(self.enabled(actor) and not self.idle(actor) for actor in everyone):
            return
        clauses = [
            self._rounds[actor].explain(self.memory)
            if self.enabled(actor)
            else waits(self.names[actor], self.peek(actor))
            for actor in everyone
        ]
        self.show_endless_waits()
        self.outcome = Outcome.HUNG
        self.end = End(Outcome.HUNG, "; ".join(clauses))

    def _give_up(self) -> None:
        self.end = _inconclusive(f"the budget of {self.max_ops} ops is used up: {self.situation()}")


def _first_answer(op: Op) -> int:
    del op
    return 0


def _inconclusive(message: str) -> End:
    return End(None, message)
