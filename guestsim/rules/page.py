"""The ring page as the rules see it: its fields, who produces, who consumes.

Sources: docs/misc/xenstore-ring.txt, "The xenstore ring datastructure";
xen/include/public/io/xs_wire.h, `struct xenstore_domain_interface`.
"""

from __future__ import annotations

from typing import NamedTuple

from guestsim.abi.xs_wire import XENSTORE_RING_SIZE, Interface
from guestsim.trace.ops import Event, Flag, Kind, Outcome

__all__ = [
    "BUFFERS_END",
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
    "STORE",
    "WIRE_PROTOCOL",
    "Memory",
    "Ring",
    "idles",
    "index_name",
]

GUEST = "guest"
DAEMON = "daemon"

SIZE = XENSTORE_RING_SIZE
BUFFERS_END = 2 * SIZE
"""The first address behind both buffers."""

# Plain integers: the rules compare them for every op, and IntEnum comparisons cost five times more.
REQ_CONS = int(Interface.REQ_CONS)
REQ_PROD = int(Interface.REQ_PROD)
RSP_CONS = int(Interface.RSP_CONS)
RSP_PROD = int(Interface.RSP_PROD)
SERVER_FEATURES = int(Interface.SERVER_FEATURES)
CONNECTION = int(Interface.CONNECTION)
ERROR = int(Interface.ERROR)
# An enum's attribute takes longer to look up than all that a check does with it.
STORE = Kind.STORE

DATASTRUCTURE = "xenstore-ring.txt: The xenstore ring datastructure"
RECONNECTION_FEATURE = "xenstore-ring.txt: The ring reconnection feature"
ERROR_FEATURE = "xenstore-ring.txt: The connection error feature"
WIRE_PROTOCOL = "xenstore.txt: Communication with xenstore"

Memory = bytes | bytearray


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


def idles(event: Event) -> bool:
    """Whether the actor goes idle with `event`: it sleeps, yields, or halts because it is done.

    An actor that crashed, gave the ring up or noticed corruption did not go idle: it owes the
    other side nothing.
    """
    op = event.op
    if op.kind is Kind.WAIT:
        return not op.flags & Flag.POLL
    return op.kind is Kind.HALT and (op.end is None or op.end.outcome is Outcome.CONNECTED)
