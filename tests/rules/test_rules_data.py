"""data-owner and publish-order."""

from __future__ import annotations

import pytest
from rule_steps import Step, daemon, expect, flat, guest, judge, ring

TOP = 2**32
STARTS = [0, 1, 1016, 1023, 1024, 2**31 - 1, TOP - 1, TOP - 22]


def test_data_owner_fires_on_bytes_that_are_not_consumed() -> None:
    expect(
        "data-owner",
        ring(0, req_prod=22),
        [guest.store("req", 0xFF, at=21, size=1), guest.store("req", 0xFF, at=22, size=1)],
        {0: "guest stored req[21] = 0xff, which is not marked as consumed (req_cons = 0"},
    )


@pytest.mark.parametrize("start", STARTS)
def test_data_owner_knows_a_full_ring_from_an_empty_one(start: int) -> None:
    at = start % 1024
    byte = [guest.store("req", 0, at=at, size=1)]
    assert judge("data-owner", ring(start), byte) == [], "empty"
    assert judge("data-owner", ring(start, req_prod=(start + 1024) % TOP), byte), "full"
    load = [daemon.load("req", at=at, size=1)]
    assert judge("data-owner", ring(start), load), "nothing is there"
    full = ring(start, req_prod=(start + 1024) % TOP)
    assert judge("data-owner", full, load) == [], "everything is there"


def test_data_owner_looks_at_every_byte_of_an_access() -> None:
    # Bytes 1020 to 3 (over the end) are produced.
    memory = ring(1020, req_prod=1028)
    expect("data-owner", memory, [daemon.load("req", at=1016, size=8)], {0: "has not been prod"})
    expect("data-owner", memory, [daemon.load("req", at=0, size=8)], {0: "loaded req[0..7]"})
    expect("data-owner", memory, [daemon.load("req", at=1020), daemon.load("req", at=0)], {})
    expect("data-owner", memory, [guest.store("req", 0, at=1014, size=8)], {0: "req[1014..1021]"})
    expect("data-owner", memory, [guest.store("req", 0, at=3, size=2)], {0: "req[3..4]"})
    expect("data-owner", memory, [guest.store("req", 0, at=1012, size=8)], {})


def test_data_owner_takes_an_access_over_the_edge_of_an_empty_or_full_ring() -> None:
    expect("data-owner", ring(4), [guest.store("req", 0, at=0, size=8)], {})
    expect("data-owner", ring(4, req_prod=1028), [daemon.load("req", at=0, size=8)], {})


def test_data_owner_fires_on_every_access_to_a_ring_whose_indices_are_apart() -> None:
    memory = ring(0, req_prod=1025)
    steps = [guest.store("req", 0, at=500, size=1), daemon.load("req", at=500, size=1)]
    expect("data-owner", memory, steps, {0: "req_prod = 1025", 1: "req_prod = 1025"})


def test_data_owner_fires_on_the_other_sides_buffer() -> None:
    expect(
        "data-owner",
        ring(),
        [guest.store("rsp", 0xFF, size=1)],
        {0: "guest stored rsp[0] = 0xff, which only the server may write"},
    )
    expect("data-owner", ring(), [daemon.store("req", 0)], {0: "which only the guest may write"})


def test_data_owner_fires_on_a_consumer_index_beyond_what_was_produced() -> None:
    expect(
        "data-owner",
        ring(0, req_prod=22, rsp_prod=5),
        [
            daemon.store("req_cons", 23),
            guest.store("rsp_cons", 5),
            guest.store("rsp_cons", 4),
        ],
        {0: "daemon stored req_cons = 23 over 0", 2: "guest stored rsp_cons = 4 over 5"},
    )


def test_data_owner_lets_leftovers_be_dropped_unread() -> None:
    expect("data-owner", ring(TOP - 3, rsp_prod=500), [guest.store("rsp_cons", 500)], {})


def test_data_owner_does_not_judge_a_reset_on_request() -> None:
    reset = flat(
        [daemon.store("req", 0, at=at, size=8) for at in range(0, 2048, 8)],
        daemon.store("req_cons", 0, size=16),
    )
    memory = ring(7, req_prod=900, rsp_prod=900)
    expect("data-owner", memory, [guest.store("connection", 1), *reset], {})
    assert judge("data-owner", memory, reset), "the same without a request"


def test_data_owner_shows_what_the_guest_pulled_away_under_the_daemon() -> None:
    expect(
        "data-owner",
        ring(0, req_prod=22),
        [
            daemon.check("req_cons"),
            daemon.check("req_prod"),
            guest.store("req_prod", 0),
            daemon.load("req", size=8),
        ],
        {3: "daemon loaded req[0..7], which has not been produced (req_cons = 0, req_prod = 0)"},
    )


