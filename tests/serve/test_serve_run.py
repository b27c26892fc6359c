"""`guestsim run --socket`: a person looks into the store while the guest stands still."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from wire_session import Wire

from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.trace.events import places

ROOT = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-m", "guestsim", "run"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}

SCENARIO = """
title = "a guest that asks"
[boot]
chain = [{{ image = "frontend", requests = {requests} }}]
[store]
"data/colour" = "red"
[daemon]
model = "{model}"
[search]
strategy = "{strategy}"
{script}
[expect]
connected = "always"
"""
SCRIPT = 'script = [{ run = "guest" }]'


class Run:
    """A run under way: its stops, one after another."""

    def __init__(self, program: subprocess.Popen[str]) -> None:
        self.program = program
        self.socket = Path("s")

    def stop(self) -> str:
        """The line of the next stop; at the end, that of the end."""
        assert self.program.stderr is not None
        line = self.program.stderr.readline()
        assert "Enter goes on" in line, f"expected a stop, got {line!r}"
        return line

    def go_on(self) -> None:
        assert self.program.stdin is not None
        self.program.stdin.write("\n")
        self.program.stdin.flush()

    def finish(self) -> tuple[str, str, int]:
        """Go on to the end, without further stops."""
        out, error = self.program.communicate(timeout=60)
        return out, error, self.program.returncode


@contextmanager
def running(*arguments: str) -> Iterator[Run]:
    program = subprocess.Popen(
        [*COMMAND, "--socket", "s", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    try:
        yield Run(program)
    finally:
        program.kill()
        program.communicate()
    assert not Path("s").exists() or program.returncode == -signal.SIGKILL


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def scenario(*requests: str, model: str = "xenstored", strategy: str = "script") -> str:
    path = Path("s.toml")
    script = SCRIPT if strategy == "script" else "runs = 3" if strategy == "random" else ""
    text = SCENARIO.format(requests=list(requests), model=model, strategy=strategy, script=script)
    path.write_text(text)
    return str(path)


def plain(*arguments: str) -> str:
    """What the run prints without a socket."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env=ENVIRONMENT,
        check=True,
    )
    return done.stdout


COLOUR = b"/local/domain/1/data/colour\0"
MODELS = pytest.mark.parametrize("model", ["xenstored", "oxenstored", "rfc-v2"])
EACH = pytest.mark.parametrize(
    ("model", "strategy"),
    [("xenstored", "script"), ("oxenstored", "exhaustive"), ("rfc-v2", "random")],
)


@EACH
def test_who_only_looks_changes_nothing(model: str, strategy: str) -> None:
    file = scenario("read data/colour=red", "write data/x=1", model=model, strategy=strategy)
    unvisited = plain(file, "--save", "plain.schedule.json")
    with running(file, "--save", "visited.schedule.json") as run:
        assert "the guest asks READ data/colour" in run.stop()
        client = Wire(run.socket)
        assert client.ask(T.XS_READ, COLOUR) == (T.XS_READ, b"red")
        assert client.ask(T.XS_WATCH, b"/local/domain/1/data\0t\0") == (T.XS_WATCH, b"OK\0")
        run.go_on()
        assert "the guest asks WRITE data/x=1" in run.stop()
        assert client.ask(T.XS_READ, COLOUR) == (T.XS_READ, b"red")
        out, error, status = run.finish()
    assert (out, error, status) == (unvisited, "", 0)
    assert Path("visited.schedule.json").read_text() == Path("plain.schedule.json").read_text()


@EACH
def test_a_change_by_hand_reaches_the_guest(model: str, strategy: str) -> None:
    # At random, the daemon may have answered a request before it can deal with others.
    file = scenario("read data/x", "read data/colour=red", model=model, strategy=strategy)
    with running(file, "--save", "no.schedule.json") as run:
        run.stop()
        client = Wire(run.socket)
        assert client.ask(T.XS_WRITE, COLOUR + b"blue") == (T.XS_WRITE, b"OK\0")
        out, error, status = run.finish()
    assert 'read data/colour: expected "red", got "blue"' in out
    assert re.search(
        r'changed by hand at step \d+: client 1 > WRITE "/local/domain/1/data/colour\\0blue"', out
    ), out
    assert status == 2
    assert error == (
        "guestsim: no.schedule.json: not written: a run that was changed by hand cannot be "
        "replayed\n"
    )
    assert not Path("no.schedule.json").exists()


