"""Shrinking: the same outcome with fewer requests."""

from __future__ import annotations

from msgspec.structs import replace

from guestsim.errors import InputError
from guestsim.runner.control import Options
from guestsim.runner.searched import search
from guestsim.runner.setup import set_up
from guestsim.scenario import Scenario, requests_of
from guestsim.scenario.problem import Problem
from guestsim.scenario.requests import check_requests
from guestsim.trace import Outcome

__all__ = ["check_lists", "shrink", "with_requests"]

Requests = tuple[tuple[str, ...], ...]
"""For each stage of the boot chain."""


def with_requests(scenario: Scenario, requests: Requests) -> Scenario:
    """The scenario with these requests for its stages."""
    chain = tuple(
        replace(stage, requests=lines)
        for stage, lines in zip(scenario.boot.stages, requests, strict=True)
    )
    return replace(scenario, boot=replace(scenario.boot, chain=chain))


def check_lists(scenario: Scenario, where: str) -> None:
    """InputError, which begins with `where`, for requests that cannot be carried out."""
    for at, stage in enumerate(scenario.boot.stages):
        try:
            check_requests(None if stage.is_path else stage.image, stage.requests or ())
        except Problem as problem:
            line = problem.key[0]
            raise InputError(f"{where}requests[{at}][{line}]: {problem.message}") from None


def shrink(scenario: Scenario, outcome: Outcome, options: Options) -> Scenario:
    """Leave out requests, the last ones first, as long as the search still finds `outcome` with no
    more preemptions. The scenario as it is where it does not find it at all. InputError where the
    search begins behind a script."""
    if scenario.search.script:
        raise InputError(
            f"{scenario.name}: --shrink leaves out requests, and this search begins behind a "
            "script that may count them"
        )
    requests = [list(requests_of(scenario, stage)) for stage in scenario.boot.stages]
    most = _preemptions(scenario, outcome, options)
    if most is None:
        return scenario
    for lines in reversed(requests):
        for at in reversed(range(len(lines))):
            left_out = lines.pop(at)
            smaller = with_requests(scenario, tuple(map(tuple, requests)))
            needed = _preemptions(smaller, outcome, options) if _makes_sense(smaller) else None
            if needed is None or needed > most:
                lines.insert(at, left_out)
    return with_requests(scenario, tuple(map(tuple, requests)))


def _makes_sense(scenario: Scenario) -> bool:
    try:
        check_lists(scenario, "")
    except InputError:
        return False
    return True


def _preemptions(scenario: Scenario, outcome: Outcome, options: Options) -> int | None:
    found = search(scenario, set_up(scenario, dict(options.images)), options)
    witness = found.outcomes.get(outcome)
    return None if witness is None else witness.preemptions
