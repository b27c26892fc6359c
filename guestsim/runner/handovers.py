"""The rule `same-handover`, which no execution shows alone: what stages hand over in all of them,
and what they learn before that, is compared.

Beside the search, or the samples, there is a plain execution, and the same one on a ring with
counters that start at 0: so what is handed over must not depend on where the counters start,
either, and the cases of a matrix of ring starts are held against each other.
"""

from __future__ import annotations

import itertools

import msgspec

from guestsim.execute import execute, fair
from guestsim.machine.handovers import Handover, Handovers, difference
from guestsim.machine.learnt import two_texts
from guestsim.runner.control import Options
from guestsim.runner.interrupt import Deadline
from guestsim.runner.setup import Setup, initial_memory
from guestsim.scenario import Scenario

__all__ = ["SAME_HANDOVER", "plain_handovers", "wrong_handover"]

SAME_HANDOVER = "same-handover"


def plain_handovers(scenario: Scenario, setup: Setup, options: Options) -> Handovers:
    """What a plain execution hands over, on a ring whose counters start at 0. Empty where the rule
    is not judged, or nothing is handed over. The guest notes from now on what it hands over, and
    has done so in a plain execution on the scenario's own ring."""
    plain = Handovers()
    if SAME_HANDOVER not in scenario.judged or len(setup.images) < 2:
        return plain
    ring = msgspec.structs.replace(scenario.ring, req_index=0, rsp_index=0)
    for handovers, memory in (
        (plain, initial_memory(ring, scenario.daemon)),
        (Handovers(), setup.memory),
    ):
        setup.guest.handovers = handovers
        execute(
            fair,
            setup.actors,
            memory,
            record=False,
            max_ops=scenario.search.max_ops,
            should_stop=Deadline(options.seconds).over,
        )
    return plain


def wrong_handover(plain: Handovers, setup: Setup) -> str | None:
    """How what the guest has learnt or handed over since differs, in itself or from `plain`. What
    it learnt comes first: of that comes the rest."""
    found = setup.guest.handovers
    if found is None:
        return None
    return _wrong_answer(plain, found) or _wrong_memory(plain, found)


def _wrong_answer(plain: Handovers, found: Handovers) -> str | None:
    for place, lessons in found.learnt.items():
        if len(lessons) > 1:
            said = two_texts(*lessons)
            return f"{place.stage}: what it learns depends on the schedule: {said}"
    for place, lessons in found.learnt.items():
        for one, other in itertools.product(plain.learnt.get(place, ()), lessons):
            if one != other:
                said = two_texts(one, other)
                return f"{place.stage}: what it learns depends on where the ring starts: {said}"
    return None


def _wrong_memory(plain: Handovers, found: Handovers) -> str | None:
    first: dict[str, Handover] = {}
    for handover in found.seen:
        one = first.setdefault(handover.stage, handover)
        if one is not handover:
            return _differ(one, handover, "what it hands over depends on the schedule")
    for one in plain.seen:
        other = first.get(one.stage)
        if other is not None and other != one:
            return _differ(one, other, "what it hands over depends on where the ring starts")
    return None


def _differ(one: Handover, other: Handover, why: str) -> str:
    first, last, count = difference(one.pages, other.pages)
    bytes_ = "1 byte differs" if count == 1 else f"{count:,} bytes differ"
    return f"{one.stage}: {why}: {bytes_}, from {first:#x} to {last:#x}"
