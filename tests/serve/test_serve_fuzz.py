"""Any bytes at all: the server goes on, and nobody else loses anything.

In this process the bytes go through the same protocol object as over a socket; a smaller number
goes over a real one. Everything is drawn from a seed.
"""

from __future__ import annotations

import socket
from pathlib import Path
from random import Random

import pytest
from serving import Local, Loop, hub, request, serving
from wire_session import Wire

from guestsim.abi.xs_wire import XENSTORE_PAYLOAD_MAX, XsdSockmsgType
from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.serve import Hub
from guestsim.xenstore import Message

STRINGS = 100_000
PARTS = 4
"""The strings are cut into so many tests, for as many processes."""

_PATHS = ("/f", "/f/a", "/f/a/b", "/f/c", "f", "@releaseDomain", "/local/domain/1/data")
_ARGUMENTS = ("", "t", "T", "F", "0", "1", "r0", "b1", "n2", "print", "check", "help", "999")


def random_bytes(random: Random) -> bytes:
    """Mostly headers whose length says that they are small, else nothing would come through."""
    data = random.randbytes(random.randrange(100))
    if random.random() < 0.7 and len(data) >= 16:
        kind = random.choice((random.randrange(30), random.randrange(1 << 32)))
        length = random.randrange(len(data) - 16 + 3)
        fields = (kind, random.randrange(4), random.randrange(4), length)
        data = b"".join(field.to_bytes(4, "little") for field in fields) + data[16:]
    return data


def valid_message(random: Random) -> bytes:
    kind = random.choice(list(XsdSockmsgType))
    strings = [random.choice(_PATHS)]
    strings += random.choices(_ARGUMENTS, k=random.randrange(4))
    return request(kind, *strings, tx_id=random.randrange(4), req_id=random.randrange(3))


def mutated(random: Random) -> bytes:
    data = bytearray(valid_message(random))
    for _ in range(random.randrange(1, 4)):
        at = random.randrange(len(data))
        match random.randrange(5):
            case 0:
                data[at] = random.randrange(256)
            case 1:
                data[at] ^= 1 << random.randrange(8)
            case 2:
                del data[at:]
            case 3:
                data[at:at] = random.randbytes(random.randrange(4))
            case _:
                data += data[at:]
        if not data:
            data += b"\0"
    return bytes(data)


class Neighbour:
    """A second client with a value, a watch and an open transaction; loses none of them."""

    def __init__(self, served: Hub, loop: Loop) -> None:
        self.client = Local(served, loop)
        self.number = 0
        self.client.ask(T.XS_WATCH, "/neighbour", "token")
        self.client.events()
        self.transaction = self.start()

    def start(self) -> int:
        return int(self.client.ask(T.XS_TRANSACTION_START, "").payload[:-1])

    def check(self) -> None:
        client, before, self.number = self.client, self.number, self.number + 1
        assert client.events() == [], "an event for what nobody did"
        # The transaction from the last time commits what nobody else has touched.
        opened = self.transaction
        client.send(Message(T.XS_WRITE, 0, opened, f"/neighbour\0{self.number}".encode()).encode())
        assert client.received.pop() == Message(T.XS_WRITE, 0, opened, b"OK\0")
        if before:
            assert client.ask(T.XS_READ, "/neighbour").payload == str(before).encode()
        assert client.ask(T.XS_TRANSACTION_END, "T", tx_id=opened).payload == b"OK\0"
        assert client.ask(T.XS_READ, "/neighbour").payload == str(self.number).encode()
        assert client.events() == [b"/neighbour\0token\0"]
        self.transaction = self.start()
        assert not client.gone


@pytest.mark.parametrize("make", [random_bytes, mutated], ids=lambda make: make.__name__)
@pytest.mark.parametrize("part", range(PARTS))
def test_the_server_answers_after_any_bytes(make: object, part: int) -> None:
    assert callable(make)
    served, loop, random = hub(), Loop(), Random(part)
    neighbour = Neighbour(served, loop)
    client = Local(served, loop)
    answered = ended = 0
    for number in range(STRINGS // PARTS):
        client.send(make(random))
        # Most strings end within a message, so that the next one goes on with it.
        if client.gone or random.random() < 0.2:
            answered, ended = answered + len(client.received), ended + client.gone
            client.finish()
            client = Local(served, loop)
        if number % 500 == 0:
            neighbour.check()
    neighbour.check()
    assert len(served) == 2
    # The bytes were worth it: many came through, many connections were ended for them.
    assert answered > STRINGS // PARTS // 5, answered
    assert ended > STRINGS // PARTS // 20, ended


def test_the_same_over_a_real_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    random = Random(0)
    with serving(hub(), path):
        second = Wire(path)
        second.ask(T.XS_WATCH, b"/neighbour\0token\0")
        assert second.read() == (T.XS_WATCH_EVENT, 0, 0, b"/neighbour\0token\0")
        for number in range(1000):
            make = mutated if number % 2 else random_bytes
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                try:
                    for _ in range(random.randrange(4)):
                        client.sendall(make(random))
                except (BrokenPipeError, ConnectionResetError):
                    continue  # the server has ended it before all was sent
        assert second.ask(T.XS_WRITE, b"/neighbour\0x") == (T.XS_WRITE, b"OK\0")
        assert second.ask(T.XS_READ, b"/neighbour\0") == (T.XS_READ, b"x")
        second.close()


@pytest.mark.parametrize("length", [XENSTORE_PAYLOAD_MAX + 1, 1 << 31, (1 << 32) - 1])
def test_a_length_over_4096_ends_that_connection_only(length: int) -> None:
    served, loop = hub(), Loop()
    client, other = Local(served, loop), Local(served, loop)
    client.send(b"".join(field.to_bytes(4, "little") for field in (2, 0, 0, length)))
    assert client.gone
    assert client.received == []
    assert other.ask(T.XS_READ, "/tool").payload == b""


def test_a_payload_of_4096_bytes_is_fine() -> None:
    client = Local(hub(), Loop())
    payload = b"/a\0" + b"x" * (XENSTORE_PAYLOAD_MAX - 3)
    client.send(Message(T.XS_WRITE, 0, 0, payload).encode())
    assert not client.gone
    assert len(client.received) == 1