@MODELS
def test_the_guest_hears_of_a_change_that_it_watches(model: str) -> None:
    # Without the change it would wait for ever.
    waits = ("watch data/colour", "event data/colour", "read data/x", "event data/colour")
    file = scenario(*waits, "read data/colour=blue", model=model)
    assert "\nhung: " in plain(file)
    with running(file) as run:
        assert "the guest asks WATCH data/colour" in run.stop()
        run.go_on()
        assert "the guest asks READ data/x" in run.stop()
        client = Wire(run.socket)
        assert client.ask(T.XS_WRITE, COLOUR + b"blue") == (T.XS_WRITE, b"OK\0")
        out, _, status = run.finish()
    assert status == 0
    assert "\nconnected" in out, out


@MODELS
def test_a_visitor_hears_of_what_the_guest_does_between_stops(model: str) -> None:
    file = scenario("read data/a", "write data/colour=green", "read data/b", model=model)
    with running(file) as run:
        run.stop()
        client = Wire(run.socket)
        client.ask(T.XS_WATCH, COLOUR + b"token\0")
        assert client.read() == (T.XS_WATCH_EVENT, 0, 0, COLOUR + b"token\0")
        run.go_on()
        assert "WRITE data/colour=green" in run.stop()
        run.go_on()
        assert "READ data/b" in run.stop()
        assert client.read() == (T.XS_WATCH_EVENT, 0, 0, COLOUR + b"token\0")
        assert client.ask(T.XS_READ, COLOUR) == (T.XS_READ, b"green")
        run.go_on()
        assert "the execution has ended (connected)" in run.stop()
        assert client.ask(T.XS_READ, COLOUR) == (T.XS_READ, b"green")
        out, error, status = run.finish()
    assert (error, status) == ("", 0)
    assert "changed by hand" not in out


def test_a_transaction_of_a_visitor_is_open_across_stops() -> None:
    file = scenario("read data/a", "write data/x=guest", "read data/b")
    with running(file) as run:
        run.stop()
        client = Wire(run.socket)
        number = int(client.ask(T.XS_TRANSACTION_START, b"\0")[1][:-1])
        assert client.ask(T.XS_WRITE, COLOUR + b"later", number) == (T.XS_WRITE, b"OK\0")
        run.go_on()
        run.stop()
        assert client.ask(T.XS_READ, COLOUR) == (T.XS_READ, b"red")
        run.go_on()
        run.stop()
        assert client.ask(T.XS_TRANSACTION_END, b"T\0", number) == (
            T.XS_TRANSACTION_END,
            b"OK\0",
        )
        assert client.ask(T.XS_READ, COLOUR) == (T.XS_READ, b"later")
        out, _, status = run.finish()
    assert status == 0
    assert out.count("changed by hand") == 1


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (T.XS_WRITE, COLOUR + b"red"),  # what is there already
        (T.XS_INTRODUCE, b"7\x001\x001\x00"),
        (T.XS_CONTROL, b"quota\0set\0nodes\x005\0"),  # of which the guest may have more already
    ],
)
def test_what_else_is_a_change(kind: T, payload: bytes) -> None:
    with running(scenario("read data/a")) as run:
        run.stop()
        client = Wire(run.socket)
        assert client.ask(kind, payload) == (kind, b"OK\0")
        out, _, status = run.finish()
    assert status == 0
    assert out.count("changed by hand") == 1, out


def test_a_stop_at_an_event_waits_until_the_daemon_can_deal_with_others() -> None:
    # The store of rsp_prod is in the middle of a pass of the daemon's main loop.
    file = scenario("read data/colour=red", "read data/colour=blue")
    with running(file, "--stop-at", "store rsp_prod = 19") as run:
        line = re.match(r"guestsim: step (\d+): daemon: store rsp_prod = 19: ", run.stop())
        assert line is not None
        client = Wire(run.socket)
        assert client.ask(T.XS_WRITE, COLOUR + b"blue") == (T.XS_WRITE, b"OK\0")
        out, error, status = run.finish()
    assert (error, status) == ("", 0)
    assert "\nconnected" in out
    changed = re.search(r"changed by hand at step (\d+)", out)
    assert changed is not None
    assert int(changed[1]) > int(line[1])


