"""Guests without an end: a budget in seconds and Ctrl-C end every kind of check and run, soon, and
what was cut short is inconclusive."""

from __future__ import annotations

import os
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from guestsim.errors import StoppedError
from guestsim.runner import Options, check, check_all, interrupt, run_once, set_up
from guestsim.runner.interrupt import Deadline, listening
from guestsim.scenario import Scenario, load_one
from guestsim.trace.results import Result, Verdict

SECONDS = 0.6
SOON = 5.0
"""Seconds on a loaded machine: each of these guests would take minutes, or for ever."""

BASE, RING = 0x100000, 0xFEFFC000
SPIN = b"\xeb\xfe"
LOAD_AND_COUNT = b"\xa1" + struct.pack("<I", RING) + b"\x47"  # mov eax, [RING]; inc edi

ENDLESS = {
    "spins in one burst": (0xFFFFFFFF, SPIN),
    "prints in one burst": (0xFFFFFFFF, b"\xe6\xe9\xeb\xfc"),
    "stores to the ring in one burst": (
        0xFFFFFFFF,
        b"\xa3" + struct.pack("<I", RING) + b"\xeb\xf9",
    ),
    "loads the ring after a long while": (
        0xFFFFFFFF,
        b"\xb9" + struct.pack("<I", 30_000_000) + b"\x49\x75\xfd" + LOAD_AND_COUNT + b"\xeb\xf0",
    ),
    "never comes back to where it was": (50_000_000, LOAD_AND_COUNT + b"\xeb\xf8"),
}
SEARCHES = {
    "exhaustive": "",
    "bounded": "bound = 2",
    "random": "runs = 4294967295\nmax_ops = 4294967295",
    "pct": "runs = 4294967295\nmax_ops = 4294967295",
    "script": 'script = [{ run = "guest" }]\nmax_ops = 4294967295',
}


def scenario(folder: Path, code: bytes, budget: int, strategy: str) -> Scenario:
    """A chain of one image with this code."""
    header = b"\x7fELF\x01\x01\x01".ljust(16, b"\0") + struct.pack(
        "<HHIIIIIHHHHHH", 2, 3, 1, BASE, 52, 0, 0, 52, 32, 1, 0, 0, 0
    )
    segment = struct.pack("<8I", 1, 84, BASE, BASE, len(code), len(code), 7, 4)
    (folder / "endless.elf").write_bytes(header + segment + code)
    (folder / "s.toml").write_text(
        f'title = "t"\n[boot]\nchain = ["./endless.elf"]\nbudget = {budget}\n[search]\n'
        f'strategy = "{strategy}"\n{SEARCHES[strategy]}\n[expect]\nhung = "never"\n'
    )
    return load_one(folder / "s.toml")


@contextmanager
def interrupted(number: int = signal.SIGINT) -> Iterator[None]:
    """A signal arrives a while after the beginning."""
    timer = threading.Timer(SECONDS / 2, lambda: os.kill(os.getpid(), number))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@pytest.fixture(autouse=True)
def before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(interrupt, "_note", None)
    yield
    for each, handler in handlers.items():
        signal.signal(each, handler)


def soon(way: Callable[[], Result]) -> Result:
    started = time.perf_counter()
    result = way()
    assert time.perf_counter() - started < SOON
    return result


@pytest.mark.parametrize("strategy", SEARCHES)
@pytest.mark.parametrize(("budget", "code"), ENDLESS.values(), ids=ENDLESS)
def test_a_budget_in_seconds_holds(tmp_path: Path, strategy: str, budget: int, code: bytes) -> None:
    endless = scenario(tmp_path, code, budget, strategy)
    result = soon(lambda: check(endless, Options(seconds=SECONDS)))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert any("stopped: the time is used up" in line for line in result.failures)


@pytest.mark.parametrize("strategy", SEARCHES)
@pytest.mark.parametrize(("budget", "code"), ENDLESS.values(), ids=ENDLESS)
def test_ctrl_c_ends_a_check(tmp_path: Path, strategy: str, budget: int, code: bytes) -> None:
    endless = scenario(tmp_path, code, budget, strategy)
    with interrupted():
        result = soon(lambda: next(check_all([endless], Options(), 1, lambda *_: None)))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert any("interrupted" in line for line in result.failures)


@pytest.mark.parametrize("strategy", SEARCHES)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_end_a_run(tmp_path: Path, strategy: str, number: int) -> None:
    endless = scenario(tmp_path, SPIN, 0xFFFFFFFF, strategy)
    started = time.perf_counter()
    with interrupted(number), pytest.raises(StoppedError, match=r"^interrupted$"), listening():
        run_once(endless, set_up(endless))
    assert time.perf_counter() - started < SOON
    assert not interrupt.requested()


def test_a_deadline_is_over_and_then_late(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    deadline = Deadline(2)
    assert not deadline.over()
    now[0] = 102.1
    assert deadline.over()
    assert not deadline.late()
    now[0] = 103
    assert deadline.late()
    assert deadline.why == "stopped: the time is used up"


def test_after_ctrl_c_it_is_over_whatever_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    for deadline in (Deadline(), Deadline(50)):
        with listening():
            os.kill(os.getpid(), signal.SIGINT)
            assert deadline.over()
            assert not deadline.late()
            now[0] += 1
            assert deadline.late()
            assert deadline.why == "interrupted"


def test_a_hypercall_page_outside_ram_is_an_outcome_of_its_scenario(tmp_path: Path) -> None:
    wild = b"\xb9\0\0\0\x40\xb8\0\0\0\x90\x31\xd2\x0f\x30" + SPIN  # wrmsr 0x40000000, 0x90000000
    result = check(scenario(tmp_path, wild, 50_000_000, "exhaustive"))
    assert result.outcomes["crashed"].found
    assert result.verdict is Verdict.PASS
