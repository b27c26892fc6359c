"""Comparing what an actor does in two executions."""

from __future__ import annotations

import pytest
from rule_steps import Step, daemon, guest, perform_all, ring

from guestsim.rules import same_behaviour
from guestsim.trace import Outcome

BASE: list[Step] = [
    guest.load("server_features"),
    guest.load("req_prod"),
    guest.store("req", 2, size=1),
    guest.store("req_prod", 1),
    guest.send(),
    guest.halt(),
]


def test_other_values_loaded_are_no_difference() -> None:
    known = perform_all(ring(server_features=1), BASE)
    more = perform_all(ring(server_features=0xFFFFFFF1), BASE)
    assert known != more
    assert same_behaviour(known, more) is None


def test_the_other_side_and_the_schedule_are_no_difference() -> None:
    other = [daemon.load("req_prod"), *BASE[:3], daemon.load("req_cons"), *BASE[3:]]
    assert same_behaviour(perform_all(ring(), BASE), perform_all(ring(), other)) is None


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ([*BASE[:3], guest.store("req_prod", 2), *BASE[4:]], "op 4 of guest differs: store req_p"),
        ([BASE[0], guest.load("connection"), *BASE[1:]], "op 2 of guest differs: load req_prod"),
        (BASE[:-1], "op 6 of guest differs: halt (connected: is done) against no further op"),
        ([*BASE[:-1], guest.halt(Outcome.CRASHED)], "against halt (crashed: is done)"),
        ([*BASE[:2], guest.store("req", 2, size=2), *BASE[3:]], "req[0..1] = 0x2"),
    ],
)
def test_the_first_difference_is_named(other: list[Step], said: str) -> None:
    found = same_behaviour(perform_all(ring(), BASE), perform_all(ring(), other))
    assert found is not None
    assert said in found, found


def test_the_daemon_can_be_compared_as_well() -> None:
    one = perform_all(ring(), [daemon.load("req_cons")])
    assert same_behaviour(one, []) is None
    assert same_behaviour(one, [], actor="daemon") is not None
