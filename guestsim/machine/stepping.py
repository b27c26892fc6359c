"""A guest that can be stopped before any of its instructions, and sent back to any: for a debugger.

The execution is the usual one: it moves the guest from op to op, and a *leg* is what the guest does
between two ops whose answers it needs (`Burst`). Every leg is run as a whole first, as without a
debugger, so that its ops are the same. To look into it, it is run once more up to an instruction:
the same machine from the same state, which executes the same.

A *position* in a leg is how many instructions of it have been executed, one step of a string
instruction each. Position 0 of a leg and the last one of the leg before it are the same place,
before and after the answer: where the guest stands still, it stands at the latter.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from contextlib import ExitStack
from functools import cached_property
from typing import NamedTuple

from unicorn import x86_const as x86

from guestsim.errors import InternalError, NoMemoryError
from guestsim.machine.engine import Engine
from guestsim.machine.guest import Guest
from guestsim.machine.machine import Request
from guestsim.machine.memory import PAGE
from guestsim.machine.places import is_shared, place_of
from guestsim.machine.points import Point
from guestsim.trace.actor import Burst
from guestsim.trace.ops import Flag, Kind, Op

__all__ = ["REGISTERS", "Leg", "Place", "Stepper"]

REGISTERS = {
    "eax": x86.UC_X86_REG_EAX,
    "ecx": x86.UC_X86_REG_ECX,
    "edx": x86.UC_X86_REG_EDX,
    "ebx": x86.UC_X86_REG_EBX,
    "esp": x86.UC_X86_REG_ESP,
    "ebp": x86.UC_X86_REG_EBP,
    "esi": x86.UC_X86_REG_ESI,
    "edi": x86.UC_X86_REG_EDI,
    "eip": x86.UC_X86_REG_EIP,
    "eflags": x86.UC_X86_REG_EFLAGS,
    "cs": x86.UC_X86_REG_CS,
    "ss": x86.UC_X86_REG_SS,
    "ds": x86.UC_X86_REG_DS,
    "es": x86.UC_X86_REG_ES,
    "fs": x86.UC_X86_REG_FS,
    "gs": x86.UC_X86_REG_GS,
}
"""32 bits each."""


class Leg:
    """What the guest does between two ops whose answers it needs. Opaque to an execution."""

    def __init__(self, before: Leg | None, value: int) -> None:
        self.before = before
        """None: it begins at power on."""
        self.value = value
        """The answer with which it begins."""
        self.number: int = 0 if before is None else before.number + 1
        self.ops: tuple[Op, ...] = ()
        self.point: Point | None = None
        """Where it ends; None where the guest has halted."""
        self.length = 0
        """Its last position."""
        self.stage = 0
        """The stage of the boot chain at its end."""
        self.after: dict[int, Leg] = {}
        """What follows, by answer."""
        self.hits: dict[int, list[int]] = {}
        """By address: the positions at which it is about to be executed, as far as known."""
        self.done: dict[int, int] = {}
        """How many of the ops come before a position, as far as known."""

    @property
    def halts(self) -> bool:
        """Whether nothing follows."""
        return self.point is None

    @cached_property
    def first_done(self) -> int:
        """Ops that are performed with the answer: the store half of an RMW."""
        return int(bool(self.ops[0].flags & Flag.LOCKED))


class Place(NamedTuple):
    """Where a guest stands."""

    done: int
    """How many ops of the leg the instructions before it have made."""
    stage: int


class Stepper:
    """Implements `guestsim.trace.Actor` around a guest, whose points are `Leg`s. It remembers every
    leg, so that an execution can be repeated at no cost."""

    name = "guest"

    def __init__(self, guest: Guest) -> None:
        """`guest`: from now on, nobody else may run it."""
        guest.keep_states = True
        self.guest = guest
        self._first: Leg | None = None
        self._hooked: dict[Engine, set[int]] = {}
        self._found: dict[int, list[int]] | None = None
        self._standing: tuple[Leg, int, Place] | None = None
        """Where the machine stands, where that is known."""

    @property
    def fences(self) -> bool:
        """As the guest's."""
        return self.guest.fences

    @fences.setter
    def fences(self, fences: bool) -> None:
        if fences != self.guest.fences:
            self.guest.fences = fences
            self._first = None
            self._hooked.clear()

    # -- Actor ----------------------------------------------------------------------------------

    def start(self) -> Burst:
        """Power on."""
        if self._first is None:
            self._first = self._run(Leg(None, 0))
        return Burst(self._first.ops, self._first)

    def resume(self, point: Leg, value: int) -> Burst:
        """Go on from the end of a leg."""
        known = point.after.get(value)
        if known is None:
            known = point.after[value] = self._run(Leg(point, value))
        return Burst(known.ops, known)

    def key(self, point: Leg) -> Hashable:
        """As the guest's."""
        if point.point is None:
            raise InternalError("a guest that has halted has no future")
        return self.guest.key(point.point)

    def _run(self, leg: Leg) -> Leg:
        """Fill in what it does."""
        self._standing = None
        leg.ops, leg.point = self._burst(leg)
        last = leg.ops[-1].kind
        executed = self.guest.machine.allowance.executed
        # A load is counted, and not done.
        leg.length = executed - 1 if last in (Kind.LOAD, Kind.RMW) else executed
        leg.stage = self.guest.machine.stage
        return leg

    def _burst(self, leg: Leg) -> Burst:
        self._standing = None
        if leg.before is None:
            return self.guest.start()
        assert leg.before.point is not None  # a halted guest is not resumed
        return self.guest.resume(leg.before.point, leg.value)

    # -- places ---------------------------------------------------------------------------------

    def stand(self, leg: Leg, position: int) -> Place:
        """Have the machine stand there."""
        if self._standing is not None and self._standing[:2] == (leg, position):
            return self._standing[2]
        ops = self._run_up_to(leg, position)
        done = len(ops)
        if leg.first_done and not (ops and ops[0].flags & Flag.LOCKED):
            done += 1  # nothing was stored: the guest puts the store half before the others
        if ops != leg.ops[done - len(ops) : done]:
            raise InternalError("the guest does not do under a debugger what it does without")
        leg.done[position] = done
        place = Place(done, self.guest.machine.stage)
        self._standing = leg, position, place
        return place

    def _run_up_to(self, leg: Leg, position: int) -> tuple[Op, ...]:
        self._standing = None
        before = None if leg.before is None else leg.before.point
        return self.guest.stop_within(before, leg.value, position, leg.point)

    def done(self, leg: Leg, position: int) -> int:
        """How many ops of the leg come before a position. May move the machine."""
        if position == leg.length:
            return len(leg.ops) - 1
        known = leg.done.get(position)
        return self.stand(leg, position).done if known is None else known

    def position_of(self, leg: Leg, op: int) -> int:
        """The position of the instruction that makes that op of the leg."""
        if op == len(leg.ops) - 1:
            return leg.length
        low, high = 0, leg.length
        while low < high:
            middle = (low + high + 1) // 2
            if self.done(leg, middle) <= op:
                low = middle
            else:
                high = middle - 1
        return low

    def beginnings(self, leg: Leg) -> list[int]:
        """The positions at which the next stage of the boot chain begins."""
        first = leg.before.stage if leg.before is not None else 0
        return [self._beginning(leg, stage) for stage in range(first + 1, leg.stage + 1)]

    def _beginning(self, leg: Leg, stage: int) -> int:
        low, high = 0, leg.length
        while low < high:
            middle = (low + high) // 2
            if self.stand(leg, middle).stage >= stage:
                high = middle
            else:
                low = middle + 1
        return low

    def hits(self, leg: Leg, addresses: Iterable[int]) -> list[int]:
        """The positions of the leg, but for its first unless it begins at power on, at which an
        instruction at one of `addresses` is about to be executed; in order."""
        wanted = frozenset(addresses)
        if not wanted <= leg.hits.keys():
            self._find(leg, wanted - leg.hits.keys())
        found = {position for address in wanted for position in leg.hits[address]}
        return sorted(found)

    def _find(self, leg: Leg, addresses: frozenset[int]) -> None:
        found: dict[int, list[int]] = {address: [] for address in addresses}
        self._found = found
        machine = self.guest.machine
        for number in range(leg.stage + 1):
            self._hook(machine.engine_of(number), addresses)
        try:
            ops = self._burst(leg).ops
        finally:
            self._found = None
        if ops != leg.ops:
            raise InternalError("the guest does not do at breakpoints what it does without")
        self.stand(leg, leg.length)
        here = machine.engine.linear(self.pc)
        if here in found:
            found[here].append(leg.length)
        for address, positions in found.items():
            first = 0 if leg.before is None else 1
            leg.hits[address] = sorted({at for at in positions if first <= at <= leg.length})

    def leaving(self, leg: Leg, position: int, inside: range) -> int | None:
        """The first position behind that one at which an instruction elsewhere than `inside` is
        about to be executed; None where the leg ends before."""
        found: list[int] = []

        def executing(address: int, now: int) -> None:
            if address not in inside and now > position and not found:
                found.append(now)
                machine.engine.stop(Request.PAUSE)

        machine = self.guest.machine
        engines = [machine.engine_of(number) for number in range(leg.stage + 1)]
        with ExitStack() as listening:
            for engine in engines:
                listening.enter_context(engine.told_of_all(executing))
            self._run_up_to(leg, leg.length)
        if found:
            return found[0]
        self.stand(leg, leg.length)
        outside = machine.engine.linear(self.pc) not in inside
        return leg.length if outside and leg.length > position else None

    def _hook(self, engine: Engine, addresses: frozenset[int]) -> None:
        hooked = self._hooked.setdefault(engine, set())
        for address in sorted(addresses - hooked):
            engine.tell_of(address, self._hit)
        hooked |= addresses

    def _hit(self, address: int, position: int) -> None:
        if self._found is not None and address in self._found:
            self._found[address].append(position)

    # -- what is there --------------------------------------------------------------------------

    @property
    def pc(self) -> int:
        """EIP where the machine stands."""
        return self.guest.machine.engine.get(REGISTERS["eip"]) & 0xFFFFFFFF

    def registers(self) -> dict[str, int]:
        """All of `REGISTERS`, where the machine stands."""
        engine = self.guest.machine.engine
        return {name: engine.get(number) & 0xFFFFFFFF for name, number in REGISTERS.items()}

    def read(self, address: int, size: int, shared: bytes | bytearray) -> bytes | None:
        """Memory where the machine stands, at a linear address, as the guest would load it; what it
        shares with others is in `shared`. None where there is none."""
        content = bytearray()
        while size > 0:
            part = min(size, PAGE - address % PAGE)
            found = self._read_page(address & 0xFFFFFFFF, part, shared)
            if found is None:
                return None
            content += found
            address, size = address + part, size - part
        return bytes(content)

    def _read_page(self, linear: int, size: int, shared: bytes | bytearray) -> bytes | None:
        machine = self.guest.machine
        address = machine.engine.physical(linear)
        if address is None:
            return None
        if machine.is_window(address):
            return bytes(
                shared[place_of(at)] if is_shared(at, 1) else machine.load(at, 1) or 0
                for at in range(address, address + size)
            )
        try:
            return machine.memory.read(address, size) if machine.is_ram(address) else None
        except NoMemoryError:
            return None

    def shared_place(self, address: int, size: int) -> int | None:
        """Where in shared memory what the guest has at `address` is; None where it is not."""
        machine = self.guest.machine
        whole = address % PAGE + size <= PAGE
        if whole and machine.is_window(address) and is_shared(address, size):
            return place_of(address)
        return None
