"""features-owner and unknown-features."""

from __future__ import annotations

import pytest
from rule_steps import Side, daemon, expect, guest, ring

kernel = guest.at("kernel")


def test_features_owner_fires_on_any_store_of_the_guest() -> None:
    expect(
        "features-owner",
        ring(server_features=1),
        [guest.store("server_features", 1), guest.store("server_features", 0, size=1)],
        {
            0: "guest stored server_features = 0x1 over 0x1, which only the server may write",
            1: "guest stored server_features = 0x0 over 0x1",
        },
    )


def test_features_owner_fires_on_a_cleared_bit() -> None:
    expect(
        "features-owner",
        ring(),
        [
            daemon.store("server_features", 5),
            daemon.store("server_features", 0x8D),
            daemon.store("server_features", 0x88),
        ],
        {2: "daemon stored server_features = 0x88 over 0x8d: it cleared 0x5"},
    )


@pytest.mark.parametrize(("index", "value"), [("req_cons", 1), ("rsp_prod", 1)])
def test_features_owner_fires_on_reconnection_advertised_late(index: str, value: int) -> None:
    late = [daemon.store(index, value), daemon.store("server_features", 3)]
    expect("features-owner", ring(), late, {1: "after it has produced or consumed data"})
    expect("features-owner", ring(), late[::-1], {})
    other = [daemon.store(index, value), daemon.store("server_features", 2)]
    expect("features-owner", ring(), other, {})


def test_features_owner_lets_an_introduction_reset_and_advertise() -> None:
    expect(
        "features-owner",
        ring(22, connection=1),
        [
            daemon.store("req_cons", 0),
            daemon.store("rsp_prod", 0),
            daemon.store("server_features", 1),
            daemon.store("connection", 0),
        ],
        {},
    )


def test_unknown_features_fires_on_a_close_that_nobody_offered() -> None:
    expect(
        "unknown-features",
        ring(server_features=0xFFFFFFFE),
        [guest.load("server_features"), guest.store("connection", 1)],
        {
            1: "guest stored connection = 1 and had not in stage firmware seen bit 0 "
            "(reconnection) in server_features = 0xfffffffe"
        },
    )


def test_unknown_features_wants_the_bit_seen_not_guessed() -> None:
    memory = ring(server_features=1)
    close = guest.store("connection", 1)
    expect("unknown-features", memory, [close], {0: "had not in stage firmware seen bit 0"})
    expect("unknown-features", memory, [guest.load("server_features"), close], {})
    byte = guest.load("server_features", size=1)
    expect("unknown-features", memory, [byte, close], {})


@pytest.mark.parametrize("looker", [guest, kernel])
def test_unknown_features_is_asked_of_each_stage(looker: Side) -> None:
    broken = {} if looker is kernel else {1: "in stage kernel"}
    expect(
        "unknown-features",
        ring(server_features=0xFFFFFFFF),
        [looker.load("server_features"), kernel.store("connection", 1)],
        broken,
    )


def test_unknown_features_does_not_judge_looks_at_the_fields() -> None:
    steps = [guest.load("connection"), guest.load("error"), guest.load("server_features")]
    expect("unknown-features", ring(), steps, {})
