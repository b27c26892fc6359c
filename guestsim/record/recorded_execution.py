"""Executions of recorded actors: the same steps as a live one, without the actors.

Shares nothing with the tables of a search but the records, so that each can check the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from guestsim.errors import InternalError
from guestsim.record.record import Record
from guestsim.trace import Event, Flag, Kind, Op
from guestsim.trace.effects import apply, result
from guestsim.trace.memory_model import overlay
from guestsim.trace.ops import ANSWERED

__all__ = ["RecordedExecution"]


class RecordedExecution:
    """One execution. Misuse is an `InternalError`."""

    def __init__(
        self, records: Sequence[Record], memory: bytes, *, tso: bool, choices: Iterable[int] = ()
    ) -> None:
        """`choices`: the answers of CHOOSE ops, in their order; 0 where there are no more."""
        self.records = tuple(records)
        self.memory = bytearray(memory)
        self.nodes = [record.first for record in records]
        self.buffers: list[deque[Op]] = [deque() for _ in records]
        self._tso = tso
        self._choices = deque(choices)

    def op(self, actor: int) -> Op:
        """The actor's next op."""
        return self.records[actor].ops[self.nodes[actor]]

    def events(self, actor: int) -> tuple[Event, ...]:
        """What the actor's next step is: none for a store that goes into the buffer."""
        record, op = self.records[actor], self.op(actor)
        name, buffer = record.name, self.buffers[actor]
        if op.kind is Kind.STORE and self._tso:
            return ()
        if op.kind is Kind.LOAD:
            data = bytearray(result(self.memory, op).to_bytes(op.size, "little"))
            for store in buffer:
                overlay(data, op, store)
            return (Event(name, op, int.from_bytes(data, "little")),)
        if op.kind is Kind.CHOOSE:
            return (Event(name, op, self._choices[0] if self._choices else 0),)
        if buffer:
            raise InternalError(f"{name}: {op.kind.name} with stores in the buffer")
        value = result(self.memory, op)
        if op.kind is Kind.WAIT and not value and not op.flags & Flag.SPURIOUS:
            raise InternalError(f"{name} is moved while it waits")
        event = Event(name, op, value)
        if op.kind is not Kind.RMW:
            return (event,)
        half = record.ops[record.after(self.nodes[actor], value)]
        return event, Event(name, half, half.value)

    def step(self, actor: int) -> None:
        """Make the actor's next step."""
        record, node, op = self.records[actor], self.nodes[actor], self.op(actor)
        events = self.events(actor)
        if not events:
            self.buffers[actor].append(op)
        for event in events:
            apply(self.memory, event.op)
        if op.kind is Kind.CHOOSE and self._choices:
            self._choices.popleft()
        if op.kind in ANSWERED:
            node = record.after(node, events[0].value)
            if op.kind is Kind.RMW:
                node = record.following[node]
        elif op.kind is not Kind.HALT:
            node = record.following[node]
        self.nodes[actor] = node

    def drained(self, actor: int) -> Event:
        """What the next drain of the actor's buffer is."""
        if not self.buffers[actor]:
            raise InternalError(f"{self.records[actor].name}: nothing to drain")
        op = self.buffers[actor][0]
        return Event(self.records[actor].name, op, op.value)

    def drain(self, actor: int) -> None:
        """Write the oldest store of the actor's buffer to memory."""
        apply(self.memory, self.drained(actor).op)
        self.buffers[actor].popleft()
