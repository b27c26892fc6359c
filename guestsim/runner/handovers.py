"""The rule `same-handover`, which no execution shows alone: what all of them hand over is compared.

Beside the search, or the samples, there is one plain execution on the same ring with counters that
start at 0: so what is handed over must not depend on where the counters start, either, and the
cases of a matrix of ring starts are held against each other.
"""

from __future__ import annotations

import msgspec

from guestsim.execute import execute, fair
from guestsim.machine.handovers import Handover, difference
from guestsim.runner.control import Options
from guestsim.runner.interrupt import Deadline
from guestsim.runner.setup import Setup, initial_memory
from guestsim.scenario import Scenario

__all__ = ["SAME_HANDOVER", "plain_handovers", "wrong_handover"]

SAME_HANDOVER = "same-handover"


def plain_handovers(scenario: Scenario, setup: Setup, options: Options) -> list[Handover]:
    """What a plain execution hands over, on a ring whose counters start at 0. Empty where the rule
    is not judged, or nothing is handed over. The guest has forgotten what it handed over."""
    if SAME_HANDOVER not in scenario.expect.rules.judged or len(setup.images) < 2:
        return []
    ring = msgspec.structs.replace(scenario.ring, req_index=0, rsp_index=0)
    execute(
        fair,
        setup.actors,
        initial_memory(ring, scenario.daemon),
        record=False,
        max_ops=scenario.search.max_ops,
        should_stop=Deadline(options.seconds).over,
    )
    plain = setup.guest.handovers.seen
    setup.guest.handovers.clear()
    return plain


def wrong_handover(plain: list[Handover], setup: Setup) -> str | None:
    """How what the guest has handed over since differs, in itself or from `plain`."""
    first: dict[str, Handover] = {}
    for handover in setup.guest.handovers.seen:
        one = first.setdefault(handover.stage, handover)
        if one is not handover:
            return _differ(one, handover, "what it hands over depends on the schedule")
    for one in plain:
        other = first.get(one.stage)
        if other is not None and other != one:
            return _differ(one, other, "what it hands over depends on where the ring starts")
    return None


def _differ(one: Handover, other: Handover, why: str) -> str:
    first, last, count = difference(one.pages, other.pages)
    bytes_ = "1 byte differs" if count == 1 else f"{count:,} bytes differ"
    return f"{one.stage}: {why}: {bytes_}, from {first:#x} to {last:#x}"
