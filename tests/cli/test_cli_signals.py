"""What ends a check early: what was found is printed, and no process of it stays."""

from __future__ import annotations

import json
import os
import select
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import GUESTSIM, LONG, ONE, TORN, guestsim, in_set_up, scenarios, started

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
REFERENCE = ["--explorer", "reference"]


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["to it", "to its whole group"])
def test_an_interrupted_check_says_what_it_found(
    tmp_path: Path, send: Callable[[int, int], None], number: signal.Signals, jobs: str
) -> None:
    scenarios(tmp_path, a=ONE, b=LONG, c=LONG)
    command = [*GUESTSIM, "check", ".", "-j", jobs, "--json", "out.json", *REFERENCE]
    with started(command, tmp_path) as program:
        assert program.stdout is not None
        assert program.stdout.readline().startswith("pass          a "), "printed while b runs"
        send(program.pid, number)
        out, error = program.communicate(timeout=60)
    by = "" if number == signal.SIGINT else f" by {number.name}"
    assert error == f"guestsim: interrupted{by}: incomplete\n"
    assert program.returncode == 3
    assert out.splitlines()[-1] == "1 passed, 0 failed, 0 skipped, 2 inconclusive"
    results = json.loads((tmp_path / "out.json").read_text())["results"]
    assert [each["verdict"] for each in results] == ["pass", "inconclusive", "inconclusive"]


@pytest.mark.parametrize("number", [*SIGNALS, signal.SIGKILL])
def test_no_process_outlives_the_one_that_began_it(tmp_path: Path, number: signal.Signals) -> None:
    # Two workers, that say who they are and then do nothing that a note could end.
    wait = "os.write(1, f'{os.getpid()}\\n'.encode()); signal.pause(); signal.pause()"
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        scenarios(tmp_path / name, bad=ONE)
    with started([*in_set_up(wait), "check", ".", "-j", "2"], tmp_path) as program:
        assert program.stdout is not None
        workers = [os.pidfd_open(int(program.stdout.readline())) for _ in range(2)]
        # The first is a request, and nobody hears it here; the second one ends the program.
        while program.poll() is None and not select.select(workers, [], [], 0.1)[0]:
            program.send_signal(number)
        program.wait(60)
        for worker in workers:
            assert select.select([worker], [], [], 60)[0], "a worker goes on"
            os.close(worker)


def test_sigterm_to_one_process_costs_its_scenario(tmp_path: Path) -> None:
    scenarios(tmp_path, a=ONE, bad=ONE, c=ONE)
    command = [*in_set_up("os.kill(os.getpid(), signal.SIGTERM)"), "check", ".", "-j", "2"]
    with started(command, tmp_path) as program:
        out, error = program.communicate(timeout=60)
    assert program.returncode == 4, error
    assert "bad.toml: its process was killed by SIGTERM" in error
    assert out.splitlines()[-1] == "2 passed, 0 failed, 0 skipped, 0 inconclusive, 1 error"


def test_who_ignores_a_hangup_is_obeyed(tmp_path: Path) -> None:
    scenarios(tmp_path, a=ONE, bad=ONE)
    hang_up = "os.kill(os.getppid(), signal.SIGHUP)"
    command = in_set_up(hang_up)
    command[2] = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + command[2]
    with started([*command, "check", ".", "-j", "2"], tmp_path) as program:
        out, error = program.communicate(timeout=60)
    assert (program.returncode, error) == (0, "")
    assert out.splitlines()[-1].startswith("2 passed")


def test_sigterm_ends_a_replay_in_one_line(tmp_path: Path) -> None:
    saved = tmp_path / "s.schedule.json"
    guestsim("run", f"{TORN}#legacy", "--save", saved)
    code = """
import os, signal
import guestsim.cli.commands as cli
from guestsim.errors import StoppedError
def replay(*_, **__):
    os.kill(os.getpid(), signal.SIGTERM)
    raise StoppedError
cli.replay_once = replay
from guestsim.cli import main
main()
"""
    with started([GUESTSIM[0], "-c", code, "replay", str(saved)], tmp_path) as program:
        out, error = program.communicate(timeout=60)
    assert (program.returncode, out) == (3, "")
    assert error == "guestsim: interrupted by SIGTERM: incomplete\n"


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_results_are_printed_as_they_come_in_the_order_of_the_files(
    tmp_path: Path, jobs: str
) -> None:
    # `bad` waits until somebody has read the result of `a`; `c` does not wait for it.
    scenarios(tmp_path, a=ONE, bad=ONE, c=ONE)
    os.mkfifo(tmp_path / "fifo")
    with started(
        [*in_set_up("open('fifo').read()"), "check", ".", "-j", jobs], tmp_path
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline().startswith("pass          a    one execution")
        (tmp_path / "fifo").write_text("go on")
        out, error = program.communicate(timeout=60)
    assert (program.returncode, error) == (0, "")
    passed = [line.split()[1] for line in out.splitlines() if line.startswith("pass")]
    assert passed == ["bad", "c"]
    assert out.splitlines()[-1] == "3 passed, 0 failed, 0 skipped, 0 inconclusive"
