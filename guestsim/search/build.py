"""Build the compiled explorer: `python guestsim/search/build.py`.

A shared library without dependencies but the C library, for any Python: `explorer.so`, beside this
module. The compiler is the one that builds the firmware. Nothing is built again whose source has
not changed. Runs where guestsim is not installed: the build hook of the package uses it.

`--sanitize` builds with the system's `cc` instead, with address and undefined-behaviour sanitizers;
run Python with their library preloaded then, and GUESTSIM_EXPLORER naming the file.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

__all__ = ["LIBRARY", "SOURCE", "TARGETS", "ExplorerBuildError", "build", "build_sanitized"]

SOURCE = Path(__file__).with_name("explorer.c")
LIBRARY = SOURCE.with_suffix(".so")

TARGETS = {"x86_64": "x86_64-linux-gnu.2.17", "aarch64": "aarch64-linux-gnu.2.17"}
"""Machine (`platform.machine`) -> zig's name for it, with the oldest C library that it runs on."""

_FLAGS = ("-std=c11", "-shared", "-fPIC", "-Wall", "-Wextra", "-Wpedantic", "-Werror")


class ExplorerBuildError(Exception):
    """The explorer cannot be built. `str()` is for people."""


def build(out: Path = LIBRARY, machine: str | None = None) -> str | None:
    """Build for `machine`, by default this one; the wheel's platform tag, None where there is no
    explorer for it (then any library that is there is removed)."""
    target = TARGETS.get(machine or platform.machine()) if sys.platform == "linux" else None
    if target is None:
        out.unlink(missing_ok=True)
        return None
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-O2", "-g0", *_FLAGS]
    wanted = hashlib.sha256(SOURCE.read_bytes() + " ".join(command[1:]).encode()).hexdigest()
    stamp = out.with_suffix(".stamp")
    if not (out.is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted):
        _run([*command, "-o", str(out), str(SOURCE)])
        stamp.write_text(wanted, encoding="utf-8")
    return f"manylinux_2_17_{machine or platform.machine()}"


def build_sanitized(out: Path) -> None:
    """Build with sanitizers: a mistake ends the process with a report."""
    sanitizers = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    _run(["cc", "-O1", "-g", *sanitizers, *_FLAGS, "-o", str(out), str(SOURCE)])


def _run(command: list[str]) -> None:
    # What else compilers read from the environment could change the result.
    kept = {
        name: os.environ[name]
        for name in ("PATH", "HOME", "TMPDIR", "PYTHONPATH")
        if name in os.environ
    }
    try:
        done = subprocess.run(  # noqa: S603 (our own command)
            command, capture_output=True, text=True, env=kept, check=False
        )
    except OSError as error:
        raise ExplorerBuildError(f"{command[0]}: {error.strerror}") from None
    if done.returncode:
        raise ExplorerBuildError(f"{' '.join(command)}\n{done.stderr.strip()}")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Build the compiled explorer.")
    parser.add_argument("--out", type=Path, default=LIBRARY)
    parser.add_argument("--machine", choices=sorted(TARGETS), help="by default this one")
    parser.add_argument(
        "--sanitize", action="store_true", help="with sanitizers, by the system's cc"
    )
    options = parser.parse_args()
    try:
        if options.sanitize:
            build_sanitized(options.out)
        elif build(options.out, options.machine) is None:
            print(f"there is no compiled explorer for {sys.platform} on {platform.machine()}")
    except ExplorerBuildError as error:
        print(f"explorer: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
