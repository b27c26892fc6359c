"""connection-owner, hands-off and reset-complete."""

from __future__ import annotations

import pytest
from rule_steps import Side, Step, daemon, expect, flat, guest, message, ring

from guestsim.abi.xs_wire import XsdSockmsgType as Xs
from guestsim.trace import Outcome

kernel = guest.at("kernel")

RESET = (
    guest.store("connection", 1),
    daemon.store("req_cons", 0, size=16),
    daemon.store("connection", 0),
)


@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("value", [0, 1, 2])
@pytest.mark.parametrize("side", [guest, daemon], ids=["guest", "daemon"])
def test_connection_owner_allows_two_changes(side: Side, before: int, value: int) -> None:
    ok = (side.actor, before, value) in {("guest", 0, 1), ("daemon", 1, 0)}
    broken = {} if ok else {0: f"{side.actor} stored connection = {value} over {before}"}
    expect("connection-owner", ring(connection=before), [side.store("connection", value)], broken)


def test_connection_owner_completes_a_byte_store() -> None:
    memory = ring(connection=1)
    expect("connection-owner", memory, [daemon.store("connection", 0, size=1)], {})
    expect(
        "connection-owner",
        memory,
        [daemon.store("connection", 0, at=1, size=1)],
        {0: "daemon stored connection = 1 over 1"},
    )


@pytest.mark.parametrize(
    "touch",
    [
        guest.load("req_cons"),
        guest.load("rsp_prod", at=2, size=1),
        guest.load("rsp", size=8),
        guest.store("req", 0, size=1),
        guest.store("req_prod", 1),
        guest.store("server_features", 1),
        guest.load("error"),
        guest.load("server_features"),
        guest.load("evtchn_port"),
        guest.load("evtchn_port", at=1000),
    ],
)
def test_hands_off_fires_on_every_other_field_after_asking_for_a_close(touch: Step) -> None:
    expect(
        "hands-off",
        ring(server_features=1),
        [touch, guest.store("connection", 1), guest.send(), touch, guest.load("connection")],
        {3: "while connection is 1"},
    )


def test_hands_off_wants_the_zero_to_be_seen() -> None:
    close = [guest.store("connection", 1), daemon.store("connection", 0)]
    look = guest.load("connection")
    expect(
        "hands-off",
        ring(server_features=1),
        [*close, guest.load("rsp_prod"), look, guest.load("rsp_prod")],
        {2: "guest loaded rsp_prod after asking for a close and before it had seen the 0"},
    )
    expect("hands-off", ring(server_features=1), [*close, look, guest.load("req_cons")], {})


def test_hands_off_holds_for_a_close_that_somebody_else_asked_for() -> None:
    memory = ring(server_features=1, connection=1)
    legal = [guest.load("server_features"), guest.load("connection"), guest.wait()]
    expect("hands-off", memory, [*legal, guest.load("req_prod")], {3: "while connection is 1"})
    opened = [*legal, daemon.store("connection", 0), guest.load("req_prod")]
    expect("hands-off", memory, opened, {})
    # An earlier stage is somebody else, too.
    expect(
        "hands-off",
        ring(server_features=1),
        [guest.store("connection", 1), kernel.load("server_features"), kernel.load("req_prod")],
        {2: "guest loaded req_prod while connection is 1"},
    )


def test_hands_off_asks_nothing_where_the_field_holds_no_valid_data() -> None:
    expect("hands-off", ring(connection=1, server_features=6), [guest.load("req_prod")], {})


def test_hands_off_asks_nothing_of_the_server() -> None:
    memory = ring(connection=1, server_features=1)
    expect("hands-off", memory, [daemon.load("req_prod"), daemon.store("req", 0)], {})


def test_hands_off_sees_a_load_of_two_fields() -> None:
    expect(
        "hands-off",
        ring(connection=1, server_features=1),
        [guest.load("connection", size=8)],
        {0: "guest loaded error while connection is 1"},
    )


@pytest.mark.parametrize("field", ["req_cons", "req_prod", "rsp_cons", "rsp_prod"])
def test_reset_complete_fires_on_a_queue_that_is_not_empty(field: str) -> None:
    steps = [daemon.store("connection", 0), daemon.send(), daemon.wait()]
    memory = ring(22, connection=1, **{field: 23})
    expect("reset-complete", memory, steps, {0: f"{field} = 23"})
    # Empty is not zero.
    expect("reset-complete", ring(22, connection=1), steps, {})


