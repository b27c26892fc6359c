"""Whatever comes in is answered: no bytes and no message make the server raise."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guestsim.abi.xs_wire import XSD_ERRORS
from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.daemon import oxenstored
from guestsim.xenstore import (
    Connection,
    Dialect,
    Message,
    Parser,
    ServerState,
    build_store,
    connect,
    handle,
    serve_domain,
)

GUEST, TOOLS = 1, 100
START = connect(
    serve_domain(build_store({"hvmloader/bios": "seabios", "data/x": "v"})),
    TOOLS,
    Connection(0, privileged=True),
)
DIALECTS = (Dialect(), Dialect(watch_depth=True), oxenstored.DIALECT)

WORDS = st.sampled_from(
    [b"", b"/", b"data", b"data/x", b"data/new/deep", b"/local/domain/1", b"@releaseDomain", b"@x",
     b"T", b"F", b"n1", b"r0", b"b2", b"w99999", b"0", b"1", b"-1", b"2", b"x", b"check", b"help",
     b"log", b"on", b"//", b"a b", b"\xff", b"9" * 30]
)  # fmt: skip
PAYLOADS = st.binary(max_size=40) | st.lists(WORDS, max_size=5).map(
    lambda words: b"".join(word + b"\0" for word in words)
)
MESSAGES = st.builds(
    Message,
    st.integers(0, 30) | st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0, 0, 0, 1, 2]) | st.integers(0, 2**32 - 1),
    PAYLOADS,
)


def check(state: ServerState, key: int, message: Message, dialect: Dialect) -> ServerState:
    """One request: exactly one reply, which fits it, and a state that is a value."""
    there = key in state.connections
    after, outgoing = handle(state, key, message, dialect)
    assert handle(state, key, message, dialect) == (after, outgoing)
    replies = [out for out in outgoing if out.message.type != T.XS_WATCH_EVENT]
    assert len(replies) == there, f"{message}: {outgoing}"
    for out in outgoing:
        assert out.connection in (GUEST, TOOLS)
        assert len(out.message.payload) <= 4096
    for connection, reply in replies:
        assert connection == key
        aside = message.type in (T.XS_WATCH, T.XS_UNWATCH) and not dialect.watch_tx_id
        assert (reply.req_id, reply.tx_id) == (message.req_id, 0 if aside else message.tx_id)
        if reply.type == T.XS_ERROR:
            assert reply.payload.endswith(b"\0")
            assert reply.payload[:-1].decode() in {*XSD_ERRORS, "EQUOTA"}
        else:
            assert reply.type == message.type
    hash(after)
    return after


@pytest.mark.parametrize("dialect", DIALECTS)
def test_any_message_gets_one_reply(dialect: Dialect) -> None:
    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.tuples(st.sampled_from([GUEST, TOOLS]), MESSAGES), max_size=20))
    def talk(messages: list[tuple[int, Message]]) -> None:
        state = START
        for key, message in messages:
            state = check(state, key, message, dialect)

    talk()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=10))
def test_any_bytes_go_through(pieces: list[bytes]) -> None:
    parser, state = Parser(), START
    for piece in pieces:
        parser, messages = parser.feed(piece)
        for message in messages:
            state = check(state, GUEST, message, Dialect())


@pytest.mark.parametrize("dialect", DIALECTS)
def test_valid_messages_with_a_byte_changed(dialect: Dialect) -> None:
    chance = random.Random(417)
    valid = [
        Message(T.XS_READ, 1, 0, b"data/x\0"),
        Message(T.XS_WRITE, 2, 0, b"data/y/z\0value"),
        Message(T.XS_WATCH, 3, 0, b"data\0tok\0"),
        Message(T.XS_UNWATCH, 3, 0, b"data\0tok\0"),
        Message(T.XS_TRANSACTION_START, 4, 0, b"\0"),
        Message(T.XS_WRITE, 5, 1, b"data/x\0value"),
        Message(T.XS_RM, 5, 1, b"data/y\0"),
        Message(T.XS_SET_PERMS, 5, 0, b"data/x\0n1\0r0\0"),
        Message(T.XS_DIRECTORY_PART, 6, 0, b"data\x000\0"),
        Message(T.XS_TRANSACTION_END, 7, 1, b"T\0"),
        Message(T.XS_INTRODUCE, 8, 0, b"9\x001\x005\0"),
        Message(T.XS_SET_TARGET, 8, 0, b"1\x009\0"),
        Message(T.XS_RELEASE, 9, 0, b"1\0"),
        Message(T.XS_RELEASE, 9, 1, b"1\0"),
        Message(T.XS_INTRODUCE, 9, 1, b"1\x001\x005\0"),
    ]
    state = START
    for number in range(3000):
        if number % 100 == 0:
            state = START
        encoded = bytearray(chance.choice(valid).encode())
        encoded[chance.randrange(len(encoded))] = chance.randrange(256)
        parser, messages = Parser().feed(bytes(encoded))
        assert parser.overlong is None or parser.overlong > 4096
        for message in messages:
            state = check(state, chance.choice((GUEST, TOOLS)), message, dialect)
