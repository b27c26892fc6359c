"""What a search is made of: memory models, rules as it sees them, and the layout of keys."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, NamedTuple

from guestsim.search.parts import Parts
from guestsim.trace import Event, Violation
from guestsim.trace.memory_model import MemoryModel

__all__ = [
    "BLOCKED",
    "BUFFER_BITS",
    "CHOICE",
    "DRY",
    "HALTED",
    "HELD",
    "HISTORY_BITS",
    "NODE_MASK",
    "SLEEPING",
    "Layout",
    "Rules",
    "bytes_of",
    "lay_out",
]

BLOCKED = -1
"""In place of a key: the actor waits for an event that is not there, and cannot move."""
HELD = -2
"""The actor cannot move before its store buffer has been drained."""
HALTED = -3
"""The actor's op is a HALT: the execution ends."""
DRY = -4
"""A store buffer without a store in it cannot be drained."""
CHOICE = -5
"""The actor's op is a CHOOSE: `World.chosen` says where each answer leads."""
SLEEPING = -6
"""A key k as `SLEEPING - k`: the actor moves to it by ending its wait without an event."""

NODE_BITS = 22
NODE_MASK = (1 << NODE_BITS) - 1
HISTORY_BITS = 20
BUFFER_BITS = 20

_ENTRY_BYTES = 96
"""Of a key and a value, each an integer of its own."""


class Rules(NamedTuple):
    """The rules of the protocol, as far as a search needs to know them."""

    initial: Hashable
    """The history at the start."""
    step: Callable[[Any, bytes | bytearray, Event], tuple[Any, Iterable[Violation]]]
    """(history, memory before the event, event) -> (history, rules that the event breaks). Pure."""
    concerned: Callable[[Event], bool]
    """Whether `step` needs to see such an event. Must not depend on values."""
    looks: Callable[[Event], frozenset[str]]
    """Fields (`guestsim.trace.shared.field`) that `step` may look at in memory for such an event.
    Must not depend on values. Events of two actors of which neither stores what the other loads,
    stores or looks at commute: in both orders they lead to one history and break the same."""


class Layout(NamedTuple):
    """Where in a key everything is."""

    nodes: tuple[int, ...]
    """Shift of each actor's node."""
    history: int
    buffers: tuple[int, ...]
    """Shift of each actor's store buffer; empty where there are none."""
    parts: Parts


def lay_out(actors: int, memory: bytes, model: MemoryModel, unheeded: Iterable[str] = ()) -> Layout:
    """The layout for so many actors on shared memory that is `memory` at the start. Fields in
    `unheeded` are no part of a state."""
    history = actors * NODE_BITS
    end = history + HISTORY_BITS
    buffers: tuple[int, ...] = ()
    if model is MemoryModel.TSO:
        buffers = tuple(end + actor * BUFFER_BITS for actor in range(actors))
        end += actors * BUFFER_BITS
    nodes = tuple(actor * NODE_BITS for actor in range(actors))
    return Layout(nodes, history, buffers, Parts(memory, end, unheeded))


def bytes_of(tables: Iterable[Mapping[Any, Any]]) -> int:
    """Roughly what mappings between numbers take."""
    return sum(sys.getsizeof(table) + len(table) * _ENTRY_BYTES for table in tables)
