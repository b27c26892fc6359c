"""Many clients on a real socket."""

from __future__ import annotations

import resource
import socket
import threading
from pathlib import Path

import pytest
from serving import hub, request, serving
from wire_session import Wire

from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.serve import limits, server


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("s")


def test_1000_clients_are_connected_at_once(path: Path) -> None:
    served = hub()
    with serving(served, path) as said:
        limits.client_limit()  # this process has both ends
        clients = [Wire(path) for _ in range(1000)]
        for number, client in enumerate(clients):
            client.request(T.XS_WRITE, f"/c/{number}\0{number}".encode())
        for client in clients:
            assert client.read() == (T.XS_WRITE, 0, 0, b"OK\0")
        assert len(served) == 1000
        assert clients[-1].ask(T.XS_READ, b"/c/0\0") == (T.XS_READ, b"0")
        # All of them watch; one change reaches each.
        for client in clients:
            client.request(T.XS_WATCH, b"/w\0t\0")
        for client in clients:
            assert client.read() == (T.XS_WATCH, 0, 0, b"OK\0")
            assert client.read() == (T.XS_WATCH_EVENT, 0, 0, b"/w\0t\0")
        clients[0].request(T.XS_WRITE, b"/w\0x")
        for client in clients:
            assert client.read() == (T.XS_WATCH_EVENT, 0, 0, b"/w\0t\0")
            client.close()
    assert said == []


def test_a_client_that_does_not_read_blocks_nobody(path: Path) -> None:
    with serving(hub(), path) as said:
        good = Wire(path)
        assert good.ask(T.XS_WRITE, b"/big\0" + b"x" * 2000) == (T.XS_WRITE, b"OK\0")
        with socket.socket(socket.AF_UNIX) as bad:
            bad.connect(str(path))
            bad.setblocking(False)
            reads = request(T.XS_READ, "/big") * 1000
            with pytest.raises(BlockingIOError):  # noqa: PT012 (many sends, the last one fails)
                for _ in range(10_000):
                    bad.send(reads)
            for _ in range(100):
                assert good.ask(T.XS_READ, b"/big\0")[1] == b"x" * 2000
            # What it asked for is there when it reads at last.
            bad.setblocking(True)
            received = b""
            while len(received) < 5_000_000:
                received += bad.recv(1 << 20)
            assert received.count(b"x" * 2000) > 2000
    assert said == []


def test_clients_at_the_same_time_each_get_their_own(path: Path) -> None:
    wrong: list[object] = []

    def work(number: int) -> None:
        client = Wire(path)
        for step in range(100):
            client.ask(T.XS_WRITE, f"/n/{number}\0{step}".encode())
            answer = client.ask(T.XS_READ, f"/n/{number}\0".encode())
            if answer != (T.XS_READ, str(step).encode()):
                wrong.append((number, step, answer))
        client.close()

    with serving(hub(), path):
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert wrong == []


def test_clients_are_sent_away_at_the_end(path: Path) -> None:
    served = hub()
    with serving(served, path):
        clients = [Wire(path) for _ in range(3)]
        for client in clients:
            client.ask(T.XS_READ, b"/tool\0")
        assert len(served) == 3
    assert len(served) == 0
    assert [client.read() for client in clients] == [None] * 3


def test_one_client_too_many_is_turned_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "client_limit", lambda: 2)
    with serving(hub(), path) as said:
        first, second, third = Wire(path), Wire(path), Wire(path)
        assert first.ask(T.XS_READ, b"/tool\0") == (T.XS_READ, b"")
        assert second.ask(T.XS_READ, b"/tool\0") == (T.XS_READ, b"")
        assert third.read() is None
        second.close()
        first.ask(T.XS_READ, b"/tool\0")
        fourth = Wire(path)
        assert fourth.ask(T.XS_READ, b"/tool\0") == (T.XS_READ, b"")
        for client in (first, third, fourth):
            client.close()
    assert said == [
        "at most 2 clients: the hard limit of open files allows no more",
        "a client is turned away: 2 are connected",
    ]


def test_the_soft_limit_of_open_files_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limit: raised.append(limit))
    assert limits.client_limit() == 4096 - 64
    assert raised == [(4096, 4096)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: (10, 10))
    assert limits.client_limit() == 0
    monkeypatch.setattr(
        resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    )
    assert limits.client_limit() == 65536
    assert raised == [(4096, 4096)]
