"""Random problems for explorers: rich in what can go wrong, small, and quick to make.

The same seed gives the same problem with every Python: nothing but `Random.random` is used.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple, TypeVar

import msgspec
from small_actors import Line, Program

from guestsim.errors import InputError
from guestsim.execute.execution import Execution
from guestsim.search import Limits, Prefix, Problem, RuleSet, begin_after
from guestsim.trace import End, Event, Flag, Kind, Op, Outcome, Violation
from guestsim.trace.memory_model import MemoryModel
from guestsim.trace.ops import NOWHERE
from guestsim.trace.shared import (
    MASK,
    PENDING,
    SELECTOR,
    SERVER,
    SHARED_SIZE,
    UPCALL_PENDING,
    field,
)

__all__ = ["Case", "Statement", "Toy", "case_of", "listing", "problem_of", "shrunk"]

T = TypeVar("T")

NAMES = ("guest", "daemon", "third")

# Where fields meet each other, where the buffers do, the pieces of a buffer, and the pages.
BASES = (
    *(8, 256, 512, 1024, 1280, 2048, 2052, 2056, 2064, 2068),
    *(0x1000, UPCALL_PENDING, SELECTOR, PENDING, PENDING + 4, MASK, MASK + 4, SERVER),
)
QUIET_BASES = tuple(base for base in BASES if base != SERVER)
SIZES = (1, 1, 1, 2, 4, 4, 8)
LONG = (3, 16, 300)
"""Sizes that only stores have."""

WAITS = (
    Flag.NONE,
    Flag.CONSUME,
    Flag.SPURIOUS,
    Flag.SPURIOUS | Flag.CONSUME,
    Flag.SPURIOUS | Flag.POLL,
    Flag.SPURIOUS | Flag.POLL | Flag.CONSUME,
)
ENDS = (Outcome.CONNECTED, Outcome.REFUSED, Outcome.CORRUPTED, Outcome.CRASHED)
KINDS = (
    *(["load"] * 8 + ["store"] * 10 + ["rmw"] * 3 + ["fence"] * 2),
    *("send", "send", "raise", "raise", "unmask", "wait", "wait", "sleep", "yield"),
    *("choose", "choose"),
)


class Spread(Mapping[int, int]):
    """Where an answer leads, whatever it is: to one of a few lines."""

    def __init__(self, lines: Sequence[int]) -> None:
        self.lines = tuple(lines)

    def __getitem__(self, answer: int) -> int:
        return self.lines[(answer + (answer >> 8) + (answer >> 17)) % len(self.lines)]

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.lines)))

    def __len__(self) -> int:
        return len(self.lines)

    def __repr__(self) -> str:
        return f"-> {', '.join(map(str, self.lines))}"


class Statement(NamedTuple):
    """Some ops, and where the answer of the first leads: statements, and behind them ends."""

    ops: tuple[Op, ...]
    targets: tuple[int, ...] = ()


class Toy(NamedTuple):
    """A rule that is broken now and then: by a hash of everything that it may depend on."""

    name: str
    kinds: frozenset[Kind]
    actors: frozenset[str]
    looks: Mapping[Kind, tuple[int, ...]]
    """Addresses whose bytes it looks at."""
    histories: int
    one_in: int
    values: bool
    """Whether what a send and a wait give counts."""

    def rules(self) -> RuleSet:
        names = {kind: frozenset(map(field, addresses)) for kind, addresses in self.looks.items()}
        return RuleSet(
            initial=0,
            step=self.step,
            concerned=lambda event: event.op.kind in self.kinds and event.actor in self.actors,
            looks=lambda event: names.get(event.op.kind, frozenset()),
            seen=_seen,
        )

    def step(
        self, history: Any, memory: bytes | bytearray, event: Event
    ) -> tuple[Hashable, Iterable[Violation]]:
        op = event.op
        if op.kind not in self.kinds or event.actor not in self.actors:
            return history, ()
        counts = self.values or op.kind not in (Kind.SEND, Kind.WAIT)
        end = op.end.outcome if op.end is not None else None
        digest = hash(
            (
                *(history, NAMES.index(event.actor), int(op.kind), op.address, op.size, op.value),
                *(int(op.flags), event.value * counts, 0 if end is None else 1 + ENDS.index(end)),
                *(memory[address] for address in self.looks.get(op.kind, ())),
            )
        )
        after = (digest >> 7) % self.histories
        broken = [
            Violation(f"{self.name}{number}", "", f"{op!r} with {history}")
            for number, place in enumerate((17, 33))
            if (digest >> place) % self.one_in == 0
        ]
        return after, broken


class Case(NamedTuple):
    seed: int
    actors: tuple[tuple[Statement, ...], ...]
    ends: tuple[Outcome | None, ...]
    memory: tuple[tuple[int, int], ...]
    """(address, byte) that is not zero."""
    model: MemoryModel
    store_buffer: int
    unheeded: bool
    rules: tuple[Toy, ...]
    preemptions: int | None
    begins_after: int
    """Steps before the search."""


class _Dice:
    """Quick draws: a method of `Random` that is written in Python costs as much as a statement."""

    def __init__(self, seed: int) -> None:
        self._draw = Random(seed).random

    def below(self, end: int) -> int:
        return int(self._draw() * end)

    def once_in(self, times: int) -> bool:
        return self._draw() * times < 1

    def of(self, items: Sequence[T]) -> T:
        return items[int(self._draw() * len(items))]

    def some(self, items: Sequence[T], most: int) -> tuple[T, ...]:
        return tuple(self.of(items) for _ in range(1 + self.below(most)))


def case_of(seed: int) -> Case:
    """The random problem of this seed."""
    dice = _Dice(seed)
    count = 3 if dice.once_in(6) else 2
    unheeded = dice.once_in(8)
    most = 4 if count == 3 else 9
    hot = dice.some(QUIET_BASES if unheeded else BASES, 2)
    ends = tuple(None if dice.once_in(40) else dice.of(ENDS) for _ in range(3))
    patient = dice.once_in(4)
    actors = tuple(
        _statements(dice, 2 + dice.below(most), hot, len(ends), patient, unheeded)
        for _ in range(count)
    )
    places = [base + dice.below(8) for base in hot for _ in range(2)]
    memory = [(at, dice.below(4)) for at in places if at < SERVER]
    if dice.once_in(3):
        memory.append((MASK + 4 * dice.below(2), 1 + dice.below(3)))
    if dice.once_in(6):
        memory.append((dice.of((PENDING, SERVER)), 1 + dice.below(3)))
    return Case(
        seed=seed,
        actors=actors,
        ends=ends,
        memory=tuple(memory),
        model=dice.of(tuple(MemoryModel)),
        store_buffer=dice.of((1, 2, 3, 4, 16)),
        unheeded=unheeded,
        rules=tuple(_toy(dice, name, hot, unheeded) for name in "abc"[: dice.below(4)]),
        preemptions=dice.below(4) if dice.once_in(6) else None,
        begins_after=1 + dice.below(4) if dice.once_in(10) else 0,
    )


def _statements(
    dice: _Dice, count: int, hot: Sequence[int], ends: int, patient: bool, unheeded: bool
) -> tuple[Statement, ...]:
    """`patient`: who comes to the last one waits there, for what nobody sends, and jumps behind it
    are rare. Else most jumps end the execution soon."""
    found = []

    def target(number: int) -> int:
        if dice.once_in(5):
            return dice.below(count)
        if patient and not dice.once_in(6):
            return number + 1 + dice.below(count - number - 1)
        return number + 1 + dice.below(count + ends - number - 1)

    for number in range(count):
        if patient and number == count - 1:
            found.append(
                Statement((Op(Kind.WAIT, SERVER, 4, 4, flags=dice.of(WAITS[:3])),), (number,))
            )
            break
        kind = dice.of(KINDS)
        targets = tuple(target(number) for _ in range(2 + dice.below(2)))
        if unheeded and kind == "wait":
            # Whatever ends it, it leads to one place.
            found.append(Statement((_wait(dice, SERVER, WAITS[2:]),), targets[:1]))
            continue
        found.append(Statement(_ops(dice, kind, hot), targets))
    return tuple(found)


def _wait(dice: _Dice, address: int, flags: Sequence[Flag]) -> Op:
    return Op(Kind.WAIT, address, 4, 1 + dice.below(3), flags=dice.of(flags))


def _ops(dice: _Dice, kind: str, hot: Sequence[int]) -> tuple[Op, ...]:
    if kind in ("load", "store", "rmw"):
        size = dice.of(LONG) if kind == "store" and dice.once_in(12) else dice.of(SIZES)
        address = dice.of(hot) - dice.below(4) + dice.below(3)
        address = max(0, min(address, SHARED_SIZE - size))
        if kind == "load":
            return (Op(Kind.LOAD, address, size),)
        if kind == "store":
            return (Op(Kind.STORE, address, size, _value(dice, size)),)
        halves = tuple(
            Op(Kind.STORE, address, size, _value(dice, size), flags=Flag.LOCKED)
            for _ in range(1 + dice.below(2))
        )
        return (Op(Kind.RMW, address, size), *halves)
    word = PENDING + 4 * dice.below(2)
    bits = 1 + dice.below(3)
    return (
        {
            "fence": lambda: Op(Kind.FENCE),
            "send": lambda: Op(Kind.SEND, SERVER, 4, bits),
            "raise": lambda: Op(Kind.SEND, word, 4, bits),
            "unmask": lambda: Op(Kind.UNMASK, word, 4, bits),
            "wait": lambda: _wait(dice, SERVER, WAITS),
            "sleep": lambda: _wait(dice, word, WAITS),
            "yield": lambda: Op(Kind.WAIT, flags=Flag.SPURIOUS),
            "choose": lambda: Op(Kind.CHOOSE, value=2 + dice.below(2)),
        }[kind](),
    )


def _value(dice: _Dice, size: int) -> int:
    if dice.once_in(2):
        return dice.below(3)
    return sum(dice.below(256) << 8 * at for at in range(size))


def _toy(dice: _Dice, name: str, hot: Sequence[int], unheeded: bool) -> Toy:
    kinds = frozenset(dice.some(tuple(Kind), 6))
    places = [
        at for base in hot for at in range(base, min(base + 4, SERVER if unheeded else base + 4))
    ]
    places.append(MASK)
    if not unheeded:
        places.append(SERVER)
    return Toy(
        name=name,
        kinds=kinds,
        actors=frozenset(NAMES[: 1 + dice.below(3)]),
        looks={kind: dice.some(places, 3) for kind in sorted(kinds) if not dice.once_in(3)},
        histories=1 + dice.below(3),
        one_in=dice.of((3, 10, 40)),
        values=not unheeded,
    )  # fmt: skip


def _seen(op: Op) -> Op:
    return msgspec.structs.replace(op, site=NOWHERE, note="")


def program(name: str, statements: Sequence[Statement], ends: Sequence[Outcome | None]) -> Program:
    """The lines that the statements are."""
    starts, at = [], 0
    for statement in statements:
        starts.append(at)
        at += _length(statement)
    starts += [at + number for number in range(len(ends))]
    lines: list[Line] = []
    for number, (ops, targets) in enumerate(statements):
        leads = Spread([starts[target] for target in targets]) if targets else {}
        if ops[0].kind is not Kind.RMW:
            lines.append(Line(ops[0], leads))
        elif len(ops) == 2:
            lines += [Line(ops[0]), Line(ops[1])]
        else:
            # The answer says which half, and behind the first one a load leads elsewhere.
            half = starts[number] + 1
            other = Line(Op(Kind.LOAD, ops[0].address, 1), leads)
            lines += [Line(ops[0], Spread((half, half + 2))), Line(ops[1]), other, Line(ops[2])]
    for number, outcome in enumerate(ends):
        message = "cut" if outcome is None else f"{outcome} at {number}"
        lines.append(Line(Op(Kind.HALT, end=End(outcome, message))))
    return Program(name, lines)


def _length(statement: Statement) -> int:
    count = len(statement.ops)
    return 4 if count == 3 else count


def problem_of(case: Case, states: int | None) -> Problem:
    """The problem, with a limit on the number of states."""
    actors = [
        program(name, statements, case.ends)
        for name, statements in zip(NAMES, case.actors, strict=False)
    ]
    memory = bytearray(SHARED_SIZE)
    for address, byte in case.memory:
        memory[address] = byte
    return Problem(
        actors=actors,
        memory=bytes(memory),
        prefix=_prefix(case, actors, bytes(memory)) if case.begins_after else None,
        unheeded=frozenset({"server_pending"} if case.unheeded else ()),
        model=case.model,
        store_buffer=case.store_buffer,
        rules=[toy.rules() for toy in case.rules],
        limits=Limits(preemptions=case.preemptions, states=states),
    )


def _prefix(case: Case, actors: Sequence[Program], memory: bytes) -> Prefix | None:
    """None where the execution ends by that."""
    dice = _Dice(case.seed)

    def walk(execution: Execution) -> None:
        for _ in range(case.begins_after):
            movers = [actor for actor in range(len(actors)) if execution.enabled(actor)]
            if execution.end is None and movers:
                execution.step(dice.of(movers))

    try:
        return begin_after(walk, actors, memory, fences=case.model is MemoryModel.TSO)
    except InputError:
        return None


def listing(case: Case) -> str:
    """The case, for people."""
    lines = [
        f"seed {case.seed}: {case.model}, buffers for {case.store_buffer}, "
        f"{case.preemptions} preemptions, unheeded: {case.unheeded}, "
        f"begins after {case.begins_after} steps",
        f"memory: {', '.join(f'{at:#x} = {byte}' for at, byte in case.memory)}",
    ]
    for actor in problem_of(case, None).actors:
        assert isinstance(actor, Program)
        for number, (op, leads) in enumerate(actor.lines):
            end = "" if op.end is None else f" {op.end.message}"
            what = f"{op.kind.name} {op.address:#x}/{op.size} = {op.value:#x}"
            lines.append(f"  {actor.name} {number}: {what} {op.flags!r}{end} {leads or ''}")
    lines += [f"  {toy}" for toy in case.rules]
    return "\n".join(lines)


def shrunk(case: Case, fails: Callable[[Case], bool]) -> Case:
    """A case that is no larger, still fails, and does not if any one thing is left out."""
    for smaller in _smaller(case):
        if fails(smaller):
            return shrunk(smaller, fails)
    return case


def _smaller(case: Case) -> Iterator[Case]:
    for at in range(len(case.rules)):
        yield case._replace(rules=case.rules[:at] + case.rules[at + 1 :])
    for change in ({"preemptions": None}, {"begins_after": 0}, {"unheeded": False}):
        if case._replace(**change) != case:
            yield case._replace(**change)
    for at in range(len(case.memory)):
        yield case._replace(memory=case.memory[:at] + case.memory[at + 1 :])
    for at in range(len(case.actors) if len(case.actors) > 1 else 0):
        yield case._replace(actors=case.actors[:at] + case.actors[at + 1 :])
    for at, statements in enumerate(case.actors):
        for gone in range(len(statements)):
            less = tuple(
                Statement(ops, tuple(target - (target > gone) for target in targets))
                for number, (ops, targets) in enumerate(statements)
                if number != gone
            )
            yield case._replace(actors=(*case.actors[:at], less, *case.actors[at + 1 :]))
