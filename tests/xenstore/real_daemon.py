"""Debian's own daemons, where GUESTSIM_XENSTORE_TOOLS (docs/serve.md) names a folder with them.

There need be no hypervisor under them (`no_hypervisor.c`), but a C compiler.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["build_libraries", "connected", "running"]

_PROGRAMS = "usr/lib/xen-4.17/bin"
_LIBRARIES = (
    "libxenctrl.so.4.17",
    "libxenevtchn.so.1",
    "libxengnttab.so.1",
    "libxenguest.so.4.17",
)


def build_libraries(folder: Path) -> Path:
    """Stands in for Xen's libraries; skips where nothing can be compiled."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    source = Path(__file__).with_name("no_hypervisor.c")
    command = [compiler, "-shared", "-fPIC", "-o", str(folder / "all.so"), str(source), "-ldl"]
    subprocess.run(command, check=True, timeout=60)
    for name in _LIBRARIES:
        (folder / name).symlink_to("all.so")
    return folder


@contextmanager
def running(model: str, folder: Path, libraries: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`xenstored` or `oxenstored`, just started; its socket is `folder / "socket"`."""
    program = Path(os.environ.get("GUESTSIM_XENSTORE_TOOLS") or "/") / _PROGRAMS / model
    if not program.exists():
        pytest.skip(f"no {model}, and GUESTSIM_XENSTORE_TOOLS names no folder with one")
    os.mkfifo(folder / "events")
    (folder / "port").write_text("1")
    (folder / "ring").write_bytes(bytes(4096))
    options: list[str | Path] = ["--internal-db", "--pid-file", folder / "pid"]
    if model == "oxenstored":
        files = {"pid-file": "pid", "xenstored-kva": "ring", "xenstored-port": "port"}
        files |= {"xenstored-log-file": "log", "access-log-file": "access"}
        lines = [f"{key} = {folder / name}\n" for key, name in files.items()]
        (folder / "conf").write_text("".join(lines))
        options = ["--config-file", folder / "conf"]
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(libraries),
        "LD_PRELOAD": str(libraries / "all.so"),
        "NO_HYPERVISOR": str(folder),
        "XENSTORED_RUNDIR": str(folder),
        "XENSTORED_ROOTDIR": str(folder),
    }
    daemon = subprocess.Popen(
        [program, "--no-fork", *options],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        connected(folder / "socket").close()
        yield daemon
    finally:
        daemon.kill()
        daemon.wait(20)


def connected(path: Path) -> socket.socket:
    """A connection to a daemon that is there, or will be in a moment."""
    last = time.monotonic() + 20
    while True:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(20)
        try:
            client.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            client.close()
            assert time.monotonic() < last, "it does not start"
            time.sleep(0.01)
        else:
            return client
