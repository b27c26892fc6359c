"""Scenarios under a debugger, with and without GDB."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from guestsim.debug import Monitor, Plan, Session, Stage, Timeline
from guestsim.execute import Schedule
from guestsim.machine.symbols import symbols_of
from guestsim.runner import run_once, set_up
from guestsim.runner.debugging import plan_of
from guestsim.runner.setup import Setup
from guestsim.runner.symbolize import Symbolizer
from guestsim.scenario import Scenario, load_one
from guestsim.trace.results import Run

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "scenarios"
LEGACY = SCENARIOS / "torn-reset.toml#legacy"
TSO = SCENARIOS / "torn-reset.toml#every-tso"
GDB = shutil.which("gdb")
"""Debian's package `gdb`."""


def never() -> bool:
    return False


@cache
def witness(path: Path) -> tuple[Scenario, Run, Schedule]:
    """Of a scenario, the execution that is debugged."""
    scenario = load_one(path)
    return scenario, *run_once(scenario, set_up(scenario))


class Debugged:
    """The witness of a scenario, at power on."""

    def __init__(self, path: Path) -> None:
        scenario, self.run, schedule = witness(path)
        self.setup: Setup = set_up(scenario)
        self.plan: Plan = plan_of(scenario, self.setup, schedule)
        self.timeline = Timeline(self.plan)
        self.symbols = Symbolizer(self.setup.images)
        stages = [Stage(image.name, f"{image.name}.elf") for image in self.setup.images]
        names = self.setup.names
        self.monitor = Monitor(self.timeline, stages, names, self.symbols.site)
        self.session = Session(self.timeline, self.monitor)

    def ask(self, packet: str) -> list[str]:
        """The answers to a packet; output in words."""
        found = []
        for answer in self.session.answer(packet.encode(), never):
            text = answer.decode()
            output = text.startswith("O") and text != "OK"
            found.append(bytes.fromhex(text[1:]).decode() if output else text)
        return found

    def function(self, name: str) -> int:
        """Where a function of the first stage is."""
        content = self.setup.images[0].content
        return next(start for start, _, each in symbols_of(content).functions if each == name)

    def look(self) -> tuple[object, ...]:
        """All that a debugger sees."""
        timeline = self.timeline
        esp = timeline.registers()["esp"]
        memory = bytes(timeline.course.execution.memory)
        return timeline.registers(), timeline.read(esp, 256), memory, timeline.stage


@contextmanager
def stub(path: Path, *options: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """`guestsim debug` as a process, once it listens: its port."""
    command = [sys.executable, "-m", "guestsim", "debug", str(path), "--port", "0", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            assert select.select([process.stdout], [], [], 60)[0], "it says nothing"
            first, second = process.stdout.readline(), process.stdout.readline()
            port = re.search(r"target remote :(\d+)", second)
            assert port is not None, (first, second, process.stderr and process.stderr.read())
            yield int(port[1]), process
        finally:
            process.kill()


def gdb(path: Path, symbols: Path, *commands: str, options: tuple[str, ...] = ()) -> str:
    """What Debian's GDB prints for these commands, on a stub of its own."""
    if GDB is None:
        assert not os.environ.get("CI"), "CI needs Debian's package gdb"
        pytest.skip("no gdb here (Debian's package)")
    with stub(path, *options) as (port, process):
        setting = (f"directory {ROOT}", "set width 0", f"target remote :{port}")
        arguments = [part for each in (*setting, *commands) for part in ("-ex", each)]
        done = subprocess.run(
            [GDB, "-nx", "-batch", *arguments, str(symbols)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=100,
            check=False,
        )
        assert process.wait(timeout=20) == 0, process.stderr and process.stderr.read()
    return done.stdout
