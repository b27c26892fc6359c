"""A server and its clients, so that a test reads like a conversation."""

from __future__ import annotations

from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.xenstore import (
    Connection,
    Dialect,
    Message,
    ServerState,
    build_store,
    connect,
    handle,
    serve_domain,
    with_special_nodes,
)

GUEST, TOOLS, OTHER = 1, 100, 2


def server(dialect: Dialect | None = None, **entries: str) -> ServerState:
    store = build_store({"hvmloader/bios": "seabios", "data/x": "old", **entries})
    if dialect is not None and dialect.special_nodes:
        store = with_special_nodes(store)
    state = serve_domain(store)
    return connect(state, TOOLS, Connection(0, privileged=True))


class Session:
    """A server with its state, so that a test reads like a conversation."""

    def __init__(self, dialect: Dialect | None = None) -> None:
        self.state = server(dialect)
        self.dialect = dialect or Dialect()
        self.events: list[tuple[int, bytes]] = []
        """Watch events of the last request: connection, payload."""

    def ask(self, kind: T, payload: bytes = b"", *, key: int = GUEST, tx_id: int = 0) -> bytes:
        """The reply's payload; an error's name starts with E and ends with nul."""
        request = Message(kind, 77, tx_id, payload)
        self.state, outgoing = handle(self.state, key, request, self.dialect)
        replies = [out for out in outgoing if out.message.type != T.XS_WATCH_EVENT]
        assert len(replies) == 1, outgoing
        assert replies[0].connection == key
        reply = replies[0].message
        assert (reply.req_id, reply.tx_id) == (77, tx_id)
        assert reply.type in (kind, T.XS_ERROR)
        self.events = []
        for connection, message in outgoing:
            if message.type == T.XS_WATCH_EVENT:
                assert (message.req_id, message.tx_id) == (0, 0)
                self.events.append((connection, message.payload))
        self.failed = reply.type == T.XS_ERROR
        return reply.payload

    def error(self, kind: T, payload: bytes = b"", *, key: int = GUEST, tx_id: int = 0) -> str:
        before = self.state
        reply = self.ask(kind, payload, key=key, tx_id=tx_id)
        assert self.failed, reply
        if not tx_id:
            assert self.state == before, "a refused request changes nothing"
        return reply.rstrip(b"\0").decode()
