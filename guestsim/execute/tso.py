"""One execution under x86-TSO: as `Execution`, with a store buffer for each actor.

A buffer is a mover of its own, named `guest:drain`: its step writes its oldest store to memory. It
comes behind all actors in `names`, and who schedules moves it like an actor. A store's own step
puts it into the buffer and is no event; the event is recorded when the store reaches memory, so
that a trace is in the order of memory. See `guestsim.trace.memory_model`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from guestsim.errors import InternalError
from guestsim.execute.execution import MAX_OPS, POLL, Execution, Motion, Observer
from guestsim.trace import Actor, Event, Kind, Op
from guestsim.trace.effects import result
from guestsim.trace.memory_model import DRAIN, STORE_BUFFER, MemoryModel, overlay

__all__ = ["ENGINES", "TsoExecution"]

_FENCE = Op(Kind.FENCE)


class TsoExecution(Execution):
    """`bound`: stores that a buffer holds; where it is full, a store has to wait."""

    memory_model = "tso"

    def __init__(
        self,
        actors: Sequence[Actor],
        memory: bytes,
        observe: Observer | None = None,
        record: bool = True,
        max_ops: int = MAX_OPS,
        bound: int = STORE_BUFFER,
    ) -> None:
        super().__init__(actors, memory, observe, record, max_ops)
        self.names = (*self.names, *(name + DRAIN for name in self.names))
        self._count = len(self.actors)
        self._bound = bound
        self._buffers: list[deque[Op]] = [deque() for _ in self.actors]

    def start(self) -> None:
        """Begin, with empty store buffers."""
        self._buffers = [deque() for _ in self.actors]
        super().start()

    def buffered(self, actor: int) -> tuple[Op, ...]:
        """The actor's stores that have not reached memory, oldest first."""
        return tuple(self._buffers[actor])

    def peek(self, actor: int) -> Op:
        """The actor's next op; of a buffer, its oldest store, or a fence where it is empty."""
        if actor < self._count:
            return super().peek(actor)
        buffer = self._buffers[actor - self._count]
        return buffer[0] if buffer else _FENCE

    def enabled(self, actor: int) -> bool:
        """Whether the actor, or the buffer, can move now."""
        if self.end is not None:
            return False
        if actor >= self._count:
            return bool(self._buffers[actor - self._count])
        buffer = self._buffers[actor]
        if buffer:
            kind = super().peek(actor).kind
            if kind is Kind.STORE:
                return len(buffer) < self._bound
            return kind in (Kind.LOAD, Kind.CHOOSE)
        return super().enabled(actor)

    def motion(self, actor: int) -> Motion:
        """Whether it can move now. A buffer never sleeps."""
        if actor >= self._count:
            return Motion.FREE if self.enabled(actor) else Motion.BLOCKED
        return super().motion(actor)

    def idle(self, actor: int) -> bool:
        """Whether the actor goes round without effect. A buffer never does."""
        return actor < self._count and super().idle(actor)

    def step(self, actor: int, reason: str = "") -> Event:
        """Perform the next step of an actor or a buffer. Of a store that goes into the buffer, the
        event that it will be."""
        if not self.enabled(actor):
            raise InternalError(f"{self.names[actor]} is moved and cannot move")
        if actor >= self._count:
            return self._drain(actor, reason)
        op = super().peek(actor)
        if op.kind is not Kind.STORE:
            return super().step(actor, reason)
        self._count_step(actor, reason)
        self._at[actor] += 1
        self._buffers[actor].append(op)
        self._budget()
        return Event(self.names[actor], op, op.value)

    def _drain(self, mover: int, reason: str) -> Event:
        actor = mover - self._count
        self._count_step(mover, reason)
        op = self._buffers[actor].popleft()
        event = self._perform(actor, op)
        if not self._buffers[actor]:
            self._check_hung()
        self._budget()
        if self.after_step is not None:
            self.after_step(event)
        return event

    def _count_step(self, mover: int, reason: str) -> None:
        if mover != self._mover:
            self._switch(mover, reason)
        self._counts[-1] += 1
        self.steps += 1
        if not self.steps % POLL:
            self._poll()

    def _budget(self) -> None:
        # A store counts twice, into the buffer and out of it: `performed` also tells steps apart.
        if self.steps >= self.max_ops and self.end is None:
            self._give_up()

    def _perform(self, actor: int, op: Op) -> Event:
        if op.kind is not Kind.LOAD or not self._buffers[actor]:
            return super()._perform(actor, op)
        data = bytearray(result(self.memory, op).to_bytes(op.size, "little"))
        for store in self._buffers[actor]:
            overlay(data, op, store)
        event = Event(self.names[actor], op, int.from_bytes(data, "little"))
        self._show(event)
        return event

    def _check_hung(self) -> None:
        # What is in a buffer will still happen.
        if not any(self._buffers):
            super()._check_hung()


ENGINES: dict[str, type[Execution]] = {
    MemoryModel.SC: Execution,
    MemoryModel.TSO: TsoExecution,
}
"""What executes under a memory model."""
