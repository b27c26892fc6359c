"""clean-handover."""

from __future__ import annotations

import pytest
from rule_steps import Step, daemon, expect, guest, ring

from guestsim.trace import Kind, Op, Site
from guestsim.trace.shared import MASK, PENDING, SELECTOR, UPCALL_PENDING

kernel = guest.at("kernel")
PORT = 3
"""Of `rule_steps`: its pending bit is in the first word."""


def put(address: int, value: int, size: int = 4) -> Step:
    return Step("guest", Op(Kind.STORE, address, size, value, Site(guest.stage)))


CLEAR = [put(UPCALL_PENDING, 0, 1), put(SELECTOR, 0), put(PENDING, 0)]
USE = [guest.load("rsp_prod"), daemon.send()]


def left(said: str, steps: list[Step], first: Step | None = None) -> None:
    """What the stage has left is said at the next one's first op that is no load."""
    begins = [kernel.load("req_prod"), first or kernel.store("req_prod", 0)]
    expect("clean-handover", ring(), [*steps, *begins], {len(steps) + 1: said} if said else {})


@pytest.mark.parametrize(
    "first", [kernel.send(), kernel.wait(), kernel.halt(), kernel.store("rsp_cons", 0)]
)
def test_a_pending_bit_that_nobody_cleared_is_said_at_the_next_stages_first_op(first: Step) -> None:
    said = "guest went from firmware to kernel with the event of port 3 pending, not cleared since"
    left(said, USE, first)
    left("", [*USE, *CLEAR], first)


def test_to_clear_the_event_and_touch_the_ring_again_is_not_enough() -> None:
    left("", [*USE, *CLEAR, daemon.send()])
    again = [*USE, *CLEAR, guest.load("connection"), daemon.send()]
    left("port 3 pending, not cleared since", again)
    left("", [*again, *CLEAR])


def test_an_event_that_comes_after_the_clearing_is_nobodys_fault() -> None:
    for at in range(len(CLEAR) + 1):
        late = [*CLEAR[:at], daemon.send(), *CLEAR[at:]]
        left("", [guest.load("rsp_prod"), *late])


def test_the_upcall_has_to_be_forgotten_before_the_event_is_cleared() -> None:
    upcall, selector, pending = CLEAR
    left("", [*USE, pending, upcall, selector])
    left(
        "port 3 pending, and nothing that tells of it",
        [*USE, pending, daemon.send(), upcall, selector],
    )


def test_the_wrong_word_is_not_the_event() -> None:
    upcall, selector, _ = CLEAR
    wrong = put(PENDING + 4 * (PORT // 4 + 1), 0)
    left("port 3 pending, and nothing that tells of it", [*USE, upcall, selector, wrong])
    left("port 3 pending, not cleared since", [*USE, wrong])


def test_all_words_cleared_one_after_the_other_count_once_the_last_event_is_gone() -> None:
    words = [put(PENDING + 4 * word, 0) for word in range(32)]
    left("", [*USE, *CLEAR[:2], *words])
    left("", [*USE, *CLEAR[:2], *words[:5], daemon.send(), *words[5:]])
    left("", [*USE, *CLEAR[:2], put(PENDING, 0, 1)])
    left("", [*USE, *CLEAR[:2], put(PENDING, 0, 8)])


def test_a_selectors_bit_needs_its_upcall() -> None:
    upcall, selector, pending = CLEAR
    left("with evtchn_pending_sel = 0x1 and no upcall", [*USE, upcall, pending])
    left("", [*USE, selector, pending])  # an upcall for nothing
    left("", [*USE, pending])


def test_a_masked_port_is_said_by_its_number() -> None:
    mask = put(MASK + 4, 1 << 8)
    left("with the event of port 40 masked", [*USE, *CLEAR, mask])
    left("", [*USE, *CLEAR, mask, put(MASK + 4, 0)])


def test_a_stage_that_never_touched_the_ring_leaves_what_it_found() -> None:
    left("", [guest.send(), daemon.send()])


def test_stores_of_the_stage_before_may_come_after_a_load_of_the_next_one() -> None:
    # Under tso they may still be in the store buffer.
    steps = [*USE, *CLEAR[:2], kernel.load("connection"), CLEAR[2], kernel.store("req_prod", 0)]
    expect("clean-handover", ring(), steps, {})


def test_the_daemon_hands_nothing_over() -> None:
    expect("clean-handover", ring(), [*USE, daemon.at("other").store("rsp_prod", 0)], {})


def test_each_handover_is_judged() -> None:
    steps = [*USE, *CLEAR, kernel.load("rsp_prod"), kernel.store("req_prod", 0), daemon.send()]
    said = "guest went from kernel to last with the event of port 3 pending, not cleared"
    expect("clean-handover", ring(), [*steps, guest.at("last").send()], {len(steps): said})
