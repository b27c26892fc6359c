"""What a guest may do between two ops that need an answer, and whether somebody wants to stop it.

A guest may go on for ever without an op: `jmp $`, or OUT in a loop. It ends where its allowance is
used up, always at the same place. What a guest has to *trap* for (a port, CPUID, a hypercall, a
store to a shared page) costs the host as much as a hundred instructions and more, so that traps
are counted by themselves: else a loop of them would take minutes. The two counts know nothing of
each other, and of how often Unicorn was started on the way: that depends on what it has translated
before, and would move the place.

What depends on the history of the emulator (which pages it has made code, or mapped) is *work*. It
is counted too, but a guest that makes too much of it is given up: that is no outcome. Nor is time:
`should_stop` is asked every few milliseconds, and ends the run from outside.
"""

from __future__ import annotations

from collections.abc import Callable

from guestsim.errors import StoppedError

__all__ = ["DEFAULT_BUDGET", "OP", "STOP", "Allowance"]

DEFAULT_BUDGET = 50_000_000
"""Instructions that a guest may execute between two ops before it counts as running away."""

_PER_TRAP = 100
"""Instructions for each of which there is one trap."""
_FEWEST = 20_000
"""Traps: a guest that may execute little may still wipe its ring."""

OP = 4
"""Traps for one that may be an op: an access to a shared page, or a hypercall that sends."""
STOP = 10
"""Traps for one at which the CPU has to stop and start again."""
_WORK = 100_000
"""Some tens of microseconds each."""
_BURSTS = 20
"""Allowances that one execution may use up."""
_EVERY = 256
"""Traps between two looks at whether somebody wants to stop."""


def _never() -> bool:
    return False


class Allowance:
    """Shared by all CPUs of a machine: while one runs, the others stand still."""

    def __init__(self, instructions: int) -> None:
        self.instructions = instructions
        """The whole of it."""
        self.traps = max(_FEWEST, instructions // _PER_TRAP)
        """The whole of it."""
        self.should_stop: Callable[[], bool] = _never
        self.pause_after: int | None = None
        """Of a debugger's: how many instructions a burst may execute before it pauses."""
        self._until_poll = _EVERY
        self._fill()
        self.begin_execution()

    def begin_execution(self) -> None:
        """Power on."""
        self._executed = self._trapped = 0

    def begin(self, *, live: bool = False) -> None:
        """A burst begins. Raises as `poll` does; in a `live` execution also where all its bursts
        together are too much to wait for."""
        self._executed += self._given - self.left
        self._trapped += self.traps - self.traps_left
        self._fill()
        most, times = _BURSTS * self.instructions, _BURSTS * self.traps
        if live and (self._executed > most or self._trapped > times):
            raise StoppedError(
                f"given up: the guest has executed {most:,} instructions, or trapped {times:,} "
                "times, and has not ended"
            )
        self._until_poll -= STOP
        if self._until_poll <= 0:
            self.poll()

    def _fill(self) -> None:
        self._given = self.instructions
        if self.pause_after is not None:
            self._given = min(self._given, self.pause_after)
        self.left = self._given
        """In instructions."""
        self._charged = 0
        self.traps_left = self.traps
        """In traps."""
        self._work_left = _WORK

    def trap(self, count: int = 1) -> bool:
        """The guest traps: whether it may go on. `count` says how much that costs. Raises as
        `poll` does."""
        self.traps_left -= count
        self._until_poll -= count
        if self._until_poll <= 0:
            self.poll()
        return self.traps_left > 0

    def charge(self, count: int) -> None:
        """The next instruction takes as long as `count` others. A pause does not come earlier."""
        if self.pause_after is None:
            self.left -= count
            self._charged += count

    @property
    def executed(self) -> int:
        """Instructions of the present burst, up to the latest start of Unicorn."""
        return self._given - self.left - self._charged

    @property
    def is_paused(self) -> bool:
        """Of one that is spent: whether that is only a debugger's pause."""
        return self.pause_after is not None and self.traps_left > 0

    def poll(self) -> None:
        """StoppedError where somebody wants to stop."""
        self._until_poll = _EVERY
        if self.should_stop():
            raise StoppedError

    def work(self, count: int = 1) -> None:
        """The emulator has to be prepared anew. `count` says how much that costs. StoppedError
        where it is too much."""
        self._work_left -= count
        if self._work_left <= 0:
            raise StoppedError(
                "given up: without an end, the guest changes its code or executes new pages"
            )
        self.poll()

    @property
    def is_spent(self) -> bool:
        """Whether nothing is left."""
        return self.left <= 0 or self.traps_left <= 0

    def __str__(self) -> str:
        """Of one that is spent: what for."""
        if self.traps_left > 0:
            return f"executed {self.instructions:,} instructions"
        return f"used up its {self.traps:,} traps (ports, hypercalls, stores to a shared page...)"
