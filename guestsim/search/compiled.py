"""The compiled explorer: `explorer.c`, fed with what actors' records and the rules say."""

from __future__ import annotations

import ctypes
import struct
from ctypes import byref, c_uint32, c_uint64
from functools import cache
from typing import Any

from guestsim.errors import InternalError, StoppedError
from guestsim.record import Record
from guestsim.search.library import END_OF_NUMBERS, Config, Facts, RawSighting, load_library
from guestsim.search.problem import NO_MOVE, Crowd, Explorer, Move, Poll, Problem, Sighting
from guestsim.search.rule_histories import RuleHistories
from guestsim.trace import Flag, Kind, Op, Outcome, shared
from guestsim.trace.shared import SHARED_SIZE

__all__ = ["CompiledExplorer"]

_SLICE, _ANSWER, _JUDGEMENT, _STATES, _MEMORY = range(1, 6)
_ENDS, _CHANGES = 8, 16
_OUTCOMES = (None, *Outcome)
_NODE = struct.Struct("<BBBxIIIIIQ")

_WORK = 1 << 16
"""Pieces of work between two looks at the time: some 20 milliseconds."""
_RUN, _STEP = 512, 64
"""Pieces of work that take as long as to run an actor, and to ask a rule."""
_PIECE = 128
"""Bytes of a buffer that are one field to the explorer: a store makes new contents of so many."""


@cache
def _fields() -> tuple[tuple[str, int, int], ...]:
    """(name, first address, end) of the fields of shared memory as the explorer keeps them."""
    return tuple(
        (name, at, min(at + size, end))
        for name, start, end in shared.fields()
        for size in [_PIECE if name in ("req", "rsp") else end - start]
        for at in range(start, end, size)
    )


