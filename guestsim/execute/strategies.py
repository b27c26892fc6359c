"""Strategies: who moves next. A strategy drives a started execution to its end.

All of them are deterministic. The random ones use nothing of `random.Random` but `random()`, the
one method whose values Python promises to keep for a given seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

from guestsim.errors import InputError, InternalError
from guestsim.execute.execution import MAX_OPS, Chooser, Execution, Motion, Observer
from guestsim.trace import Actor, Kind, Op, is_yield
from guestsim.trace.results import Run

__all__ = [
    "Strategy",
    "answers",
    "execute",
    "fair",
    "next_in_turn",
    "pct",
    "random_walk",
    "useful",
    "wakes",
    "why",
]

_FOR_EVER = 1 << 62

Strategy = Callable[[Execution], None]
"""Moves actors until the execution has ended (or, to replay a schedule without an end, stops)."""


def execute(
    strategy: Strategy,
    actors: tuple[Actor, ...],
    memory: bytes,
    observe: Observer | None = None,
    *,
    record: bool = True,
    max_ops: int = MAX_OPS,
    engine: type[Execution] = Execution,
    should_stop: Callable[[], bool] | None = None,
) -> Run:
    """Run one execution from its start under `strategy`. `engine` is the memory model. StoppedError
    as soon as `should_stop` says so, which is asked now and then."""
    execution = engine(actors, memory, observe, record, max_ops)
    execution.should_stop = should_stop
    execution.start()
    strategy(execution)
    return execution.result()


def answers(choices: Iterable[int]) -> Chooser:
    """Answer CHOOSE ops by this list, and by 0 once it is used up."""
    left = iter(choices)

    def choose(op: Op) -> int:
        del op
        return next(left, 0)

    return choose


def _by_lot(draw: Callable[[], float]) -> Chooser:
    def choose(op: Op) -> int:
        return int(draw() * op.value)

    return choose


def useful(execution: Execution, actor: int, at_least: Motion = Motion.FREE) -> bool:
    """Whether the actor can move, and is not known to go round without effect."""
    return not execution.idle(actor) and execution.motion(actor) >= at_least


def why(execution: Execution, actor: int) -> str:
    """Why nobody has use for a move of this actor now, for people."""
    op = execution.peek(actor)
    if is_yield(op):
        return f"{execution.names[actor]} yields"
    if op.kind is Kind.WAIT:
        return f"{execution.names[actor]} waits for an event"
    return f"{execution.names[actor]} spins"


def wakes(execution: Execution, actor: int) -> str:
    """How the actor ends its wait without an event, for people."""
    return "goes on after its yield" if is_yield(execution.peek(actor)) else "woken spuriously"


def fair(execution: Execution, reason: str = "first to move") -> None:
    """Round robin, the first actor first: everyone runs until it waits, yields or spins.

    A wait ends spuriously only when nobody can move otherwise. `reason` is that of the first move.
    """
    count = len(execution.names)
    current = 0
    execution.choose = execution.serve_when_idle
    while execution.end is None:
        current, motion = next_in_turn(execution, current)
        if motion is Motion.SPURIOUS:
            execution.step(current, f"{wakes(execution, current)}: {_others(execution, current)}")
        execution.run_busy(current, _FOR_EVER, reason)
        reason = why(execution, current)
        current = (current + 1) % count


def next_in_turn(execution: Execution, first: int) -> tuple[int, Motion]:
    """Who has use for a move: the first such actor from `first` on, round the table.

    A spurious end is for when nobody can move otherwise.
    """
    count = len(execution.names)
    turns = [(first + turn) % count for turn in range(count)]
    for motion in (Motion.FREE, Motion.SPURIOUS):
        for actor in turns:
            if useful(execution, actor, motion):
                return actor, execution.motion(actor)
    raise InternalError("nobody has use for a move, but the execution goes on")


def random_walk(seed: int, *, spurious: bool = True) -> Strategy:
    """At each step, any of those who can move, each as likely; so are the answers of a CHOOSE.

    With `spurious`, a wait that may end without its event counts as being able to move; otherwise
    it does so only when nobody else has use for a move.
    """

    def walk(execution: Execution) -> None:
        draw = Random(seed).random  # noqa: S311 (a walk, not a secret)
        execution.choose = _by_lot(draw)
        everyone = range(len(execution.names))
        while execution.end is None:
            if spurious:
                able = [actor for actor in everyone if execution.enabled(actor)]
            else:
                able = [actor for actor in everyone if useful(execution, actor)]
                able = able or [next_in_turn(execution, 0)[0]]
            execution.step(able[int(draw() * len(able))], "random choice")

    return walk


def pct(seed: int, depth: int, length: int) -> Strategy:
    """Random priorities with `depth - 1` change points (probabilistic concurrency testing).

    The actor with the highest priority moves, as long as it has use for a move. At each change
    point, a step drawn from 1 to `length - 1`, the one that has just moved falls below everybody
    who has not fallen yet, and whoever is next moves at once, even if that ends its wait
    spuriously: other domains' work may wake a daemon at any time. At other times a wait ends
    spuriously only when nobody can move otherwise. A CHOOSE is answered at random.

    `length` is the expected number of steps: take it from a first run (the sum of `Run.steps`
    under `fair`). A bug that needs `depth` ordering constraints is found with a probability of at
    least 1 / (actors * length ** (depth - 1)), spurious ends aside.

    Source: Burckhardt, Kothari, Musuvathi, Nagarakatte, "A randomized scheduler with probabilistic
    guarantees of finding bugs", ASPLOS 2010.
    """
    if depth < 1 or length < 1:
        raise InputError(f"pct: depth {depth} and length {length} must be at least 1")

    def prioritised(execution: Execution) -> None:
        draw = Random(seed).random  # noqa: S311 (a walk, not a secret)
        execution.choose = _by_lot(draw)
        everyone = range(len(execution.names))
        priorities = [depth + draw() for _ in everyone]
        changes: dict[int, int] = {}
        while len(changes) < min(depth, length) - 1:
            changes.setdefault(1 + int(draw() * (length - 1)), len(changes) + 1)
        mover = -1
        while execution.end is None:
            lowered = changes.pop(execution.steps, 0)
            if lowered:
                priorities[mover] = lowered
            least = Motion.SPURIOUS if lowered else Motion.FREE
            ranked = [actor for actor in everyone if useful(execution, actor, least)]
            ranked = ranked or [next_in_turn(execution, 0)[0]]
            mover = max(ranked, key=priorities.__getitem__)
            if lowered:
                reason = "change point"
            elif execution.motion(mover) is Motion.SPURIOUS:
                reason = f"{wakes(execution, mover)}: {_others(execution, mover)}"
            else:
                reason = "highest priority"
            execution.step(mover, reason)
            changed = execution.changed
            stop = min((step for step in changes if step >= execution.steps), default=_FOR_EVER)
            if priorities[mover] == max(priorities):
                # Nobody can overtake it.
                execution.run_busy(mover, stop - execution.steps, reason)
            # Nor can anybody whom it has overtaken, before memory changes.
            while (
                execution.steps < stop and execution.changed == changed and useful(execution, mover)
            ):
                execution.step(mover, reason)

    return prioritised


def _others(execution: Execution, actor: int) -> str:
    others = (number for number in range(len(execution.names)) if number != actor)
    return ", ".join(why(execution, other) for other in others) or "nobody else is there"
