"""Whose fault it is: one line and status 4 for ours, which costs one scenario and no other."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from command_line import ENVIRONMENT, ONE, TORN, broken, in_set_up, scenarios

CRASH = in_set_up('{}["lost"]')


def run(command: list[str], *arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        cwd=folder,
        timeout=120,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    scenarios(tmp_path, a=ONE, bad=ONE, c=ONE)
    return tmp_path


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    ("command", "line"),
    [
        (CRASH, "bad.toml: a fault of guestsim: KeyError: 'lost'"),
        (in_set_up('raise InternalError("two answers")'), "bad.toml: two answers"),
        (in_set_up("raise BrokenPipeError(32, 'x')"), "bad.toml: a fault of guestsim: BrokenPipe"),
        (in_set_up("raise SystemError('two\\nlines')"), "SystemError: two lines"),
    ],
    ids=["crash", "internal", "pipe", "lines"],
)
def test_a_fault_of_ours_costs_one_scenario(
    folder: Path, command: list[str], line: str, jobs: int
) -> None:
    done = run(command, "check", ".", "-j", jobs, "--json", "out.json", folder=folder)
    assert done.returncode == 4, done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert line in done.stderr
    assert done.stdout.splitlines()[-1].startswith("2 passed, 0 failed,")
    results = json.loads((folder / "out.json").read_text())["results"]
    assert [result["verdict"] for result in results] == ["pass", "error", "pass"]
    assert [result["fault"] for result in results] == [None, "guestsim", None]


def test_a_crash_says_where_and_whom_to_tell(folder: Path) -> None:
    done = run(CRASH, "check", ".", folder=folder)
    assert "at check.py:" in done.stderr
    assert done.stderr.endswith("; please report it with the scenario and this line\n")


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_traceback_is_there_for_who_asks(folder: Path, jobs: int) -> None:
    done = run(CRASH, "--traceback", "check", ".", "-j", jobs, folder=folder)
    assert done.returncode == 4
    assert done.stderr.count("Traceback (most recent call last)") == 1


@pytest.mark.parametrize("number", ["SIGKILL", "SIGSEGV", "SIGTERM"])
def test_a_process_that_is_killed_costs_its_scenario(folder: Path, number: str) -> None:
    kill = in_set_up(f"os.kill(os.getpid(), signal.{number})")
    done = run(kill, "check", ".", "-j", 2, "--json", "out.json", folder=folder)
    assert done.returncode == 4, done.stdout + done.stderr
    assert done.stderr.startswith(f"guestsim: bad.toml: its process was killed by {number}")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stdout.splitlines()[-1].startswith("2 passed, 0 failed,")
    results = json.loads((folder / "out.json").read_text())["results"]
    assert [result["verdict"] for result in results] == ["pass", "error", "pass"]


def test_a_file_that_is_none_is_the_user_s_fault(folder: Path) -> None:
    scenarios(folder, b="title = 1")
    done = run(broken(""), "check", ".", "--json", "out.json", folder=folder)
    assert done.returncode == 2
    results = json.loads((folder / "out.json").read_text())["results"]
    assert [Path(result["scenario"]).name for result in results] == [
        *("a.toml", "b.toml", "bad.toml", "c.toml")
    ], "in the order of the files"
    assert [result["fault"] for result in results] == [None, "input", None, None]


@pytest.mark.parametrize(
    "error", ["KeyError(1)", "BrokenPipeError(32, 'x')", "EOFError(3)", "OSError(5, 'x')"]
)
def test_a_crash_anywhere_else_is_status_4_and_one_line(tmp_path: Path, error: str) -> None:
    command = broken(
        f"""
import guestsim.cli.commands as cli
def load(path):
    raise {error}
cli.load = load
"""
    )
    done = run(command, "run", TORN, folder=tmp_path)
    assert done.returncode == 4, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stdout == ""
    name = error.partition("(")[0]
    assert done.stderr.startswith(f"guestsim: a fault of guestsim: {name}")
    done = run(command, "--traceback", "run", TORN, folder=tmp_path)
    assert done.returncode == 4
    assert "Traceback (most recent call last)" in done.stderr


def test_a_run_that_is_interrupted_before_it_found_anything(tmp_path: Path) -> None:
    command = broken(
        """
import os, signal
import guestsim.runner.once as once
before = once.search
def search(*arguments, **more):
    os.kill(os.getpid(), signal.SIGTERM)
    return before(*arguments, **more)
once.search = search
"""
    )
    done = run(command, "run", f"{TORN}#every-sc", folder=tmp_path)
    assert done.returncode == 3, done.stdout + done.stderr
    assert done.stderr.splitlines() == ["guestsim: interrupted by SIGTERM: incomplete"]
