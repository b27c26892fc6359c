"""What keeps Unicorn honest: which page of memory it may read, write and execute, and a witness.

Unicorn's hooks on memory can fall silent, and what a search makes of a guest whose accesses to the
ring go by unseen is worth nothing. `docs/unicorn.md` tells the fault whole. In short: a store to a
page that holds translated code can leave in the middle of an instruction; if the store was
unaligned, Unicorn's note that it is inside a split access stays, and no hook of a readable or
writable page is called until the next start. So:

- *A page is data or code, never both* (W^X). RAM is mapped readable and writable; the first fetch
  from a page makes it readable and executable. Unicorn looks for translated code only where a
  store hits an executable page, and no store ever does: one to a page of code is refused before it
  happens. `Engine` then executes its instruction alone, the bytes are put into host memory by us,
  and the page's translations are dropped. (A page that is written from elsewhere becomes data
  again.)
- *What is translated agrees with the bytes.* Whoever changes memory from outside tells `Memory`,
  and before the CPU runs again the pages of code among them are compared with what was translated.
- *A window is trapped together with the page before it.* Of an access over a page's edge Unicorn
  tells only where it begins.
- *The witness.* Unicorn's note is looked at after every run (`Notes`). And the ring page's own
  bytes are filled with a pattern before every run, and must afterwards be what the hooks were told
  (`Window`): a store that passed unseen shows there, and a load that did has read the pattern.

One more: `find_ram_offset` gives overlapping places to regions until one has been unmapped. `Cpu`
unmaps one before there are others.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from collections.abc import Callable
from functools import cache
from typing import Any

from unicorn import unicorn_const as const
from unicorn.unicorn_py3.unicorn import Uc

from guestsim.errors import InternalError
from guestsim.machine.memory import PAGE, Memory, Piece, host_memory

__all__ = ["Notes", "Pages", "Window", "page_of"]

_DATA = const.UC_PROT_READ | const.UC_PROT_WRITE
_CODE = const.UC_PROT_READ | const.UC_PROT_EXEC
_TRAP = const.UC_PROT_WRITE

_STORES = 3
"""To make code of data and back costs about as much as to execute so many instructions alone."""

_PATTERN = struct.pack(
    f"<{PAGE // 4}I", *((at * 0x9E3779B1 + 0xA5A5A5A5) & 0xFFFFFFFF for at in range(PAGE // 4))
)
"""No two words of it are alike."""


def page_of(address: int) -> int:
    """The first address of the page that holds `address`."""
    return address & ~(PAGE - 1)


class Window:
    """A trapped page of host memory."""

    def __init__(self, host: mmap.mmap, pointer: int) -> None:
        self.host = host
        self.pointer = pointer
        self.expected = bytearray(PAGE)
        """What `host` holds, by what the hooks were told since `begin`."""

    def begin(self) -> None:
        """Before a run of a page that holds nothing of its own."""
        self.host[:] = _PATTERN
        self.expected[:] = _PATTERN

    def check(self, address: int) -> None:
        """After a run. InternalError where somebody wrote and no hook was called."""
        if self.host[:] != self.expected:
            found = self.host[:]
            first = next(at for at in range(PAGE) if found[at] != self.expected[at])
            raise InternalError(
                f"the guest wrote to {address + first:#x}, which it shares with others, and "
                "Unicorn did not tell: this execution cannot be trusted (docs/unicorn.md)"
            )


class Notes:
    """Two of Unicorn's own notes, read where it keeps them (`struct uc_struct`)."""

    def __init__(self, handle: int) -> None:
        """`handle`: the address of an engine."""
        split, counter = _note_offsets()
        self._split = ctypes.c_int32.from_address(handle + split)
        self._counter = ctypes.c_uint32.from_address(handle + counter)

    @property
    def is_split(self) -> bool:
        """`size_recur_mem`: it is inside an access that it has split. While that is set, hooks on
        memory are not called."""
        return self._split.value != 0

    @property
    def counted(self) -> int:
        """`emu_counter`: instructions since the start, with the one before which it has stopped."""
        return self._counter.value


