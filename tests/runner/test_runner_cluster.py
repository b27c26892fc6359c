"""A campaign on a real cluster of processes: many cases, one worker killed on the way, resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "GUESTSIM_CACHE": ""}
QUIET = ("--no-dashboard",)

MATRIX = """title = "a campaign"
[boot]
chain = ["frontend"]
[matrix]
"daemon.model" = ["xenstored", "oxenstored"]
"ring.req_index" = [0, 1, 1000, 0xfffffff0]
"ring.rsp_index" = [0, 0xffffff00]
[expect]
connected = "always"
"""
CASES = 16


def process(*arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, arguments)],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def guestsim(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "guestsim", *map(str, arguments)],
        env=ENVIRONMENT,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The scheduler's address, and two workers."""
    file = tmp_path / "scheduler.json"
    scheduler = process(
        "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", *QUIET,
        "--scheduler-file", file,
    )  # fmt: skip
    workers: list[subprocess.Popen[bytes]] = []
    try:
        until = time.monotonic() + 60
        while not file.exists() or not file.read_text().strip():
            assert scheduler.poll() is None, "the scheduler has ended"
            assert time.monotonic() < until, "the scheduler does not start"
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        workers += [
            process(
                "distributed.cli.dask_worker", address, "--nthreads", 1, "--no-nanny", *QUIET,
                "--local-directory", tmp_path,
            )
            for _ in range(2)
        ]  # fmt: skip
        yield address, workers
    finally:
        for each in (*workers, scheduler):
            each.kill()
            each.wait()


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_a_campaign_loses_a_worker_and_nothing_else(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path
) -> None:
    address, workers = cluster
    (tmp_path / "m.toml").write_text(MATRIX)
    results = tmp_path / "r.jsonl"
    campaign = subprocess.Popen(
        [sys.executable, "-m", "guestsim", "check", "m.toml", "--dask", address,
         "--resume", str(results)],
        env=ENVIRONMENT, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until = time.monotonic() + 90
    while len(lines(results)) < 2 and campaign.poll() is None:
        assert time.monotonic() < until, "nothing comes"
        time.sleep(0.05)
    workers[0].send_signal(signal.SIGKILL)
    out, error = campaign.communicate(timeout=120)
    assert campaign.returncode == 0, out + error
    assert f"{CASES} passed" in out
    found = [json.loads(line)["result"] for line in lines(results)]
    assert len({result["scenario"] for result in found}) == len(found) == CASES


def test_what_is_missing_is_done_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(MATRIX)
    results = tmp_path / "r.jsonl"
    assert guestsim("check", "m.toml", "--resume", results, folder=tmp_path).returncode == 0
    whole = lines(results)
    assert len(whole) == CASES
    # Killed in the middle of the eleventh line.
    results.write_text("\n".join(whole[:10]) + "\n" + whole[10][:40])
    done = guestsim("check", "m.toml", "--resume", results, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" cached\n") == 10, done.stdout
    assert [json.loads(line)["key"] for line in lines(results)] == [
        json.loads(line)["key"] for line in whole
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}\n", "r.jsonl: line 1: no result of a check"),
        ("precious notes\n", "r.jsonl: line 1: no result of a check"),
    ],
)
def test_another_file_is_not_added_to(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "m.toml").write_text(MATRIX)
    (tmp_path / "r.jsonl").write_text(content)
    done = guestsim("check", "m.toml", "--resume", "r.jsonl", folder=tmp_path)
    assert (done.returncode, done.stderr) == (2, f"guestsim: {said}\n")
    assert (tmp_path / "r.jsonl").read_text() == content


def test_a_scheduler_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(MATRIX)
    done = guestsim("check", "m.toml", "--dask", "tcp://127.0.0.1:1", folder=tmp_path)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("guestsim: --dask tcp://127.0.0.1:1: no scheduler answers")
