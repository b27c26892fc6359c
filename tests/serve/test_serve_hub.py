"""Who gets what: the hub, its watcher, and connections that are elsewhere."""

from __future__ import annotations

from serving import hub

from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.serve.hub import FIRST_KEY, client_name
from guestsim.serve.words import trace_line
from guestsim.xenstore import Connection, Message, Outgoing, connect


class Box:
    """A client that keeps what it gets."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def deliver(self, message: Message) -> None:
        self.messages.append(message)


def ask(kind: T, *strings: str) -> Message:
    return Message(kind, 1, 0, "".join(f"{string}\0" for string in strings).encode())


def test_replies_go_to_who_asked_and_events_to_who_watches() -> None:
    served, one, two = hub(), Box(), Box()
    first, second = served.join(one), served.join(two)
    served.request(second, ask(T.XS_WATCH, "/a", "t"))
    two.messages.clear()
    served.request(first, Message(T.XS_WRITE, 1, 0, b"/a\0x"))
    assert [message.type for message in one.messages] == [T.XS_WRITE]
    assert two.messages == [Message(T.XS_WATCH_EVENT, 0, 0, b"/a\0t\0")]


def test_keys_are_never_used_twice() -> None:
    served = hub()
    keys = []
    for _ in range(3):
        key = served.join(Box())
        keys.append(key)
        served.leave(key)
    assert keys == [FIRST_KEY, FIRST_KEY + 1, FIRST_KEY + 2]
    assert len(served) == 0
    assert len(served.state.connections) == 0


def test_messages_for_a_ring_go_elsewhere() -> None:
    elsewhere: list[Outgoing] = []
    served = hub(elsewhere=elsewhere.append)
    served.state = connect(served.state, 1, Connection(1, privileged=True))
    key = served.join(Box())
    served.request(1, ask(T.XS_WATCH, "/a", "guest's"))
    elsewhere.clear()
    served.request(key, Message(T.XS_WRITE, 1, 0, b"/a\0x"))
    assert elsewhere == [Outgoing(1, Message(T.XS_WATCH_EVENT, 0, 0, b"/a\0guest's\0"))]


def test_what_is_elsewhere_is_dropped_without_anybody_there() -> None:
    served, box = hub(), Box()
    served.state = connect(served.state, 1, Connection(1, privileged=True))
    key = served.join(box)
    served.request(1, ask(T.XS_WATCH, "/a", "guest's"))
    served.request(key, Message(T.XS_WRITE, 1, 0, b"/a\0x"))
    assert [message.payload for message in box.messages] == [b"OK\0"]


def test_a_watcher_sees_every_message_in_its_order() -> None:
    lines: list[str] = []
    served = hub(watcher=lambda *seen: lines.append(trace_line(*seen)))
    key = served.join(Box())
    served.request(key, ask(T.XS_WATCH, "/a", "t"))
    served.request(key, Message(T.XS_READ, 5, 9, b"/a\0"))
    assert lines == [
        r'client 1 > WATCH "/a\0t\0" (request 1)',
        r'client 1 < WATCH "OK\0" (request 1)',
        r'client 1 < WATCH_EVENT "/a\0t\0"',
        r'client 1 > READ "/a\0" (request 5, transaction 9)',
        r'client 1 < ERROR "ENOENT\0" (request 5, transaction 9)',
    ]


def test_bytes_that_do_not_print_are_escaped_and_long_payloads_cut() -> None:
    line = trace_line(FIRST_KEY, Message(20, 0, 0, b'\x1b"\\\xff' + b"x" * 200), incoming=True)
    assert line.startswith(r'client 1 > type 0x14 "\x1b\"\\\xff' + "x" * 100)
    assert line.endswith('x… 204 bytes" (request 0)')


def test_names() -> None:
    assert client_name(1) == "domain 1"
    assert client_name(FIRST_KEY + 4) == "client 5"
