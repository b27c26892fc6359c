"""The canonical bytes of a trace, and short digests of them.

One line per event: actor, kind, address, size, the op's value, the event's value; numbers but for
the actor, in decimal. Sites and notes are left out: they are for people.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from itertools import pairwise

from guestsim.trace import Event
from guestsim.trace.results import Run

__all__ = ["DIGEST_LENGTH", "Digest", "digests", "trace_bytes"]

DIGEST_LENGTH = 12
"""Hexadecimal digits of a digest."""


def trace_bytes(events: Iterable[Event]) -> bytes:
    """The whole trace as bytes: equal for equal traces, on every machine."""
    return b"".join(
        b"%s %d %d %d %d %d\n"
        % (
            event.actor.encode(),
            event.op.kind,
            event.op.address,
            event.op.size,
            event.op.value,
            event.value,
        )
        for event in events
    )


class Digest:
    """A running digest of a trace."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=DIGEST_LENGTH // 2)

    def add(self, events: Iterable[Event]) -> str:
        """The digest of everything so far, these events included."""
        self._hash.update(trace_bytes(events))
        return self._hash.copy().hexdigest()


def digests(run: Run) -> tuple[str, ...]:
    """One digest for each entry of `run.steps`: of the trace up to its end."""
    digest = Digest()
    edges = (*run.began, len(run.events))
    return tuple(digest.add(run.events[first:end]) for first, end in pairwise(edges))
