"""Finds the moment of the tear in a trace: values of two moments that were used as if of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from guestsim.report.ring_history import (
    GUEST,
    OWN,
    RingHistory,
    index_stores,
    touched,
    value_of,
    whole,
)
from guestsim.trace import Event, Flag, Kind, shared
from guestsim.trace.results import Run
from guestsim.trace.wire import RING_SIZE

__all__ = ["Held", "Reset", "Tear", "find_resets", "find_tear", "find_tears", "samples_of"]

_PARTNER = {
    "req_cons": "req_prod",
    "req_prod": "req_cons",
    "rsp_cons": "rsp_prod",
    "rsp_prod": "rsp_cons",
}
_MODULUS = 1 << 32


class Reset(NamedTuple):
    """One side's stores to indices that do not just move its own ones forward."""

    actor: str
    stores: tuple[tuple[int, str], ...]
    """(step, index), in the order of the trace."""
    begin: int
    """Step of the first store of its row, which may be one of the fill."""

    @property
    def first(self) -> int:
        """Step of the first store."""
        return self.stores[0][0]

    @property
    def last(self) -> int:
        """Step of the last store."""
        return self.stores[-1][0]


class Held(NamedTuple):
    """A value that an actor loaded and still used later."""

    place: str
    value: int
    step: int
    """The load; for a value that was put back, the store."""
    after: bool
    """Whether the value is from after the reset."""


class Tear(NamedTuple):
    """`actor` used `held` together with `other`, and a reset lies between the two values."""

    actor: str
    held: Held
    other: Held
    reset: Reset
    put_back: bool = False
    """True where the old value was stored over the reset one; False where both were compared."""


def find_resets(run: Run, now: RingHistory) -> tuple[Reset, ...]:
    """Every reset in the trace, by its first step.

    A reset is an unbroken row of an actor's own stores (others may move in between) with at
    least one to the other side's index, or one that moves its own index by more than a ring.
    """
    found = []
    for actor in sorted({event.actor for event in run.events}):
        for group in _store_groups(run, actor):
            reset = _reset(run, now, actor, group)
            if reset is not None:
                found.append(reset)
    return tuple(sorted(found, key=lambda reset: reset.first))


def _store_groups(run: Run, actor: str) -> Iterator[list[int]]:
    group: list[int] = []
    for step, event in enumerate(run.events):
        if event.actor != actor or event.op.kind in (Kind.FENCE, Kind.CHOOSE, Kind.ACT):
            continue
        if event.op.kind is Kind.STORE:
            group.append(step)
        elif group:
            yield group
            group = []
    if group:
        yield group


def _reset(run: Run, now: RingHistory, actor: str, group: list[int]) -> Reset | None:
    """The reset in a row of stores, without ordinary moves that came before it."""
    stores = [(step, name) for step in group for name in index_stores(run.events[step])]
    odd = [_is_odd(now, actor, step, name) for step, name in stores]
    if not any(odd):
        return None
    data = [step for step in group if not touched(run.events[step].op)]
    begin = group[0]
    while not odd[0] and any(stores[0][0] < step < stores[1][0] for step in data):
        begin = next(step for step in data if step > stores[0][0])
        del stores[0], odd[0]
    if begin < stores[0][0]:
        wipes = (step for step in data if begin <= step < stores[0][0])
        begin = next((step for step in wipes if _in_ring(run.events[step])), stores[0][0])
    return Reset(actor, tuple(stores), begin)


def _in_ring(event: Event) -> bool:
    return shared.field(event.op.address) in ("req", "rsp")


def _is_odd(now: RingHistory, actor: str, step: int, name: str) -> bool:
    moved = getattr(now.after[step], name) - getattr(now.before(step), name)
    return name not in OWN[actor == GUEST] or moved % _MODULUS > RING_SIZE


def _is_after(now: RingHistory, place: str, step: int, reset: Reset) -> bool:
    """Whether a load of the index `place` at `step` gets a value of after `reset`."""
    origin = now.origin(place, step)
    own = [at for at, name in reset.stores if name == place]
    return origin >= own[0] if own else origin > reset.first


