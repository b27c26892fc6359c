"""What the server costs: a request, a transaction, and what a search does with stores."""

from __future__ import annotations

from typing import Any

import pytest

from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.xenstore import (
    Connection,
    Message,
    Parser,
    ServerState,
    build_store,
    connect,
    handle,
    serve_domain,
)

TOOLS = 100
HERE = b"/local/domain/1/"


def server(store: object = None, clients: int = 1) -> ServerState:
    state = serve_domain(store or build_store({"hvmloader/bios": "seabios"}))  # type: ignore[arg-type]
    for number in range(clients):
        state = connect(state, TOOLS + number, Connection(0, privileged=True))
    return state


NODES = build_store({f"data/{i % 100}/{i}": "value" for i in range(10_000)})
"""10,000 nodes, 100 to a directory."""


def ask(state: ServerState, kind: T, payload: bytes, tx_id: int = 0) -> tuple[ServerState, bytes]:
    """The tools' request and its reply."""
    state, outgoing = handle(state, TOOLS, Message(kind, 1, tx_id, payload))
    replies = [out.message for out in outgoing if out.message.type != T.XS_WATCH_EVENT]
    assert replies[0].type == kind, replies
    return state, replies[0].payload


@pytest.mark.parametrize("clients", [1, 1000])
def test_one_read(benchmark: Any, clients: int) -> None:
    state = server(clients=clients)
    request = Message(T.XS_READ, 1, 0, b"hvmloader/bios\0")
    _, outgoing = benchmark(handle, state, 1, request)
    assert outgoing[0].message.payload == b"seabios"


def test_one_read_from_bytes_to_bytes(benchmark: Any) -> None:
    # As a socket server does it: parse, answer, encode.
    state, parser = server(), Parser()
    request = Message(T.XS_READ, 1, 0, b"hvmloader/bios\0").encode()

    def serve() -> bytes:
        _, messages = parser.feed(request)
        _, outgoing = handle(state, 1, messages[0])
        return outgoing[0].message.encode()

    assert benchmark(serve).endswith(b"seabios")


@pytest.mark.parametrize("clients", [1, 1000])
def test_one_write(benchmark: Any, clients: int) -> None:
    state = server(clients=clients)
    request = Message(T.XS_WRITE, 1, 0, b"data\0value")
    _, outgoing = benchmark(handle, state, 1, request)
    assert outgoing[0].message.payload == b"OK\0"


def test_one_write_that_a_thousand_clients_watch(benchmark: Any) -> None:
    state = server(clients=1000)
    for number in range(1000):
        watch = Message(T.XS_WATCH, 1, 0, HERE + b"data\0tok\0")
        state, _ = handle(state, TOOLS + number, watch)
    request = Message(T.XS_WRITE, 1, 0, b"data\0value")
    _, outgoing = benchmark(handle, state, 1, request)
    assert len(outgoing) == 1001


@pytest.mark.parametrize("children", [10, 1_000, 10_000])
def test_writes_in_a_directory_of_so_many(benchmark: Any, children: int) -> None:
    # 100 writes of children there, and 100 new ones: what a directory's size costs.
    start = server(build_store({f"data/{number}": "value" for number in range(children)}))

    def run() -> ServerState:
        state = start
        for number in range(100):
            old = b"data/%d\0x" % (number * 7919 % children)
            state, _ = ask(state, T.XS_WRITE, HERE + old)
            state, _ = ask(state, T.XS_WRITE, HERE + b"data/new%d\0x" % number)
        return state

    after = benchmark(run)
    node = after.store.get("/local/domain/1/data")
    assert node is not None
    assert len(node.children) == children + 100


def test_snapshot_of_10000_nodes(benchmark: Any) -> None:
    # A transaction's copy of the store, with what it takes to keep it.
    state = server(NODES)

    def start() -> ServerState:
        return ask(state, T.XS_TRANSACTION_START, b"\0")[0]

    after = benchmark(start)
    copy = after.connections[TOOLS].transactions[1].view
    assert copy is state.store
    changed, _ = ask(after, T.XS_WRITE, HERE + b"data/7/7\0changed", tx_id=1)
    view = changed.connections[TOOLS].transactions[1].view
    for path in ("/local/domain/1/data/8", "/local/domain/1/data/7/107"):
        assert view.get(path) is state.store.get(path), "what did not change is shared"


def test_transaction_on_10000_nodes(benchmark: Any) -> None:
    # Start, read, write, commit.
    state0 = server(NODES)

    def run() -> bytes:
        state, _ = ask(state0, T.XS_TRANSACTION_START, b"\0")
        state, _ = ask(state, T.XS_READ, HERE + b"data/8/8\0", tx_id=1)
        state, _ = ask(state, T.XS_WRITE, HERE + b"data/7/7\0changed", tx_id=1)
        return ask(state, T.XS_TRANSACTION_END, b"T\0", tx_id=1)[1]

    assert benchmark(run) == b"OK\0"


def test_write_and_hash_with_10000_nodes(benchmark: Any) -> None:
    state = server(NODES)
    hash(state)
    request = Message(T.XS_WRITE, 1, 0, b"data/7/7\0changed")

    def run() -> bool:
        changed, _ = handle(state, 1, request)
        return hash(changed) != hash(state)

    assert benchmark(run)
