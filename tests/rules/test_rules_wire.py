"""wire-sane, and how it follows the streams."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rule_steps import Step, daemon, expect, flat, guest, judge, message, ring

from guestsim.abi.xs_wire import XsdSockmsgType as Xs
from guestsim.rules.wire import BOUNDARY, feed

TOP = 2**32


def put(side_field: str, start: int, data: bytes, cuts: tuple[int, ...] = ()) -> list[Step]:
    """`data` on a ring from stream offset `start`, published in parts."""
    side = guest if side_field == "req" else daemon
    steps: list[Step] = []
    edges = (0, *cuts, len(data))
    for first, last in pairwise(edges):
        for offset in range(first, last):
            at = (start + offset) % 1024
            steps.append(side.store(side_field, data[offset], at=at, size=1))
        steps.append(side.store(f"{side_field}_prod", (start + last) % TOP))
    return steps


def last(steps: list[Step]) -> int:
    return len(steps) - 1


READ = message(Xs.XS_READ, 7, 2, b"path\0")


@pytest.mark.parametrize("kind", [Xs.XS_WATCH_EVENT, Xs.XS_ERROR, Xs.XS_INVALID, 20, 27, 1 << 31])
def test_wire_sane_fires_on_a_type_that_clients_may_not_send(kind: int) -> None:
    steps = put("req", 0, message(kind, 1))
    expect("wire-sane", ring(), steps, {last(steps): "has a type that clients may not send"})


@pytest.mark.parametrize("kind", sorted(set(Xs) - {Xs.XS_WATCH_EVENT, Xs.XS_ERROR, Xs.XS_INVALID}))
def test_wire_sane_knows_every_request(kind: Xs) -> None:
    steps = put("req", 0, message(kind, 1)) + put("rsp", 0, message(kind, 1, 0, b"OK\0"))
    expect("wire-sane", ring(), steps, {})


def test_wire_sane_fires_on_a_payload_over_4096() -> None:
    header = READ[:12] + (4097).to_bytes(4, "little")
    steps = put("req", 0, header)
    expect("wire-sane", ring(), steps, {last(steps): "READ (req_id 7, tx_id 2, len 4097) is long"})
    longest = put("req", 0, READ[:12] + (4096).to_bytes(4, "little"))
    expect("wire-sane", ring(), longest, {})
    asked = put("req", 0, READ)
    steps = asked + put("rsp", 0, header)
    expect("wire-sane", ring(), steps, {last(steps): "reply READ (req_id 7, tx_id 2, len 4097)"})


def test_wire_sane_fires_on_a_transaction_inside_a_transaction() -> None:
    steps = put("req", 0, message(Xs.XS_TRANSACTION_START, 1, 5, b"\0"))
    expect("wire-sane", ring(), steps, {last(steps): "names a transaction"})


@pytest.mark.parametrize(
    ("reply", "ok"),
    [
        (message(Xs.XS_READ, 7, 2, b"value"), True),
        (message(Xs.XS_ERROR, 7, 2, b"ENOENT\0"), True),
        (message(Xs.XS_WATCH_EVENT, 0, 0, b"path\0token\0"), True),
        (message(Xs.XS_WRITE, 7, 2, b"OK\0"), False),
        (message(Xs.XS_READ, 8, 2, b"value"), False),
        (message(Xs.XS_READ, 7, 0, b"value"), False),
        (message(Xs.XS_ERROR, 7, 0, b"ENOENT\0"), False),
        (message(Xs.XS_WATCH_EVENT, 7, 0, b"path\0token\0"), False),
        (message(Xs.XS_WATCH_EVENT, 0, 2, b"path\0token\0"), False),
    ],
)
@pytest.mark.parametrize("start", [0, 1010, TOP - 22])
def test_wire_sane_wants_ids_and_type_echoed(reply: bytes, ok: bool, start: int) -> None:
    steps = put("req", start, READ) + put("rsp", start, reply)
    found = judge("wire-sane", ring(start), steps)
    assert bool(found) != ok, found


def test_wire_sane_says_what_is_outstanding() -> None:
    steps = put("req", 0, READ) + put("rsp", 0, message(Xs.XS_READ, 8, 2))
    said = "reply READ (req_id 8, tx_id 2, len 0) answers no request; outstanding: READ (req_id 7"
    expect("wire-sane", ring(), steps, {last(steps): said})


def test_wire_sane_counts_replies() -> None:
    reply = message(Xs.XS_READ, 7, 2, b"v")
    asked = put("req", 0, READ + READ)
    twice = asked + put("rsp", 0, reply + reply)
    expect("wire-sane", ring(), twice, {})
    thrice = twice + put("rsp", 2 * len(reply), reply)
    expect("wire-sane", ring(), thrice, {last(thrice): "none is"})


def test_wire_sane_lets_replies_come_in_any_order() -> None:
    other = message(Xs.XS_WRITE, 9, 0, b"path\0value")
    steps = put("req", 0, READ + other) + put(
        "rsp", 0, message(Xs.XS_WRITE, 9, 0, b"OK\0") + message(Xs.XS_READ, 7, 2)
    )
    expect("wire-sane", ring(), steps, {})


def test_wire_sane_does_not_take_half_a_request_for_one() -> None:
    steps = put("req", 0, READ[:-1]) + put("rsp", 0, message(Xs.XS_READ, 7, 2))
    expect("wire-sane", ring(), steps, {last(steps): "answers no request"})


def test_wire_sane_says_one_thing_and_waits_for_a_reset() -> None:
    bad = message(20, 1)
    steps = flat(
        put("req", 0, bad + READ),
        put("rsp", 0, b"\xff" * 40),
        guest.store("connection", 1),
        daemon.store("req_cons", 0, size=16),
        daemon.store("connection", 0),
    )
    first = len(put("req", 0, bad + READ)) - 1
    expect("wire-sane", ring(), steps, {first: "type 0x14"})
    again = steps + put("req", 0, bad)
    expect("wire-sane", ring(), again, {first: "type 0x14", last(again): "type 0x14"})


def test_wire_sane_drops_both_streams_at_a_reset_by_the_protocol() -> None:
    steps = flat(
        put("req", 0, READ + READ[:20]),
        put("rsp", 0, message(Xs.XS_READ, 7, 2, b"value")[:18]),
        guest.store("connection", 1),
        daemon.store("req_cons", 5 | 5 << 32 | 5 << 64 | 5 << 96, size=16),
        daemon.store("connection", 0),
        put("req", 5, message(Xs.XS_WRITE, 1)),
        put("rsp", 5, message(Xs.XS_WRITE, 1)),
    )
    expect("wire-sane", ring(), steps, {})
    # The request from before was dropped with the rest.
    late = steps + put("rsp", 21, message(Xs.XS_READ, 7, 2))
    expect("wire-sane", ring(), late, {last(late): "answers no request"})


def test_wire_sane_does_not_read_a_ring_that_is_being_reset() -> None:
    # The server had not seen the request to close when it published these bytes.
    steps = flat(guest.store("connection", 1), put("rsp", 0, b"\xff" * 16))
    expect("wire-sane", ring(), steps, {})


def test_wire_sane_starts_on_a_packet_boundary_after_a_reset_by_hand() -> None:
    steps = flat(
        put("req", 0, READ[:20]),
        [guest.store(index, 0) for index in ("req_prod", "req_cons", "rsp_prod", "rsp_cons")],
        put("req", 0, READ),
        put("rsp", 0, message(Xs.XS_READ, 7, 2)),
    )
    expect("wire-sane", ring(), steps, {})


def test_wire_sane_shows_what_a_fill_looks_like_as_messages() -> None:
    # The index near 2^32 makes the reset to 0 publish 22 bytes of fill.
    steps: list[Step] = [guest.store("req", 0xFF, at=at, size=1) for at in range(1024)]
    steps.append(guest.store("req_prod", 0))
    expect("wire-sane", ring(TOP - 22), steps, {1024: "request type 0xffffffff"})


@given(
    st.lists(st.tuples(st.integers(0, 26), st.binary(max_size=300)), max_size=5),
    st.data(),
)
def test_feed_finds_the_same_messages_however_the_stream_is_cut(
    sent: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    stream = b"".join(
        message(kind, number, 0, payload) for number, (kind, payload) in enumerate(sent)
    )
    half = BOUNDARY
    begun: list[tuple[int, ...]] = []
    ended: list[tuple[int, ...]] = []
    at = 0
    while at < len(stream):
        step = data.draw(st.integers(1, 400), label="cut")
        after, some, more = feed(half, stream[at : at + step])
        assert after is not None
        half = after
        begun += some
        ended += more
        at += step
    wanted = [(kind, number, 0, len(payload)) for number, (kind, payload) in enumerate(sent)]
    assert begun == wanted
    assert ended == wanted
    assert half == BOUNDARY
