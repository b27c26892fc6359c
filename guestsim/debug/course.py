"""An execution that follows a plan, step by step, and can begin anew and follow it again.

The plan is a witness. What follows it, and what a person makes of it by hand, goes by a plain
strategy: the guest moves as long as it can, then everybody in turn. Every step is remembered, so
that the execution can be brought to any of them once more.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any, NamedTuple

from guestsim.execute import ENGINES, Execution, Observer, TsoExecution
from guestsim.execute.strategies import next_in_turn
from guestsim.machine.stepping import Leg, Stepper
from guestsim.trace import Actor, Event, Kind, Op
from guestsim.trace.memory_model import overlay

__all__ = ["DAEMON", "GUEST", "Course", "Mark", "Plan"]

GUEST, DAEMON = 0, 1
"""Their places among the actors."""


class Plan(NamedTuple):
    """An execution as it is to go: the actors, and a schedule."""

    guest: Stepper
    daemon: Actor
    memory: bytes
    memory_model: str
    steps: tuple[tuple[str, int], ...]
    """Run-length encoded, by the names of the movers."""
    choices: tuple[int, ...]
    observer: Callable[[], Observer]
    """Of the rules, a fresh one for each time."""
    max_ops: int
    should_stop: Callable[[], bool]


class Mark(NamedTuple):
    """How far the guest has come in an execution."""

    leg: int
    done: int
    """Ops of that leg which are performed."""


class Course:
    """The execution as it is now, and all steps that are known of it."""

    def __init__(self, plan: Plan) -> None:
        """At power on."""
        self.plan = plan
        self.execution: Execution
        self.departed: int | None = None
        """The first step that is not the witness's, because a person moved somebody."""
        self.daemon: Any = None
        """Where the daemon stands, or stood before it halted: its point."""
        self.legs: list[Leg] = []
        """The guest's, as far as known."""
        self.marks: list[Mark] = []
        """Before each step, and after the last that is known."""
        self._shown: list[int] = []
        """Events before each."""
        self._witness: list[int] = []
        self._moves: list[int] = []
        self._choices = list(plan.choices)
        self.begin()
        names = self.execution.names
        self._witness = [names.index(name) for name, count in plan.steps for _ in range(count)]
        self._moves = list(self._witness)

    def begin(self) -> None:
        """Begin anew, with all that is known."""
        plan = self.plan
        engine = ENGINES[plan.memory_model]
        self.execution = engine(
            (plan.guest, plan.daemon), plan.memory, plan.observer(), max_ops=plan.max_ops
        )
        self.execution.should_stop = plan.should_stop
        self.execution.choose = self._choose
        self.execution.start()
        self._see()

    @property
    def ended(self) -> bool:
        """Whether the execution is over."""
        return self.execution.end is not None

    @property
    def steps(self) -> int:
        """Made so far."""
        return self.execution.steps

    @property
    def mark(self) -> Mark:
        """How far the guest has come."""
        return self.marks[self.steps]

    @property
    def scheduled(self) -> int | None:
        """Who makes the next step by the plan; None where that says nothing."""
        return self._moves[self.steps] if self.steps < len(self._moves) else None

    def planned(self) -> list[tuple[str, int]]:
        """Who moves how often from here on, as far as it is planned."""
        names = self.execution.names
        moves = self._moves[self.steps :]
        return [(names[mover], len([*run])) for mover, run in groupby(moves)]

    def step(self) -> None:
        """Make the next one."""
        execution = self.execution
        if self.scheduled is None:
            self._moves.append(next_in_turn(execution, GUEST)[0])
        execution.step(self._moves[execution.steps])
        self._see()

    def move(self, mover: int) -> bool:
        """Have `mover`, who can, make the next one; whether that leaves the plan."""
        step = self.steps
        leaves = self.scheduled != mover
        if leaves:
            self._cut(step)
            self._choices = list(self.execution.choices)
            self._moves = [*self._moves[:step], mover]
            if self.departed is None:
                self.departed = step
        self.step()
        return leaves

    def rejoin(self) -> None:
        """Forget what was moved by hand. An execution that is beyond that begins anew."""
        if self.departed is None:
            return
        if self.steps > self.departed:
            self.begin()
        self._cut(self.departed)
        self._moves, self._choices = list(self._witness), list(self.plan.choices)
        self.departed = None

    def events(self, step: int) -> list[Event]:
        """What that step, which has been made, did to shared memory."""
        return self.execution.events[self._shown[step] : self._shown[step + 1]]

    def moves_guest(self, step: int) -> bool:
        """Whether the guest comes further by that step."""
        return self.marks[step] != self.marks[step + 1]

    def shared(self) -> bytearray:
        """Shared memory as the guest sees it: with its stores that are still in its buffer."""
        memory = bytearray(self.execution.memory)
        if isinstance(self.execution, TsoExecution):
            whole = Op(Kind.LOAD, 0, len(memory))
            for store in self.execution.buffered(GUEST):
                overlay(memory, whole, store)
        return memory

    def _see(self) -> None:
        """Note where everybody stands."""
        execution = self.execution
        self.daemon = execution.point(DAEMON) or self.daemon
        if execution.steps < len(self.marks):
            return
        leg: Leg = execution.point(GUEST)
        self.marks.append(Mark(leg.number, len(leg.ops) - len(execution.standing(GUEST).ops)))
        self._shown.append(len(execution.events))
        if leg.number == len(self.legs):
            self.legs.append(leg)

    def _cut(self, step: int) -> None:
        """What comes from that step on is not known any more."""
        del self.marks[step + 1 :]
        del self._shown[step + 1 :]
        del self.legs[self.marks[step].leg + 1 :]

    def _choose(self, op: Op) -> int:
        at = len(self.execution.choices)
        if at < len(self._choices):
            return self._choices[at]
        return self.execution.serve_when_idle(op)
