"""Ops that every daemon model is made of."""

from __future__ import annotations

from collections.abc import Generator

from guestsim.abi.xs_wire import Interface
from guestsim.trace import End, Flag, Kind, Op, Outcome, Sample, Site
from guestsim.trace.shared import field, pending_place, server_pending_place, suspended_place

__all__ = [
    "U32",
    "halt",
    "load",
    "notify",
    "poll_event",
    "refused_indices",
    "resume_guest",
    "stands_still",
    "store",
    "wait_event",
]

U32 = 0xFFFFFFFF

_SERVER_PENDING = server_pending_place()


def load(place: Interface, site: Site, *, check: bool = False) -> Op:
    """Read the field `place`; `check` where the pair that it belongs to is compared then."""
    return Op(Kind.LOAD, int(place), 4, site=site, flags=Flag.CHECK if check else Flag.NONE)


def store(place: Interface, value: int, site: Site, note: str = "") -> Op:
    """Write the field `place`."""
    return Op(Kind.STORE, int(place), 4, value & U32, site, note=note)


def notify(port: int, site: Site) -> Op:
    """Signal the guest's event channel."""
    address, size, bits = pending_place(port)
    return Op(Kind.SEND, address, size, bits, site)


def wait_event(site: Site, *, spurious: bool) -> Op:
    """Sleep until the guest signals; with `spurious`, something else can end it, too."""
    address, size, bits = _SERVER_PENDING
    flags = Flag.CONSUME | Flag.SPURIOUS if spurious else Flag.CONSUME
    return Op(Kind.WAIT, address, size, bits, site, flags)


def resume_guest(site: Site) -> Op:
    """Let a guest go on that has suspended itself."""
    address, size, bits = suspended_place(still=False)
    return Op(Kind.STORE, address, size, bits, site)


def stands_still(site: Site) -> Generator[Op, int, bool]:
    """Whether the guest has suspended itself."""
    address, size, bits = suspended_place(still=True)
    word = yield Op(Kind.LOAD, address, size, site=site)
    return bool(word & bits)


def poll_event(site: Site) -> Op:
    """poll(0): take the event if the guest has signalled, and go on in any case."""
    address, size, bits = _SERVER_PENDING
    flags = Flag.CONSUME | Flag.SPURIOUS | Flag.POLL
    return Op(Kind.WAIT, address, size, bits, site, flags)


def halt(message: str, site: Site, samples: tuple[Sample, ...]) -> Op:
    """The daemon gives the ring up."""
    return Op(Kind.HALT, site=site, end=End(Outcome.REFUSED, message, site, samples))


def refused_indices(
    cons: Interface, cons_value: int, prod_value: int, site: Site, verdict: str
) -> Op:
    """The daemon gives the ring up because the two indices that it loaded cannot belong
    together. `cons` is the consumer's field, `verdict` says what the daemon makes of it."""
    prod = Interface.REQ_PROD if cons is Interface.REQ_CONS else Interface.RSP_PROD
    held, produced = field(cons), field(prod)
    used = (prod_value - cons_value) & U32
    if used > U32 // 2:
        used -= U32 + 1
    message = f"found {produced} - {held} = {used}, outside 0..1024, and {verdict}"
    return halt(message, site, (Sample(held, cons_value), Sample(produced, prod_value)))
