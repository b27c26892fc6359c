"""`guestsim debug` as a program."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from stub import LEGACY, ROOT, SCENARIOS, stub

from guestsim.debug.packets import Framer, Mark, Packet, frame

SMALL = SCENARIOS / "wire.toml#events-oxenstored-tso"
EVERY = SCENARIOS / "torn-reset.toml#every-sc"


def guestsim(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "guestsim", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )


class Client:
    """GDB's side of the wire."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._framer = Framer()
        self._items: list[Packet | Mark] = []

    def next(self) -> Packet | Mark | None:
        """None where the stub has hung up."""
        while not self._items:
            data = self.socket.recv(4096)
            if not data:
                return None
            self._items += self._framer.feed(data)
        return self._items.pop(0)

    def ask(self, packet: bytes) -> list[Packet | Mark | None]:
        """What comes up to the answer."""
        self.socket.sendall(frame(packet))
        got = [self.next()]
        while got[-1] in (Mark.ACK,) or (
            isinstance(got[-1], Packet) and got[-1].data[:1] == b"O" and got[-1].data != b"OK"
        ):
            got.append(self.next())
        return got


def test_it_serves_one_gdb_and_ends_when_that_leaves(tmp_path: Path) -> None:
    with stub(LEGACY) as (port, process):
        client = Client(port)
        assert client.ask(b"qC") == [Mark.ACK, Packet(b"QC1")]
        client.socket.sendall(b"$qC#00")
        assert client.next() is Mark.RESEND
        client.socket.sendall(b"-")
        assert client.next() == Packet(b"QC1"), "once more"
        assert client.ask(b"QStartNoAckMode") == [Mark.ACK, Packet(b"OK")]
        assert client.ask(b"qC") == [Packet(b"QC1")]
        assert client.ask(b"D") == [Packet(b"OK")]
        assert client.next() is None
        assert process.wait(timeout=20) == 0


def test_gdb_may_go_without_a_word() -> None:
    with stub(LEGACY) as (port, process):
        Client(port).socket.close()
        assert process.wait(timeout=20) == 0


def test_ctrl_c_of_gdb_stops_the_guest() -> None:
    with stub(LEGACY) as (port, _):
        client = Client(port)
        client.ask(b"QStartNoAckMode")
        client.socket.sendall(frame(b"c") + b"\x03")
        assert client.next() == Packet(b"T02thread:1;")


@pytest.mark.parametrize("connected", [False, True])
def test_ctrl_c_ends_it_as_it_ends_other_commands(connected: bool) -> None:
    with stub(LEGACY) as (port, process):
        client = Client(port) if connected else None
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 3
        assert process.stderr is not None
        assert process.stderr.read() == "guestsim: interrupted: incomplete\n"
        assert client is None or client.next() is None


def test_a_port_in_use_is_one_line() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = guestsim("debug", LEGACY, "--port", port)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"guestsim: --port {port}: cannot listen there: Address already in use\n"
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nowhere.toml",), "nowhere.toml: "),
        ((LEGACY, "--port", "70000"), "is no number from 0 to 65535"),
        ((EVERY, "--outcome", "corrupted"), "nothing ends corrupted; found: refused"),
        ((SCENARIOS / "torn-reset.toml#nobody",), "nobody"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[object, ...], told: str) -> None:
    done = guestsim("debug", *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_stores_in_any_order_have_no_place_in_an_instruction(tmp_path: Path) -> None:
    text = (SCENARIOS / "connect.toml").read_text()
    path = tmp_path / "any.toml"
    path.write_text(text.replace("[search]", '[search]\nstring_stores = "any-order"', 1))
    done = guestsim("debug", path)
    assert done.returncode == 2
    assert "string_stores" in done.stderr


def test_a_saved_schedule_can_be_debugged(tmp_path: Path) -> None:
    saved = tmp_path / "x.schedule.json"
    assert guestsim("run", SMALL, "--outcome", "connected", "--save", saved).returncode == 0
    with stub(saved) as (port, _):
        client = Client(port)
        client.ask(b"QStartNoAckMode")
        while True:
            told = client.ask(b"c")
            if told[-1] != Packet(b"T05thread:1;"):
                break
        assert told[-1] == Packet(b"T05replaylog:end;thread:1;")
        assert isinstance(told[0], Packet)
        assert bytes.fromhex(told[0].data[1:].decode()).startswith(b"connected")
    done = guestsim("debug", saved, "--outcome", "refused")
    assert done.returncode == 2
    assert "--outcome is for scenarios" in done.stderr
