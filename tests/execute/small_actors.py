"""Small actors for tests: programs in lines, and generators. Tested in test_small_actors.py."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from guestsim.trace import Burst, End, Flag, Kind, Op, Outcome, Site
from guestsim.trace.ops import ANSWERED
from guestsim.trace.shared import SERVER, SHARED_SIZE, pending_place

MEMORY = bytes(SHARED_SIZE)

REQ_CONS, REQ_PROD, RSP_CONS, RSP_PROD = 2048, 2052, 2056, 2060
GUEST_PENDING = pending_place(1)[0]


def load(address: int, size: int = 4) -> Op:
    return Op(Kind.LOAD, address, size)


def store(address: int, value: int, size: int = 4, flags: Flag = Flag.NONE) -> Op:
    return Op(Kind.STORE, address, size, value, flags=flags)


def rmw(address: int, size: int = 4) -> Op:
    return Op(Kind.RMW, address, size)


def locked(address: int, value: int, size: int = 4) -> Op:
    return store(address, value, size, Flag.LOCKED)


def send(bits: int = 1, address: int = SERVER) -> Op:
    return Op(Kind.SEND, address, 4, bits)


def wait(flags: Flag = Flag.NONE, bits: int = 1, address: int = SERVER) -> Op:
    return Op(Kind.WAIT, address, 4, bits, flags=flags)


def yields() -> Op:
    return Op(Kind.WAIT, flags=Flag.SPURIOUS)


def fence() -> Op:
    return Op(Kind.FENCE)


def choose(answers: int = 2) -> Op:
    return Op(Kind.CHOOSE, value=answers)


def halt(outcome: Outcome = Outcome.CONNECTED, message: str = "done") -> Op:
    return Op(Kind.HALT, end=End(outcome, message))


class Line(NamedTuple):
    op: Op
    goto: Mapping[int, int] = {}
    """Answer to the line that comes then; the next one for every other answer."""


class Program:
    """An actor whose whole state is the line that it is on. `site.pc` of its ops is that line."""

    def __init__(self, name: str, lines: Sequence[Line | Op]) -> None:
        self.name = name
        self.lines = tuple(
            Line(
                msgspec.structs.replace(line.op, site=Site(line.op.site.stage or name, number)),
                line.goto,
            )
            for number, line in enumerate(
                line if isinstance(line, Line) else Line(line) for line in lines
            )
        )

    def start(self) -> Burst:
        return self._burst(0)

    def resume(self, point: Any, value: int) -> Burst:
        return self._burst(self.lines[point].goto.get(value, point + 1))

    def key(self, point: Any) -> Hashable:
        return int(point)

    def _burst(self, line: int) -> Burst:
        ops = []
        for number in range(line, len(self.lines)):
            op = self.lines[number].op
            ops.append(op)
            if op.kind is Kind.HALT:
                return Burst(tuple(ops), None)
            if op.kind in ANSWERED:
                return Burst(tuple(ops), number)
        raise AssertionError(f"{self.name} runs off its end")


Body = Callable[[], Generator[Op, int, None]]


class Talker:
    """An actor that is a generator. Its state is all that it was ever answered, so that no two
    states of it are equal."""

    def __init__(self, name: str, body: Body) -> None:
        self.name = name
        self.body = body

    def start(self) -> Burst:
        return self._burst(())

    def resume(self, point: Any, value: int) -> Burst:
        return self._burst((*point, value))

    def key(self, point: Any) -> Hashable:
        return tuple(point)

    def _burst(self, answers: tuple[int, ...]) -> Burst:
        body = self.body()
        op = next(body)
        for answer in answers:
            while op.kind not in ANSWERED:
                op = next(body)
            op = body.send(answer)
        ops = [op]
        while op.kind not in ANSWERED and op.kind is not Kind.HALT:
            op = next(body)
            ops.append(op)
        return Burst(tuple(ops), None if op.kind is Kind.HALT else answers)
