"""Where results go: files whole or not at all, and what cannot be written is known at once."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from command_line import ENVIRONMENT, LONG, ONE, guestsim, scenarios, shell


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "a.toml", "--json", "nowhere/deep/x.json"),
        ("check", "a.toml", "--witnesses", "nowhere/deep"),
        ("run", "a.toml", "--save", "nowhere/deep/x.schedule.json"),
    ],
)
def test_a_folder_that_is_not_there_is_known_before_anything_runs(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    scenarios(tmp_path, a=LONG)  # minutes, if it ran
    done = guestsim(*arguments, cwd=tmp_path, timeout=30)
    assert done.returncode == 2, done.stdout + done.stderr
    name = arguments[-1]
    assert done.stderr == f"guestsim: {name}: cannot be written: there is no such folder\n"
    assert os.listdir(tmp_path) == ["a.toml"]


def test_json_may_be_standard_output(tmp_path: Path) -> None:
    scenarios(tmp_path, a=ONE)
    done = guestsim("check", "a.toml", "--json", "-", cwd=tmp_path)
    assert done.returncode == 0
    assert json.loads(done.stdout)["results"][0]["verdict"] == "pass"
    assert done.stderr.splitlines()[-1].startswith("1 passed")
    assert os.listdir(tmp_path) == ["a.toml"]


def test_files_are_written_where_somebody_asks_and_nowhere_else(tmp_path: Path) -> None:
    scenarios(tmp_path, a=ONE)
    assert guestsim("check", "a.toml", cwd=tmp_path).returncode == 0
    assert os.listdir(tmp_path) == ["a.toml"]
    assert guestsim("check", "a.toml", "--json", "x.json", cwd=tmp_path).returncode == 0
    assert sorted(os.listdir(tmp_path)) == ["a.toml", "x-witnesses", "x.json"]
    help_text = " ".join(guestsim("check", "--help", cwd=tmp_path).stdout.split())
    assert "schedules into a folder beside FILE" in help_text


def test_what_a_process_has_open_is_written_to(tmp_path: Path) -> None:
    scenarios(tmp_path, a=ONE)
    done = shell("guestsim check a.toml --json /dev/stdout > out.txt", tmp_path)
    assert done.returncode == 0, done.stderr
    assert '"verdict": "pass"' in (tmp_path / "out.txt").read_text()
    assert sorted(os.listdir(tmp_path)) == ["a.toml", "out.txt"]


def test_a_scenario_is_not_overwritten_by_its_results(tmp_path: Path) -> None:
    scenarios(tmp_path, a=ONE)
    done = guestsim("check", "a.toml", "--json", "./a.toml", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        2,
        "guestsim: --json a.toml: is one of the scenarios\n",
    )
    assert (tmp_path / "a.toml").read_text() == ONE


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    scenarios(tmp_path, a=ONE, b=ONE, c=ONE)
    (tmp_path / "x.json").write_text("precious")
    # A limit for the size of files stands for the disk.
    done = shell("trap '' XFSZ; ulimit -f 1; guestsim check . --json x.json", tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "cannot be written: File too large" in done.stderr
    assert (tmp_path / "x.json").read_text() == "precious"
    left = sorted(name for name in os.listdir(tmp_path) if not name.endswith("-witnesses"))
    assert left == ["a.toml", "b.toml", "c.toml", "x.json"]


EXPECT = '[expect]\nconnected = "sometimes"\n'


@pytest.mark.parametrize("number", ["١٦", "1_000", " 5 ", "0x10", "+5"])
@pytest.mark.parametrize("option", ["--seed", "--width"])
def test_numbers_are_ascii_digits(tmp_path: Path, option: str, number: str) -> None:
    scenarios(tmp_path, a=ONE.replace("script", "random", 1).partition("script =")[0] + EXPECT)
    done = guestsim("run", "a.toml", option, number, cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_a_verdict_is_kept_and_says_so(tmp_path: Path) -> None:
    scenarios(tmp_path, a=ONE, b=ONE)
    kept = {**ENVIRONMENT, "GUESTSIM_CACHE": str(tmp_path / "cache")}
    for arguments, cached in (((), 0), ((), 2), (("--no-cache",), 0), (("--json", "x.json"), 0)):
        done = guestsim("check", ".", *arguments, cwd=tmp_path, env=kept)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(" cached\n") == cached, (arguments, done.stdout)
    done = guestsim("check", ".", "--json", "y.json", cwd=tmp_path, env=kept)
    results = json.loads((tmp_path / "y.json").read_text())["results"]
    assert [result["cached"] for result in results] == [True, True]
    witness = results[0]["outcomes"]["connected"]["witness"]
    assert guestsim("replay", witness, cwd=tmp_path).returncode == 0
