"""What one can ask of a search, and how it says where it has seen something."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from guestsim.trace import Outcome

__all__ = ["RUN", "Limits", "Progress", "Reductions", "Sighting"]

RUN = -2
"""As the mover of a sighting: during the run of the actor to whom the turn passes."""

Progress = Callable[[int, int, tuple[Outcome, ...]], None]
"""Called now and then with states stored, turns that wait to be taken, outcomes so far."""


class Reductions(msgspec.Struct, frozen=True):
    """What makes the search smaller. None of them changes what it finds."""

    merge: bool = True
    """Points of an actor with equal keys are one. Without it, a search ends only if no actor can
    go round for ever."""
    macro_steps: bool = True
    """See `guestsim.search.macro`. Without effect for more than two actors."""
    justified_turns: bool = True
    """The turn passes only for a reason: the other actor then moves on at least up to an op that
    does not commute with the next op of the one that is left. (Otherwise that op could as well come
    first.) Only under sc and for two actors."""
    eager_stores: bool = True
    """Under tso: a store enters the store buffer at once, which nobody sees."""
    forget_unheeded: bool = True
    """Fields that nobody heeds (`Search`'s `unheeded`) are no part of a state."""


class Limits(msgspec.Struct, frozen=True):
    """Where a search stops, incomplete."""

    preemptions: int | None = None
    """Explore only what needs at most so many."""
    states: int | None = None
    """Stored states."""


class Sighting(msgspec.Struct, frozen=True):
    """The first time that something was seen: at the move of `mover` from `stop`."""

    stop: int
    mover: int
    preemptions: int
    switches: int
