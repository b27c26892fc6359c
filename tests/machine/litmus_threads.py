"""Threads of litmus tests: the same few steps as a guest's instructions, and as a scripted actor.

Each thread leaves what its loads saw in a word of its own, and says so in another. The judge, a
scripted thread, waits for that, and halts `corrupted` where all results together are the weak one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from code86 import DATA, RING, SET_UP, load, mov_eax, mov_esp, poke, store, u32
from program_checks import guest_of

from guestsim.machine.guest import Guest
from guestsim.trace import Burst, End, Flag, Kind, Op, Outcome, shared
from guestsim.trace.ops import ANSWERED

__all__ = ["MFENCE", "Judge", "R", "Results", "Scripted", "Step", "W", "X", "guest_thread"]

PLACES = {"x": 2048, "y": 2052, "z": 2056, "w": 2060}
_REPORTS = 3072
_NEVER = Op(Kind.WAIT, shared.SERVER, 4, 2)
MFENCE = b"\x0f\xae\xf0"


class Step(NamedTuple):
    """A store, a load, an exchange, or a fence; places as `x`, or `x+1:2` for two bytes at 1."""

    kind: str
    address: int = 0
    size: int = 4
    value: int = 0
    barrier: bytes = MFENCE
    """Of a fence: the guest's instructions."""


def _where(place: str) -> tuple[int, int]:
    name, _, size = place.partition(":")
    name, _, offset = name.partition("+")
    return PLACES[name] + int(offset or 0), int(size or 4)


def W(place: str, value: int) -> Step:  # noqa: N802
    return Step("W", *_where(place), value)


def R(place: str) -> Step:  # noqa: N802
    return Step("R", *_where(place))


def X(place: str, value: int) -> Step:  # noqa: N802
    return Step("X", *_where(place), value)


class Results(NamedTuple):
    """How an execution ended."""

    loads: tuple[tuple[int, ...], ...]
    """For each thread, in order, what its loads and exchanges saw."""
    memory: dict[str, int]
    """What is in memory in the end."""


Weak = Callable[[Results], bool]


def _report_of(thread: int) -> tuple[int, int]:
    return _REPORTS + 8 * thread, _REPORTS + 8 * thread + 4


# -- a guest --------------------------------------------------------------------------------------


def instructions(step: Step) -> bytes:
    """What the guest executes for a step; what it sees is shifted into edi, 8 bits each."""
    place = RING + step.address
    small = b"\x66" if step.size == 2 else b""
    keep = b"\xc1\xe7\x08\x09\xc7"  # shl edi, 8; or edi, eax
    if step.kind == "W":
        wide = bytes((0xC6 | (step.size > 1),))
        return small + wide + b"\x05" + u32(place) + step.value.to_bytes(step.size, "little")
    if step.kind == "R":
        return b"\x31\xc0" + small + bytes((0xA0 | (step.size > 1),)) + u32(place) + keep
    if step.kind == "X":
        return mov_eax(step.value) + b"\x87\x05" + u32(place) + keep
    return step.barrier


def guest_thread(
    steps: Sequence[Step], thread: int = 0, *, fences: bool, before: bytes = b""
) -> Guest:
    """A guest that does the steps, reports, and then looks at its report for ever."""
    value, ready = _report_of(thread)
    code = SET_UP + mov_esp(DATA) + before + b"\x31\xff"  # xor edi, edi
    code += b"".join(instructions(step) for step in steps)
    code += b"\x89\xf8" + store(RING + value) + poke(RING + ready, 1)
    code += load(RING + ready) + b"\xeb\xf9"
    guest = guest_of(code, fences=fences)
    guest.keep_states = True
    return guest


# -- scripted threads -----------------------------------------------------------------------------


class Scripted:
    """A thread in ops. A point is the number of the step and all that was seen."""

    def __init__(self, name: str, steps: Sequence[Step], thread: int) -> None:
        self.name = name
        self.thread = thread
        self._ops = [op for step in steps for op in _ops(step)]

    def start(self) -> Burst:
        return self._burst(0, ())

    def resume(self, point: Any, value: int) -> Burst:
        number, seen = point
        return self._burst(number + 1, (*seen, value))

    def key(self, point: Any) -> Hashable:
        return tuple(point)

    def ending(self, seen: tuple[int, ...]) -> list[Op]:
        """What follows its steps: its report."""
        packed = 0
        for value in seen:
            packed = packed << 8 | value
        value, ready = _report_of(self.thread)
        return [Op(Kind.STORE, value, 4, packed), Op(Kind.STORE, ready, 4, 1), _NEVER]

    def _burst(self, number: int, seen: tuple[int, ...]) -> Burst:
        ops: list[Op] = []
        steps = len(self._ops)
        while True:
            op = self._ops[number] if number < steps else self.ending(seen)[number - steps]
            ops.append(op)
            if op.kind is Kind.HALT:
                return Burst(tuple(ops), None)
            if op.kind in ANSWERED:
                return Burst(tuple(ops), (number, seen))
            number += 1


def _ops(step: Step) -> list[Op]:
    where = step.address, step.size
    match step.kind:
        case "W":
            return [Op(Kind.STORE, *where, step.value)]
        case "R":
            return [Op(Kind.LOAD, *where)]
        case "X":
            return [Op(Kind.RMW, *where), Op(Kind.STORE, *where, step.value, flags=Flag.LOCKED)]
    return [Op(Kind.FENCE)]


class Judge(Scripted):
    """The last of the scripted threads: it also waits for the others' reports."""

    def __init__(self, steps: Sequence[Step], loads: Sequence[int], weak: Weak) -> None:
        """`loads`: how many loads each thread has, its own last."""
        super().__init__("daemon", steps, len(loads) - 1)
        self._loads = loads
        self._weak = weak

    def resume(self, point: Any, value: int) -> Burst:
        number, seen = point
        asked = number - len(self._ops)
        if asked > 0 and asked % 2 and asked < 2 * len(self._loads) - 2 and not value:
            return self._burst(number, seen)  # the report is not there yet
        return super().resume(point, value)

    def ending(self, seen: tuple[int, ...]) -> list[Op]:
        """A fence; each report, once it is there; memory; the verdict."""
        ops = [Op(Kind.FENCE)]
        for thread in range(len(self._loads) - 1):
            value, ready = _report_of(thread)
            ops += [Op(Kind.LOAD, ready, 4), Op(Kind.LOAD, value, 4)]
        ops += [Op(Kind.LOAD, address, 4) for address in PLACES.values()]
        own, rest = seen[: self._loads[-1]], seen[self._loads[-1] :]
        others = 2 * (len(self._loads) - 1)
        if len(rest) == others + len(PLACES):
            loads = [
                _unpacked(value, count)
                for value, count in zip(rest[1:others:2], self._loads, strict=False)
            ]
            memory = dict(zip(PLACES, rest[others:], strict=True))
            weak = self._weak(Results((*loads, own), memory))
            outcome = Outcome.CORRUPTED if weak else Outcome.CONNECTED
            ops.append(Op(Kind.HALT, end=End(outcome, "judged")))
        return ops


def _unpacked(packed: int, count: int) -> tuple[int, ...]:
    return tuple(packed >> 8 * (count - 1 - number) & 0xFF for number in range(count))
