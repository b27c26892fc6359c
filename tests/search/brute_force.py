"""Every interleaving of tiny programs, enumerated as plainly as can be. Shares no code with the
search: memory is a few bytes, a state a tuple, a transition a line of the program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

import msgspec
from hypothesis import strategies as st
from small_actors import (
    Line,
    Program,
    choose,
    fence,
    halt,
    load,
    locked,
    rmw,
    send,
    store,
    wait,
)
from small_actors import yields as yields_

from guestsim.trace import Flag, Kind, Outcome
from guestsim.trace.shared import SERVER

CELL = 8
"""A byte of `req`."""
WORD = 2048
"""`req_cons` and, behind it, `req_prod`: eight bytes."""
PLACES = (CELL, *range(WORD, WORD + 8), SERVER)
_SLOT = {place: slot for slot, place in enumerate(PLACES)}

_PLAIN = (CELL, 1), (WORD, 1), (WORD + 4, 1)

HALTS = (Outcome.CONNECTED, Outcome.REFUSED, Outcome.CORRUPTED, Outcome.CRASHED)

Buffer = tuple[tuple[int, int, int], ...]
"""(address, size, value), oldest first."""


class State(NamedTuple):
    lines: tuple[int, ...]
    memory: bytes
    buffers: tuple[Buffer, ...]


class Step(NamedTuple):
    """What a mover can do in a state."""

    after: State | None
    """None: a halt."""
    outcome: Outcome | None
    sleeping: bool
    """It ends a wait without an event."""


def first(programs: Sequence[Program]) -> State:
    return State((0,) * len(programs), bytes(len(PLACES)), ((),) * len(programs))


def _load(memory: bytes, address: int, size: int) -> int:
    slot = _SLOT[address]
    return int.from_bytes(memory[slot : slot + size], "little")


def _store(memory: bytes, address: int, size: int, value: int) -> bytes:
    slot = _SLOT[address]
    return memory[:slot] + value.to_bytes(size, "little") + memory[slot + size :]


def sleeps(programs: Sequence[Program], state: State, actor: int) -> bool:
    op = programs[actor].lines[state.lines[actor]].op
    if op.kind is not Kind.WAIT or op.flags & Flag.POLL:
        return False
    return not state.memory[_SLOT[SERVER]] & op.value


def answers(programs: Sequence[Program], state: State, actor: int) -> range:
    """What a CHOOSE of the actor's can give; 0 for any other op."""
    op = programs[actor].lines[state.lines[actor]].op
    return range(op.value if op.kind is Kind.CHOOSE else 1)


def step(
    programs: Sequence[Program], state: State, actor: int, chosen: int = 0, *, tso: bool
) -> Step | None:
    """The actor's own next op, None where it cannot move. `chosen` answers a CHOOSE."""
    at = state.lines[actor]
    line = programs[actor].lines[at]
    op, memory, buffer = line.op, state.memory, state.buffers[actor]
    then, answer, sleeping = at + 1, -1, False
    if op.kind is Kind.STORE and tso:
        buffer = (*buffer, (op.address, op.size, op.value))
    elif op.kind is Kind.LOAD:
        for store_ in buffer:
            memory = _store(memory, *store_)
        answer = _load(memory, op.address, op.size)
        memory = state.memory
    elif op.kind is Kind.CHOOSE:
        answer = chosen
    elif buffer:
        return None
    elif op.kind is Kind.STORE:
        memory = _store(memory, op.address, op.size, op.value)
    elif op.kind is Kind.RMW:
        answer = _load(memory, op.address, op.size)
        half = programs[actor].lines[then].op
        memory = _store(memory, half.address, half.size, half.value)
        then += 1
    elif op.kind is Kind.SEND:
        memory = _store(memory, SERVER, 1, memory[_SLOT[SERVER]] | op.value)
    elif op.kind is Kind.WAIT:
        pending = memory[_SLOT[SERVER]]
        answer = 1 if pending & op.value else 0
        sleeping = not answer and not op.flags & Flag.POLL
        if sleeping and not op.flags & Flag.SPURIOUS:
            return None
        if op.flags & Flag.CONSUME:
            memory = _store(memory, SERVER, 1, pending & ~op.value)
    elif op.kind is Kind.HALT:
        assert op.end is not None
        return Step(None, op.end.outcome, False)
    then = line.goto.get(answer, then)
    lines = (*state.lines[:actor], then, *state.lines[actor + 1 :])
    buffers = (*state.buffers[:actor], buffer, *state.buffers[actor + 1 :])
    return Step(State(lines, memory, buffers), None, sleeping)


def drains(state: State) -> Iterator[State]:
    for actor, buffer in enumerate(state.buffers):
        if buffer:
            buffers = (*state.buffers[:actor], buffer[1:], *state.buffers[actor + 1 :])
            yield State(state.lines, _store(state.memory, *buffer[0]), buffers)