@cache
def _note_offsets() -> tuple[int, int]:
    """Where the two notes are, found by looking: one holds the access's size while a device answers
    one half of an unaligned load, and nothing before and after; the other counts."""
    usable = ctypes.CDLL(None).malloc_usable_size
    usable.restype, usable.argtypes = ctypes.c_size_t, [ctypes.c_void_p]
    uc: Any = Uc(const.UC_ARCH_X86, const.UC_MODE_32)
    start = uc._uch.value
    words = ctypes.c_uint32 * (usable(start) // 4)

    def look() -> list[int]:
        return list(words.from_buffer_copy(ctypes.string_at(start, ctypes.sizeof(words))))

    def load(*_: Any) -> int:
        halves.append(look())
        return 0

    halves: list[list[int]] = []
    uc.mem_map(0, PAGE)
    uc.mmio_map(PAGE, PAGE, load, None, lambda *_: None, None)
    dword, word = b"\xa1\x02\x10\0\0", b"\x66\xa1\x03\x10\0\0"  # mov eax/ax, [PAGE + 2 or 3]
    uc.mem_write(0, dword + word + b"\xf4")
    uc.emu_start(0, PAGE, count=1000)
    halves.append(look())
    counts = []
    uc.mem_write(0, b"\x90" * (PAGE - 1) + b"\xf4")
    for length in (17, 1234, 345):
        uc.emu_start(PAGE - length, PAGE, count=PAGE)  # that many instructions, to HLT
        counts.append(look())

    def find(states: list[list[int]], values: list[int]) -> int:
        found = [at for at in range(len(words())) if [state[at] for state in states] == values]
        if len(found) != 1:
            raise InternalError(
                f"this build of Unicorn is not known: {len(found)} places in it look like the one "
                "that guestsim has to watch (docs/unicorn.md)"
            )
        return 4 * found[0]

    return find(halves, [4, 4, 2, 2, 0]), find(counts, [17, 1234, 345])


class Pages:
    """How one engine maps memory. Addresses are physical."""

    def __init__(self, uc: Any, memory: Memory, is_ram: Callable[[int], bool]) -> None:
        self._uc = uc
        self._memory = memory
        self._is_ram = is_ram
        self._region: dict[int, int] = {}
        """The first address of the region that maps a page as data."""
        self._sizes: dict[int, int] = {}
        self.code: dict[int, bytes] = {}
        """The pages of code, with the bytes that their translations come from."""
        self._written: dict[int, int] = {}
        """How often somebody has stored to a page since it became code."""
        self._suspects: set[int] = set()
        self.generation = 0
        """Another one whenever bytes of code have changed."""
        self.windows: dict[int, Window] = {}
        self._before: dict[int, bool] = {}
        """The page before each window that is trapped with it: whether it is RAM."""
        self.nothing, self._nothing_pointer = host_memory(PAGE)
        """What a trapped page holds where there is nothing."""
        memory.watchers.append(self)

    # -- RAM ------------------------------------------------------------------------------------

    def map_ram(self, address: int) -> None:
        """Map the piece of RAM that holds `address`, as far as it is not mapped yet."""
        piece = self._memory.piece(address)
        start = None
        for page in range(piece.base, piece.base + piece.size, PAGE):
            free = not (
                page in self._region
                or page in self.code
                or page in self._before
                or page in self.windows
            )
            if free and start is None:
                start = page
            elif not free and start is not None:
                self._map_data(piece, start, page)
                start = None
        if start is not None:
            self._map_data(piece, start, piece.base + piece.size)

    def refit(self) -> None:
        """There is RAM now where there was none, or none where there was some."""
        for start in sorted(self._sizes):
            if not self._is_ram(start):
                self._unmap_region(start)
        for page in sorted(self.code):
            if not self._is_ram(page):
                self._forget_code(page)
        for window in sorted(self.windows):
            before = window - PAGE
            if before in self._before and self._before[before] != self._is_ram(before):
                self._untrap_before(window)
                self._trap_before(window)

    def _map_data(self, piece: Piece, start: int, stop: int) -> None:
        self._uc.mem_map_ptr(start, stop - start, _DATA, piece.pointer + start - piece.base)
        self._sizes[start] = stop - start
        for page in range(start, stop, PAGE):
            self._region[page] = start

    def _unmap_region(self, start: int) -> int:
        size = self._sizes.pop(start)
        self._uc.mem_unmap(start, size)
        for page in range(start, start + size, PAGE):
            del self._region[page]
        return start + size

    def _cut(self, page: int) -> None:
        """Take a page out of the region that maps it as data."""
        start = self._region.get(page)
        if start is None:
            return
        stop = self._unmap_region(start)
        piece = self._memory.piece(page)
        for first, last in ((start, page), (page + PAGE, stop)):
            if first < last:
                self._map_data(piece, first, last)

    # -- code -----------------------------------------------------------------------------------

    def make_code(self, page: int) -> bool:
        """The CPU fetches from `page`: False where no code can be."""
        if page in self.windows or page in self._before or not self._is_ram(page):
            return False
        self._cut(page)
        piece = self._memory.piece(page)
        self._uc.mem_map_ptr(page, PAGE, _CODE, piece.pointer + page - piece.base)
        self.code[page] = self._memory.read(page, PAGE)
        self._memory.code.add(page)
        self._written[page] = 0
        return True

    def make_data(self, page: int) -> bool:
        """The page is written from elsewhere: whatever was translated from it is gone. False as
        long as that has happened so seldom that the page had better stay code."""
        self._written[page] += 1
        if self._written[page] < _STORES:
            return False
        self._forget_code(page)
        self._map_data(self._memory.piece(page), page, page + PAGE)
        return True

    def _forget_code(self, page: int) -> None:
        self.generation += 1
        del self.code[page]
        self._uc.mem_unmap(page, PAGE)

    def store_to_code(self, address: int, size: int, value: int) -> None:
        """Do a store that Unicorn leaves to us, as far as it lies in one page of code."""
        size = min(size, page_of(address) + PAGE - address)
        piece = self._memory.piece(address)
        offset = address - piece.base
        piece.host[offset : offset + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
        self._memory.note(address, address + size)

    def suspect(self, page: int) -> None:
        """Somebody else may have changed `page`."""
        if page in self.code:
            self._suspects.add(page)

    def suspect_all(self) -> None:
        """Another CPU has run, and may have written anywhere."""
        self._suspects.update(self.code)

    def settle(self, drop: Callable[[int], None]) -> None:
        """Before the CPU runs: `drop` the translations of every page that has changed since."""
        if not self._suspects:
            return
        for page in sorted(self._suspects):
            if page in self.code:
                content = self._memory.read(page, PAGE)
                if content != self.code[page]:
                    self.code[page] = content
                    self.generation += 1
                    drop(page)
        self._suspects.clear()

    # -- windows --------------------------------------------------------------------------------

    def add_window(self, page: int, window: Window) -> None:
        """Trap every load and store of `page`, where there is no RAM, and know of those that come
        from the page before it."""
        if page in self._before:
            self._untrap_before(page + PAGE)
        self._uc.mem_map_ptr(page, PAGE, _TRAP, window.pointer)
        self.windows[page] = window
        self._trap_before(page)

    def remove_window(self, page: int) -> None:
        """The guest gave the page back."""
        self._untrap_before(page)
        del self.windows[page]
        self._uc.mem_unmap(page, PAGE)
        if page + PAGE in self.windows:
            self._trap_before(page + PAGE)

    def is_nothing(self, page: int) -> bool:
        """Of a trapped page: whether nobody is there to answer."""
        return self._before.get(page) is False

    def _trap_before(self, window: int) -> None:
        page = window - PAGE
        if page in self.windows:
            return
        ram = self._before[page] = self._is_ram(page)
        if page in self.code:
            self._forget_code(page)
        self._cut(page)
        pointer = self._nothing_pointer
        if ram:
            piece = self._memory.piece(page)
            pointer = piece.pointer + page - piece.base
        self._uc.mem_map_ptr(page, PAGE, _TRAP, pointer)

    def _untrap_before(self, window: int) -> None:
        if self._before.pop(window - PAGE, None) is not None:
            self._uc.mem_unmap(window - PAGE, PAGE)