def test_publish_order_fires_on_the_index_before_the_data() -> None:
    expect(
        "publish-order",
        ring(TOP - 2),
        [guest.store("req_prod", 2), guest.store("req", 1, at=1022, size=2)],
        {
            0: "guest stored req_prod = 2 over 4294967294 and had not stored 4 of those 4 bytes, "
            "the first at req[1022]",
            1: "guest stored req[1022..1023] after req_prod = 2 had published it",
        },
    )


def test_publish_order_fires_on_one_missing_byte() -> None:
    expect(
        "publish-order",
        ring(0),
        [
            daemon.store("rsp", 0, size=4),
            daemon.store("rsp", 0, at=5, size=3),
            daemon.store("rsp_prod", 8),
        ],
        {2: "had not stored 1 of those 8 bytes, the first at rsp[4]"},
    )


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("backwards", [False, True])
def test_publish_order_takes_copies_in_any_order_over_the_end(start: int, backwards: bool) -> None:
    stores: list[Step] = [
        guest.store("req", 0x55, at=(start + offset) % 1024, size=1) for offset in range(40)
    ]
    steps = flat(
        stores[::-1] if backwards else stores,
        # In two moves, and the same bytes are not published twice.
        guest.store("req_prod", (start + 16) % TOP),
        guest.store("req_prod", (start + 40) % TOP),
        guest.store("req_prod", (start + 41) % TOP),
    )
    expect("publish-order", ring(start), steps, {42: "had not stored 1 of those 1 bytes"})


@pytest.mark.parametrize("start", STARTS)
def test_publish_order_takes_a_whole_ring_at_once(start: int) -> None:
    stores = [guest.store("req", 0, at=at, size=8) for at in range(0, 1024, 8)]
    expect(
        "publish-order",
        ring(start),
        flat(stores, guest.store("req_prod", (start + 1024) % TOP)),
        {},
    )


def test_publish_order_fires_on_an_index_that_goes_back() -> None:
    expect(
        "publish-order",
        ring(22),
        [guest.store("req_prod", 0)],
        {0: "guest stored req_prod = 0 over 22: a producer index only moves forward"},
    )


def test_publish_order_shows_an_index_from_before_a_reset() -> None:
    # A reply with an empty body: the index is loaded, and stored again with 0 added.
    expect(
        "publish-order",
        ring(21),
        [daemon.load("rsp_prod"), guest.store("rsp_prod", 0), daemon.store("rsp_prod", 21)],
        {2: "daemon stored rsp_prod = 21 over 0 and had not stored 21 of those 21 bytes"},
    )
    expect("publish-order", ring(21), [daemon.store("rsp_prod", 21)], {})


def test_publish_order_wants_an_index_loaded_before_the_data() -> None:
    memory = ring(1000, req_prod=1040, rsp_prod=1040)
    expect(
        "publish-order",
        memory,
        [
            daemon.load("req", at=1000, size=8),
            daemon.load("req_prod"),
            daemon.load("req", at=1000, size=8),
            daemon.load("req", at=0, size=16),
            daemon.load("req", at=0, size=17),
        ],
        {
            0: "daemon loaded req[1000..1007] and has seen req_prod cover 0 bytes from req_cons",
            4: "has seen req_prod cover 40 bytes from req_cons = 1000 on",
        },
    )


def test_publish_order_holds_the_consumer_to_what_it_has_seen() -> None:
    # 8 bytes more are there by now, but nobody has looked.
    expect(
        "publish-order",
        ring(0, rsp_prod=8),
        flat(
            guest.load("rsp_prod"),
            guest.load("rsp", size=8),
            guest.store("rsp_cons", 8),
            daemon.store("rsp", 0, at=8, size=8),
            daemon.store("rsp_prod", 16),
            guest.load("rsp", at=8, size=8),
            guest.load("rsp_prod"),
            guest.load("rsp", at=8, size=8),
        ),
        {5: "guest loaded rsp[8..15] and has seen rsp_prod cover 0 bytes"},
    )


def test_publish_order_lets_the_consumer_look_once_and_move_in_parts() -> None:
    expect(
        "publish-order",
        ring(TOP - 8, req_prod=32),
        flat(
            daemon.load("req_prod"),
            daemon.load("req", at=1016, size=8),
            daemon.add("req_cons", 0),
            daemon.load("req", size=8),
            daemon.store("req_cons", 8),
            daemon.load("req", at=8, size=8),
        ),
        {},
    )


def test_publish_order_starts_anew_after_a_reset_by_the_protocol() -> None:
    reset = [
        guest.store("connection", 1),
        daemon.store("req_cons", 0, size=16),
        daemon.store("connection", 0),
    ]
    expect(
        "publish-order",
        ring(4, rsp_prod=12),
        flat(
            guest.store("req", 0, size=4),
            guest.load("rsp_prod"),
            reset,
            guest.store("req_prod", 4),
            guest.load("rsp", size=1),
        ),
        {
            5: "had not stored 4 of those 4 bytes",
            6: "has seen rsp_prod cover 0 bytes",
        },
    )