def test_reset_complete_wants_a_signal() -> None:
    silent = {3: "daemon goes idle without a signal since it stored connection = 0"}
    expect("reset-complete", ring(22), [*RESET, daemon.wait(), daemon.wait()], silent)
    expect("reset-complete", ring(22), [*RESET, daemon.halt(Outcome.CONNECTED)], silent)
    expect("reset-complete", ring(22), [*RESET, daemon.send(), daemon.wait()], {})
    expect(
        "reset-complete",
        ring(22),
        [*RESET, daemon.send(wrong_end=True), guest.send(), daemon.wait()],
        {5: "without a signal"},
    )


def sent(data: bytes, at: int = 0) -> list[Step]:
    return [guest.put("req", data, at), guest.store("req_prod", at + len(data))]


def answered(data: bytes, at: int = 0) -> list[Step]:
    return [daemon.put("rsp", data, at), daemon.store("rsp_prod", at + len(data))]


def after_reset(*steps: list[Step]) -> list[Step]:
    return flat(RESET, daemon.send(), *steps)


READ = message(Xs.XS_READ, 7, 0, b"path\0")
REPLY = message(Xs.XS_READ, 7, 0, b"value")
FIRED = message(Xs.XS_WATCH_EVENT, 0, 0, b"path\0token\0")


def test_reset_complete_is_silent_on_a_request_and_its_reply() -> None:
    expect("reset-complete", ring(22), after_reset(sent(READ), answered(REPLY)), {})


@pytest.mark.parametrize("data", [REPLY, FIRED, b"half"])
def test_reset_complete_fires_on_output_that_nobody_asked_for(data: bytes) -> None:
    expect(
        "reset-complete",
        ring(22),
        after_reset(answered(data)),
        {5: "since the reset no request has been sent"},
    )


def test_reset_complete_fires_on_a_first_reply_to_an_old_request() -> None:
    old = message(Xs.XS_READ, 6, 0, b"old")
    expect(
        "reset-complete",
        ring(22),
        after_reset(sent(READ), answered(old), answered(REPLY, at=len(old))),
        {7: "READ (req_id 6, tx_id 0, len 3) is the first reply, and reply READ"},
    )


def test_reset_complete_fires_on_a_watch_from_before() -> None:
    expect(
        "reset-complete",
        ring(22),
        after_reset(sent(READ), answered(FIRED)),
        {7: "WATCH_EVENT (req_id 0, tx_id 0, len 11) comes and no watch has been set"},
    )
    watch = message(Xs.XS_WATCH, 8, 0, b"path\0token\0")
    expect("reset-complete", ring(22), after_reset(sent(watch), answered(FIRED)), {})


def test_reset_complete_fires_on_a_transaction_from_before() -> None:
    inside = message(Xs.XS_READ, 7, 3, b"path\0")
    reply = message(Xs.XS_READ, 7, 3, b"value")
    error = message(Xs.XS_ERROR, 7, 3, b"ENOENT\0")
    expect(
        "reset-complete",
        ring(22),
        after_reset(sent(inside), answered(reply)),
        {7: "READ (req_id 7, tx_id 3, len 5) succeeds and no transaction has been started"},
    )
    expect("reset-complete", ring(22), after_reset(sent(inside), answered(error)), {})
    start = message(Xs.XS_TRANSACTION_START, 1, 0, b"\0")
    started = message(Xs.XS_TRANSACTION_START, 1, 0, b"3\0")
    expect(
        "reset-complete",
        ring(22),
        after_reset(
            sent(start),
            answered(started),
            sent(inside, at=len(start)),
            answered(reply, at=len(started)),
        ),
        {},
    )


def test_reset_complete_asks_nothing_before_the_first_reset() -> None:
    expect("reset-complete", ring(22), answered(b"half", at=22), {})


def test_reset_complete_lets_go_where_somebody_throws_an_index_about() -> None:
    legacy = guest.store("req_prod", 0)
    steps = after_reset(sent(READ), [legacy], answered(FIRED))
    expect("reset-complete", ring(22), steps, {})
