"""Snapshots of the guest's RAM, cheap enough for one at every point of a search.

RAM is looked at in blocks. Between two points a guest writes the same few of them again and again:
these become *hot*, and are copied at each look. All others are *cold*; the CPU tells when it writes
one (`Tracker.quiet`), and only then all of RAM is compared with what it was.

What lies on the stack below the stack pointer is dead. It is cleared at each look, as an interrupt
at that moment could have changed it: whoever comes to a point, by whatever way, and whoever comes
back to it goes on from the same memory.

A snapshot is a value: equal snapshots are equal RAM, whatever was hot when they were taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from guestsim.errors import InternalError
from guestsim.machine.memory import PAGE, Memory, Piece
from guestsim.machine.stack import BLOCK, dead_part

__all__ = ["BLOCK", "Snapshot", "Tracker"]

_HOT_AFTER = 4
"""Full looks at which a block had been written, before it can become hot."""
_HOT_SHARE = 8
"""And it had been written at one in so many of them."""
_MOST_HOT = 64
_CHECK_EVERY = 512
"""Looks at hot blocks between two that verify that nothing else has changed."""

_ZERO = bytes(BLOCK)
_NO_STACK = range(0)

_Page = tuple[bytes, ...]
"""The blocks of a page; zeroes in place of those that are hot or on the stack."""
_ZERO_PAGE: _Page = (_ZERO,) * (PAGE // BLOCK)


def _weight(page: _Page) -> int:
    """What a page adds to the hash of a snapshot: the same, whatever is hot."""
    return sum(hash(data) for data in page if data is not _ZERO)


class _Cold:
    """The pages that are not all zeroes, by address. Immutable; its hash is known."""

    __slots__ = ("pages", "weight")

    def __init__(self, pages: Mapping[int, _Page], weight: int) -> None:
        self.pages = pages
        self.weight = weight

    def __hash__(self) -> int:
        return hash(self.weight)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Cold) and self.pages == other.pages

    def changed(self, changes: Mapping[int, _Page]) -> _Cold:
        """These pages, but for `changes`."""
        pages = dict(self.pages)
        weight = self.weight
        for at, page in changes.items():
            weight += _weight(page) - _weight(pages.get(at, _ZERO_PAGE))
            if page == _ZERO_PAGE:
                pages.pop(at, None)
            else:
                pages[at] = page
        return _Cold(pages, weight)


class Snapshot:
    """All of RAM at one moment, but for the dead part of the stack. Immutable, hashable."""

    __slots__ = ("_addresses", "_cold", "_hash", "_hot", "live", "stack")

    def __init__(
        self,
        cold: _Cold,
        addresses: tuple[int, ...],
        hot: tuple[bytes, ...],
        weight: int,
        stack: range,
        live: bytes,
    ) -> None:
        """`weight`: of all blocks, hot and cold."""
        self._cold = cold
        self._addresses = addresses
        self._hot = hot
        self.stack = stack
        """Addresses of the stack, dead or alive."""
        self.live = live
        """The end of it, from the stack pointer on."""
        self._hash = hash((weight, live))

    def pages(self) -> dict[int, bytes]:
        """Every page that is not all zeroes, by address; zeroes where it is stack."""
        pages = dict(self._cold.pages)
        for at, data in zip(self._addresses, self._hot, strict=True):
            _put(pages, at, data)
        return {at: b"".join(page) for at, page in pages.items() if page != _ZERO_PAGE}

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Snapshot) or self._hash != other._hash:
            return False
        if self.live != other.live or self.stack != other.stack:
            return False
        if self._cold is other._cold and self._addresses == other._addresses:
            return self._hot == other._hot
        return self.pages() == other.pages()


class Tracker:
    """Takes snapshots of one `Memory` and goes back to them.

    Whoever lets the guest run says `unsure()` as soon as something outside the hot blocks and the
    stack may have been written, that is, in one of `quiet`.
    """

    def __init__(self, memory: Memory, windows: Iterable[int]) -> None:
        """`windows`: addresses of pages that are no RAM. Writes there are somebody else's."""
        self._memory = memory
        self._windows = frozenset(windows)
        self._stack = _NO_STACK
        self._cold = _Cold({}, 0)
        self._known: dict[int, bytes] = {}
        """What each piece held when it was last looked at: right where it is cold."""
        self._addresses: tuple[int, ...] = ()
        self._hot: tuple[tuple[Piece, int], ...] = ()
        """The piece of each address, and the offset in it."""
        self._hot_pages: set[int] = set()
        self._latest: tuple[bytes, ...] = ()
        """What was hot at the last look: what stays the same stays the same object."""
        self._heat: dict[int, int] = {}
        self._noticed: set[int] = set()
        self._full_looks = 0
        self._looks = 0
        self._sure = False
        self._colds: dict[_Cold, _Cold] = {}
        self._contents: dict[bytes, bytes] = {_ZERO: _ZERO}
        self.quiet: tuple[tuple[int, int], ...] = ()
        """(first, last) addresses of what is neither hot nor stack. The same object as long as
        nothing changes."""
        self._set_quiet()

    def set_windows(self, windows: Iterable[int]) -> None:
        """From now on, the pages at these addresses are no RAM."""
        pages = frozenset(windows)
        if pages != self._windows:
            self._windows = pages
            self._set_quiet()

    def unsure(self, address: int | None = None) -> None:
        """Something cold may have been written since the last look, first that at `address`."""
        self._sure = False
        if address is not None:
            self._noticed.add(address - address % BLOCK)

    def look(self, stack: range, stack_pointer: int, *, clear: bool) -> Snapshot:
        """All of RAM as it is now, on a stack of these addresses (empty where not known). With
        `clear` the dead part of the stack becomes zero."""
        whole = range(_first_block(stack), stack.stop) or _NO_STACK
        if whole != self._stack:
            self._change_stack(whole)
            self._cold = _Cold({}, 0)
            self._known = {}
            self._sure = False
        if not self._sure or self._memory.written:
            self._look_at_all()
        elif self._looks % _CHECK_EVERY == 0:
            self._verify()
        self._looks += 1
        live = b""
        if whole:
            first = whole.start
            if _is_on(stack, stack_pointer):
                if clear:
                    dead = dead_part(stack, stack_pointer)
                    self._memory.clear_range(dead.start, dead.stop)
                first = max(first, stack_pointer)
            live = self._memory.read(first, whole.stop - first)
        hot, weight = self._look_at_hot()
        return Snapshot(self._cold, self._addresses, hot, weight, whole, live)

    def restore(self, snapshot: Snapshot) -> None:
        """Back to `snapshot`."""
        if snapshot.stack != self._stack or self._memory.written or not self._sure:
            self._restore_all(snapshot)
            return
        self._split_anew(snapshot)
        if snapshot._cold is not self._cold:
            self._write_cold(snapshot._cold)
        for (piece, offset), data in zip(self._hot, snapshot._hot, strict=True):
            piece.host[offset : offset + BLOCK] = data
        if not self._memory.code.isdisjoint(self._hot_pages):
            for page in self._hot_pages:
                self._memory.note(page, page + PAGE)
        self._latest = snapshot._hot
        self._write_stack(snapshot)
        self._memory.written = False

    # -- going back -----------------------------------------------------------------------------

    def _write_stack(self, snapshot: Snapshot) -> None:
        if snapshot.stack:
            first = snapshot.stack.stop - len(snapshot.live)
            self._memory.clear_range(snapshot.stack.start, first)
            self._memory.write(first, snapshot.live)

    def _write_cold(self, cold: _Cold) -> None:
        """From the present cold pages to these. Touches what is hot or stack on the way."""
        mine, others = cold.pages, self._cold.pages
        changed = [at for at, page in mine.items() if others.get(at) is not page]
        changed += [at for at in others if at not in mine]
        pieces: dict[int, Piece] = {}
        for at in changed:
            piece = self._memory.piece(at)
            pieces[piece.base] = piece
            piece.host[at - piece.base : at - piece.base + PAGE] = b"".join(
                mine.get(at, _ZERO_PAGE)
            )
            self._memory.note(at, at + PAGE)
        for base, piece in pieces.items():
            self._known[base] = piece.host[:]
        self._cold = cold

    def _restore_all(self, snapshot: Snapshot) -> None:
        self._memory.clear()
        for at, data in snapshot.pages().items():
            piece = self._memory.piece(at)
            piece.host[at - piece.base : at - piece.base + PAGE] = data
        self._write_stack(snapshot)
        if snapshot.stack != self._stack:
            self._change_stack(snapshot.stack)
        self._split_anew(snapshot)
        self._cold, self._latest = snapshot._cold, snapshot._hot
        self._known = {piece.base: piece.host[:] for piece in self._memory.pieces()}
        self._memory.written = False
        self._sure = True

    def _split_anew(self, snapshot: Snapshot) -> None:
        """Let what is hot now be hot in `snapshot`, which stays the same value."""
        if snapshot._addresses is self._addresses:
            return
        if snapshot._addresses != self._addresses:
            pages = dict(snapshot._cold.pages)
            for at, data in zip(snapshot._addresses, snapshot._hot, strict=True):
                _put(pages, at, data)
            hot = tuple(_take(pages, at) for at in self._addresses)
            changes = {
                page: self._interned(pages.get(page, _ZERO_PAGE))
                for at in {*snapshot._addresses, *self._addresses}
                for page in (at - at % PAGE,)
            }
            cold = snapshot._cold.changed(changes)
            snapshot._hot, snapshot._cold = hot, self._colds.setdefault(cold, cold)
        snapshot._addresses = self._addresses

    # -- looking --------------------------------------------------------------------------------

    def _look_at_hot(self) -> tuple[tuple[bytes, ...], int]:
        """Contents of the hot blocks, and the weight of all RAM."""
        contents = []
        weight = self._cold.weight
        for (piece, offset), before in zip(self._hot, self._latest, strict=True):
            data = piece.host[offset : offset + BLOCK]
            data = before if data == before else self._contents.setdefault(data, data)
            contents.append(data)
            if data is not _ZERO:
                weight += hash(data)
        self._latest = tuple(contents)
        return self._latest, weight

    def _interned(self, page: _Page) -> _Page:
        intern = self._contents.setdefault
        return tuple(intern(data, data) for data in page)

    def _look_at_all(self) -> None:
        changes = self._changes()
        self._full_looks += 1
        written = self._noticed.union(
            at + number * BLOCK
            for at, page in changes.items()
            for number, (old, new) in enumerate(
                zip(self._cold.pages.get(at, _ZERO_PAGE), page, strict=True)
            )
            if old is not new
        )
        self._noticed.clear()
        cold = self._cold.changed(changes)
        new = self._warmed(written)
        if new:
            pages = dict(cold.pages)
            for at in new:
                _take(pages, at)
            cold = cold.changed({page: pages[page] for at in new for page in (at - at % PAGE,)})
            self._set_hot({*self._addresses, *new})
        self._cold = self._colds.setdefault(cold, cold)
        self._memory.written = False
        self._sure = True

    def _changes(self) -> dict[int, _Page]:
        """Every page in which a cold block is not as it was known to be."""
        changes: dict[int, _Page] = {}
        for piece in self._memory.pieces():
            base = piece.base
            now = piece.host[:]
            old = self._known.get(base) or bytes(piece.size)
            if now == old:
                continue
            self._known[base] = now
            for offset in range(0, piece.size, PAGE):
                data = now[offset : offset + PAGE]
                if data != old[offset : offset + PAGE]:
                    at = base + offset
                    page = self._cold_part(at, data)
                    if page != self._cold.pages.get(at, _ZERO_PAGE):
                        changes[at] = page
        return changes

    def _cold_part(self, address: int, data: bytes) -> _Page:
        blocks = range(address, address + PAGE, BLOCK)
        return self._interned(
            tuple(
                _ZERO
                if at in self._addresses or at in self._stack
                else data[at - address : at - address + BLOCK]
                for at in blocks
            )
        )

    def _verify(self) -> None:
        changes = self._changes()
        if changes:
            raise InternalError(
                f"the guest wrote to the page at {min(changes):#x}, and the CPU did not tell: its "
                "snapshots cannot be trusted"
            )

    def _change_stack(self, stack: range) -> None:
        """The guest runs on another stack. The block in which it ends is always hot."""
        self._stack = stack
        self._heat = {}
        self._full_looks = 0
        inside = stack.stop % BLOCK
        end = {stack.stop - inside} if inside else set()
        self._set_hot(end.union(at for at in self._addresses if at not in stack))

    def _warmed(self, written: Iterable[int]) -> list[int]:
        """What has been written so often that it becomes hot."""
        heat = self._heat
        new = []
        for at in sorted(written):
            heat[at] = count = heat.get(at, 0) + 1
            often = count >= _HOT_AFTER and count * _HOT_SHARE >= self._full_looks
            if often and at not in self._addresses:
                new.append(at)
        return new if len(self._addresses) + len(new) <= _MOST_HOT else []

    def _set_hot(self, addresses: Iterable[int]) -> None:
        hot = tuple(sorted(addresses))
        if hot != self._addresses:  # else the same object
            self._addresses = hot
        pieces = [self._memory.piece(at) for at in self._addresses]
        self._hot = tuple(
            (piece, at - piece.base) for at, piece in zip(self._addresses, pieces, strict=True)
        )
        self._hot_pages = {at - at % PAGE for at in self._addresses}
        self._latest = (_ZERO,) * len(hot)
        self._set_quiet()

    def _set_quiet(self) -> None:
        loud = [(at, at + BLOCK) for at in self._addresses]
        if self._stack:
            loud.append((self._stack.start, self._stack.stop // BLOCK * BLOCK))
        loud += [(page, page + PAGE) for page in self._windows]
        quiet = []
        first = 0
        for start, stop in sorted(loud):
            if first < start:
                quiet.append((first, start - 1))
            first = stop
        quiet.append((first, 0xFFFFFFFF))
        if tuple(quiet) != self.quiet:
            self.quiet = tuple(quiet)


def _is_on(stack: range, stack_pointer: int) -> bool:
    """Whether the guest runs on this stack; an empty one has its pointer at the end."""
    return stack.start <= stack_pointer <= stack.stop and bool(stack)


def _first_block(stack: range) -> int:
    """Where it begins, but for what shares its block with something else."""
    return -(-stack.start // BLOCK) * BLOCK


def _put(pages: dict[int, _Page], at: int, data: bytes) -> None:
    """Change the block at `at`."""
    base, number = at - at % PAGE, at % PAGE // BLOCK
    page = pages.get(base, _ZERO_PAGE)
    pages[base] = (*page[:number], data, *page[number + 1 :])


def _take(pages: dict[int, _Page], at: int) -> bytes:
    """The block at `at`, which leaves `pages`."""
    data = pages.get(at - at % PAGE, _ZERO_PAGE)[at % PAGE // BLOCK]
    _put(pages, at, _ZERO)
    return data
