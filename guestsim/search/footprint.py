"""What an actor reads and writes when it runs alone from here: its solo footprint.

Alone, an actor does one thing: every load has one value, and a wait without an event ends without
it or not at all. So its solo future is one path, which ends (a halt, a wait that nobody ends) or
goes round for ever. Its footprint is what the ops on that path touch. At a CHOOSE the path has
branches, and all of them count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from guestsim.search.model import HALTED, NODE_MASK, SLEEPING, bytes_of
from guestsim.search.world import World
from guestsim.trace import Kind, Op
from guestsim.trace.shared import SHARED_SIZE

__all__ = ["Footprint", "Footprints", "Run", "Runs"]

_LONGEST = 1 << 14
"""Ops (runs of stores count as one) of a solo future after which it counts as touching everything:
the actor may be one that counts for ever, and never comes back to the same state."""

_STORE = int(Kind.STORE)
_HALT = int(Kind.HALT)
_CHOOSE = int(Kind.CHOOSE)
_DEEPEST = 64
"""Choices on one way; with more, an actor counts as touching everything."""


class Footprint(NamedTuple):
    """Bit masks over bytes (`Parts.bits`)."""

    touched: int
    """Read or written."""
    written: int


_EVERYTHING = Footprint(-1, -1)


class Run(NamedTuple):
    """Plain stores that follow each other in an actor's program."""

    nodes: tuple[int, ...]
    reads: int
    """What the rules look at."""
    writes: int
    parts: tuple[int, ...]
    patch: tuple[tuple[int, bytes], ...]
    """What memory is after them all: (address, bytes), disjoint."""
    beyond: int
    """The node behind them."""


