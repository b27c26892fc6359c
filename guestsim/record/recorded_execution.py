"""Executions of recorded actors: the same steps as a live one, without the actors.

Shares nothing with the tables of a search but the records, so that each can check the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from guestsim.errors import InternalError
from guestsim.record.record import Record
from guestsim.trace import Event, Flag, Kind, Op
from guestsim.trace.effects import apply, result
from guestsim.trace.memory_model import overlay
from guestsim.trace.ops import ANSWERED

__all__ = ["RecordedExecution"]


class RecordedExecution:
    """One execution. Misuse is an `InternalError`."""

    def __init__(self, records: Sequence[Record], memory: bytes, *, tso: bool) -> None:
        self.records = tuple(records)
        self.memory = bytearray(memory)
        self.nodes = [record.first for record in records]
        self.buffers: list[deque[Op]] = [deque() for _ in records]
        self._tso = tso

    def op(self, actor: int) -> Op:
        """The actor's next op."""
        return self.records[actor].ops[self.nodes[actor]]

    def step(self, actor: int, answer: int = 0) -> tuple[Event, ...]:
        """Make the actor's next step; `answer` is that to a CHOOSE. Its events: none for a store
        that enters the buffer, two for an atomic read-modify-write."""
        record, node, op = self.records[actor], self.nodes[actor], self.op(actor)
        if op.kind is Kind.STORE and self._tso:
            self.buffers[actor].append(op)
            self.nodes[actor] = record.following[node]
            return ()
        events = self._events(actor, op, answer)
        for event in events:
            apply(self.memory, event.op)
        if op.kind in ANSWERED:
            node = record.after(node, events[0].value)
            self.nodes[actor] = record.following[node] if op.kind is Kind.RMW else node
        elif op.kind is not Kind.HALT:
            self.nodes[actor] = record.following[node]
        return events

    def drain(self, actor: int) -> Event:
        """Write the oldest store of the actor's buffer to memory."""
        if not self.buffers[actor]:
            raise InternalError(f"{self.records[actor].name}: nothing to drain")
        op = self.buffers[actor].popleft()
        apply(self.memory, op)
        return Event(self.records[actor].name, op, op.value)

    def _events(self, actor: int, op: Op, answer: int) -> tuple[Event, ...]:
        record, buffer = self.records[actor], self.buffers[actor]
        name = record.name
        if op.kind is Kind.LOAD:
            data = bytearray(result(self.memory, op).to_bytes(op.size, "little"))
            for store in buffer:
                overlay(data, op, store)
            return (Event(name, op, int.from_bytes(data, "little")),)
        if op.kind is Kind.CHOOSE:
            return (Event(name, op, answer),)
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
