"""Run a guest program and compare each op with what the reference CPU says."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from code86 import BASE, PORT, elf
from decode86 import decode
from guest_programs import ANSWERS, Program, listing
from reference86 import Cpu, Expected

from guestsim.errors import InputError
from guestsim.machine.guest import Guest, Stage
from guestsim.machine.image import Image, Segment
from guestsim.trace.actor import Burst
from guestsim.trace.ops import Kind, Op

__all__ = ["check", "check_answers", "check_restoring", "guest_of", "with_fences"]


def with_fences(guest: Guest) -> Guest:
    """The guest as under tso: what orders memory surfaces as FENCE."""
    if hasattr(guest, "fences"):
        guest.fences = True
    return guest


def guest_of(code: bytes, *, fences: bool = False) -> Guest:
    """A guest of one image, without a file."""
    segment = Segment(BASE, code, len(code))
    image = Image("program", Path("program.elf"), "", BASE, (segment,), elf([(BASE, code)]))
    guest = Guest([Stage(image)], PORT, budget=20_000)
    return with_fences(guest) if fences else guest


class _Walk:
    """One guest and the CPUs that it may still be like."""

    def __init__(self, program: Program, *, fences: bool) -> None:
        self.program = program
        self.guest = guest_of(program.code, fences=fences)
        self.fences = getattr(self.guest, "fences", False)
        self.guest.keep_states = False

    def start(self) -> tuple[Burst | None, list[Cpu]]:
        """Power on. None as for `resume`."""
        cpus = self.program.cpus(fences=self.fences)
        burst = self._refusable(self.guest.start)
        found = self._compare(burst, [(cpu, cpu.run()) for cpu in cpus], ())
        return self._kept(burst), found

    def resume(
        self, burst: Burst, cpus: list[Cpu], answers: Sequence[int]
    ) -> tuple[Burst | None, list[Cpu]]:
        """Go on with the last of `answers`. None where the instruction that asks next is refused,
        as it may be."""
        expected = [(cpu, cpu.run(answers[-1])) for cpu in cpus]
        following = self._refusable(lambda: self.guest.resume(burst.point, answers[-1]))
        return self._kept(following), self._compare(following, expected, answers)

    @staticmethod
    def _kept(burst: Burst | InputError) -> Burst | None:
        return None if isinstance(burst, InputError) else burst

    @staticmethod
    def _refusable(run: Any) -> Any:
        try:
            return run()
        except InputError as error:
            return error

    def _compare(
        self,
        burst: Burst | InputError,
        expected: list[tuple[Cpu, list[Expected]]],
        answers: Sequence[int],
    ) -> list[Cpu]:
        if isinstance(burst, InputError):
            found = [cpu for cpu, _ in expected if _may_refuse(cpu, str(burst))]
        else:
            found = [cpu for cpu, ops in expected if _same(ops, burst.ops, fences=self.fences)]
        if not found:
            raise AssertionError(self._difference(burst, expected[0][1], answers))
        return found

    def _bytes(self) -> bytes:
        return self.program.code[self.program.blocks[0][1] - BASE :]

    def _difference(
        self, burst: Burst | InputError, expected: list[Expected], answers: Sequence[int]
    ) -> str:
        if isinstance(burst, InputError):
            actual = [f"refused: {burst}"]
        else:
            actual = [_text(op) for op in burst.ops]
        answered = " ".join(f"{answer:#x}" for answer in answers)
        return "\n".join(
            (
                f"other ops than the program has, after {len(answers)} answers ({answered})",
                "the last instructions that ran:",
                listing(self.program, answers),
                "expected:",
                *_shortened([str(op) for op in expected]),
                "actual:",
                *_shortened(actual),
                f"blocks: {' '.join(f'{name}@{at:#x}' for name, at in self.program.blocks)}",
                f"all bytes from {self.program.blocks[0][1]:#x} on: {self._bytes().hex()}",
            )
        )


def _shortened(lines: list[str]) -> list[str]:
    if len(lines) > 24:
        lines = [*lines[:20], f"… {len(lines)} in all"]
    return [f"  {line}" for line in lines]


def _text(op: Op) -> str:
    end = f" {op.end.outcome}: {op.end.message}" if op.end else ""
    locked = " locked" if op.flags & 1 else ""
    return (
        f"{op.kind.name} {op.address:#x}/{op.size} = {op.value:#x}{locked}{end} at {op.site.pc:#x}"
    )


def _same(expected: list[Expected], actual: Sequence[Op], *, fences: bool) -> bool:
    """Whether the ops are the expected ones. Before a HALT there may be a FENCE or none: nobody
    can tell."""
    if fences and len(actual) == len(expected) + 1 and actual[-1].kind is Kind.HALT:
        actual = [*actual[:-2], actual[-1]] if actual[-2].kind is Kind.FENCE else actual
    return len(actual) == len(expected) and all(
        op.matches(other) for op, other in zip(expected, actual, strict=True)
    )


def _may_refuse(cpu: Cpu, message: str) -> bool:
    """An instruction that loads several shared words may be refused, by name."""
    window = bytes(cpu.load(cpu.eip + at, 1) for at in range(15))
    code = window[: decode(window).length]
    named = code.hex() in message or code.hex(" ") in message
    return cpu.several and named and f"{cpu.eip:#x}" in message


def check(program: Program, seed: int, *, fences: bool = False) -> None:
    """Run once, with answers of this seed."""
    rng = random.Random(seed)
    check_answers(program, lambda: _answer(rng), fences=fences)


def check_answers(program: Program, answer: Callable[[], int], *, fences: bool = False) -> None:
    """Run once, with these answers."""
    walk = _Walk(program, fences=fences)
    burst, cpus = walk.start()
    answers: list[int] = []
    while burst is not None and burst.point is not None:
        answers.append(_fitting(answer(), burst.ops[-1]))
        burst, cpus = walk.resume(burst, cpus, answers)


def check_restoring(program: Program, seed: int, turns: int, *, fences: bool = False) -> None:
    """Go on from points in any order, with any answers: the same history must give the same ops
    and key, and another state another key."""
    rng = random.Random(seed)
    walk = _Walk(program, fences=fences)
    walk.guest.keep_states = True
    first, cpus = walk.start()
    if first is None:
        return
    nodes: dict[tuple[int, ...], tuple[Burst, list[Cpu]]] = {(): (first, cpus)}
    keys: dict[tuple[int, ...], Any] = {}
    states: dict[Any, tuple[int, ...]] = {}
    edges: list[tuple[tuple[int, ...], int]] = []
    for _ in range(turns):
        if edges and rng.random() < 0.25:
            history, value = rng.choice(edges)
        else:
            history, value = _choose(rng, list(nodes)), _answer(rng)
        burst, before = nodes[history]
        if burst.point is None:
            continue
        value = _fitting(value, burst.ops[-1])
        edges.append((history, value))
        answers = (*history, value)
        following, after = walk.resume(burst, [cpu.copy() for cpu in before], answers)
        if following is None:
            continue
        nodes[answers] = following, after
        if following.point is None or len(after) > 1:
            continue
        key = walk.guest.key(following.point)
        assert keys.setdefault(answers, key) == key, f"another key for the same answers {answers}"
        state = hash(after[0].state())
        other = states.setdefault(key, answers)
        same = hash(nodes[other][1][0].state()) == state
        assert same, f"one key for two states, after answers {other} and {answers}"


def _fitting(value: int, op: Op) -> int:
    """An answer that the op can have."""
    return value & 1 if op.kind is Kind.WAIT else value & (1 << 8 * op.size) - 1


def _choose(rng: random.Random, histories: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Mostly one of the latest, so that a walk gets somewhere."""
    return rng.choice(histories[-4:] if rng.random() < 0.6 else histories)


def _answer(rng: random.Random) -> int:
    return rng.choice(ANSWERS) if rng.random() < 0.7 else rng.getrandbits(32)
