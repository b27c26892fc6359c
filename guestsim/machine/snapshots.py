"""Snapshots of the guest's RAM, cheap enough for one at every point of a search.

Between two points a guest writes little. The CPU tells of each store that is not to its stack
(`Tracker.tell`), and a look at RAM is one at the blocks among them. Where it stores so much that
this takes longer than to compare all of RAM with what it was, or where somebody else has written,
that is done (`Tracker.unsure`).

What lies on the stack below the stack pointer is dead. It is cleared at each look, as an interrupt
at that moment could have changed it: whoever comes to a point, by whatever way, and whoever comes
back to it goes on from the same memory.

A snapshot is a value: equal snapshots are equal RAM.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from guestsim.errors import InternalError
from guestsim.machine.memory import CHUNK, PAGE, Memory, Piece
from guestsim.machine.stack import BLOCK, dead_part

__all__ = ["BLOCK", "Snapshot", "Tracker"]

_CHECK_EVERY = 512
"""Looks at what the CPU told between two that verify that nothing else has changed."""

_ZERO = bytes(BLOCK)
_NO_STACK = range(0)

_Page = tuple[bytes, ...]
"""The blocks of a page; zeroes in place of those on the stack."""
_BLOCKS = PAGE // BLOCK
_ZERO_PAGE: _Page = (_ZERO,) * _BLOCKS
_ZERO_PAGES = (_ZERO_PAGE,) * (CHUNK // PAGE)

_Block = tuple[Piece, int, bytes]
"""A piece of RAM, an offset in it, and what the block there holds."""


def _weight(data: bytes) -> int:
    """What a block adds to the hash of a snapshot: nothing if it was never touched."""
    return 0 if data is _ZERO else hash(data)


class _Ram:
    """The pages of each piece that is not all zeroes, by its address. Immutable.

    Two that are nearly the same share nearly everything.
    """

    __slots__ = ("pieces", "weight")

    def __init__(self, pieces: Mapping[int, tuple[_Page, ...]], weight: int) -> None:
        self.pieces = pieces
        self.weight = weight

    def pages(self, piece: Piece) -> tuple[_Page, ...]:
        """Those of `piece`."""
        return self.pieces.get(piece.base) or _ZERO_PAGES[: piece.size // PAGE]

    def changed(self, blocks: Iterable[_Block]) -> _Ram:
        """The same but for `blocks`."""
        pieces = dict(self.pieces)
        weight = self.weight
        for piece, offset, data in blocks:
            number, at = divmod(offset // BLOCK, _BLOCKS)
            pages = pieces.get(piece.base) or _ZERO_PAGES[: piece.size // PAGE]
            page = pages[number]
            weight += _weight(data) - _weight(page[at])
            page = (*page[:at], data, *page[at + 1 :])
            pages = (*pages[:number], page, *pages[number + 1 :])
            pieces[piece.base] = pages
            if data is _ZERO and pages == _ZERO_PAGES[: len(pages)]:
                del pieces[piece.base]
        return _Ram(pieces, weight)


class Snapshot:
    """All of RAM at one moment, but for the dead part of the stack. Immutable, hashable."""

    __slots__ = ("_hash", "dead", "live", "ram", "stack")

    def __init__(self, ram: _Ram, stack: range, live: bytes, dead: range) -> None:
        self.ram = ram
        self.stack = stack
        """Addresses of the blocks of the stack, dead or alive."""
        self.live = live
        """The end of it, from the stack pointer on."""
        self.dead = dead
        """What was cleared of it."""
        self._hash = hash((ram.weight, live))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Snapshot) or self._hash != other._hash:
            return False
        if self.live != other.live or self.stack != other.stack:
            return False
        return self.ram is other.ram or self.ram.pieces == other.ram.pieces


class Tracker:
    """Takes snapshots of one `Memory` and goes back to them.

    Whoever lets the guest run tells of its stores in `ranges`, or says `unsure()`.
    """

    def __init__(self, memory: Memory, windows: Iterable[int]) -> None:
        """`windows`: addresses of pages that are no RAM. Writes there are somebody else's."""
        self._memory = memory
        self._windows = frozenset(windows)
        self._stack = _NO_STACK
        self._ram = _Ram({}, 0)
        self._known: dict[int, bytearray] = {}
        """What each piece held when it was last looked at: right where it is no stack."""
        self._told: set[int] = set()
        """Numbers of blocks that have been stored to since the last look."""
        self._looks = 0
        self._sure = False
        self._contents: dict[bytes, bytes] = {_ZERO: _ZERO}
        self.ranges: tuple[tuple[int, int], ...] = ()
        """(first, last) addresses of what is neither stack nor window. The same object as long as
        nothing changes."""
        self._set_ranges()

    def set_windows(self, windows: Iterable[int]) -> None:
        """From now on, the pages at these addresses are no RAM."""
        pages = frozenset(windows)
        if pages != self._windows:
            self._windows = pages
            self._set_ranges()

    def unsure(self) -> None:
        """Anything may have been written since the last look."""
        self._sure = False

    def tell(self, address: int, size: int) -> None:
        """This may have been stored to, or is about to be."""
        self._told.add(address // BLOCK)
        self._told.add((address + size - 1) // BLOCK)

    def look(self, stack: range, stack_pointer: int, *, clear: bool) -> Snapshot:
        """All of RAM as it is now, on a stack of these addresses (empty where not known). With
        `clear` the dead part of the stack becomes zero."""
        blocks = _blocks_of(stack)
        if blocks != self._stack:
            self._change_stack(blocks)
        first = blocks.start
        if stack.start <= stack_pointer <= stack.stop:  # an empty one has its pointer at the end
            first = max(first, min(stack_pointer, blocks.stop))
        dead = _NO_STACK
        if clear:
            dead = dead_part(stack, stack_pointer)
            if dead:
                self._clear(dead)
        live = self._memory.read(first, blocks.stop - first) if blocks else b""
        if self._sure and not self._memory.written:
            if self._told:
                self._look_at_told()
            if self._looks % _CHECK_EVERY == 0:
                self._verify()
        else:
            self._look_at_all()
        self._looks += 1
        return Snapshot(self._ram, blocks, live, dead)

    def restore(self, snapshot: Snapshot) -> None:
        """Back to `snapshot`."""
        if snapshot.stack != self._stack or self._memory.written or not self._sure:
            self._memory.clear()
            self._change_stack(snapshot.stack)
        elif self._told:
            self._look_at_told()
        if snapshot.ram is not self._ram:
            self._write(snapshot.ram)
        if snapshot.stack:
            first = snapshot.stack.stop - len(snapshot.live)
            self._memory.clear_range(snapshot.stack.start, first)
            self._memory.put_back(first, snapshot.live)
        self._told.clear()
        self._memory.written = False
        self._sure = True

    def _write(self, ram: _Ram) -> None:
        """From RAM as it was last known to this. Touches the stack on the way."""
        mine, others = ram.pieces, self._ram.pieces
        for base in mine.keys() | others.keys():
            if mine.get(base) is others.get(base):
                continue
            piece = self._memory.piece(base)
            known = self._known_of(piece)
            pages = zip(ram.pages(piece), self._ram.pages(piece), strict=True)
            for at, (page, other) in zip(range(0, piece.size, PAGE), pages, strict=True):
                if page is not other:
                    known[at : at + PAGE] = piece.host[at : at + PAGE] = b"".join(page)
                    self._memory.note(base + at, base + at + PAGE)
        self._ram = ram

    # -- looking --------------------------------------------------------------------------------

    def _look_at_told(self) -> None:
        """Look at what may have been stored to, and forget that it may."""
        changed: list[_Block] = []
        for number in self._told:
            address = number * BLOCK
            piece = self._memory.known_piece(address)
            if piece is None or address in self._stack:
                continue
            at = address - piece.base
            data = piece.host[at : at + BLOCK]
            known = self._known_of(piece)
            if data != known[at : at + BLOCK]:
                known[at : at + BLOCK] = data
                changed.append((piece, at, self._contents.setdefault(data, data)))
        self._told.clear()
        if changed:
            self._ram = self._ram.changed(changed)

    def _look_at_all(self) -> None:
        self._ram = self._ram.changed(self._changes())
        self._told.clear()
        self._memory.written = False
        self._sure = True

    def _verify(self) -> None:
        changes = list(self._changes())
        if changes:
            page = min(piece.base + at - at % PAGE for piece, at, _ in changes)
            raise InternalError(
                f"the guest wrote to the page at {page:#x}, and the CPU did not tell: its "
                "snapshots cannot be trusted"
            )

    def _changes(self) -> Iterator[_Block]:
        """Every block that is not as it was known to be."""
        for piece in self._memory.pieces():
            now, known = piece.host[:], self._known_of(piece)
            if now == known:
                continue
            pages = self._ram.pages(piece)
            for first, page in zip(range(0, piece.size, PAGE), pages, strict=True):
                if now[first : first + PAGE] == known[first : first + PAGE]:
                    continue
                for at, before in zip(range(first, first + PAGE, BLOCK), page, strict=True):
                    data = now[at : at + BLOCK]
                    if data != before and piece.base + at not in self._stack:
                        yield piece, at, self._contents.setdefault(data, data)
            known[:] = now

    def _known_of(self, piece: Piece) -> bytearray:
        known = self._known.get(piece.base)
        if known is None:
            known = self._known[piece.base] = bytearray(piece.size)
        return known

    def _clear(self, dead: range) -> None:
        self._memory.clear_range(dead.start, dead.stop)
        if dead.stop > self._stack.stop:  # the last block, which is only in part stack
            self.tell(dead.stop - 1, 1)

    def _change_stack(self, blocks: range) -> None:
        """The guest runs on another stack. Of what is on it nothing is known."""
        self._stack = blocks
        self._ram = _Ram({}, 0)
        self._known = {}
        self._sure = False
        self._set_ranges()

    def _set_ranges(self) -> None:
        others = [(page, page + PAGE) for page in self._windows]
        if self._stack:
            others.append((self._stack.start, self._stack.stop))
        ranges = []
        first = 0
        for start, stop in sorted(others):
            if first < start:
                ranges.append((first, start - 1))
            first = stop
        ranges.append((first, 0xFFFFFFFF))
        if tuple(ranges) != self.ranges:
            self.ranges = tuple(ranges)


def _blocks_of(stack: range) -> range:
    """Its blocks that share with nothing else."""
    return range(-(-stack.start // BLOCK) * BLOCK, stack.stop // BLOCK * BLOCK) or _NO_STACK
