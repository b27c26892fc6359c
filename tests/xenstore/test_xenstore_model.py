"""The server against a naive one, on random conversations of two privileged clients."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from naive_store import NaiveServer

from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.daemon import oxenstored
from guestsim.xenstore import Connection, Dialect, Message, ServerState, connect, handle
from guestsim.xenstore.store import EMPTY

KEYS = st.sampled_from([5, 6])
NAME = st.sampled_from(["a", "b"])
PATHS = st.lists(NAME, min_size=1, max_size=3).map(lambda steps: "/" + "/".join(steps))
VALUES = st.binary(max_size=2)
TX = st.sampled_from([0, 0, 0, 1, 2, 3])
QUESTIONS = st.sampled_from([T.XS_READ, T.XS_DIRECTORY])
CHANGES = st.sampled_from([T.XS_WRITE, T.XS_WRITE, T.XS_MKDIR, T.XS_RM])


class Conversation(RuleBasedStateMachine):
    """Both servers get the same requests; replies, events and stores have to be the same."""

    dialect = Dialect()

    def __init__(self) -> None:
        super().__init__()
        self.state = ServerState(EMPTY)
        for key in (5, 6):
            self.state = connect(self.state, key, Connection(0, privileged=True))
        self.naive = NaiveServer(replays=self.dialect.replays)

    def ask(self, key: int, kind: T, payload: bytes, path: str, value: bytes, tx: int) -> None:
        request = Message(kind, 1, tx, payload)
        before = self.state
        self.state, outgoing = handle(before, key, request, self.dialect)
        again = handle(before, key, request, self.dialect)
        assert again == (self.state, outgoing), "the answer depends on the state alone"
        replies = [o.message for o in outgoing if o.message.type != T.XS_WATCH_EVENT]
        assert len(replies) == 1
        context = f"client {key}: {kind.name} {path} {value!r} in {tx}"
        assert replies[0].payload == self.naive.ask(key, kind, path, value, tx), context
        if not self.dialect.replays:
            fired = [
                (o.connection, o.message.payload.split(b"\0")[0].decode())
                for o in outgoing
                if o.message.type == T.XS_WATCH_EVENT
            ]
            for client in (5, 6):
                mine = [event for event in fired if event[0] == client]
                assert mine == [event for event in self.naive.fired if event[0] == client], context

    @rule(key=KEYS, kind=QUESTIONS, path=PATHS, tx=TX)
    def question(self, key: int, kind: T, path: str, tx: int) -> None:
        self.ask(key, kind, path.encode() + b"\0", path, b"", tx)

    @rule(key=KEYS, kind=CHANGES, path=PATHS, value=VALUES, tx=TX)
    def change(self, key: int, kind: T, path: str, value: bytes, tx: int) -> None:
        value = value if kind is T.XS_WRITE else b""
        self.ask(key, kind, path.encode() + b"\0" + value, path, value, tx)

    @rule(key=KEYS, path=PATHS, setting=st.booleans())
    def watch(self, key: int, path: str, setting: bool) -> None:
        kind = T.XS_WATCH if setting else T.XS_UNWATCH
        self.ask(key, kind, path.encode() + b"\0t\0", path, b"", 0)

    @rule(key=KEYS, tx=TX)
    def start(self, key: int, tx: int) -> None:
        self.ask(key, T.XS_TRANSACTION_START, b"\0", "", b"", tx)

    @rule(key=KEYS, tx=TX, verdict=st.sampled_from([b"T\0", b"T\0", b"T\0", b"F\0"]))
    def end(self, key: int, tx: int, verdict: bytes) -> None:
        self.ask(key, T.XS_TRANSACTION_END, verdict, "", verdict, tx)

    @precondition(lambda self: self.naive.watches)
    @rule(key=KEYS)
    def reset(self, key: int) -> None:
        self.ask(key, T.XS_RESET_WATCHES, b"\0", "", b"", 0)

    @invariant()
    def same_store(self) -> None:
        found = {p: (n.value, sorted(n.children)) for p, n in self.state.store.walk()}
        expected = {p: (r.value, sorted(r.children)) for p, r in self.naive.nodes.items()}
        assert found == expected
        if not self.dialect.replays:
            order = {path: list(node.children) for path, node in self.state.store.walk()}
            assert order == {path: r.children for path, r in self.naive.nodes.items()}
        assert dict(self.state.store.owned) == {0: len(found)}
        for _, node in self.state.store.walk():
            assert node.listed == sum(len(name) + 1 for name in node.children)
        hash(self.state)


class ReplayedConversation(Conversation):
    """The same with the ways of oxenstored."""

    dialect = oxenstored.DIALECT


LIMITS = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestConversation = Conversation.TestCase
TestConversation.settings = LIMITS
TestReplayedConversation = ReplayedConversation.TestCase
TestReplayedConversation.settings = LIMITS
