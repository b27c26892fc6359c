"""Where a search begins, if not at power on: at the end of a live execution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from guestsim.errors import InputError
from guestsim.execute.execution import Execution
from guestsim.execute.strategies import Strategy
from guestsim.trace import Actor, Burst, Event, Flag, Kind

__all__ = ["Prefix", "PrefixMove", "begin_after"]

PrefixMove = tuple[str, bool, tuple[Event, ...]]
"""Actor, whether it is its store buffer that moves, and what that is: no event for a store that
enters the buffer, two for an atomic read-modify-write."""


class Prefix(msgspec.Struct, frozen=True):
    """An execution up to somewhere."""

    steps: tuple[tuple[str, int], ...]
    """Actors, and how many steps they made in a row, under sc."""
    events: tuple[Event, ...]
    bursts: tuple[Burst, ...]
    """What each actor does from here to its next answered op."""
    memory: bytes

    def moves(self, store_buffer: int | None = None) -> Iterator[PrefixMove]:
        """Its steps, one by one. With a `store_buffer` for so many stores they are those of tso in
        which nothing is delayed: stores in a row enter the buffer and leave it."""
        stores: list[Event] = []
        events = iter(self.events)
        for event in events:
            op = event.op
            if store_buffer is not None:
                if stores and (
                    op.kind is not Kind.STORE
                    or event.actor != stores[0].actor
                    or len(stores) == store_buffer
                ):
                    yield from _through(stores)
                    stores.clear()
                if op.kind is Kind.STORE:
                    stores.append(event)
                    continue
            yield event.actor, False, (event, next(events)) if op.kind is Kind.RMW else (event,)
        yield from _through(stores)


def begin_after(
    strategy: Strategy, actors: Sequence[Actor], memory: bytes, *, fences: bool = False
) -> Prefix:
    """Let the actors run as `strategy` says, under sc. InputError if the execution ends by that.
    `fences`: the search that begins there is under tso."""
    execution = Execution(actors, memory, fences=fences)
    execution.start()
    strategy(execution)
    run = execution.result()
    if execution.end is not None:
        raise InputError(f"nothing is left to search: the script ends {run.end.message}")
    return Prefix(
        run.steps,
        run.events,
        tuple(execution.standing(number) for number in range(len(actors))),
        bytes(execution.memory),
    )


def _through(stores: Sequence[Event]) -> Iterator[PrefixMove]:
    for event in stores:
        assert not event.op.flags & Flag.LOCKED
        yield event.actor, False, ()
    for event in stores:
        yield event.actor, True, (event,)
