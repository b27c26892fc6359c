"""`guestsim serve` as a program: its line, its end, and one line for bad input."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from wire_session import Wire

from guestsim.abi.xs_wire import XsdSockmsgType as T

ROOT = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-m", "guestsim", "serve"]


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The program, in `folder`, ready or ended. It is killed if the test forgets to end it."""
    program = subprocess.Popen(
        [*COMMAND, "--socket", "s", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        # Whoever runs the tests may ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # noqa: PLW1509
    )
    try:
        yield program
    finally:
        program.kill()
        program.communicate()


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_says_where_it_is_and_ends_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == f"ready: export XENSTORED_PATH={tmp_path}/s\n"
        client = Wire(Path("s"))
        assert client.ask(T.XS_READ, b"/tool\0") == (T.XS_READ, b"")
        program.send_signal(number)
        assert client.read() is None, "clients are sent away"
        out, error = program.communicate(timeout=20)
        assert (program.returncode, out, error) == (0, "", "")
        assert not (tmp_path / "s").exists()


def test_quiet_prints_nothing(tmp_path: Path) -> None:
    with running(tmp_path, "--quiet") as program:
        client = connected(tmp_path, program)
        client.send(b"\xff" * 16)
        assert client.read() is None
        program.terminate()
        assert program.communicate(timeout=20) == ("", "")


def test_a_connection_that_it_ends_is_told(tmp_path: Path) -> None:
    with running(tmp_path) as program:
        client = connected(tmp_path, program)
        client.send(b"\xff" * 16)
        assert client.read() is None
        program.terminate()
        _, error = program.communicate(timeout=20)
        assert error == (
            "guestsim: client 1: connection ended: a header announces 4294967295 bytes, "
            "more than 4096\n"
        )


def test_trace_and_store(tmp_path: Path) -> None:
    (tmp_path / "store.toml").write_text('[store]\n"hvmloader/bios" = "seabios"\n')
    with running(tmp_path, "--trace", "--store", "store.toml") as program:
        assert program.stdout is not None
        assert program.stdout.readline().startswith("ready: ")
        client = Wire(Path("s"))
        answer = client.ask(T.XS_READ, b"/local/domain/1/hvmloader/bios\0")
        assert answer == (T.XS_READ, b"seabios")
        assert program.stdout.readline() == (
            'client 1 > READ "/local/domain/1/hvmloader/bios\\0" (request 0)\n'
        )
        assert program.stdout.readline() == 'client 1 < READ "seabios" (request 0)\n'


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ([], b"tool\0"),
        (["--model", "xenstored"], b"tool\0"),
        (["--model", "oxenstored"], b"@introduceDomain\0@releaseDomain\0local\0tool\0"),
    ],
)
def test_the_model_is_chosen(tmp_path: Path, arguments: list[str], names: bytes) -> None:
    with running(tmp_path, *arguments) as program:
        client = connected(tmp_path, program)
        assert client.ask(T.XS_DIRECTORY, b"/\0") == (T.XS_DIRECTORY, names)


def test_a_socket_that_a_killed_server_left_is_replaced(tmp_path: Path) -> None:
    # That it is ready is what it says, not that somebody could connect: it listens before that.
    with running(tmp_path) as program:
        assert program.stdout is not None
        assert program.stdout.readline().startswith("ready: ")
        program.kill()
        program.wait(20)
    assert (tmp_path / "s").exists()
    with running(tmp_path) as program:
        assert program.stdout is not None
        assert program.stdout.readline().startswith("ready: ")
        program.terminate()
        _, error = program.communicate(timeout=20)
        assert error == "guestsim: s: nobody listened on the socket that was there; replaced\n"
        assert program.returncode == 0
    assert not (tmp_path / "s").exists()


def test_a_signal_while_it_gets_ready_leaves_no_socket_and_is_not_silent(tmp_path: Path) -> None:
    code = """
import os, signal
from guestsim.serve import listener
before = listener._bind
def bind(server, path):
    found = before(server, path)
    os.kill(os.getpid(), signal.SIGTERM)
    return found
listener._bind = bind
from guestsim.cli import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "serve", "--socket", "s"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("ready: ")
    assert not (tmp_path / "s").exists()


def test_a_trace_that_nobody_reads_any_more_is_no_client_s_business(tmp_path: Path) -> None:
    with running(tmp_path, "--trace") as program:
        assert program.stdout is not None
        assert program.stderr is not None
        assert program.stdout.readline().startswith("ready: ")
        program.stdout.close()
        client = Wire(Path("s"))
        for _ in range(3):
            assert client.ask(T.XS_READ, b"/tool\0") == (T.XS_READ, b"")
        program.terminate()
        program.wait(20)
        assert program.stderr.read() == (
            "guestsim: standard output: nobody reads it any more; no more messages are shown, "
            "the server goes on\n"
        )
        assert program.returncode == 0


@pytest.mark.parametrize("redirected", [">/dev/full", ">&-", ">/dev/full 2>&-", "<&- >&- 2>&-"])
def test_a_server_serves_whoever_hears_it(tmp_path: Path, redirected: str) -> None:
    command = f'exec "{sys.executable}" -m guestsim serve --trace --socket s {redirected}'
    program = subprocess.Popen(
        ["bash", "-c", command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        client = connected(tmp_path, program)
        assert client.ask(T.XS_READ, b"/tool\0") == (T.XS_READ, b"")
        program.terminate()
        _, error = program.communicate(timeout=20)
    finally:
        program.kill()
        program.communicate()
    assert program.returncode == 0
    assert ("standard output: cannot be written" in error) == ("2>" not in redirected)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--socket", "file"], "file: exists, and is not a socket"),
        (["--socket", "none/s"], "none/s: cannot make a socket there: No such file or directory"),
        (["--socket", "s", "--store", "none"], "none: no such file"),
        (
            ["--socket", "s", "--model", "oxenstord"],
            "Invalid value for '--model': \"oxenstord\" is not one of xenstored, oxenstored; "
            'did you mean "oxenstored"?',
        ),
        ([], "Missing option '--socket'."),
    ],
)
def test_bad_input_is_one_line_and_exit_2(tmp_path: Path, arguments: list[str], error: str) -> None:
    (tmp_path / "file").write_text("precious")
    done = subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"guestsim: {error}\n")
    assert (tmp_path / "file").read_text() == "precious"
    assert not (tmp_path / "s").exists()


def connected(folder: Path, program: subprocess.Popen[str]) -> Wire:
    """A client, as soon as there is somebody to connect to."""
    for _ in range(2000):
        try:
            return Wire(Path("s"))
        except (FileNotFoundError, ConnectionRefusedError):
            assert program.poll() is None, program.communicate()
            try:
                program.wait(0.01)
            except subprocess.TimeoutExpired:
                continue
    raise AssertionError(f"no server in {folder} after 20 s")
