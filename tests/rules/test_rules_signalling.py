"""signal."""

from __future__ import annotations

import pytest
from rule_steps import Side, Step, daemon, expect, flat, guest, ring

from guestsim.trace import Outcome


@pytest.mark.parametrize(
    ("side", "index"),
    [(guest, "req_prod"), (guest, "rsp_cons"), (daemon, "req_cons"), (daemon, "rsp_prod")],
)
def test_signal_fires_on_a_wait_after_a_move(side: Side, index: str) -> None:
    move = side.store(index, 1)
    expect(
        "signal",
        ring(),
        [move, side.wait(), side.wait()],
        {1: f"{side.actor} waits without a signal since it moved {index}"},
    )
    expect("signal", ring(), [move, side.send(), side.wait()], {})
    expect("signal", ring(), [side.send(), move, side.wait()], {2: "without a signal"})


def test_signal_wants_it_at_the_other_end() -> None:
    expect(
        "signal",
        ring(),
        [guest.store("req_prod", 1), guest.send(wrong_end=True), guest.wait()],
        {2: "guest waits"},
    )


def test_signal_of_the_other_side_does_not_count() -> None:
    steps = [guest.store("req_prod", 1), daemon.send(), guest.wait()]
    expect("signal", ring(), steps, {2: "guest waits"})


def test_signal_names_the_first_move() -> None:
    expect(
        "signal",
        ring(),
        [guest.store("rsp_cons", 1), guest.store("req_prod", 1), guest.wait()],
        {2: "since it moved rsp_cons"},
    )


def test_signal_lets_several_moves_share_one() -> None:
    steps: list[Step] = [guest.store("req_prod", index) for index in range(1, 5)]
    expect("signal", ring(), flat(steps, guest.send(), guest.wait()), {})


def test_signal_does_not_count_a_store_of_the_same_value() -> None:
    # The empty body of a reply moves nothing.
    expect("signal", ring(21), flat(daemon.add("rsp_prod", 21), daemon.wait()), {})


def test_signal_counts_both_ends_of_a_close() -> None:
    expect(
        "signal",
        ring(),
        [
            guest.store("connection", 1),
            guest.wait(),
            daemon.store("connection", 0),
            daemon.wait(),
        ],
        {1: "since it moved connection", 3: "since it moved connection"},
    )


@pytest.mark.parametrize("outcome", Outcome)
def test_signal_is_owed_at_the_end_only_by_an_actor_that_is_done(outcome: Outcome) -> None:
    done = {1: "guest ends without a signal"} if outcome is Outcome.CONNECTED else {}
    expect("signal", ring(), [guest.store("rsp_cons", 1), guest.halt(outcome)], done)


def test_signal_may_come_from_the_next_stage() -> None:
    kernel = guest.at("kernel")
    expect("signal", ring(), [guest.store("rsp_cons", 1), kernel.send(), kernel.wait()], {})
    expect("signal", ring(), [guest.store("rsp_cons", 1), kernel.wait()], {1: "rsp_cons"})


def test_signal_is_owed_before_a_yield() -> None:
    steps = [guest.store("req_prod", 1), guest.yields()]
    expect("signal", ring(), steps, {1: "guest yields without a signal since it moved req_prod"})
    expect("signal", ring(), [steps[0], guest.send(), steps[1]], {})
