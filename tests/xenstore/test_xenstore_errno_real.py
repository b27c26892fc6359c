"""The sessions of `test_xenstore_errno` with a real C xenstored, where there is one to run.

It is Debian's, of the folder that GUESTSIM_XENSTORE_TOOLS names (docs/serve.md); there need be no
hypervisor under it (`no_hypervisor.c`), but a C compiler.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from test_xenstore_errno import OF_A_TOOL, Session

from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.xenstore import Message, Need, parse

DAEMON = "usr/lib/xen-4.17/bin/xenstored"
LIBRARIES = ("libxenctrl.so.4.17", "libxenevtchn.so.1", "libxengnttab.so.1")


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("libraries")
    source = Path(__file__).with_name("no_hypervisor.c")
    command = [compiler, "-shared", "-fPIC", "-o", str(folder / "all.so"), str(source), "-ldl"]
    subprocess.run(command, check=True, timeout=60)
    for name in LIBRARIES:
        (folder / name).symlink_to("all.so")
    return folder


@contextmanager
def real(folder: Path, libraries: Path) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """A daemon that has just started, and a connection to it."""
    program = Path(os.environ.get("GUESTSIM_XENSTORE_TOOLS") or "/") / DAEMON
    if not program.exists():
        pytest.skip("no C xenstored, and GUESTSIM_XENSTORE_TOOLS names no folder with one")
    os.mkfifo(folder / "events")
    (folder / "port").write_text("1")
    (folder / "ring").write_bytes(bytes(4096))
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(libraries),
        "LD_PRELOAD": str(libraries / "all.so"),
        "NO_HYPERVISOR": str(folder),
        "XENSTORED_RUNDIR": str(folder),
        "XENSTORED_ROOTDIR": str(folder),
    }
    daemon = subprocess.Popen(
        [program, "--no-fork", "--internal-db", "--pid-file", folder / "pid"],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            _connect(client, folder / "socket")
            yield daemon, client
    finally:
        daemon.kill()
        daemon.wait(20)


def _connect(client: socket.socket, path: Path) -> None:
    last = time.monotonic() + 20
    while True:
        try:
            return client.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            assert time.monotonic() < last, "it does not start"
            time.sleep(0.01)


def reply(client: socket.socket) -> Message | None:
    """The next message that is no event; None at the end."""
    data = b""
    while isinstance(found := parse(data), Need):
        try:
            more = client.recv(found.missing)
        except ConnectionResetError:
            more = b""
        if not more:
            return None
        data += more
    assert isinstance(found, Message)
    return reply(client) if found.type == T.XS_WATCH_EVENT else found


@pytest.mark.parametrize("session", OF_A_TOOL)
def test_the_binary_says_what_was_recorded(
    tmp_path: Path, libraries: Path, session: Session
) -> None:
    with real(tmp_path, libraries) as (daemon, client):
        for kind, payload, tx_id, answer in session:
            client.sendall(Message(kind, 0, tx_id, payload).encode())
            found = reply(client)
            assert (None if found is None else found.payload) == answer
        if session[-1][-1] is None:
            assert daemon.wait(20) == -signal.SIGABRT
        else:
            assert daemon.poll() is None
