"""Shared memory as a search keeps it: in parts, each a number, all of them packed in one integer.

A part is one field of shared memory (`guestsim.trace.shared.field`): `req`, `req_cons`,
`evtchn_pending`… Its contents are numbered in the order of their discovery; 0 is the one at the
start. A whole memory is the sum of its parts' numbers, each shifted to its place in the key of a
state. So memories that differ in one field share all the others, and an op needs to look only at
the bits of the parts that it touches.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from guestsim.errors import InternalError
from guestsim.trace import Kind, Op, is_yield
from guestsim.trace.shared import SERVER, SHARED_SIZE, field

__all__ = ["PART_BITS", "Parts", "TooManyError", "Touch"]

PART_BITS = 18
_CONTENTS = 1 << PART_BITS

_LATE = ("evtchn_mask", "evtchn_upcall_mask", "evtchn_port", "reserved")
"""Fields that hardly ever change: in the highest bits, where a zero costs nothing."""

_RAISED = ("evtchn_pending_sel", "evtchn_upcall_pending")
"""What sending an event to the guest, or unmasking it, sets beside its own word."""


_NOWHERE = frozenset({Kind.FENCE, Kind.HALT, Kind.CHOOSE})
"""Kinds that touch no memory."""


class TooManyError(Exception):
    """The search needs more numbers than a key has room for. Ends it, incomplete."""


class Touch(NamedTuple):
    """What an op looks at and what it may change. Bit masks over bytes (`Parts.bits`)."""

    reads: int
    writes: int
    parts: tuple[int, ...]
    """Numbers of all parts that it reads or writes, ascending."""


class _Part:
    __slots__ = ("bit", "contents", "ids", "mask", "name", "shift", "size", "start")

    def __init__(self, name: str, start: int, initial: bytes) -> None:
        self.name = name
        self.start = start
        self.size = len(initial)
        self.contents = [initial]
        self.ids = {initial: 0}
        self.shift = self.mask = self.bit = 0


@cache
def _fields() -> tuple[tuple[str, int, int], ...]:
    """(name, start, end) of every field, in order of address."""
    names = [field(at) for at in range(SHARED_SIZE)]
    starts = [0, *(at for at in range(1, SHARED_SIZE) if names[at] != names[at - 1])]
    ends = [*starts[1:], SHARED_SIZE]
    return tuple((names[start], start, end) for start, end in zip(starts, ends, strict=True))


class Parts:
    """The parts of one shared memory, and the contents that they have had."""

    def __init__(self, initial: bytes, shift: int, unheeded: Iterable[str] = ()) -> None:
        """`shift`: how many low bits of a key are somebody else's. Of the fields in `unheeded`
        nothing is kept: they stay as they are, and no op touches them."""
        if len(initial) != SHARED_SIZE:
            raise InternalError(f"shared memory has {SHARED_SIZE} bytes, not {len(initial)}")
        parts = [_Part(name, start, initial[start:end]) for name, start, end in _fields()]
        # Small parts first: then most masks are small integers.
        parts.sort(key=lambda part: (part.name in _LATE, part.size, part.start))
        bit = 0
        for number, part in enumerate(parts):
            part.shift = shift + number * PART_BITS
            part.mask = (_CONTENTS - 1) << part.shift
            part.bit = bit
            bit += part.size
        self._parts = parts
        self._initial = initial
        names = frozenset(unheeded)
        self._unheeded = frozenset(
            at for name, start, end in _fields() if name in names for at in range(start, end)
        )
        """Addresses."""
        self._at = [0] * SHARED_SIZE
        for number, part in enumerate(parts):
            self._at[part.start : part.start + part.size] = [number] * part.size
        starts = {part.name: part.start for part in parts}
        self._mask_offset = starts["evtchn_mask"] - starts["evtchn_pending"]
        self.mask = ((1 << len(parts) * PART_BITS) - 1) << shift
        """The bits of a key that are memory."""

    @property
    def count(self) -> int:
        """Distinct contents of parts seen so far."""
        return sum(len(part.contents) for part in self._parts)

    @property
    def stored_bytes(self) -> int:
        """Bytes that all those contents have."""
        return sum(part.size * len(part.contents) for part in self._parts)

    def named(self, names: Iterable[str]) -> tuple[int, ...]:
        """The numbers of the parts with these names."""
        wanted = frozenset(names)
        return tuple(at for at, part in enumerate(self._parts) if part.name in wanted)

    def key_mask(self, parts: Iterable[int]) -> int:
        """The bits of a key that hold `parts`."""
        mask = 0
        for number in parts:
            mask |= self._parts[number].mask
        return mask

    def part_bits(self, parts: Iterable[int]) -> int:
        """A byte mask with all bytes of `parts`."""
        mask = 0
        for number in parts:
            part = self._parts[number]
            mask |= ((1 << part.size) - 1) << part.bit
        return mask

    def bits(self, address: int, size: int) -> int:
        """The byte mask of `size` bytes at `address`."""
        part = self._parts[self._at[address]]
        offset = address - part.start
        if offset + size <= part.size:
            return ((1 << size) - 1) << part.bit + offset
        mask = 0
        for at in range(address, address + size):
            part = self._parts[self._at[at]]
            mask |= 1 << part.bit + at - part.start
        return mask

    def touched(self, address: int, size: int) -> tuple[int, ...]:
        """The numbers of the parts that hold `size` bytes at `address`."""
        first = self._at[address]
        if first == self._at[address + size - 1]:
            return (first,)
        return tuple(sorted(set(self._at[address : address + size])))

    def touch(self, op: Op) -> Touch:
        """What `op` reads and may write; conservative where it depends on values. Of an RMW:
        both halves."""
        kind = op.kind
        if kind in _NOWHERE or is_yield(op) or self.unheeded(op):
            return Touch(0, 0, ())
        own = self.bits(op.address, op.size)
        parts = self.touched(op.address, op.size)
        if kind is Kind.LOAD:
            return Touch(own, 0, parts)
        if kind is Kind.STORE:
            return Touch(0, own, parts)
        if kind is Kind.RMW or kind is Kind.WAIT:
            return Touch(own, own, parts)
        if op.address >= SERVER:
            return Touch(own, own, parts)
        raised = self.named(_RAISED)
        own |= self.part_bits(raised)
        mask = op.address + self._mask_offset
        parts = tuple(sorted({*parts, *raised, *self.touched(mask, op.size)}))
        masked = self.bits(mask, op.size)
        return Touch(own | masked, own | masked if kind is Kind.UNMASK else own, parts)

    def unheeded(self, op: Op) -> bool:
        """Whether the op is at a field that nobody heeds."""
        return op.address in self._unheeded

    def read(self, key: int, address: int, size: int) -> int:
        """The little-endian integer at `address`."""
        part = self._parts[self._at[address]]
        offset = address - part.start
        if offset + size > part.size:
            memory = self.memory(key)
            return int.from_bytes(memory[address : address + size], "little")
        content = part.contents[key >> part.shift & _CONTENTS - 1]
        return int.from_bytes(content[offset : offset + size], "little")

    def memory(self, key: int) -> bytearray:
        """The whole shared memory of a state."""
        memory = bytearray(self._initial)
        for part in self._parts:
            number = key >> part.shift & _CONTENTS - 1
            if number:
                memory[part.start : part.start + part.size] = part.contents[number]
        return memory

    def write(self, key: int, address: int, data: bytes) -> int:
        """What storing `data` at `address` adds to the key."""
        part = self._parts[self._at[address]]
        offset = address - part.start
        end = offset + len(data)
        if end > part.size:
            rest = part.size - offset
            first = self.write(key, address, data[:rest])
            return first + self.write(key, address + rest, data[rest:])
        old = key >> part.shift & _CONTENTS - 1
        content = part.contents[old]
        if content[offset:end] == data:
            return 0
        new = self._number(part, content[:offset] + data + content[end:])
        return new - old << part.shift

    def difference(self, key: int, memory: bytearray, parts: Iterable[int]) -> int:
        """What it adds to the key if `parts` become what they are in `memory`."""
        delta = 0
        for number in parts:
            part = self._parts[number]
            old = key >> part.shift & _CONTENTS - 1
            content = bytes(memory[part.start : part.start + part.size])
            if content != part.contents[old]:
                delta += self._number(part, content) - old << part.shift
        return delta

    def _number(self, part: _Part, content: bytes) -> int:
        number = part.ids.get(content)
        if number is None:
            number = len(part.contents)
            if number == _CONTENTS:
                raise TooManyError(f"{part.name} has had more than {_CONTENTS - 1} contents")
            part.contents.append(content)
            part.ids[content] = number
        return number
