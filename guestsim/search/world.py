"""The whole of a search's state in one integer, and how actors move in it.

A key holds, from its lowest bits: the node of each actor (`guestsim.record.record`), the number of
the rules' history, under tso the number of each actor's store buffer, and the parts of shared
memory (`guestsim.search.parts`). Moving an actor adds a number to the key, and which number
depends on a few bits of the key only: on the actor's node and the parts of memory that its op
touches. So each node has a small table from those bits to that number, and to look up and add is
all that a move costs once it is known.

Memory models: under `sc` a store is in memory at once. Under `tso` it goes to the actor's store
buffer, a queue; its head is written to memory (drained) at any later time, as a move of its own.
Loads take each byte from the newest store to it in the own buffer, else from memory. Every other op
but a CHOOSE needs the own buffer empty. A buffer has a bound: where it is full, a store waits.
Stores of one actor reach memory in the order in which it makes them (that of its program, but for
`guestsim.machine.string_stores`). Rules see a store when it reaches memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from guestsim.errors import InternalError
from guestsim.record.record import Record
from guestsim.search.judge import Judge
from guestsim.search.model import (
    BLOCKED,
    BUFFER_BITS,
    CHOICE,
    DRY,
    HALTED,
    HELD,
    HISTORY_BITS,
    NODE_MASK,
    SLEEPING,
    Layout,
    Rules,
    bytes_of,
)
from guestsim.search.parts import TooManyError, Touch
from guestsim.trace import Event, Flag, Kind, Op, Violation
from guestsim.trace.effects import apply
from guestsim.trace.memory_model import STORE_BUFFER, MemoryModel, overlay
from guestsim.trace.shared import field

__all__ = ["MemoryModel", "Rules", "World"]

_NODE_BYTES = 400
"""Of a node: its entries in lists here and in the record, and its op."""

_LOAD = Kind.LOAD
_STORE = Kind.STORE
_RMW = Kind.RMW
_FENCE = Kind.FENCE
_WAIT = Kind.WAIT
_HALT = Kind.HALT
_CHOOSE = Kind.CHOOSE

_SPURIOUS, _POLL, _CONSUME = int(Flag.SPURIOUS), int(Flag.POLL), int(Flag.CONSUME)

_SLOW = frozenset({Kind.WAIT, Kind.HALT, Kind.CHOOSE})
"""Kinds whose moves are not remembered."""

_HARMLESS = frozenset({Kind.SEND, Kind.WAIT})
"""What may be done at an event word that nobody heeds."""


class World:
    """Recorded actors on one shared memory. Keys of states are integers (see the module).

    Under tso, the layout has buffers; without `tso` they are left alone and stores go to memory.
    """

    def __init__(
        self,
        records: Sequence[Record],
        layout: Layout,
        *,
        tso: bool = False,
        bound: int = STORE_BUFFER,
        rules: Rules | None = None,
        on_violation: Callable[[Violation], None] | None = None,
    ) -> None:
        self.records = tuple(records)
        self.names = tuple(record.name for record in records)
        self.tso = tso
        self.bound = bound
        self.hit_bound = False
        """Whether a store has had to wait because the buffer was full."""
        count = len(records)
        self.shifts, history_shift, self.buffer_shifts, self.parts = layout
        self.history_mask = ((1 << HISTORY_BITS) - 1) << history_shift
        self.buffer_masks = (
            tuple(((1 << BUFFER_BITS) - 1) << shift for shift in self.buffer_shifts) or (0,) * count
        )
        self.first = sum(
            record.first << shift for record, shift in zip(records, self.shifts, strict=True)
        )
        """The key of the start."""

        self.judge: Judge | None = None
        """Who shows events to the rules; None where there are none."""
        if rules is not None:
            self.judge = Judge(rules, history_shift, self.parts, on_violation)

        # Of each actor, of each node.
        self.kinds: tuple[list[int], ...] = tuple([] for _ in records)
        self.touches: tuple[list[Touch], ...] = tuple([] for _ in records)
        """With what the rules look at, where they look at the op at all."""
        self.ruled: tuple[list[bool], ...] = tuple([] for _ in records)
        self._masks: tuple[list[int], ...] = tuple([] for _ in records)
        self._tables: tuple[list[dict[int, int] | None], ...] = tuple([] for _ in records)
        self._sleeps: tuple[list[Op | None], ...] = tuple([] for _ in records)
        """The WAITs that can sleep; of size 0 where nobody heeds the event."""
        self._push: tuple[list[dict[int, int] | None], ...] = tuple([] for _ in records)
        self._details: dict[tuple[int, Kind, int, int, int, Flag], tuple[Touch, bool, int]] = {}

        # Store buffers: number -> stores, oldest first; the same for all actors.
        self.buffers: list[tuple[Op, ...]] = [()]
        self._buffer_ids: dict[tuple[Op, ...], int] = {(): 0}
        self._heads: tuple[dict[int, tuple[dict[int, int], int, int]], ...] = tuple(
            {} for _ in records
        )
        for actor, record in enumerate(self.records):
            record.watch(partial(self._grow, actor))
        self.steps: tuple[Callable[[int], int], ...] = tuple(
            self._tso_step(actor) if self.tso else self._step(actor) for actor in range(count)
        )
        """For each actor: the key of a state -> the key after the actor's next step, or one of the
        negative numbers above."""
        self.known_moves = tuple(zip(self.shifts, self._tables, self._masks, strict=True))
        """For each actor: where its node is in a key, and of each node, a table of known moves (the
        bits of a key that matter -> what is added to the key) and the mask of those bits. Under tso
        they do not hold for stores, nor while the own buffer has something in it."""

    # -- nodes ----------------------------------------------------------------------------------

    def node(self, actor: int, key: int) -> int:
        """Where the actor stands."""
        return key >> self.shifts[actor] & NODE_MASK

    def op(self, actor: int, key: int) -> Op:
        """The actor's next op."""
        return self.records[actor].ops[key >> self.shifts[actor] & NODE_MASK]

    def buffered(self, actor: int, key: int) -> tuple[Op, ...]:
        """The actor's stores that are not in memory yet, oldest first."""
        if not self.tso:
            return ()
        return self.buffers[(key & self.buffer_masks[actor]) >> self.buffer_shifts[actor]]

    def _grow(self, actor: int) -> None:
        """Take in the nodes that the actor's record has got."""
        record = self.records[actor]
        kinds, touches, ruled = self.kinds[actor], self.touches[actor], self.ruled[actor]
        masks, tables, push = self._masks[actor], self._tables[actor], self._push[actor]
        sleeps = self._sleeps[actor]
        if len(record.ops) > NODE_MASK:
            raise TooManyError(f"{record.name} has more than {NODE_MASK} nodes")
        for node in range(len(kinds), len(record.ops)):
            op = record.ops[node]
            touch, seen, mask = self._detail(actor, op)
            if op.kind is _RMW:
                mask |= self._detail(actor, Op(_STORE, op.address, op.size))[2]
            kinds.append(int(op.kind))
            touches.append(touch)
            ruled.append(seen)
            if self.tso and op.kind is _LOAD:
                mask |= self.buffer_masks[actor]
            masks.append(mask)
            tables.append(None if op.kind in _SLOW else {})
            push.append({} if op.kind is _STORE else None)
            sleeps.append(self._sleep(op) if op.kind is _WAIT else None)

    def _sleep(self, op: Op) -> Op | None:
        if op.flags & Flag.POLL:
            return None
        return Op(_WAIT) if self.parts.unheeded(op) else op

    def _detail(self, actor: int, op: Op) -> tuple[Touch, bool, int]:
        """(touch, whether rules look at it, the bits of a key on which its effect depends)."""
        # The stored value counts for events only, whose bits it says.
        value = 0 if op.kind is _STORE else op.value
        sort = actor, op.kind, op.address, op.size, value, op.flags
        known = self._details.get(sort)
        if known is not None:
            return known
        if self.parts.unheeded(op) and op.kind not in _HARMLESS:
            raise InternalError(f"{self.names[actor]} heeds {field(op.address)}: {op!r}")
        touch = self.parts.touch(op)
        mask = self.parts.key_mask(touch.parts)
        seen = False
        if self.judge is not None:
            seen = self.judge.rules.concerned(Event(self.names[actor], op))
            if seen:
                touch, mask = self._seen_touch(self.judge.rules, actor, op, touch, mask)
        found = self._details[sort] = touch, seen, mask
        return found

    def _seen_touch(
        self, rules: Rules, actor: int, op: Op, touch: Touch, mask: int
    ) -> tuple[Touch, int]:
        """The same with what the rules look at; of an RMW, at both halves."""
        names = rules.looks(Event(self.names[actor], op))
        if op.kind is _RMW:
            half = Op(_STORE, op.address, op.size, site=op.site)
            names |= rules.looks(Event(self.names[actor], half))
        looks = self.parts.named(names)
        bits = self.parts.part_bits(looks)
        mask |= self.parts.key_mask(looks) | self.history_mask
        return Touch(touch.reads | bits, touch.writes, touch.parts), mask

    def touch_of(self, actor: int, op: Op) -> Touch:
        """What an op of the actor touches, with what the rules look at."""
        return self._detail(actor, op)[0]

    def looked_at(self, actor: int, nodes: Iterable[int]) -> int:
        """The bits of a key that hold what the rules may look at during these nodes' ops."""
        mask = 0
        for node in nodes:
            if self.ruled[actor][node]:
                mask |= self._masks[actor][node]
        return mask

    # -- moves ----------------------------------------------------------------------------------

    def _step(self, actor: int) -> Callable[[int], int]:
        shift, tables, masks = self.shifts[actor], self._tables[actor], self._masks[actor]
        mask = NODE_MASK
        learn, slow = self._learn, self._slow_step

        def step(key: int) -> int:
            node = key >> shift & mask
            table = tables[node]
            if table is None:
                return slow(actor, node, key)
            bits = key & masks[node]
            delta = table.get(bits)
            if delta is None:
                delta = table[bits] = learn(actor, node, key)
            return key + delta

        return step

    def _tso_step(self, actor: int) -> Callable[[int], int]:
        shift, kinds, push = self.shifts[actor], self.kinds[actor], self._push[actor]
        buffer = self.buffer_masks[actor]
        plain = self._step(actor)

        def step(key: int) -> int:
            node = key >> shift & NODE_MASK
            kind = kinds[node]
            if kind == 1:
                return self._pushed(actor, node, key, push[node])
            if kind != 0 and key & buffer and kind != _CHOOSE:
                return HELD
            return plain(key)

        return step

    def store_through(self, actor: int, key: int) -> int:
        """Under tso, a store with the own buffer empty that goes to memory at once."""
        node = key >> self.shifts[actor] & NODE_MASK
        table = self._tables[actor][node]
        assert table is not None
        bits = key & self._masks[actor][node]
        delta = table.get(bits)
        if delta is None:
            delta = table[bits] = self._learn(actor, node, key)
        return key + delta

    def drain(self, actor: int, key: int) -> int:
        """The key after the head of the actor's store buffer has reached memory."""
        buffer = key & self.buffer_masks[actor]
        if not buffer:
            return DRY
        head = self._heads[actor].get(buffer)
        if head is None:
            number = buffer >> self.buffer_shifts[actor]
            op, *rest = self.buffers[number]
            left = self._buffer(tuple(rest)) - number << self.buffer_shifts[actor]
            head = self._heads[actor][buffer] = ({}, self._detail(actor, op)[2], left)
        table, mask, left = head
        bits = key & mask
        delta = table.get(bits)
        if delta is None:
            op = self.buffers[buffer >> self.buffer_shifts[actor]][0]
            delta = table[bits] = self._stored(actor, op, key, self._detail(actor, op)[1])
        return key + delta + left

    def _pushed(self, actor: int, node: int, key: int, table: dict[int, int] | None) -> int:
        assert table is not None
        buffer = key & self.buffer_masks[actor]
        delta = table.get(buffer)
        if delta is None:
            record, shift = self.records[actor], self.buffer_shifts[actor]
            number = buffer >> shift
            stores = self.buffers[number]
            if len(stores) == self.bound:
                delta = 0
            else:
                delta = self._buffer((*stores, record.ops[node])) - number << shift
                delta += record.following[node] - node << self.shifts[actor]
            table[buffer] = delta
        if not delta:
            self.hit_bound = True
            return HELD
        return key + delta

    def _buffer(self, stores: tuple[Op, ...]) -> int:
        number = self._buffer_ids.get(stores)
        if number is None:
            number = len(self.buffers)
            if number >> BUFFER_BITS:
                raise TooManyError("there are too many different store buffers")
            self.buffers.append(stores)
            self._buffer_ids[stores] = number
        return number

    def sleeps(self, actor: int, key: int) -> bool:
        """Whether the actor stands at a wait whose event is not there, and is not just polling."""
        sleep = self._sleeps[actor][key >> self.shifts[actor] & NODE_MASK]
        if sleep is None:
            return False
        return not sleep.size or not self.parts.read(key, sleep.address, sleep.size) & sleep.value

    def chosen(self, actor: int, key: int, answer: int) -> int:
        """The key after `answer` to the CHOOSE at which the actor stands."""
        node = self.node(actor, key)
        new = key + self._to(actor, node, answer)
        if self.ruled[actor][node]:
            new += self._see(key, Event(self.names[actor], self.records[actor].ops[node], answer))
        return new

    def _slow_step(self, actor: int, node: int, key: int) -> int:
        op = self.records[actor].ops[node]
        if op.kind is _CHOOSE:
            return CHOICE
        if op.kind is _HALT:
            if self.judge is not None:
                self.judge.see_end(key, Event(self.names[actor], op))
            return HALTED
        unheeded = self.parts.unheeded(op)
        bits = 0 if unheeded else self.parts.read(key, op.address, op.size)
        value = 1 if bits & op.value else 0
        flags = int(op.flags)
        if not value and not flags & _SPURIOUS:
            return BLOCKED
        if unheeded and self._to(actor, node, 0) != self._to(actor, node, 1):
            raise InternalError(f"{self.names[actor]} heeds {field(op.address)}")
        new = key + self._to(actor, node, value)
        if self.ruled[actor][node]:
            event = Event(self.names[actor], op, value)
            new += self._see(key, event)
        if not value:
            return new if flags & _POLL else SLEEPING - new
        if flags & _CONSUME:
            left = bits & ~op.value
            new += self.parts.write(key, op.address, left.to_bytes(op.size, "little"))
        return new

    def _to(self, actor: int, node: int, value: int) -> int:
        """What it adds to a key that the answered op of `node` gives `value`."""
        return self.records[actor].after(node, value) - node << self.shifts[actor]

    def _learn(self, actor: int, node: int, key: int) -> int:
        record = self.records[actor]
        op = record.ops[node]
        kind = op.kind
        seen = self.ruled[actor][node]
        if kind is _STORE:
            delta = record.following[node] - node << self.shifts[actor]
            return delta + self._stored(actor, op, key, seen)
        if kind is _LOAD:
            value = self.load(actor, op, key)
            delta = self._to(actor, node, value)
            if seen:
                event = Event(self.names[actor], op, value)
                delta += self._see(key, event)
            return delta
        if kind is _RMW:
            value = self.parts.read(key, op.address, op.size)
            delta = self._to(actor, node, value)
            half = node + (delta >> self.shifts[actor])
            store = record.ops[half]
            delta += record.following[half] - half << self.shifts[actor]
            delta += self.parts.write(
                key, store.address, store.value.to_bytes(store.size, "little")
            )
            if seen or self.ruled[actor][half]:
                name = self.names[actor]
                delta += self._see(key, Event(name, op, value), Event(name, store, store.value))
            return delta
        delta = record.following[node] - node << self.shifts[actor]
        if kind is _FENCE or (self.parts.unheeded(op) and not seen):
            return delta
        memory = self.parts.memory(key)
        if seen:
            # What a send gives is 1 for news; the rules get it as an execution reports it.
            value = 0
            if kind is Kind.SEND:
                before = self.parts.read(key, op.address, op.size)
                value = 0 if before & op.value == op.value else 1
            delta += self._see(key, Event(self.names[actor], op, value))
        if not self.parts.unheeded(op) and apply(memory, op):
            delta += self.parts.difference(key, memory, self.touches[actor][node].parts)
        return delta

    def _stored(self, actor: int, op: Op, key: int, seen: bool) -> int:
        delta = self.parts.write(key, op.address, op.value.to_bytes(op.size, "little"))
        if seen:
            delta += self._see(key, Event(self.names[actor], op, op.value))
        return delta

    def _see(self, key: int, *events: Event) -> int:
        assert self.judge is not None
        return self.judge.see(key, events)

    def load(self, actor: int, op: Op, key: int) -> int:
        """What the actor's LOAD gives: from memory, and from its own buffered stores."""
        value = self.parts.read(key, op.address, op.size)
        stores = self.buffered(actor, key)
        if not stores:
            return value
        data = bytearray(value.to_bytes(op.size, "little"))
        for store in stores:
            overlay(data, op, store)
        return int.from_bytes(data, "little")

    @property
    def bytes_used(self) -> int:
        """Roughly what tables and contents take."""
        tables = [table for actor in (*self._tables, *self._push) for table in actor if table]
        tables += [head[0] for heads in self._heads for head in heads.values()]
        nodes = sum(len(kinds) for kinds in self.kinds)
        return bytes_of(tables) + self.parts.stored_bytes + nodes * _NODE_BYTES
