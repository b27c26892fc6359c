"""Runs Xen's own command-line tools against any xenstored, and writes down what they print.

A session is a text like that of a terminal: `$ xenstore-ls /` is a command, the lines that follow
are what it printed (standard output, then errors as `! …`) and its status where it is not 0. So a
transcript is a session too: `play` takes its commands and gives the text with what came this time.
A command that ends in `&` goes on beside the next ones, from its first line of output on; `$ wait`
shows what it has printed when it has ended.

    python tests/serve/tool_session.py SOCKET TOOLS SESSION >TRANSCRIPT

records one; TOOLS is the folder into which the Debian packages are unpacked. xenstore-control needs
libraries besides, which stand in a folder of their own.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

__all__ = ["environment", "play"]

_TIMEOUT = 30


def environment(tools: Path, socket: Path, libraries: Path | None = None) -> dict[str, str]:
    """For a program of the unpacked packages; `libraries` has those that are not among them."""
    folders = [path.parent for path in tools.glob("usr/lib/*/libxenstore.so.4")]
    return {
        **os.environ,
        "LD_LIBRARY_PATH": ":".join(map(str, [*folders, *([libraries] if libraries else [])])),
        "XENSTORED_PATH": str(socket),
        "LC_ALL": "C",
    }


def play(socket: Path, tools: Path, session: str, libraries: Path | None = None) -> str:
    """The session's text, with what the tools print against the server at `socket`."""
    settings = environment(tools, socket, libraries)
    lines: list[str] = []
    beside: tuple[subprocess.Popen[str], str] | None = None
    for line in session.splitlines():
        if line.startswith("#"):
            if lines and not lines[-1].startswith("#"):
                lines.append("")
            lines.append(line)
            continue
        if not line.startswith("$ "):
            continue
        lines.append(line)
        command = shlex.split(line[2:])
        if command == ["wait"]:
            assert beside is not None, "nothing to wait for"
            out, error = beside[0].communicate(timeout=_TIMEOUT)
            lines += _shown(beside[1] + out, error, beside[0].returncode)
            beside = None
            continue
        program = subprocess.Popen(
            command[: -1 if command[-1] == "&" else None],
            executable=_program(tools, command[0]),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=settings,
        )
        if command[-1] == "&":
            assert program.stdout is not None
            beside = program, program.stdout.readline()
            continue
        out, error = program.communicate(timeout=_TIMEOUT)
        lines += _shown(out, error, program.returncode)
    assert beside is None, "a command that nobody waits for"
    return "\n".join(lines) + "\n"


def _program(tools: Path, name: str) -> Path:
    found = tools / "usr/bin" / name
    return found if found.exists() else tools / "usr/lib/xen-4.17/bin" / name


def _shown(out: str, error: str, status: int) -> list[str]:
    # The linker's word about libraries that only stand in for Xen's.
    told = [line for line in error.splitlines() if "no version information" not in line]
    lines = out.splitlines() + [f"! {line}" for line in told]
    return [*lines, f"status {status}"] if status else lines


if __name__ == "__main__":
    sys.stdout.write(play(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]).read_text()))
