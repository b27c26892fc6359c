"""index-bound and index-owner."""

from __future__ import annotations

import pytest
from rule_steps import Side, daemon, expect, flat, guest, judge, ring

TOP = 2**32


def test_index_bound_fires_on_the_historic_tear() -> None:
    # The daemon holds the old req_cons, and loads the new req_prod.
    expect(
        "index-bound",
        ring(22),
        [
            daemon.check("req_cons"),
            guest.store("req_prod", 0),
            guest.store("req_cons", 0),
            daemon.check("req_prod"),
        ],
        {3: "daemon holds req_cons = 22 and req_prod = 0: req_prod - req_cons is -22"},
    )


def test_index_bound_fires_where_an_atomic_reset_lies_between_the_two_loads() -> None:
    expect(
        "index-bound",
        ring(0xFFFFFFF0),
        [daemon.check("rsp_prod"), guest.store("req_cons", 0, size=16), daemon.check("rsp_cons")],
        {2: "daemon holds rsp_cons = 0 and rsp_prod = 4294967280"},
    )


def test_index_bound_is_silent_where_both_loads_see_the_same_side_of_the_tear() -> None:
    expect(
        "index-bound",
        ring(22),
        [
            daemon.check("req_cons"),
            daemon.check("req_prod"),
            guest.store("req_prod", 0),
            guest.store("req_cons", 0),
            daemon.check("req_cons"),
            daemon.check("req_prod"),
        ],
        {},
    )


def test_index_bound_does_not_judge_what_the_daemon_does_not_check() -> None:
    # can_read compares for equality only.
    expect(
        "index-bound",
        ring(22),
        [
            daemon.load("req_cons"),
            guest.store("req_prod", 0),
            guest.store("req_cons", 0),
            daemon.load("req_prod"),
        ],
        {},
    )


@pytest.mark.parametrize("start", [0, 1, 1023, 1024, 2**31 - 1, TOP - 1, TOP - 22])
@pytest.mark.parametrize("used", [0, 1, 1024, 1025])
@pytest.mark.parametrize("order", [("req_cons", "req_prod"), ("req_prod", "req_cons")])
@pytest.mark.parametrize("side", [guest, daemon], ids=["guest", "daemon"])
def test_index_bound_is_modulo_2_to_the_32_and_1024_is_full(
    start: int, used: int, order: tuple[str, str], side: Side
) -> None:
    initial = ring(start, req_prod=(start + used) % TOP)
    steps = [side.check(name) if side is daemon else side.load(name) for name in order]
    found = judge("index-bound", initial, steps)
    assert bool(found) == (used > 1024), f"{order} at {start} with {used} used: {found}"


def test_index_bound_knows_the_guests_own_index_without_a_load() -> None:
    # The guest keeps rsp_cons in a register; the server has written an index from before a reset.
    expect(
        "index-bound",
        ring(0, rsp_prod=2000),
        [guest.load("rsp_prod")],
        {0: "guest holds rsp_cons = 0 and rsp_prod = 2000"},
    )


def test_index_bound_drops_what_was_held_before_the_guest_moved_its_own_index() -> None:
    # A cons from before 600 bytes were sent, and a prod from after 1200 were, is no pair.
    expect(
        "index-bound",
        ring(0),
        [
            guest.load("req_cons"),
            guest.store("req_prod", 600),
            daemon.store("req_cons", 600),
            guest.store("req_prod", 1200),
            guest.load("req_prod"),
        ],
        {},
    )


def test_index_bound_forgets_what_the_guest_held_before_a_reset_by_the_protocol() -> None:
    expect(
        "index-bound",
        ring(5000),
        [
            guest.load("rsp_prod"),
            guest.store("connection", 1),
            daemon.store("req_cons", 0, size=16),
            daemon.store("connection", 0),
            guest.load("rsp_cons"),
            guest.load("rsp_prod"),
        ],
        {},
    )


def test_index_bound_forgets_what_the_guest_held_before_a_reset_that_others_asked_for() -> None:
    # The guest should not have looked; that is for hands-off to say.
    expect(
        "index-bound",
        ring(5000, connection=1),
        [
            guest.load("rsp_prod"),
            daemon.store("req_cons", 0, size=16),
            daemon.store("connection", 0),
            guest.load("rsp_cons"),
        ],
        {},
    )


@pytest.mark.parametrize(
    ("side", "index"),
    [(guest, "req_cons"), (guest, "rsp_prod"), (daemon, "req_prod"), (daemon, "rsp_cons")],
)
def test_index_owner_fires_where_the_other_side_writes(side: Side, index: str) -> None:
    owner = "server" if side is guest else "guest"
    expect(
        "index-owner",
        ring(22),
        [side.store(index, 0)],
        {0: f"stored {index} = 0 over 22, which only the {owner} may write"},
    )


def test_index_owner_counts_a_store_that_changes_nothing() -> None:
    expect("index-owner", ring(0), [guest.store("req_cons", 0)], {0: "req_cons = 0 over 0"})


def test_index_owner_sees_each_index_in_a_store_of_16_bytes() -> None:
    # Two of the four are the guest's own.
    found = judge("index-owner", ring(22), [guest.store("req_cons", 0, size=16)])
    assert [text.split()[2] for _, text in found] == ["req_cons", "rsp_prod"], found


def test_index_owner_names_the_word_that_a_byte_store_makes() -> None:
    expect(
        "index-owner",
        ring(0x12345678),
        [guest.store("req_cons", 0, at=1, size=1)],
        {0: "guest stored req_cons = 305397880 over 305419896"},
    )


def test_index_owner_lets_the_server_reset_on_request_only() -> None:
    reset = [daemon.store("req_cons", 0, size=16), daemon.store("connection", 0)]
    expect("index-owner", ring(22), [guest.store("connection", 1), *reset], {})
    expect("index-owner", ring(22, connection=1), reset, {})
    assert len(judge("index-owner", ring(22), reset)) == 2


def test_index_owner_is_silent_on_own_moves() -> None:
    expect(
        "index-owner",
        ring(0),
        flat(
            guest.store("req_prod", 16),
            daemon.add("req_cons", 16),
            daemon.add("rsp_prod", 19),
            guest.add("rsp_cons", 19),
        ),
        {},
    )
