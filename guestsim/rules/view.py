"""What a rule gets to see of shared memory: the fields that it names, and nothing else.

So a judgement depends on the event, the rule's history and the contents of those fields alone, and
whoever knows all three knows the judgement.
"""

from __future__ import annotations

from struct import Struct

import msgspec

from guestsim.errors import InternalError
from guestsim.rules.page import SIZE, Memory, Ring
from guestsim.trace.ops import Event
from guestsim.trace.shared import field

__all__ = ["View"]

_U32 = Struct("<I")
_PAIR = Struct("<II")


class View(msgspec.Struct, frozen=True, gc=False):
    """Shared memory before an event, as one rule may look at it. Not to be kept.

    To look at a field that is not shown is an `InternalError`: the rule has to name it in its
    `looks`.
    """

    _memory: Memory
    _shown: frozenset[int]
    """Addresses of the words that are shown."""

    def word(self, address: int) -> int:
        """The u32 at `address`."""
        if address not in self._shown:
            raise _not_shown(address)
        value: int = _U32.unpack_from(self._memory, address)[0]
        return value

    def pair(self, ring: Ring) -> tuple[int, int]:
        """(cons, prod) of `ring`: they are neighbours on the page, cons first."""
        cons = ring.cons
        shown = self._shown
        if cons not in shown:
            raise _not_shown(cons)
        if ring.prod not in shown:
            raise _not_shown(ring.prod)
        found: tuple[int, int] = _PAIR.unpack_from(self._memory, cons)
        return found

    def buffer(self, ring: Ring) -> bytes:
        """All bytes of `ring`'s buffer."""
        base = ring.base
        if base not in self._shown:
            raise _not_shown(base)
        return bytes(self._memory[base : base + SIZE])

    def accessed(self, event: Event) -> tuple[int, int]:
        """(address of the u32 that `event` accesses, its value as loaded or stored).

        An access of fewer than four bytes is completed with the bytes of memory. The access must
        not leave its word (`Monitor` sees to that).
        """
        op = event.op
        if op.size == 4:
            return op.address, event.value
        base = op.address & ~3
        shift = 8 * (op.address - base)
        mask = ((1 << 8 * op.size) - 1) << shift
        return base, self.word(base) & ~mask | event.value << shift & mask

    def moved(self, event: Event) -> bool:
        """Whether the STORE `event` changes the word that it is for."""
        address, value = self.accessed(event)
        return self.word(address) != value


def _not_shown(address: int) -> InternalError:
    return InternalError(f"a rule looks at {field(address)}, which it does not name in its `looks`")
