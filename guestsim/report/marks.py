"""Remarks on single steps of a trace: the tear, and the rules that were broken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from guestsim.report.ring_history import GUEST, RingHistory
from guestsim.report.tear import Held, Tear, find_tear, samples_of
from guestsim.report.text import signed
from guestsim.report.units import name_of
from guestsim.trace.results import Run
from guestsim.trace.text import escaped
from guestsim.trace.wire import RING_SIZE

__all__ = ["Mark", "MarkKind", "find_marks", "owner_of", "use_words"]

_MODULUS = 1 << 32


class MarkKind(StrEnum):
    """What a remark is about."""

    TEAR = "tear"
    VIOLATION = "violation"


class Mark(NamedTuple):
    """A remark on the event `step`."""

    step: int
    kind: MarkKind
    text: str


def owner_of(actor: str, names: Mapping[str, str]) -> str:
    """`the guest's`, `xenstored's`."""
    return "the guest's" if actor == GUEST else f"{name_of(actor, names)}'s"


def _difference(first: Held, second: Held) -> tuple[str, int]:
    """`req_prod - req_cons` and its value."""
    values = {held.place: held.value for held in (first, second)}
    ring = first.place[:3]
    used = (values[f"{ring}_prod"] - values[f"{ring}_cons"]) % _MODULUS
    return f"{ring}_prod - {ring}_cons", used


def use_words(first: Held, second: Held) -> str:
    """What a check makes of the two values: `req_prod - req_cons = -22, which cannot be`."""
    words, used = _difference(first, second)
    if used > RING_SIZE:
        return f"{words} = {signed(used)}, which cannot be"
    return f"{words} = {used}, which looks right"


def _tear_marks(tear: Tear, names: Mapping[str, str]) -> list[Mark]:
    who = name_of(tear.actor, names)
    reset = f"{owner_of(tear.reset.actor, names)} reset"
    held, other = tear.held, tear.other
    age, other_age = ("after", "before") if held.after else ("before", "after")
    text = f"the tear begins: {who} holds {held.place} = {held.value}, from {age} {reset}"
    marks = [Mark(held.step, MarkKind.TEAR, text)]
    between = [
        step
        for step, place in tear.reset.stores
        if place == held.place and held.step < step < other.step
    ]
    if between:
        text = f"from here on, the {held.place} = {held.value} that {who} holds is out of date"
        marks.append(Mark(between[0], MarkKind.TEAR, text))
    if tear.put_back:
        text = f"the tear: {who} puts the old {held.place} back, over the one from the reset"
    else:
        text = f"the tear: {other.place} = {other.value} is from {other_age} {reset}; "
        text += use_words(held, other)
    marks.append(Mark(other.step, MarkKind.TEAR, text))
    return marks


def _sample_marks(who: str, samples: Sequence[Held]) -> list[Mark]:
    """The values that the end names, where they are no tear."""
    texts = [f"{who} holds {held.place} = {held.value}" for held in samples]
    if len(samples) == 2 and samples[0].place[:3] == samples[1].place[:3]:
        first, second = samples
        texts[1] = f"{who} compares it with {second.place} = {second.value}: "
        texts[1] += use_words(first, second)
    return [Mark(held.step, MarkKind.TEAR, text) for held, text in zip(samples, texts, strict=True)]


def find_marks(run: Run, now: RingHistory, names: Mapping[str, str]) -> tuple[Mark, ...]:
    """All remarks on the trace, by step."""
    marks = []
    tear = find_tear(run, now)
    samples = [Held(place, value, step, False) for step, place, value in samples_of(run)]
    if tear is not None:
        marks += _tear_marks(tear, names)
    if tear is None or {held.step for held in samples} != {tear.held.step, tear.other.step}:
        marks += _sample_marks(name_of(run.actor, names), samples)
    for violation in run.violations:
        text = f"{violation.rule}: {escaped(violation.message)}"
        marks.append(Mark(violation.step, MarkKind.VIOLATION, text))
    return tuple(sorted(marks, key=lambda mark: mark.step))
