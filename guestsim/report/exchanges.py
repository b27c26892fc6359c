"""Finds the stretches of a trace in which a request was asked and answered, and nothing odd was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from guestsim.report.ring_history import GUEST, OWN, Message, RingHistory, index_stores, touched
from guestsim.trace import NOBODY, Event, Kind, meaning, shared
from guestsim.trace.results import Run
from guestsim.trace.wire import RING_SIZE, WATCH_EVENT

__all__ = ["Exchange", "find_exchanges"]


_IDLE = frozenset({Kind.LOAD, Kind.FENCE, Kind.SEND, Kind.UNMASK, Kind.WAIT})


class Exchange(NamedTuple):
    """Events `first` to `end` (one past the last): requests, replies, and idle looks after them."""

    first: int
    end: int
    title: str


def find_exchanges(run: Run, now: RingHistory, interesting: frozenset[int]) -> tuple[Exchange, ...]:
    """The clean exchanges of a trace that have no step of `interesting` in them, in order.
    Every HALT must be interesting.

    One begins where both rings are empty and the guest stores request bytes, and ends where both
    are empty again and as many replies as requests went over; the idle work after it (signals,
    waits, loads that lead to nothing) belongs to it. Every index moved forward by its owner.
    """
    found: list[Exchange] = []
    step = 0
    while step < len(run.events):
        event = run.events[step]
        begins = (
            event.actor == GUEST
            and event.op.kind is Kind.STORE
            and shared.field(event.op.address) == "req"
            and now.before(step).quiet
        )
        if not begins:
            step += 1
            continue
        stage = event.op.site.stage
        end, complete = _follow(run, now, interesting, step, stage)
        if complete:
            idle = _idle(run, interesting, end, stage)
            first = _looks_before(run, interesting, step, found[-1].end if found else 0)
            found.append(Exchange(first, idle, _title(now, step, end)))
            end = idle
        step = max(end, step + 1)
    return tuple(found)


def _follow(
    run: Run, now: RingHistory, interesting: frozenset[int], start: int, stage: str
) -> tuple[int, bool]:
    """One past the last event of the exchange that begins at `start`, and whether it is whole."""
    asked, unanswered = False, 0
    for step in range(start, len(run.events)):
        event = run.events[step]
        if step in interesting or _is_odd(event, now, step) or _other_stage(event, stage):
            return step, False
        if index_stores(event):
            whole = now.messages_in(step, step + 1)
            asked = asked or any(message.ring == "req" for message in whole)
            unanswered += sum(_weight(message) for message in whole)
        if asked and not unanswered and now.after[step].quiet and index_stores(event):
            return step + 1, True
    return len(run.events), False


def _weight(message: Message) -> int:
    if message.ring == "req":
        return 1
    return 0 if message.header.type == WATCH_EVENT else -1


def _other_stage(event: Event, stage: str) -> bool:
    return event.actor == GUEST and event.op.site.stage != stage


def _is_odd(event: Event, now: RingHistory, step: int) -> bool:
    if event.op.kind is not Kind.STORE:
        return False
    if not touched(event.op):
        return shared.field(event.op.address) in ("connection", "error", "reserved")
    own = OWN[event.actor == GUEST]
    before, after = now.before(step), now.after[step]
    return any(
        name not in own or (getattr(after, name) - getattr(before, name)) % (1 << 32) > RING_SIZE
        for name in touched(event.op)
    )


def _idle(run: Run, interesting: frozenset[int], step: int, stage: str) -> int:
    """One past the last event of the idle work that begins at `step`."""
    while step < len(run.events):
        event = run.events[step]
        if step in interesting or _other_stage(event, stage):
            break
        channel = shared.field(event.op.address).startswith(("evtchn", "server_pending"))
        nobody = event.op.kind is Kind.CHOOSE and meaning(event) == NOBODY
        if not (event.op.kind in _IDLE or channel or nobody):
            break
        step += 1
    return step


def _looks_before(run: Run, interesting: frozenset[int], step: int, least: int) -> int:
    """The guest's first look at the indices for the request that it stores at `step`."""
    stage = run.events[step].op.site.stage
    while step > least and step - 1 not in interesting:
        event = run.events[step - 1]
        looks = event.actor == GUEST and event.op.kind is Kind.LOAD and touched(event.op)
        if not looks or event.op.site.stage != stage:
            break
        step -= 1
    return step


def _title(now: RingHistory, start: int, end: int) -> str:
    here = now.messages_in(start, end)
    asked = [message for message in here if message.ring == "req"]
    more = f" and {len(asked) - 1} more" if len(asked) > 1 else ""
    return f"{asked[0].title} → {_answer(here)}{more}"


def _answer(here: Sequence[Message]) -> str:
    replies = (m for m in here if m.ring == "rsp" and m.header.type != WATCH_EVENT)
    return next(replies).words
