"""The ring page as the rules see it: who produces, who consumes, what an access does to a word.

Sources: docs/misc/xenstore-ring.txt, "The xenstore ring datastructure";
xen/include/public/io/xs_wire.h, `struct xenstore_domain_interface`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from struct import Struct
from typing import NamedTuple, TypeVar, cast

from guestsim.abi.xs_wire import XENSTORE_RING_SIZE, Interface
from guestsim.trace.ops import Event, Flag, Kind, Outcome, Rule

__all__ = [
    "CONNECTION",
    "DAEMON",
    "DATASTRUCTURE",
    "ERROR",
    "ERROR_FEATURE",
    "GUEST",
    "INDICES",
    "OWNER",
    "RECONNECTION_FEATURE",
    "REQ",
    "REQ_CONS",
    "REQ_PROD",
    "RING_OF",
    "RSP",
    "RSP_CONS",
    "RSP_PROD",
    "SERVER_FEATURES",
    "SIZE",
    "WIRE_PROTOCOL",
    "Memory",
    "Ring",
    "accessed",
    "idles",
    "index_name",
    "make",
    "moved",
    "pair",
    "word",
]

GUEST = "guest"
DAEMON = "daemon"

SIZE = XENSTORE_RING_SIZE

# Plain integers: the rules compare them for every op, and IntEnum comparisons cost five times more.
REQ_CONS = int(Interface.REQ_CONS)
REQ_PROD = int(Interface.REQ_PROD)
RSP_CONS = int(Interface.RSP_CONS)
RSP_PROD = int(Interface.RSP_PROD)
SERVER_FEATURES = int(Interface.SERVER_FEATURES)
CONNECTION = int(Interface.CONNECTION)
ERROR = int(Interface.ERROR)

DATASTRUCTURE = "xenstore-ring.txt: The xenstore ring datastructure"
RECONNECTION_FEATURE = "xenstore-ring.txt: The ring reconnection feature"
ERROR_FEATURE = "xenstore-ring.txt: The connection error feature"
WIRE_PROTOCOL = "xenstore.txt: Communication with xenstore"

Memory = bytes | bytearray

_U32 = Struct("<I")
_PAIR = Struct("<II")


class Ring(NamedTuple):
    """One queue of bytes. `base`, `cons` and `prod` are addresses on the ring page."""

    name: str
    base: int
    cons: int
    prod: int
    producer: str
    consumer: str


REQ = Ring("req", int(Interface.REQ), REQ_CONS, REQ_PROD, GUEST, DAEMON)
RSP = Ring("rsp", int(Interface.RSP), RSP_CONS, RSP_PROD, DAEMON, GUEST)

INDICES = ("req_cons", "req_prod", "rsp_cons", "rsp_prod")

RING_OF: dict[int, Ring] = {REQ_CONS: REQ, REQ_PROD: REQ, RSP_CONS: RSP, RSP_PROD: RSP}
"""Address of an index -> its ring."""

OWNER: dict[int, str] = {REQ_CONS: DAEMON, REQ_PROD: GUEST, RSP_CONS: GUEST, RSP_PROD: DAEMON}
"""Address of an index -> the side that writes it."""

_NAMES = {member.value: member.name.lower() for member in Interface}


def index_name(address: int) -> str:
    """`req_cons`, … for the address of a word of the ring page."""
    return _NAMES[address]


def word(memory: Memory, address: int) -> int:
    """The u32 at `address`."""
    return cast("int", _U32.unpack_from(memory, address)[0])


def pair(memory: Memory, ring: Ring) -> tuple[int, int]:
    """(cons, prod) of `ring`: they are neighbours on the page, cons first."""
    return cast("tuple[int, int]", _PAIR.unpack_from(memory, ring.cons))


def accessed(memory: Memory, event: Event) -> tuple[int, int]:
    """(address of the u32 that `event` accesses, its value as loaded or stored).

    An access of fewer than four bytes is completed with the bytes of `memory`. The access must
    not leave its word (`Monitor` sees to that).
    """
    op = event.op
    if op.size == 4:
        return op.address, event.value
    base = op.address & ~3
    shift = 8 * (op.address - base)
    mask = ((1 << 8 * op.size) - 1) << shift
    return base, word(memory, base) & ~mask | event.value << shift & mask


def moved(memory: Memory, event: Event) -> bool:
    """Whether the STORE `event` changes the word that it is for."""
    address, value = accessed(memory, event)
    return word(memory, address) != value


def idles(event: Event) -> bool:
    """Whether the actor goes idle with `event`: it sleeps, yields, or halts because it is done.

    An actor that crashed, gave the ring up or noticed corruption did not go idle: it owes the
    other side nothing.
    """
    op = event.op
    if op.kind is Kind.WAIT:
        return not op.flags & Flag.POLL
    return op.kind is Kind.HALT and (op.end is None or op.end.outcome is Outcome.CONNECTED)


_H = TypeVar("_H", bound=Hashable)


def make(
    name: str,
    section: str,
    text: str,
    places: frozenset[str],
    *,
    initial: _H,
    check: Callable[[_H, Memory, Event], tuple[_H, str | None]],
    looks: Mapping[str, str] | None = None,
) -> Rule:
    """A `Rule` whose check knows the type of its own history."""
    erased = cast("Callable[[Hashable, Memory, Event], tuple[Hashable, str | None]]", check)
    return Rule(name, section, text, places, initial, erased, looks or {})
