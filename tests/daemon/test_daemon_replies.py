"""The ring adds nothing and loses nothing: whatever is asked, cut and wrapped as it may be, the
replies are those of the server alone."""

from __future__ import annotations

import pytest
from daemon_link import PORT, Guest, Link
from hypothesis import given, settings
from hypothesis import strategies as st

from guestsim.abi.xs_wire import Interface
from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.daemon import MODELS, DaemonConfig, make, oxenstored, xenstored
from guestsim.xenstore import Message, build_store, handle, serve_domain

STORE = build_store({"hvmloader/bios": "seabios", "data/x": "y" * 1500, "data/empty": ""})
DIALECTS = {
    "xenstored": xenstored.DIALECT,
    "rfc-v2": xenstored.DIALECT,
    "oxenstored": oxenstored.DIALECT,
}

REQUESTS = st.sampled_from(
    [
        (T.XS_READ, b"hvmloader/bios\0"),
        (T.XS_READ, b"data/x\0"),
        (T.XS_READ, b"data/empty\0"),
        (T.XS_READ, b"data/none\0"),
        (T.XS_WRITE, b"data/x\0" + b"z" * 1200),
        (T.XS_WRITE, b"data/n\0v"),
        (T.XS_DIRECTORY, b"data\0"),
        (T.XS_WATCH, b"data\0tok\0"),
        (T.XS_RM, b"data/n\0"),
        (T.XS_RESET_WATCHES, b""),
        (T.XS_CONTROL, b""),
    ]
)


@pytest.mark.parametrize("model", sorted(MODELS))
@settings(max_examples=30, deadline=None)
@given(
    requests=st.lists(REQUESTS, max_size=6),
    start=st.sampled_from([0, 1000, 2**32 - 30]) | st.integers(0, 2**32 - 1),
    data=st.data(),
)
def test_conversations(
    model: str, requests: list[tuple[T, bytes]], start: int, data: st.DataObject
) -> None:
    link = Link(make(model, DaemonConfig(port=PORT), STORE))
    guest = Guest(link)
    for place in range(Interface.REQ_CONS, Interface.SERVER_FEATURES, 4):
        guest.set_index(Interface(place), start)
    state = serve_domain(STORE)
    for number, (kind, payload) in enumerate(requests):
        message = Message(kind, number, 0, payload)
        state, outgoing = handle(state, 1, message, DIALECTS[model])
        rest = message.encode()
        while rest:
            count = data.draw(st.integers(1, len(rest)))
            guest.send(rest[:count])
            rest = rest[count:]
            if data.draw(st.booleans()):
                link.run()
        received = guest.receive()
        assert received == tuple(out.message for out in outgoing), (
            f"{kind.name}; the ring is {link.memory[Interface.REQ_CONS : 0x810].hex(' ', 4)}"
        )


@pytest.mark.parametrize("model", sorted(MODELS))
@settings(max_examples=60, deadline=None)
@given(stream=st.binary(max_size=200), prod=st.integers(0, 2**32 - 1))
def test_no_bytes_and_no_indices_break_the_model(model: str, stream: bytes, prod: int) -> None:
    # A hostile guest ends its own connection, or hangs; the model never fails.
    link = Link(make(model, DaemonConfig(port=PORT), STORE))
    guest = Guest(link)
    link.memory[: len(stream)] = stream
    guest.set_index(Interface.REQ_PROD, len(stream))
    guest.notify()
    link.run()
    if not link.halted:
        guest.set_index(Interface.REQ_PROD, prod)
        guest.notify()
        link.run()
    assert link.halted or link.asleep
