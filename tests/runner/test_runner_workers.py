"""Processes for pieces of work: in order, so many at a time, and one that dies costs no other."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from guestsim.runner.workers import Died, in_processes

Tell = Callable[[Any], None]


def processes(
    pieces: Sequence[Callable[[Tell], int]],
    jobs: int,
    heard: Callable[[int, Any], None] = lambda *_: None,
) -> Generator[int | Died, None, None]:
    return in_processes(pieces, jobs, heard)


def number(value: int, tell: Tell) -> int:
    tell(f"working on {value}")
    return value


def kill(tell: Tell) -> int:
    tell("about to die")
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def leave(_: Tell) -> int:
    os._exit(5)


@pytest.mark.parametrize("jobs", [1, 2, 3, 20])
def test_all_that_they_say_comes_and_their_results_in_order(jobs: int) -> None:
    told: list[tuple[int, Any]] = []
    pieces = [partial(number, value) for value in range(10)]
    results = processes(pieces, jobs, lambda which, what: told.append((which, what)))
    assert list(results) == list(range(10))
    assert sorted(told) == [(value, f"working on {value}") for value in range(10)]


def test_one_that_dies_costs_no_other() -> None:
    told: list[tuple[int, Any]] = []
    pieces: list[Callable[[Tell], int]] = [partial(number, 0), kill, leave, partial(number, 3)]
    results = list(processes(pieces, 2, lambda which, what: told.append((which, what))))
    assert results == [0, Died(-signal.SIGKILL), Died(5), 3]
    assert (1, "about to die") in told
    assert str(results[1]) == "its process was killed by SIGKILL (was there too little memory?)"
    assert str(results[2]) == "its process ended with status 5"


def test_a_result_does_not_wait_for_those_after_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")

    def wait(_: Tell) -> int:
        return len((tmp_path / "go").read_text())

    results = processes([partial(number, 7), wait], 2)
    assert next(results) == 7
    (tmp_path / "go").write_text("now")
    assert list(results) == [3]


def test_who_wants_no_more_leaves_no_process() -> None:
    read, write = os.pipe()

    def hang(_: Tell) -> int:
        signal.pause()
        return 0

    results = processes([partial(number, 7), hang], 2)
    assert next(results) == 7
    os.close(write)
    results.close()
    # The end of the pipe comes when the last process that has it open has gone.
    assert os.read(read, 1) == b""
    os.close(read)


def test_nothing_to_do() -> None:
    assert list(processes([], 2)) == []
