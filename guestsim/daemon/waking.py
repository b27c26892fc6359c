"""How a daemon sleeps until it has to look at the ring, and how it can get that wrong."""

from __future__ import annotations

from collections.abc import Callable, Generator

from guestsim.daemon.parts import poll_event
from guestsim.trace import Kind, Op
from guestsim.trace.daemons import Mistake
from guestsim.trace.ops import MEANING

__all__ = ["waking"]

_Woken = Generator[Op, int, int | None]


def waking(mistake: Mistake | None) -> Callable[[Op], _Woken]:
    """A function from the WAIT that the daemon sleeps in: it yields that and whatever else, and
    returns 1 for an event, 0 for a look without one, None to sleep on."""
    return _WRONG.get(mistake, _right) if mistake else _right


def _right(wait: Op) -> _Woken:
    return (yield wait)


def _misses_notify(wait: Op) -> _Woken:
    event = yield wait
    if not event:
        return event
    note = MEANING.join(("the event is missed", "it is heard"))
    heard = yield Op(Kind.CHOOSE, value=2, site=wait.site, note=note)
    return event if heard else None


def _wakes_late(wait: Op) -> _Woken:
    first = yield wait
    second = yield wait
    return first | second


def _clears_events(wait: Op) -> _Woken:
    yield poll_event(wait.site)
    return (yield wait)


_WRONG = {
    Mistake.MISSES_NOTIFY: _misses_notify,
    Mistake.WAKES_LATE: _wakes_late,
    Mistake.CLEARS_EVENTS: _clears_events,
}
