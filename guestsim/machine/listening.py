"""What the CPU tells of its accesses to RAM, where snapshots need it.

Both listen only as far as they must: a callback costs as much as fifty instructions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unicorn import unicorn_const as const

from guestsim.machine.engine import Engine
from guestsim.machine.memory import WIDEST, Memory
from guestsim.machine.snapshots import Tracker

__all__ = ["DeadStack", "RamStores"]


_PATIENCE = 1024
"""Accesses to what was a dead stack after which only what is still dead is listened to: a guest
that goes on there for long uses the same places again."""
_MOST_PARTS = 16
"""Parts of it that are listened to one by one."""

_MOST = 256
"""Stores of a run of which to tell: more take longer than to look at all of RAM."""


class RamStores:
    """Tells a `Tracker` of the stores to RAM that it has to know."""

    def __init__(self, engine: Engine, tracker: Tracker) -> None:
        self._engine = engine
        self._tracker = tracker
        self._ranges: tuple[tuple[int, int], ...] | None = None
        self._left = 0
        self._handles: list[Any] = []
        self._callback = engine.access_callback(self._stored)

    def arm(self) -> None:
        """Before a run."""
        self._left = _MOST
        ranges = self._tracker.ranges
        if ranges is self._ranges:
            return
        self._disarm()
        self._ranges = ranges
        for first, last in ranges:
            begin = max(first - WIDEST + 1, 0)  # a store may begin before it
            self._handles.append(
                self._engine.listen(const.UC_HOOK_MEM_WRITE, self._callback, begin, last)
            )

    def _disarm(self) -> None:
        for handle in self._handles:
            self._engine.unlisten(handle)
        self._handles.clear()
        self._ranges = None

    def _stored(self, address: int, size: int) -> None:
        self._tracker.tell(address, size)
        self._left -= 1
        if self._left == 0:
            self._tracker.unsure()
            self._disarm()


class DeadStack:
    """Finds a load of what was cleared as dead stack, before anything was stored there: a guest
    that does so was run on memory that it would not have on hardware."""

    def __init__(self, engine: Engine, memory: Memory, used: Callable[[int, int], None]) -> None:
        """`used` gets (address, size) of such a load; it raises."""
        self._engine = engine
        self._memory = memory
        self._used = used
        self._dead = range(0)
        self._handles: list[Any] = []
        self._stored: set[int] = set()
        self._narrowed = False
        self._left = 0
        self._on_store = engine.access_callback(self._note)
        self._on_load = engine.access_callback(self._check)

    def arm(self, dead: range) -> None:
        """This has just been cleared."""
        self._stored.clear()
        self._memory.on_write = self._note
        self._left = _PATIENCE
        if dead == self._dead and not self._narrowed:
            return
        self.disarm()
        self._dead = dead
        if dead:
            self._listen(dead)

    def _listen(self, part: range) -> None:
        # An access may begin before it.
        first, last = part.start - WIDEST + 1, part.stop - 1
        for kind, callback in (
            (const.UC_HOOK_MEM_WRITE, self._on_store),
            (const.UC_HOOK_MEM_READ, self._on_load),
        ):
            self._handles.append(self._engine.listen(kind, callback, first, last))

    def disarm(self) -> None:
        """Another engine runs, or nothing has been cleared."""
        self._unlisten()
        self._narrowed = False
        self._dead = range(0)

    def _unlisten(self) -> None:
        for handle in self._handles:
            self._engine.unlisten(handle)
        self._handles.clear()

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._left = _PATIENCE
            self._narrow()

    def _narrow(self) -> None:
        """Listen only where nothing was stored."""
        parts, first = [], self._dead.start
        for at in [*sorted(self._stored), self._dead.stop]:
            if first < at:
                parts.append(range(first, at))
            first = at + 1
        if len(parts) > _MOST_PARTS:
            return
        self._unlisten()
        self._narrowed = True
        for part in parts:
            self._listen(part)

    def _note(self, address: int, size: int) -> None:
        self._count()
        dead = self._dead
        self._stored.update(range(max(address, dead.start), min(address + size, dead.stop)))

    def _check(self, address: int, size: int) -> None:
        self._count()
        dead = self._dead
        for at in range(max(address, dead.start), min(address + size, dead.stop)):
            if at not in self._stored:
                self._used(address, size)
