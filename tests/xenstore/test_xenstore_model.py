"""The server against a naive one (dictionaries, copied whole), on random conversations of one
privileged client, where permissions do not hide anything; and any bytes at all."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from guestsim.abi.xs_wire import XSD_ERRORS
from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.xenstore import (
    Connection,
    Message,
    ServerState,
    build_store,
    connect,
    handle,
    serve_domain,
)
from guestsim.xenstore.store import EMPTY

KEY = 0
NAME = st.sampled_from(["a", "b"])
PATHS = st.lists(NAME, min_size=1, max_size=3).map(lambda steps: "/" + "/".join(steps))
VALUES = st.binary(max_size=4)
TX = st.sampled_from([0, 0, 1, 2])


def view(nodes: dict[str, bytes]) -> dict[str, tuple[bytes, list[str]]]:
    """What a client can see of each node: its value, and its children in their order."""
    return {
        path: (value, [p for p in nodes if p != "/" and (p.rpartition("/")[0] or "/") == path])
        for path, value in nodes.items()
    }


class Naive:
    """What a store is, in the plainest words: a dictionary of paths, copied for a transaction."""

    def __init__(self) -> None:
        self.nodes: dict[str, bytes] = {"/": b""}
        self.open: dict[int, tuple[dict[str, bytes], dict[str, bytes], list[str]]] = {}
        self.next = 1
        self.watches: list[tuple[str, str]] = []
        self.fired: list[str] = []

    def ask(self, kind: T, args: tuple[str, bytes], tx: int) -> bytes:
        self.fired = []
        path, value = args
        if kind is T.XS_WATCH:
            if (path, "t") in self.watches:
                return b"EEXIST\0"
            self.watches.append((path, "t"))
            self.fired = [path]
            return b"OK\0"
        if kind is T.XS_UNWATCH:
            if (path, "t") not in self.watches:
                return b"ENOENT\0"
            self.watches.remove((path, "t"))
            return b"OK\0"
        if tx and tx not in self.open:
            return b"ENOENT\0"
        if kind is T.XS_TRANSACTION_START:
            if tx:
                return b"EBUSY\0"
            self.open[self.next] = (dict(self.nodes), dict(self.nodes), [])
            self.next += 1
            return b"%d\0" % (self.next - 1)
        if kind is T.XS_TRANSACTION_END:
            return self.end(tx, value)
        nodes = self.open[tx][1] if tx else self.nodes
        reply, changed = self.change(nodes, kind, path, value)
        if tx:
            log = self.open[tx][2]
            log.extend(p for p in changed if p not in log)
        else:
            self.fire(changed, path)
        return reply

    def end(self, tx: int, value: bytes) -> bytes:
        if not tx:
            return b"ENOENT\0"
        base, nodes, _ = self.open.pop(tx)
        if value.startswith(b"F"):
            return b"OK\0"
        if view(base) != view(self.nodes):
            return b"EAGAIN\0"
        self.nodes = nodes
        return b"OK\0"

    def change(
        self, nodes: dict[str, bytes], kind: T, path: str, value: bytes
    ) -> tuple[bytes, list[str]]:
        above = path.rpartition("/")[0] or "/"
        if kind is T.XS_READ:
            return nodes.get(path, b"ENOENT\0"), []
        if kind is T.XS_DIRECTORY:
            if path not in nodes:
                return b"ENOENT\0", []
            below = view(nodes)[path][1]
            return b"".join(p.rpartition("/")[2].encode() + b"\0" for p in below), []
        if kind is T.XS_RM:
            if path not in nodes:
                return (b"OK\0" if above in nodes else b"ENOENT\0"), []
            gone = [p for p in nodes if p == path or p.startswith(path + "/")]
            for p in gone:
                del nodes[p]
            return b"OK\0", gone
        if kind is T.XS_MKDIR and path in nodes:
            return b"OK\0", []
        step = ""
        for name in path[1:].split("/"):
            step += "/" + name
            nodes.setdefault(step, b"")
        if kind is T.XS_WRITE:
            nodes[path] = value
        return b"OK\0", [path]

    def fire(self, changed: list[str], path: str) -> None:
        for where in changed:
            for watched, _ in self.watches:
                below = where == watched or where.startswith(watched + "/")
                if where == watched or (below and where == path):
                    self.fired.append(where)


REQUESTS = st.tuples(
    st.sampled_from(
        [
            T.XS_READ,
            T.XS_DIRECTORY,
            T.XS_WRITE,
            T.XS_WRITE,
            T.XS_MKDIR,
            T.XS_RM,
            T.XS_WATCH,
            T.XS_UNWATCH,
            T.XS_TRANSACTION_START,
            T.XS_TRANSACTION_END,
        ]
    ),
    PATHS,
    VALUES,
    TX,
    st.booleans(),
)


def payload_of(kind: T, path: str, value: bytes, commit: bool) -> tuple[bytes, bytes]:
    """The payload, and the value that the naive server is told."""
    raw = path.encode() + b"\0"
    if kind is T.XS_WRITE:
        return raw + value, value
    if kind in (T.XS_WATCH, T.XS_UNWATCH):
        return raw + b"t\0", b""
    if kind is T.XS_TRANSACTION_START:
        return b"\0", b""
    if kind is T.XS_TRANSACTION_END:
        verdict = b"T\0" if commit else b"F\0"
        return verdict, verdict
    return raw, b""


@settings(max_examples=300, deadline=None)
@given(st.lists(REQUESTS, max_size=40))
def test_conversations(requests: list[tuple[T, str, bytes, int, bool]]) -> None:
    state = connect(ServerState(EMPTY), KEY, Connection(0, privileged=True))
    naive = Naive()
    for kind, path, value, tx, commit in requests:
        payload, told = payload_of(kind, path, value, commit)
        state, outgoing = handle(state, KEY, Message(kind, 1, tx, payload))
        expected = naive.ask(kind, (path, told), tx)
        replies = [o.message for o in outgoing if o.message.type != T.XS_WATCH_EVENT]
        fired = [o.message for o in outgoing if o.message.type == T.XS_WATCH_EVENT]
        context = f"{kind.name} {path} {value!r} tx {tx}"
        assert len(replies) == 1, context
        assert replies[0].payload == expected, context
        if kind is not T.XS_TRANSACTION_END:
            paths = sorted(message.payload.split(b"\0")[0].decode() for message in fired)
            assert paths == sorted(naive.fired), context
        nodes = {p: node.value for p, node in state.store.walk()}
        assert nodes == naive.nodes, context


GUEST_SERVER = serve_domain(build_store({"hvmloader/bios": "seabios"}))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.builds(
            Message,
            st.integers(0, 30) | st.integers(0, 2**32 - 1),
            st.integers(0, 2**32 - 1),
            st.integers(0, 3) | st.integers(0, 2**32 - 1),
            st.binary(max_size=40) | st.sampled_from([b"data/x\0v", b"T\0", b"data\0t\0", b"\0"]),
        ),
        max_size=10,
    )
)
def test_any_message_gets_one_reply(messages: list[Message]) -> None:
    state = GUEST_SERVER
    for message in messages:
        again = handle(state, 1, message)
        state, outgoing = handle(state, 1, message)
        assert again == (state, outgoing), "the answer depends on the state and the message only"
        replies = [o.message for o in outgoing if o.message.type != T.XS_WATCH_EVENT]
        assert [(r.req_id, r.tx_id) for r in replies] == [(message.req_id, message.tx_id)]
        if replies[0].type == T.XS_ERROR:
            assert replies[0].payload[:-1].decode() in XSD_ERRORS
        else:
            assert replies[0].type == message.type
        hash(state)
