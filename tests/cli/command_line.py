"""guestsim as a process of its own, and scenarios for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
TORN = ROOT / "scenarios" / "torn-reset.toml"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
GUESTSIM = [sys.executable, "-m", "guestsim"]

ONE = """
title = "one execution"
[boot]
chain = ["reset-poison", "frontend"]
[search]
strategy = "script"
script = [{ run = "guest", until = "halt" }]
[expect]
connected = "always"
"""
LONG = """
title = "a search that takes minutes"
[boot]
chain = ["reset-poison", "frontend"]
[store]
"hvmloader/bios" = "seabios"
[search]
strategy = "exhaustive"
[expect]
hung = "never"
"""
"""With `--explorer reference`."""


def scenarios(folder: Path, **texts: str) -> None:
    """Files by their names, without `.toml`."""
    for name, text in texts.items():
        (folder / f"{name}.toml").write_text(text)


def guestsim(*arguments: object, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*GUESTSIM, *map(str, arguments)],
        **{"capture_output": True, "text": True, "env": ENVIRONMENT, "timeout": 120, **more},
        check=False,
    )


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command of bash, in which `guestsim` is guestsim."""
    function = f'guestsim() {{ "{sys.executable}" -m guestsim "$@"; }}\n'
    return subprocess.run(
        ["bash", "-c", function + command],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=120,
        cwd=folder,
        check=False,
    )


def broken(code: str) -> list[str]:
    """The command line of a guestsim in which `code` has put something else in a place."""
    return [sys.executable, "-c", f"{code}\nfrom guestsim.cli import main\nmain()"]


def in_set_up(statement: str) -> list[str]:
    """A guestsim that does `statement` before it sets up the scenario called `bad`."""
    return broken(
        f"""
import importlib, os, signal
from guestsim.errors import InternalError
module = importlib.import_module("guestsim.runner.check")
before = module.set_up
def set_up(scenario, images):
    if scenario.path.stem == "bad":
        {statement}
    return before(scenario, images)
module.set_up = set_up
"""
    )


@contextmanager
def started(command: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process under way, with a group of its own. It is killed if the test forgets to end it."""
    program = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=ENVIRONMENT,
        process_group=0,
        # Whoever runs the tests may ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # noqa: PLW1509
    )
    try:
        yield program
    finally:
        program.kill()
        program.communicate()
