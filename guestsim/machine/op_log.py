"""What the CPU does to the shared pages, as ops of the burst that is under way.

Stores come one by one from inside Unicorn, and this is by far the most frequent call of all. Under
TSO an instruction that waits for the store buffer is an op too, if a store may be in it.
"""

from __future__ import annotations

from unicorn import x86_const as x86

from guestsim.machine.bus import Stop
from guestsim.machine.engine import Engine
from guestsim.machine.memory import PAGE
from guestsim.machine.places import RING_PAGE, is_shared, place_of
from guestsim.trace.ops import Flag, Kind, Op, Site

__all__ = ["OpLog"]

_STORE = Kind.STORE
_NO_FLAG = Flag.NONE
_DRAINS = frozenset({Kind.RMW, Kind.FENCE, Kind.SEND, Kind.UNMASK, Kind.WAIT})
"""Ops that wait until the store buffer is empty, under TSO."""


class OpLog:
    """Ops since the last burst ended, in program order."""

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.fences = False
        """Whether instructions that wait for the store buffer are ops."""
        self.unfenced = False
        """Whether a store may still be in the buffer. Never without `fences`."""
        self.locked: tuple[int, int] | None = None
        """(pc, shared address) of a read-modify-write whose store is to come."""
        self.mark_strings = False
        """Whether stores of one string instruction say so (`Flag.STRING`)."""
        self._left = 0  # ECX at the latest store, where they do
        self._engine: Engine | None = None
        self._name = ""
        self._sites: dict[int, Site] = {}
        self._sites_of: dict[str, dict[int, Site]] = {}

    def begin(self, *, unfenced: bool = False) -> None:
        """Nothing has been done since power on, or since the state that is restored."""
        self.ops = []
        self.unfenced = unfenced
        self.locked = None

    def turn_to(self, engine: Engine, image: str) -> None:
        """From now on, `engine` is the CPU that does things, and runs `image`."""
        self._engine = engine
        self._name = image
        self._sites = self._sites_of.setdefault(image, {})

    def site(self, pc: int) -> Site:
        """A place in the image that runs. The same object each time."""
        site = self._sites.get(pc)
        if site is None:
            site = self._sites[pc] = Site(self._name, pc)
        return site

    def take(self) -> tuple[Op, ...]:
        """All of it; the next burst begins."""
        ops = tuple(self.ops)
        self.ops = []
        return ops

    def store(self, address: int, size: int, value: int, pc: int) -> None:
        """A store in a window: an op, unless it is private."""
        place = address - RING_PAGE
        if not 0 <= place < PAGE:
            if not is_shared(address, size):
                return
            place = place_of(address)
        site = self._sites.get(pc) or self.site(pc)
        if self.locked is None:
            flags = self._string_flag(place, size, pc) if self.mark_strings else _NO_FLAG
            self.ops.append(Op(_STORE, place, size, value, site, flags))
            self.unfenced = self.fences
            return
        flags = Flag.LOCKED if self.locked == (pc, place) else Flag.NONE
        self.locked = None
        self.ops.append(Op(_STORE, place, size, value, site, flags))
        self.unfenced = self.fences and not flags

    def fence(self, pc: int) -> None:
        """The CPU waits until its store buffer is empty. Where it is, that is no op."""
        if self.unfenced:
            self.add(Op(Kind.FENCE, site=self.site(pc)))

    def add(self, *ops: Op) -> None:
        """Ops that are no stores of the CPU's."""
        for op in ops:
            self.ops.append(op)
            if op.kind is Kind.STORE:
                self.unfenced = self.fences
            elif op.kind in _DRAINS:
                self.unfenced = False

    def load(self, stop: Stop, *, atomic: bool) -> Op:
        """The load for whose answer the CPU has stopped, as the burst's last op; `atomic` where its
        instruction is."""
        site = self.site(stop.pc)
        kind = Kind.RMW if atomic else Kind.LOAD
        if atomic and self.ops and self.ops[-1] == Op(Kind.FENCE, site=site):
            self.ops.pop()  # the RMW itself is one
        return Op(kind, place_of(stop.address), stop.size, 0, site)

    def _string_flag(self, place: int, size: int, pc: int) -> Flag:
        """STRING where a store goes on with the string instruction that made the one before it: the
        same instruction, the place next to it, and ECX one less."""
        assert self._engine is not None  # it is the one that stores
        before, self._left = self._left, self._engine.get(x86.UC_X86_REG_ECX)
        last = self.ops[-1] if self.ops else None
        if last is None or last.site.pc != pc or self._left != before - 1:
            return Flag.NONE
        if last.size != size or abs(place - last.address) != size:
            return Flag.NONE
        return Flag.STRING if self._engine.instruction(pc).repeats_store else Flag.NONE
