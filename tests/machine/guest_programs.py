"""Random guest programs in machine code, whose ops are known.

A program is a list of (kind of block, seed). Blocks store to private memory, beside and over code
that ran or will run, write code and call it, move the stack about, and between that touch the
ring. `reference86` runs the same bytes and says which ops there are for any list of answers. What
the program loads and keeps ends up in values that it stores to the ring, so that a wrong value, or
a private store that was lost, shows.

Blocks may do anything to private memory except to code that they cannot replace: what runs later.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from decode86 import text_of
from program_blocks import BLOCKS, block
from program_maker import ANSWERS, Maker, Program

__all__ = ["ANSWERS", "KINDS", "Program", "build", "listing"]

KINDS: Final = tuple(BLOCKS)


def build(plan: Sequence[tuple[str, int]], *, fences: bool = False) -> Program:
    """The program of these blocks. With `fences` without instructions of which it is not laid down
    where among their own loads they order memory."""
    maker = Maker(random.Random(f"{plan[:1]}"), fences=fences)
    for kind, seed in plan:
        block(maker, kind, random.Random(seed))
    return maker.finished()


def listing(program: Program, answers: Sequence[int], last: int = 40) -> str:
    """The instructions that ran last for these answers, with the names of their blocks."""
    (cpu, *_) = program.cpus()
    cpu.trace = []
    cpu.run()
    for answer in answers:
        if not cpu.halted:
            cpu.run(answer)
    lines = []
    ran = cpu.trace[-last:]
    if not cpu.halted:
        page = bytes(cpu.load(cpu.eip + at, 1) for at in range(15))
        ran.append((cpu.eip, page))
    for pc, window in ran:
        names = [name for name, at in program.blocks if at == pc]
        lines += [f"  -- {', '.join(names)}"] * bool(names) + [f"  {text_of(pc, window)}"]
    return "\n".join(lines)
