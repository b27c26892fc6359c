"""Macro-steps: ops that nobody else can notice are taken at once, and not stored.

An op *floats* if it touches nothing that the other actor can touch when it runs alone from here
(`guestsim.search.footprint`): it writes nothing that the other reads or writes, and reads nothing
that the other writes. Whatever the other does before the op, the op does the same, and so does
the other. So every execution from here has an equal one in which the op comes first, and only
those need to be searched: the op alone is a persistent set (Godefroid, "Partial-Order Methods for
the Verification of Concurrent Systems", 1996). That a halt ends it for everyone is no exception,
because a halt itself never floats, and an op before the other's halt changes nothing of it.

Where rules are checked, an op also reads what they look at, so that their verdicts are the same.

A CHOOSE does not float: it has more than one future. All of them count for the other's ops.

An op must not be put off for ever. A state in which nothing floats is expanded fully, and floating
comes to an end: where an actor floats in a circle, it stops at one state of that circle, always
the same. Exact for two actors. With more, the others' joint future would be needed: nothing floats.

Under tso the same holds for the store buffer: a store may always enter it (nobody sees that), and
its head floats into memory under the same condition. Loads float only while the own buffer is
empty: what is in it and cannot float could change what the other does. Rules see a store when it
reaches memory; whether that is before or after a load of the same actor is not varied where the
other actor cannot tell.
"""

from __future__ import annotations

from guestsim.search.footprint import Footprint, Footprints, Run, Runs
from guestsim.search.judge import Judge
from guestsim.search.model import BLOCKED, NODE_MASK, SLEEPING, bytes_of
from guestsim.search.world import World
from guestsim.trace import Event, Kind, Op

__all__ = ["Closure", "Log"]

_STORE = int(Kind.STORE)
_WAIT = int(Kind.WAIT)
_HALT = int(Kind.HALT)
_CHOOSE = int(Kind.CHOOSE)
_STILL = (_HALT, _CHOOSE)
"""Kinds that never float."""

_ROUNDS = 24
"""Ops that float before circles are looked for."""

_MOST = 1 << 14
"""Ops (runs of stores count as one) that float at a time: an actor may go on for ever without
coming back to the same state."""
_TURNS = 64

Log = list[tuple[int, bool, int]]
"""Actor, whether it is its buffer that moves, how many steps."""


