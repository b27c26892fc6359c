"""What the socket server costs: a C client that reads, and many clients at once."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.xenstore import Message, parse

HERE = Path(__file__).parent
READS = 5000


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """`guestsim serve`, in a process of its own; gives the socket's path."""
    monkeypatch.chdir(tmp_path)
    Path("store.toml").write_text('[store]\n"hvmloader/bios" = "seabios"\n')
    program = subprocess.Popen(
        [sys.executable, "-m", "guestsim", "serve", "--socket", "s", "--store", "store.toml"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE.parent.parent)},
    )
    assert program.stdout is not None
    assert program.stdout.readline().startswith("ready")
    yield Path("s")
    program.terminate()
    assert program.wait(20) == 0


def test_reads_of_one_c_client(benchmark: Any, server: Path) -> None:
    # Divide the figure by READS.
    subprocess.run(
        [sys.executable, "-m", "ziglang", "cc", "-O2", "-o", "readloop", HERE / "readloop.c"],
        check=True,
    )
    path = "/local/domain/1/hvmloader/bios"
    benchmark.pedantic(
        subprocess.run,
        (["./readloop", server, path, str(READS)],),
        {"check": True},
        rounds=5,
        warmup_rounds=1,
    )
    if benchmark.enabled:
        benchmark.extra_info["reads a second"] = round(READS / benchmark.stats.stats.median)


def test_a_write_that_1000_clients_watch(benchmark: Any, server: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    clients = []
    for _ in range(1000):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(server))
        client.sendall(Message(T.XS_WATCH, 0, 0, b"/w\0t\0").encode())
        clients.append(client)
    event = Message(T.XS_WATCH_EVENT, 0, 0, b"/w\0t\0")
    for client in clients:
        take(client, Message(T.XS_WATCH, 0, 0, b"OK\0"))
        take(client, event)
    write = Message(T.XS_WRITE, 0, 0, b"/w\0x").encode()

    def run() -> None:
        clients[0].sendall(write)
        for client in clients:
            take(client, event)
        take(clients[0], Message(T.XS_WRITE, 0, 0, b"OK\0"))

    benchmark.pedantic(run, rounds=20)
    for client in clients:
        client.close()


def take(client: socket.socket, expected: Message) -> None:
    """The next bytes are this message."""
    got = parse(client.recv(expected.size, socket.MSG_WAITALL))
    assert got == expected, got