def test_the_last_stop_shows_the_store_of_a_daemon_that_gave_the_ring_up() -> None:
    with running(f"{ROOT}/scenarios/torn-reset.toml#legacy", "--stop-at", "halt") as run:
        assert run.program.stderr is not None
        assert run.program.stderr.readline().endswith(
            "daemon: halt: the daemon was in the middle of something\n"
        )
        assert "the execution has ended (refused)" in run.stop()
        client = Wire(run.socket)
        bios = b"/local/domain/1/hvmloader/bios\0"
        assert client.ask(T.XS_READ, bios) == (T.XS_READ, b"seabios")
        # What is changed now changes nothing that matters.
        assert client.ask(T.XS_WRITE, bios + b"x") == (T.XS_WRITE, b"OK\0")
        run.go_on()
        out, error, status = run.finish()
    assert (error, status) == ("", 0)
    assert "changed by hand" not in out


def test_ctrl_c_at_a_stop_ends_the_run() -> None:
    with running(scenario("read data/a")) as run:
        run.stop()
        run.program.send_signal(signal.SIGINT)
        out, error, status = run.finish()
    assert (out, error, status) == ("", "guestsim: interrupted: incomplete\n", 3)
    assert not Path("s").exists()


def test_a_visitor_that_sends_nonsense_loses_its_connection_only() -> None:
    with running(scenario("read data/colour=red")) as run:
        run.stop()
        bad, good = Wire(run.socket), Wire(run.socket)
        bad.send(b"\xff" * 16)
        assert bad.read() is None
        assert good.ask(T.XS_READ, COLOUR) == (T.XS_READ, b"red")
        out, error, status = run.finish()
    assert status == 0
    assert "client 1: connection ended: a header announces 4294967295 bytes" in error
    assert "changed by hand" not in out


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--stop-at", "store req_prod"], "--stop-at: belongs to --socket"),
        (["--socket", "file"], "file: exists, and is not a socket"),
        (["--socket", "s", "--stop-at", "store req_prdo"],
         f'--stop-at: "req_prdo" is not one of {", ".join(places())}; did you mean "req_prod"?'),
        (["--socket", "s"],
         "--socket: Enter is read from standard input, which is no terminal or pipe here"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_exit_2(arguments: list[str], error: str) -> None:
    Path("file").write_text("precious")
    done = subprocess.run(
        [*COMMAND, scenario("read data/a"), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        env=ENVIRONMENT,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"guestsim: {error}\n")
    assert not Path("s").exists()


OTHERS = """
[[others]]
name = "backend"
do = ["write data/y=1"]
"""


def with_others(*requests: str, model: str) -> str:
    file = scenario(*requests, model=model, strategy="exhaustive")
    path = Path(file)
    path.write_text(path.read_text() + OTHERS)
    return file


@pytest.mark.parametrize("model", ["xenstored", "oxenstored"])
def test_what_others_write_is_told_to_who_looks(model: str) -> None:
    """A visitor watches; the event of somebody else's request comes with the next stop."""
    file = with_others("watch data/y", "until data/y=1", model=model)
    with running(file) as run:
        run.stop()
        client = Wire(run.socket)
        path = b"/local/domain/1/data/y\0"
        assert client.ask(T.XS_WATCH, path + b"t\0") == (T.XS_WATCH, b"OK\0")
        assert client.read() == (T.XS_WATCH_EVENT, 0, 0, path + b"t\0")
        run.go_on()
        while "has ended" not in run.stop():
            run.go_on()
        assert client.read() == (T.XS_WATCH_EVENT, 0, 0, path + b"t\0")
        assert client.ask(T.XS_READ, path) == (T.XS_READ, b"1")


def test_a_run_stops_where_others_ask() -> None:
    file = with_others("watch data/y", "until data/y=1", model="xenstored")
    with running(file, "--stop-at", "act backend") as run:
        assert "daemon: act backend: write data/y=1" in run.stop()
        client = Wire(run.socket)
        assert client.ask(T.XS_READ, b"/local/domain/1/data/y\0") == (T.XS_READ, b"1")
        _, error, status = run.finish()
    assert (error, status) == ("", 0)


@pytest.mark.parametrize(
    ("others", "line"),
    [
        (OTHERS, '--stop-at: "bakend" is not one of backend; did you mean "backend"?'),
        ("", "--stop-at: nobody else asks in s.toml"),
    ],
)
def test_who_does_not_ask_is_no_place_to_stop_at(others: str, line: str) -> None:
    file = scenario("read data/x", strategy="exhaustive")
    Path(file).write_text(Path(file).read_text() + others)
    with running(file, "--stop-at", "act bakend") as run:
        _, error, status = run.finish()
    assert (error, status) == (f"guestsim: {line}\n", 2)