def _index_loads(run: Run, actor: str) -> Iterator[tuple[int, str, Event]]:
    for step, event in enumerate(run.events):
        if event.actor == actor and event.op.kind in (Kind.LOAD, Kind.RMW):
            for name in whole(event.op):
                yield step, name, event


def samples_of(run: Run) -> tuple[tuple[int, str, int], ...]:
    """(step, index, value) of the loads of `run.end.samples`, in the order of the loads.

    The last loads of these values by the actor that ended the run. A sample that is not an index,
    or that the trace does not show, is left out.
    """
    found = {}
    wanted = {sample.place: sample.value for sample in run.end.samples}
    for step, name, event in _index_loads(run, run.actor):
        value = value_of(event, name)
        if name in wanted and wanted[name] == value:
            found[name] = (step, name, value)
    return tuple(sorted(found.values()))


def _compared(
    actor: str,
    pair: tuple[tuple[int, str, int], tuple[int, str, int]],
    resets: tuple[Reset, ...],
    now: RingHistory,
) -> Tear | None:
    for reset in reversed(resets):
        if reset.actor == actor:
            continue
        held, other = (
            Held(place, value, step, _is_after(now, place, step, reset))
            for step, place, value in pair
        )
        done = reset.last < other.step
        if held.after != other.after and not (done and _still(now, held, other.step)):
            return Tear(actor, held, other, reset)
    return None


def _still(now: RingHistory, held: Held, step: int) -> bool:
    """Whether the place holds the same value when event `step` comes: then nothing was torn."""
    return bool(getattr(now.before(step), held.place) == held.value)


def _checked_pairs(
    run: Run, actor: str
) -> Iterator[tuple[tuple[int, str, int], tuple[int, str, int]]]:
    previous: tuple[int, str, int] | None = None
    for step, name, event in _index_loads(run, actor):
        if not event.op.flags & Flag.CHECK:
            continue
        this = (step, name, value_of(event, name))
        if previous is not None and previous[1] == _PARTNER[name]:
            yield previous, this
            previous = None
        else:
            previous = this


def _put_back(run: Run, now: RingHistory, actor: str, resets: tuple[Reset, ...]) -> Iterator[Tear]:
    """Own indices that were loaded before a reset and stored, a little advanced, after it."""
    loaded: dict[str, tuple[int, int]] = {}
    own = OWN[actor == GUEST]
    for step, event in enumerate(run.events):
        if event.actor != actor or event.op.flags & Flag.LOCKED:
            continue
        if event.op.kind is Kind.LOAD:
            for name in whole(event.op):
                loaded[name] = (step, value_of(event, name))
        for name in index_stores(event):
            if name not in own or name not in loaded or name not in whole(event.op):
                continue
            at, value = loaded.pop(name)
            if (value_of(event, name) - value) % _MODULUS > RING_SIZE:
                continue
            for reset in reversed(resets):
                between = any(at < there < step for there, place in reset.stores if place == name)
                if reset.actor != actor and between:
                    held = Held(name, value, at, after=False)
                    stored = Held(name, getattr(now.after[step], name), step, after=True)
                    if not _is_after(now, name, at, reset) and not _still(now, stored, step):
                        yield Tear(actor, held, stored, reset, put_back=True)
                    break


def find_tears(run: Run, now: RingHistory) -> tuple[Tear, ...]:
    """Every tear in the trace, by the step at which it closed."""
    resets = find_resets(run, now)
    if not resets:
        return ()
    found: list[Tear] = []
    for actor in sorted({event.actor for event in run.events}):
        for pair in _checked_pairs(run, actor):
            tear = _compared(actor, pair, resets, now)
            if tear is not None:
                found.append(tear)
        found += _put_back(run, now, actor, resets)
    return tuple(sorted(found, key=lambda tear: (tear.other.step, tear.held.step)))


def find_tear(run: Run, now: RingHistory) -> Tear | None:
    """The tear that explains the end: of the values which the end names, else the first one."""
    samples = samples_of(run)
    if len(samples) == 2 and samples[1][1] == _PARTNER[samples[0][1]]:
        tear = _compared(run.actor, (samples[0], samples[1]), find_resets(run, now), now)
        if tear is not None:
            return tear
    tears = find_tears(run, now)
    return tears[0] if tears else None