class CompiledExplorer(Explorer):
    """Drives the library. All of its memory is given back with this object."""

    def __init__(
        self,
        problem: Problem,
        records: tuple[Record, ...],
        histories: RuleHistories | None,
        most_bytes: int = 0,
    ) -> None:
        """`most_bytes`: what the library may take for its tables; 0: what there is."""
        super().__init__(problem, records)
        self._judges = histories
        self._known = [0] * len(records)
        self._views = self._data = 0
        self._facts = Facts()
        self._copy = bytearray(SHARED_SIZE)
        self._copied = (ctypes.c_char * SHARED_SIZE).from_buffer(self._copy)
        self._library = load_library()
        limits = problem.limits
        config = Config(
            actors=len(records),
            tso=problem.tso,
            buffer=problem.store_buffer if problem.tso else 0,
            size=SHARED_SIZE,
            fields=len(_fields()),
            rules=len(problem.rules),
            preemptions=END_OF_NUMBERS if limits.preemptions is None else limits.preemptions,
            pending=shared.PENDING,
            mask=shared.MASK,
            selector=shared.SELECTOR,
            upcall=shared.UPCALL_PENDING,
            server=shared.SERVER,
            states=END_OF_NUMBERS if limits.states is None else limits.states,
            bytes=most_bytes,
        )
        self._at = ctypes.c_void_p(self._library.explorer_new(byref(config)))
        self._out_of_memory = not self._at
        self._begin()

    def __del__(self) -> None:
        if getattr(self, "_at", None):
            self._library.explorer_free(self._at)

    def _call(self, name: str, *arguments: Any) -> int:
        """Nothing is done once there was no memory."""
        if self._out_of_memory:
            return _MEMORY
        status: int = getattr(self._library, name)(self._at, *arguments)
        if status < 0:
            raise InternalError(f"{name} was given what makes no sense")
        self._out_of_memory = status == _MEMORY
        return status

    # -- the tables -----------------------------------------------------------------------------

    def _begin(self) -> None:
        for actor in range(self.count):
            self._learn(actor)
        starts = (c_uint32 * len(_fields()))(*(start for _, start, _ in _fields()))
        nodes = (c_uint32 * self.count)(*(record.first for record in self.records))
        self._call("explorer_begin", self.problem.first_memory, starts, nodes)
        for actor, record in enumerate(self.records):
            for node, answers in enumerate(record.answers):
                for value in list(answers or ()):
                    self._answer(actor, node, value)

    def _learn(self, actor: int) -> None:
        """Take in the nodes that the actor's record has got."""
        record, first = self.records[actor], self._known[actor]
        rows, data = bytearray(), bytearray()
        for op, following in zip(record.ops[first:], record.following[first:], strict=True):
            rows += self._row(actor, op, following, self._data + len(data))
            if op.kind is Kind.STORE:
                data += op.value.to_bytes(op.size, "little")
        self._known[actor] = len(record.ops)
        self._data += len(data)
        count = len(rows) // _NODE.size
        self._call("explorer_add_nodes", actor, bytes(rows), count, bytes(data), len(data))

    def _row(self, actor: int, op: Op, following: int, data: int) -> bytes:
        kind, address, size, value = op.kind, op.address, op.size, op.value
        outcome = _OUTCOMES.index(self.end_of(op).outcome) if kind is Kind.HALT else 0
        if kind is Kind.STORE:
            value = 0
        elif self.is_unheeded(op):
            # To wait for it is to wait for nothing, and to send it does nothing, though rules see
            # that: 1 is what a send gives that is news.
            address = size = 0
            value = 1 if kind is Kind.SEND else 0
            kind = Kind.FENCE if kind is Kind.SEND else kind
        next_node, flags = following & END_OF_NUMBERS, op.flags & 0xFF
        judged = self._judged(actor, op)
        return _NODE.pack(kind, flags, outcome, address, size, next_node, judged, data, value)

    def _judged(self, actor: int, op: Op) -> int:
        """The first of the op's views, plus one; 0: no rule sees it."""
        if self._judges is None:
            return 0
        views = self._judges.op(self.records[actor].name, op)
        for view in views[max(0, self._views - views.start) :]:
            rules, _, _, looks = self._judges.views[view]
            seen = [at for at, (name, _, _) in enumerate(_fields()) if name in looks]
            fields, more = (c_uint32 * len(seen))(*seen), view + 1 in views
            self._call("explorer_add_view", rules, more, fields, len(seen))
            self._views += 1
        return views.start + 1 if views else 0

    # -- questions ------------------------------------------------------------------------------

    def _answer(self, actor: int, node: int, value: int) -> None:
        following = self.after(actor, node, value)
        self._learn(actor)
        self._call("explorer_answer", actor, node, c_uint64(value), following)

    def _judge(self, facts: Facts) -> None:
        assert self._judges is not None
        memory = self._read(facts.memory)
        history, broken = self._judges.judge(facts.view, facts.value, facts.history, memory)
        self._call("explorer_judge", history, c_uint64(sum(1 << rule for rule in broken)))

    def _read(self, memory: int) -> bytearray:
        """The contents of shared memory, until the next call."""
        self._library.explorer_read(self._at, memory, self._copied)
        return self._copy

    # -- the search -----------------------------------------------------------------------------

    def run(self, poll: Poll) -> str | None:
        """As `Explorer.run`."""
        try:
            status = self._run(poll)
        finally:
            self._note()
        if status == _STATES:
            return f"the budget of {self.problem.limits.states} states is used up"
        return {_MEMORY: "out of memory", _SLICE: "stopped: the time is used up"}.get(status)

    def _run(self, poll: Poll) -> int:
        facts = self._facts
        until = _WORK
        while True:
            status = self._call("explorer_run", c_uint64(until))
            if status != _MEMORY:
                self._library.explorer_facts(self._at, byref(facts))
            if status == _ANSWER:
                self._answer(facts.actor, facts.node, facts.value)
                until = max(facts.work, until - _RUN)
            elif status == _JUDGEMENT:
                self._judge(facts)
                until = max(facts.work, until - _STEP)
            elif status != _SLICE:
                return status
            else:
                self._note()
                if poll(self.states, facts.waiting):
                    return status
                until = facts.work + _WORK

    def is_bounded(self) -> bool:
        """As `Explorer.is_bounded`."""
        return bool(self._facts.visited < self.states * self.count)

    def classify(self, poll: Poll) -> bool:
        """As `Explorer.classify`."""
        if not self._sweep(_ENDS, poll):
            return False
        first = self._library.explorer_unmarked(self._at, _ENDS, 0)
        if first == END_OF_NUMBERS:
            return True
        self.outcomes[Outcome.HUNG] = self._arrival(first)
        if self._judges is None:
            return True
        return self._sweep(_CHANGES, poll) and self._judge_hung(first, poll)

    def _sweep(self, mark: int, poll: Poll) -> bool:
        found, down = c_uint64(1), 1
        while found.value:
            if self._call("explorer_sweep", mark, down, byref(found)) == _MEMORY:
                return False
            down = 1 - down
            if poll(self.states, 0):
                return False
        return True

    def _judge_hung(self, state: int, poll: Poll) -> bool:
        """Nothing will ever change: show the rules the waits that never end."""
        assert self._judges is not None
        while True:
            state = self._library.explorer_unmarked(self._at, _CHANGES, state)
            if state == END_OF_NUMBERS:
                return True
            nodes, memory, histories = self._state(state)
            for record, node in zip(self.records, nodes, strict=True):
                op = record.ops[node]
                if op.kind is not Kind.WAIT or op.flags & Flag.SPURIOUS:
                    continue
                for view in self._judges.op(record.name, op):
                    at, contents = self._judges.views[view].rules, self._read(memory)
                    histories[at], broken = self._judges.judge(view, 0, histories[at], contents)
                    for rule in broken:
                        found = self._judges.broken[rule], self._arrival(state)
                        self.violations.setdefault(found[0].rule, found)
            state += 1
            if poll(self.states, 0):
                return False

    # -- what is known --------------------------------------------------------------------------

    def _note(self) -> None:
        """Take over what has been seen."""
        if not self._at:
            return
        facts = self._facts
        self._library.explorer_facts(self._at, byref(facts))
        self.states, self.transitions, self.memories = (
            facts.states, facts.transitions, facts.memories
        )  # fmt: skip
        self.buffer_was_full, self.peak_bytes = bool(facts.full), facts.peak
        for number, outcome in enumerate(_OUTCOMES):
            raw = self._seen(0, number)
            if raw is None:
                continue
            if outcome is None:
                op = self.records[raw.stop % self.count].ops[raw.node]
                self.cut_short = f"an execution was cut short: {self.end_of(op).message}"
            else:
                self.outcomes.setdefault(outcome, _sighting(raw))
        if self._judges is None:
            return
        self.histories = facts.histories
        for number, violation in enumerate(self._judges.broken):
            raw = self._seen(1, number)
            if raw is not None:
                self.violations.setdefault(violation.rule, (violation, _sighting(raw)))

    def crowd(self, actor: int) -> Crowd:
        """As `Explorer.crowd`."""
        if not self._at:
            return Crowd({}, 0)
        counts = (c_uint64 * self._known[actor])()
        buffered = self._library.explorer_stands(self._at, actor, counts)
        return Crowd({node: count for node, count in enumerate(counts) if count}, buffered)

    def _seen(self, rule: int, number: int) -> RawSighting | None:
        raw = RawSighting()
        self._library.explorer_seen(self._at, rule, number, byref(raw))
        return None if raw.stop == END_OF_NUMBERS else raw

    def _state(self, state: int) -> tuple[list[int], int, list[int]]:
        """Each actor's node; memory; of each set of rules its history."""
        nodes, histories = (c_uint32 * self.count)(), (c_uint32 * len(self.problem.rules))()
        memory = c_uint32()
        self._library.explorer_state(self._at, state, nodes, byref(memory), histories)
        return list(nodes), memory.value, list(histories)

    def _arrival(self, state: int) -> Sighting:
        """The stop at which the state was visited first: its parent is another state's."""
        stops = range(state * self.count, (state + 1) * self.count)
        come = (stop for stop in stops if self._parent(stop) // self.count != state)
        return NO_MOVE._replace(stop=next(come))

    def _parent(self, stop: int) -> int:
        return int(self._library.explorer_parent(self._at, stop))

    def path(self, sighting: Sighting) -> list[Move]:
        """As `Explorer.path`. StoppedError where there is no memory to tell it."""
        moves = [(sighting.mover, sighting.answer)] if sighting.mover >= 0 else []
        stop = sighting.stop
        mover, answer = c_uint32(), c_uint32()
        while (before := self._parent(stop)) != END_OF_NUMBERS:
            then = stop // self.count
            if then != before // self.count:
                # Also where there was no memory: what was stored is all there. To ask once more
                # where an answer to a CHOOSE led may need some, though.
                edge = self._library.explorer_edge
                status = edge(self._at, before, then, byref(mover), byref(answer))
                if status == _MEMORY or (status and self._out_of_memory):
                    raise StoppedError("out of memory")
                if status:
                    raise InternalError(f"stop {before} does not lead to state {then}")
                moves.append((mover.value, answer.value))
            stop = before
        return moves[::-1]


def _sighting(raw: RawSighting) -> Sighting:
    return Sighting(raw.stop, raw.mover, raw.answer, raw.preemptions, raw.switches)