class Closure:
    """Takes everything that floats. Without `float_ops`, under tso, only stores into buffers."""

    def __init__(self, world: World, solo: World, *, float_ops: bool, into_buffers: bool) -> None:
        self._world = world
        self._runs = Runs(world)
        self._footprints = Footprints(world, solo, self._runs)
        self._float_ops = float_ops
        self._into_buffers = into_buffers and world.tso
        self._ruled_runs: dict[tuple[int, int, int, int], int] = {}
        self._apart_runs: dict[tuple[int, int, int], Run | None] = {}
        self._looked_at: dict[tuple[int, int, int], int] = {}
        self.halted_at = Op(Kind.HALT)
        """The HALT that the last run ended with."""
        self.floated = 0
        """Ops taken without storing a state, as often as they were taken."""

    @property
    def bytes_used(self) -> int:
        """Roughly what is remembered."""
        tables = self._ruled_runs, self._looked_at, self._apart_runs
        return self._footprints.bytes_used + bytes_of(tables)

    def settle(self, key: int, log: Log | None = None) -> int:
        """The state in which nothing floats any more. `log` gets the steps made."""
        if not self._float_ops:
            if self._into_buffers:
                for actor in range(len(self._world.records)):
                    key = self._fill(actor, key, log)
            return key
        still = 0
        actor = 0
        # A state in which something floats still may be stored as well: it is expanded fully.
        for _ in range(_TURNS):
            if still == 2:
                break
            new = self._advance(actor, key, log)
            if new == key:
                still += 1
            else:
                still = 1
                key = new
            actor = 1 - actor
        return key

    def run(self, actor: int, key: int, log: Log | None = None) -> int:
        """`actor` moves on, up to and including an op that does not commute with the other's next,
        or up to a CHOOSE.

        For two actors, under sc. `HALTED` if it halts before, `BLOCKED` if it never gets to one.
        """
        world = self._world
        shift, kinds, touches = world.shifts[actor], world.kinds[actor], world.touches[actor]
        step = world.steps[actor]
        other = world.node(1 - actor, key)
        reads, writes, _ = world.touches[1 - actor][other]
        touched = reads | writes
        count = 0
        seen: set[int] = set()
        while True:
            node = key >> shift & NODE_MASK
            kind = kinds[node]
            if kind == _STORE and self._float_ops:
                run = self._apart(actor, node, touched, writes, -1 - other)
                if run is not None:
                    key = self._take_run(actor, run, key, log)
                    continue
            elif kind == _HALT:
                self.halted_at = world.op(actor, key)
            elif kind == _CHOOSE:
                return key  # as if it mattered
            touch = touches[node]
            count += 1
            if count > _ROUNDS:
                if key in seen:
                    return BLOCKED
                if count > _MOST:
                    return key  # as if this op mattered: that is always right
                seen.add(key)
            key = step(key)
            if key < 0:
                if key > SLEEPING:
                    return key
                key = SLEEPING - key
            self.floated += 1
            if log is not None:
                log.append((actor, False, 1))
            if touch[1] & touched or touch[0] & writes:
                return key

    def _take_run(self, actor: int, run: Run, key: int, log: Log | None) -> int:
        judge = self._world.judge
        if judge is not None:
            key += self._rules_see(judge, actor, run, key)
        self.floated += len(run.nodes)
        if log is not None:
            log.extend(_steps(actor, len(run.nodes), self._world.bound if self._world.tso else 0))
        return key + self._footprints.apply_run(actor, run, key)

    def _fill(self, actor: int, key: int, log: Log | None) -> int:
        """Put the stores that come next into the buffer."""
        world = self._world
        kinds, step, shift = world.kinds[actor], world.steps[actor], world.shifts[actor]
        count = 0
        while kinds[key >> shift & NODE_MASK] == _STORE:
            moved = step(key)
            if moved < 0:
                break
            key = moved
            count += 1
        if count:
            self.floated += count
            if log is not None:
                log.append((actor, False, count))
        return key

    def _advance(self, actor: int, key: int, log: Log | None) -> int:
        world = self._world
        shift, kinds, touches = world.shifts[actor], world.kinds[actor], world.touches[actor]
        buffer = world.buffer_masks[actor]
        node = key >> shift & NODE_MASK
        if not key & buffer:
            kind = kinds[node]
            if kind in _STILL or (kind == _WAIT and world.sleeps(actor, key)):
                return key
        other = self._footprints.of(1 - actor, key)
        touched, written = other
        touch = touches[node]
        # Most often the very first op does not float: this finds out with little work.
        if (touch[1] & touched or touch[0] & written) and not (self._into_buffers or key & buffer):
            return key
        step = world.steps[actor]
        count = 0
        seen: set[int] | None = None
        while True:
            if key & buffer:
                moved = self._from_buffer(actor, key, other, log)
                if moved == key:
                    return key
                key = moved
                continue
            node = key >> shift & NODE_MASK
            kind = kinds[node]
            if kind == _STORE:
                run = self._apart(actor, node, touched, written, id(other))
                if run is not None:
                    key = self._take_run(actor, run, key, log)
                    continue
                if not self._into_buffers:
                    return key
                moved = self._fill(actor, key, log)
                if moved == key:
                    return key
                key = moved
                continue
            if kind in _STILL:
                return key
            touch = touches[node]
            if touch[1] & touched or touch[0] & written:
                return key
            if kind == _WAIT and world.sleeps(actor, key):
                return key
            count += 1
            if count > _ROUNDS:
                if seen is None:
                    seen = set()
                elif key in seen:
                    return self._stop_in_circle(actor, key, log)
                elif count > _MOST:
                    return key
                seen.add(key)
            key = step(key)
            assert key >= 0
            self.floated += 1
            if log is not None:
                log.append((actor, False, 1))

    def _from_buffer(self, actor: int, key: int, other: Footprint, log: Log | None) -> int:
        """With a store in the buffer: let its head float into memory, or the next store into it."""
        world = self._world
        touch = world.touch_of(actor, world.buffered(actor, key)[0])
        if not (touch.writes & other.touched or touch.reads & other.written):
            self.floated += 1
            if log is not None:
                log.append((actor, True, 1))
            return world.drain(actor, key)
        if not self._into_buffers:
            return key
        return self._fill(actor, key, log)

    def _apart(self, actor: int, node: int, touched: int, written: int, token: int) -> Run | None:
        """The stores from `node` on, up to the first that touches what somebody else does.
        `token` stands for `touched` and `written`."""
        known = self._apart_runs.get((actor, node, token), self)
        if known is not self:
            return known  # type: ignore[return-value]
        run: Run | None = self._runs.at(actor, node)
        assert run is not None
        if run.writes & touched or run.reads & written:
            touches = self._world.touches[actor]
            length = 0
            for at in run.nodes:
                touch = touches[at]
                if touch[1] & touched or touch[0] & written:
                    break
                length += 1
            run = self._runs.at(actor, node, length) if length else None
        self._apart_runs[actor, node, token] = run
        return run

    def _rules_see(self, judge: Judge, actor: int, run: Run, key: int) -> int:
        world = self._world
        ruled = world.ruled[actor]
        node = run.nodes[0]
        mask = self._looked_at.get((actor, node, run.beyond))
        if mask is None:
            mask = self._looked_at[actor, node, run.beyond] = world.looked_at(actor, run.nodes)
        if not mask:
            return 0
        bits = key & (world.history_mask | mask)
        delta = self._ruled_runs.get((actor, node, run.beyond, bits))
        if delta is None:
            ops, name = world.records[actor].ops, world.names[actor]
            stores = ((Event(name, ops[at], ops[at].value), ruled[at]) for at in run.nodes)
            delta = judge.see_stores(key, stores)
            self._ruled_runs[actor, node, run.beyond, bits] = delta
        return delta

    def _stop_in_circle(self, actor: int, key: int, log: Log | None) -> int:
        """`key` is on a circle: go on to the state of the circle that has the lowest key."""
        keys = [key]
        at = self._once(actor, key, None)
        while at != key:
            keys.append(at)
            at = self._once(actor, at, None)
        goal = min(keys)
        while key != goal:
            key = self._once(actor, key, log)
        return key

    def _once(self, actor: int, key: int, log: Log | None) -> int:
        """One op of a circle, and under tso what it stores goes to memory at once."""
        world = self._world
        kind = world.kinds[actor][world.node(actor, key)]
        if log is not None:
            log.append((actor, False, 1))
        if world.tso and kind == _STORE:
            if log is not None:
                log.append((actor, True, 1))
            return world.store_through(actor, key)
        return world.steps[actor](key)


def _steps(actor: int, stores: int, bound: int) -> Log:
    """The steps of so many stores; under tso, in at most `bound` at a time and out again."""
    if not bound:
        return [(actor, False, stores)]
    steps: Log = []
    while stores:
        some = min(stores, bound)
        steps += [(actor, False, some), (actor, True, some)]
        stores -= some
    return steps
