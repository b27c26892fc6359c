"""Executions of recorded actors: the same steps as a live one, without the actors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from guestsim.errors import InternalError
from guestsim.record.record import Record
from guestsim.trace import Event, Flag, Kind, Op
from guestsim.trace.effects import apply, result
from guestsim.trace.memory_model import overlay
from guestsim.trace.ops import ANSWERED

__all__ = ["RecordedExecution", "Standing"]


class Standing(NamedTuple):
    """Where an execution stands: a value."""

    nodes: tuple[int, ...]
    """Of each actor's record."""
    buffers: tuple[tuple[Op, ...], ...]
    """Of each actor, the stores that have not reached memory, the oldest first."""
    memory: bytes


class RecordedExecution:
    """One execution. Misuse is an `InternalError`."""

    def __init__(self, records: Sequence[Record], memory: bytes, *, tso: bool) -> None:
        self.records = tuple(records)
        first = tuple(record.first for record in records)
        self.standing = Standing(first, ((),) * len(first), bytes(memory))
        """May be set: the execution goes on from there."""
        self._tso = tso

    def op(self, actor: int) -> Op:
        """The actor's next op."""
        return self.records[actor].ops[self.standing.nodes[actor]]

    def step(self, actor: int, answer: int = 0) -> tuple[Event, ...] | None:
        """Make the actor's next step; `answer` is that to a CHOOSE. Its events: none for a store
        that enters the buffer, two for an atomic read-modify-write. None: it cannot move."""
        nodes, buffers, memory = self.standing
        record, node, buffer, op = self.records[actor], nodes[actor], buffers[actor], self.op(actor)
        if op.kind is Kind.STORE and self._tso:
            self._move(actor, record.following[node], (*buffer, op), memory)
            return ()
        if buffer and op.kind not in (Kind.LOAD, Kind.CHOOSE):
            return None
        value = answer if op.kind is Kind.CHOOSE else result(memory, op)
        if op.kind is Kind.WAIT and not value and not op.flags & Flag.SPURIOUS:
            return None
        if op.kind is Kind.LOAD:
            data = bytearray(value.to_bytes(op.size, "little"))
            for store in buffer:
                overlay(data, op, store)
            value = int.from_bytes(data, "little")
        events: tuple[Event, ...] = (Event(record.name, op, value),)
        then = record.after(node, value) if op.kind in ANSWERED else record.following[node]
        if op.kind is Kind.RMW:
            half = record.ops[then]
            events, then = (*events, Event(record.name, half, half.value)), record.following[then]
        self._move(actor, node if op.kind is Kind.HALT else then, buffer, memory, events)
        return events

    def drain(self, actor: int) -> tuple[Event]:
        """Write the oldest store of the actor's buffer to memory."""
        nodes, buffers, memory = self.standing
        if not buffers[actor]:
            raise InternalError(f"{self.records[actor].name}: nothing to drain")
        oldest, *rest = buffers[actor]
        event = Event(self.records[actor].name, oldest, oldest.value)
        self._move(actor, nodes[actor], tuple(rest), memory, (event,))
        return (event,)

    def _move(
        self,
        actor: int,
        node: int,
        buffer: tuple[Op, ...],
        memory: bytes,
        events: Sequence[Event] = (),
    ) -> None:
        nodes, buffers = list(self.standing.nodes), list(self.standing.buffers)
        nodes[actor], buffers[actor] = node, buffer
        after = bytearray(memory)
        for event in events:
            apply(after, event.op)
        self.standing = Standing(tuple(nodes), tuple(buffers), bytes(after))