class Runs:
    """The runs of stores of all actors, found where somebody asks for them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._known: tuple[dict[tuple[int, int], Run], ...] = tuple({} for _ in world.records)

    def at(self, actor: int, node: int, length: int = 0) -> Run:
        """The stores from `node` on: all of them, or the first `length`."""
        run = self._known[actor].get((node, length))
        if run is None:
            run = self._known[actor][node, length] = self._find(actor, node, length)
        return run

    def _find(self, actor: int, node: int, length: int) -> Run:
        world = self._world
        record, kinds, touches = world.records[actor], world.kinds[actor], world.touches[actor]
        following = record.following
        nodes: list[int] = []
        while kinds[node] == _STORE and not (length and len(nodes) == length):
            nodes.append(node)
            node = following[node]
        reads = writes = 0
        parts: set[int] = set()
        for touch in {touches[at] for at in nodes}:
            reads |= touch.reads
            writes |= touch.writes
            parts.update(touch.parts)
        patch = _patch([record.ops[at] for at in nodes])
        return Run(tuple(nodes), reads, writes, tuple(sorted(parts)), patch, node)


def _patch(stores: Sequence[Op]) -> tuple[tuple[int, bytes], ...]:
    data = bytearray(SHARED_SIZE)
    stored = bytearray(SHARED_SIZE)
    for op in stores:
        address, size = op.address, op.size
        if size == 1:
            data[address] = op.value
            stored[address] = 1
        else:
            data[address : address + size] = op.value.to_bytes(size, "little")
            stored[address : address + size] = b"\1" * size
    pieces: list[tuple[int, bytes]] = []
    first = stored.find(1)
    while first >= 0:
        end = stored.find(0, first)
        end = SHARED_SIZE if end < 0 else end
        pieces.append((first, bytes(data[first:end])))
        first = stored.find(1, end)
    return tuple(pieces)


class RoundOfChoices(Exception):  # noqa: N818 (no error: the search goes on without footprints)
    """An actor can go round by way of its choices. What its footprint is would depend on the branch
    from which it was first looked at."""


class Footprints:
    """Solo footprints, remembered by what they depend on: the node, and the parts of memory that
    the solo future reads."""

    def __init__(self, world: World, solo: World, runs: Runs) -> None:
        """`solo` is the same world without rules and store buffers."""
        self._world = world
        self._solo = solo
        self._runs = runs
        self._here = tuple(world.parts.mask | NODE_MASK << shift for shift in world.shifts)
        """The bits of a key that an actor's solo footprint can depend on."""
        self._known: tuple[dict[int, dict[int, dict[int, Footprint]]], ...] = tuple(
            {} for _ in world.records
        )
        self._endless: set[int] = set()
        """Actors that were once given up on: they are not walked again and again."""
        self._choosing: set[int] = set()
        """States at a CHOOSE whose branches are being walked."""
        self._same: dict[Footprint, Footprint] = {}
        self._patched: dict[tuple[int, int, int, int], int] = {}

    def of(self, actor: int, key: int) -> Footprint:
        """The solo footprint of `actor` in the state `key`, its buffered stores included. Equal
        ones are the same object, which lives as long as this."""
        world = self._world
        if not key & world.buffer_masks[actor]:
            return self._find(actor, key)
        reads = writes = 0
        for store in world.buffered(actor, key):
            touch = world.touch_of(actor, store)
            reads |= touch.reads
            writes |= touch.writes
            data = store.value.to_bytes(store.size, "little")
            key += world.parts.write(key, store.address, data)
        found = self._find(actor, key)
        whole = Footprint(found.touched | reads | writes, found.written | writes)
        return self._same.setdefault(whole, whole)

    def _find(self, actor: int, key: int) -> Footprint:
        node = key >> self._world.shifts[actor] & NODE_MASK
        for mask, table in self._known[actor].get(node, _NOTHING).items():
            found = table.get(key & mask)
            if found is not None:
                return found
        if actor in self._endless:
            return _EVERYTHING
        return self._walk(actor, key & self._here[actor])[0]

    @property
    def bytes_used(self) -> int:
        """Roughly what is remembered."""
        tables: list[Mapping[Any, Any]] = [self._patched]
        tables += [table for actor in self._known for by in actor.values() for table in by.values()]
        # A footprint is two integers of as many bits as shared memory has bytes.
        return bytes_of(tables) + len(self._same) * SHARED_SIZE // 4

    def apply_run(self, actor: int, run: Run, key: int) -> int:
        """What a run's stores add to the key, its node included; rules aside."""
        node = run.nodes[0]
        bits = key & self._world.parts.key_mask(run.parts)
        delta = self._patched.get((actor, node, run.beyond, bits))
        if delta is None:
            memory = self._world.parts.memory(key)
            for address, data in run.patch:
                memory[address : address + len(data)] = data
            delta = self._world.parts.difference(key, memory, run.parts)
            self._patched[actor, node, run.beyond, bits] = delta
        return delta + (run.beyond - node << self._world.shifts[actor])

    def _branches(self, actor: int, key: int) -> tuple[int, int, int]:
        """(touched, written, depends) of all branches of the CHOOSE at which the actor stands."""
        if key in self._choosing:
            raise RoundOfChoices
        if len(self._choosing) == _DEEPEST:
            self._endless.add(actor)
            return (*_EVERYTHING, 0)
        self._choosing.add(key)
        touched = written = depends = 0
        for answer in range(self._solo.op(actor, key).value):
            after = self._solo.chosen(actor, key, answer)
            known = self._lookup(actor, after) or self._walk(actor, after)
            touched |= known[0].touched
            written |= known[0].written
            depends |= known[1]
        self._choosing.discard(key)
        return touched, written, depends

    def _lookup(self, actor: int, key: int) -> tuple[Footprint, int] | None:
        node = key >> self._world.shifts[actor] & NODE_MASK
        for mask, table in self._known[actor].get(node, _NOTHING).items():
            found = table.get(key & mask)
            if found is not None:
                return found, mask
        return None

    def _walk(self, actor: int, key: int) -> tuple[Footprint, int]:  # noqa: PLR0915
        """The footprint, and the bits of a key that it depends on."""
        world, shift = self._world, self._world.shifts[actor]
        kinds, touches, known = world.kinds[actor], world.touches[actor], self._known[actor]
        step = self._solo.steps[actor]
        key_mask = world.parts.key_mask
        path: list[tuple[int, int, int, int, int]] = []  # node, key, touched, written, depends
        places: dict[int, int] = {}
        touched = written = depends = 0
        loop = -1
        while True:
            node = key >> shift & NODE_MASK
            kind = kinds[node]
            if kind == _HALT:
                touched = touches[node].reads
                break
            found = None
            for mask, table in known.get(node, _NOTHING).items():
                found = table.get(key & mask)
                if found is not None:
                    depends = mask
                    break
            if found is not None:
                touched, written = found
                break
            loop = places.get(key, -1)
            if loop >= 0:
                break
            if kind == _CHOOSE:
                path.append((node, key, 0, 0, 0))
                touched, written, depends = self._branches(actor, key)
                break
            if len(path) > _LONGEST:
                self._endless.add(actor)
                touched, written = _EVERYTHING
                break
            places[key] = len(path)
            if kind == _STORE:
                run = self._runs.at(actor, node)
                path.append((node, key, run.reads | run.writes, run.writes, 0))
                key += self.apply_run(actor, run, key)
                continue
            reads, writes, parts = touches[node]
            moved = step(key)
            if moved < 0 and moved > SLEEPING:
                # A wait that nobody ends: it looks, and that is all.
                assert moved != HALTED
                path.append((node, key, reads, 0, key_mask(parts)))
                break
            path.append((node, key, reads | writes, writes, key_mask(parts)))
            key = moved if moved >= 0 else SLEEPING - moved
        if loop >= 0:
            for entry in path[loop:]:
                touched |= entry[2]
                written |= entry[3]
                depends |= entry[4]
        result = Footprint(touched, written)
        for at in range(len(path) - 1, -1, -1):
            node, key, reads, writes, parts_mask = path[at]
            touched |= reads
            written |= writes
            depends |= parts_mask
            if touched != result[0] or written != result[1]:
                result = Footprint(touched, written)
            result = self._same.setdefault(result, result)
            known.setdefault(node, {}).setdefault(depends, {})[key & depends] = result
        return self._same.setdefault(result, result), depends


_NOTHING: dict[int, dict[int, Footprint]] = {}
