"""What the server costs: a request, and what a search does with stores."""

from __future__ import annotations

from typing import Any

from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.xenstore import Message, build_store, handle, serve_domain

SMALL = serve_domain(build_store({"hvmloader/bios": "seabios"}))
LARGE = build_store({f"data/{i % 100}/{i}": "value" for i in range(10_000)})


def test_one_read(benchmark: Any) -> None:
    request = Message(T.XS_READ, 1, 0, b"hvmloader/bios\0")
    _, outgoing = benchmark(handle, SMALL, 1, request)
    assert outgoing[0].message.payload == b"seabios"


def test_one_write(benchmark: Any) -> None:
    request = Message(T.XS_WRITE, 1, 0, b"data/x\0value")
    _, outgoing = benchmark(handle, SMALL, 1, request)
    assert outgoing[0].message.payload == b"OK\0"


def test_transaction_on_10000_nodes(benchmark: Any) -> None:
    # Start and abort: the copy is free.
    def run() -> bytes:
        state, _ = handle(state0, 1, Message(T.XS_TRANSACTION_START, 1, 0, b"\0"))
        state, outgoing = handle(state, 1, Message(T.XS_TRANSACTION_END, 1, 1, b"F\0"))
        return outgoing[0].message.payload

    state0 = serve_domain(LARGE)
    assert benchmark(run) == b"OK\0"


def test_write_and_hash_with_10000_nodes(benchmark: Any) -> None:
    state = serve_domain(LARGE)
    hash(state)
    request = Message(T.XS_WRITE, 1, 0, b"data/7/7\0changed")

    def run() -> bool:
        changed, _ = handle(state, 1, request)
        return hash(changed) != hash(state)

    assert benchmark(run)