def outcomes(
    programs: Sequence[Program], *, tso: bool, most: int = 2_500, start: State | None = None
) -> set[Outcome] | None:
    """How executions can end, or go on for ever; None where there are more than `most` states."""
    found: set[Outcome] = set()
    todo = [start or first(programs)]
    before: dict[State, list[State]] = {todo[0]: []}
    ended: list[State] = []
    while todo:
        state = todo.pop()
        nexts = list(drains(state))
        for actor in range(len(programs)):
            for chosen in answers(programs, state, actor):
                made = step(programs, state, actor, chosen, tso=tso)
                if made is not None and made.outcome is not None:
                    found.add(made.outcome)
                    ended.append(state)
                elif made is not None and made.after is not None:
                    nexts.append(made.after)
        for after in nexts:
            if after not in before:
                if len(before) > most:
                    return None
                before[after] = []
                todo.append(after)
            before[after].append(state)
    hopeful = set(ended)
    while ended:
        for state in before[ended.pop()]:
            if state not in hopeful:
                hopeful.add(state)
                ended.append(state)
    if len(hopeful) < len(before):
        found.add(Outcome.HUNG)
    return found


def yields(programs: Sequence[Program], state: State, actor: int) -> bool:
    """Whether to leave the actor is no preemption: it waits without an event, or spins (where it
    answers each CHOOSE by 0)."""
    if sleeps(programs, state, actor):
        return True
    seen = []
    at = state
    while at not in seen:
        seen.append(at)
        made = step(programs, at, actor, tso=False)
        if made is None or made.after is None or made.sleeping:
            return False
        at = made.after
    return at == state


def cheapest(programs: Sequence[Program]) -> dict[Outcome, tuple[int, int]]:
    """Under sc, the fewest (preemptions, switches) to each halt."""
    found: dict[Outcome, tuple[int, int]] = {}
    ticket = count()
    queue = [((0, 0), next(ticket), first(programs), actor) for actor in range(len(programs))]
    seen: set[tuple[State, int]] = set()
    while queue:
        cost, _, state, actor = heappop(queue)
        if (state, actor) in seen:
            continue
        seen.add((state, actor))
        for chosen in answers(programs, state, actor):
            made = step(programs, state, actor, chosen, tso=False)
            if made is not None and made.outcome is not None:
                found.setdefault(made.outcome, cost)
            elif made is not None and made.after is not None:
                heappush(queue, (cost, next(ticket), made.after, actor))
        extra = 0 if yields(programs, state, actor) else 1
        for other in range(len(programs)):
            if other != actor:
                switched = (cost[0] + extra, cost[1] + 1)
                heappush(queue, (switched, next(ticket), state, other))
    return found


@st.composite
def programs(
    draw: st.DrawFn, name: str, most: int = 6, *, loops: bool = True, chooses: bool = False
) -> Program:
    """A few statements that jump about on small answers, then halts of every kind."""
    statements = draw(st.integers(1, most))
    ends = [statements + end for end in range(len(HALTS))]
    lines: list[Line] = []
    starts: list[int] = []

    def target() -> int:
        # Forwards more often than backwards, so that loops do not swallow everything.
        backwards = loops and draw(st.integers(0, 3)) == 0
        return int(draw(st.integers(0, statements - 1) if backwards else onward))

    for number in range(statements):
        onward = st.sampled_from([*range(number + 1, statements), *ends])
        starts.append(len(lines))
        kinds = [
            *("load", "load", "load", "store", "store", "store"),
            *("rmw", "fence", "send", "wait", "yield"),
        ]
        kind = draw(st.sampled_from(kinds + ["choose"] * 3 * chooses))
        address, size = draw(st.sampled_from([*_PLAIN, *_PLAIN, (WORD, 4), (WORD + 1, 2)]))
        value = draw(st.integers(0, 2))
        if kind == "load":
            jumps = {answer: target() for answer in (0, 1, 2)}
            lines.append(Line(load(address, size), jumps))
        elif kind == "store":
            lines.append(Line(store(address, value, size)))
        elif kind == "rmw":
            # The jump is the store half's: an RMW's own answer leads to it.
            lines += [Line(rmw(address, size)), Line(locked(address, value, size))]
        elif kind == "choose":
            count = 2 + value % 2
            lines.append(Line(choose(count), {answer: target() for answer in range(count)}))
        elif kind == "fence":
            lines.append(Line(fence()))
        elif kind == "yield":
            lines.append(Line(yields_(), {0: target()}))
        elif kind == "send":
            lines.append(Line(send(1 + value % 2)))
        else:
            flags = draw(st.sampled_from([0, 2, 4, 6, 18, 22]))
            lines.append(Line(wait(Flag(flags), 1 + value % 2), {0: target(), 1: target()}))
    places = dict(enumerate(starts))
    places |= {end: len(lines) + number for number, end in enumerate(ends)}
    fixed = [
        Line(line.op, {answer: places[to] for answer, to in line.goto.items()}) for line in lines
    ]
    return Program(name, [*fixed, *(halt(outcome, f"{name}: {outcome}") for outcome in HALTS)])


def deaf(program: Program) -> Program:
    """The same, but it never heeds the event: any wait can end at once, and leads to one line."""
    return _changed(
        program,
        lambda line: Line(
            msgspec.structs.replace(line.op, flags=line.op.flags | Flag.SPURIOUS),
            dict.fromkeys((0, 1), line.goto[0]),
        ),
        Kind.WAIT,
    )


def silent(program: Program) -> Program:
    """The same, but its signals do nothing."""
    return _changed(program, lambda line: Line(fence(), line.goto), Kind.SEND)


def _changed(program: Program, change: Callable[[Line], Line], kind: Kind) -> Program:
    return Program(
        program.name,
        [change(line) if line.op.kind is kind else line for line in program.lines],
    )
