"""start-state."""

from __future__ import annotations

import pytest
from rule_steps import Step, daemon, expect, flat, guest, ring

kernel = guest.at("kernel")


@pytest.mark.parametrize(
    ("step", "queue"),
    [
        (guest.store("req", 2, size=1), "req"),
        (guest.store("req_prod", 16), "req"),
        (guest.load("rsp", size=8), "rsp"),
        (guest.store("rsp_cons", 16), "rsp"),
    ],
)
def test_start_state_fires_where_no_index_of_the_queue_was_loaded(step: Step, queue: str) -> None:
    said = f"before stage firmware had loaded {queue}_cons or {queue}_prod"
    other = "rsp" if queue == "req" else "req"
    expect("start-state", ring(), [step, step], {0: said})
    expect("start-state", ring(), [guest.load(f"{other}_prod"), step], {1: said})
    expect("start-state", ring(), [guest.load(f"{queue}_prod"), step], {})
    expect("start-state", ring(), [guest.load(f"{queue}_cons"), step], {})


def test_start_state_counts_the_load_half_of_an_add() -> None:
    expect("start-state", ring(9), flat(guest.add("req_prod", 9)), {})


def test_start_state_is_asked_of_each_stage() -> None:
    expect(
        "start-state",
        ring(),
        [
            guest.load("req_prod"),
            guest.store("req", 2, size=1),
            kernel.store("req", 2, size=1),
        ],
        {2: "guest stored req[0] = 0x2 before stage kernel had loaded req_cons or req_prod"},
    )
    expect("start-state", ring(), [kernel.load("req_prod"), kernel.store("req_prod", 0)], {})


def test_start_state_is_asked_again_after_a_close() -> None:
    # Empty, but where?
    expect(
        "start-state",
        ring(),
        [
            guest.load("req_prod"),
            guest.store("connection", 1),
            daemon.store("connection", 0),
            guest.store("req", 2, size=1),
        ],
        {3: "stored req[0] = 0x2"},
    )


def test_start_state_asks_nothing_of_the_server() -> None:
    expect("start-state", ring(), [daemon.store("rsp", 0), daemon.store("rsp_prod", 4)], {})
