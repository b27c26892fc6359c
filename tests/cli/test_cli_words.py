"""What people write on the command line: files and folders, numbers; and what help says."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from command_line import ENVIRONMENT, ONE, guestsim, scenarios

HUGE = "9" * 5000


def names(folder: Path, *paths: str) -> list[str]:
    done = guestsim("check", *paths, "--json", "out.json", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((folder / "out.json").read_text())["results"]
    return [result["scenario"] for result in results]


def test_a_folder_means_its_toml_files(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / ".hidden").mkdir()
    for name in ("a.toml", "B.TOML", ".c.toml", "in/d.Toml", ".hidden/e.toml", "f.tom", "g.toml~"):
        (tmp_path / name).write_text(ONE)
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "in" / "pyproject.toml").write_text("[project]\n")
    assert names(tmp_path, ".") == ["B.TOML", "a.toml", "in/d.Toml"]
    # What is named is read, whatever it is called.
    assert names(tmp_path, ".c.toml", ".hidden", "f.tom") == [
        *(".c.toml", ".hidden/e.toml", "f.tom")
    ]
    done = guestsim("check", "pyproject.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert "pyproject.toml: project: unknown key" in done.stderr


def test_links_in_a_circle_are_one_bad_file(tmp_path: Path) -> None:
    scenarios(tmp_path, a=ONE)
    (tmp_path / "loop.toml").symlink_to("loop.toml")
    (tmp_path / "up").symlink_to(tmp_path)
    done = guestsim("check", ".", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "guestsim: loop.toml: cannot be read: Too many levels of symbolic links\n"
    )
    assert done.stdout.splitlines()[-1].startswith("1 passed, 0 failed")


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    scenarios(tmp_path, a=ONE)
    name = os.fsdecode(b"b\xff.toml")
    (tmp_path / name).write_text(ONE)
    done = guestsim("check", ".", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "b\\udcff" in done.stdout
    # A schedule names its scenario, and cannot name this one.
    done = guestsim("check", ".", "--json", "out.json", cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "cannot write the schedule: the name of its scenario is not UTF-8" in done.stderr
    results = json.loads((tmp_path / "out.json").read_text())["results"]
    assert [(result["scenario"], result["verdict"]) for result in results] == [
        ("a.toml", "pass"),
        ("b\\udcff.toml", "error"),
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        *(("check", "--budget", limit) for limit in (HUGE, HUGE + "s", "1e999s", "nan", "infs")),
        *(("check", "-j", number) for number in (HUGE, "1000000", "0", "nan")),
        *(("run", "--seed", number) for number in (HUGE, str(1 << 32), "-1")),
        *(("run", "--width", number) for number in (HUGE, "1000000", "39")),
        ("check", "--image", "x" * 5000),
    ],
    ids=lambda arguments: " ".join(part[:12] for part in arguments),
)
def test_a_number_that_cannot_be_is_one_short_line(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    scenarios(tmp_path, a=ONE)
    done = guestsim(*arguments, "a.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert len(done.stderr) < 300


@pytest.mark.parametrize("limit", ["9" * 18, "9" * 18 + "s"])
def test_the_largest_budget_is_one(tmp_path: Path, limit: str) -> None:
    text = ONE.replace('"script"', '"exhaustive"')
    text = text.replace('script = [{ run = "guest", until = "halt" }]', "")
    scenarios(tmp_path, a=text.replace("always", "sometimes"))
    done = guestsim("check", "--budget", limit, "a.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "(complete)" in done.stdout


@pytest.mark.parametrize(
    ("command", "usage", "words"),
    [
        ("check", "[OPTIONS] PATH...", ["PATH...", "-j, --jobs N", "pyproject.toml"]),
        ("mutants", "[OPTIONS] [PATH]", ["PATH ", "default: those"]),
        ("run", "[OPTIONS] FILE", ["FILE ", "--seed N", "--width COLUMNS", "--outcome OUTCOME"]),
        ("replay", "[OPTIONS] FILE", ["FILE ", "*.schedule.json"]),
        ("serve", "[OPTIONS]", ["--socket PATH"]),
        ("new", "[OPTIONS] NAME", ["NAME ", "--image", "NAME.c"]),
        ("image", "[OPTIONS] FILE", ["FILE ", "An ELF file"]),
        ("images", "[OPTIONS]", []),
        ("schema", "[OPTIONS]", []),
    ],
)
def test_help_is_in_words_that_people_write(command: str, usage: str, words: list[str]) -> None:
    done = guestsim(command, "--help", env={**ENVIRONMENT, "COLUMNS": "80"})
    assert done.returncode == 0
    first = done.stdout.splitlines()[0]
    assert first.startswith("Usage: ")
    assert first.endswith(f" {command} {usage}")
    for word in words:
        assert word in done.stdout
    for sign in "<>{}":
        assert sign not in done.stdout.replace("<=", "").replace(">=", "")
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_help_says_the_exit_statuses_and_every_command_in_one_line() -> None:
    done = guestsim("--help", env={**ENVIRONMENT, "COLUMNS": "80"})
    text = " ".join(done.stdout.split())
    assert "Exit status: 0 all as expected; 1 an expectation failed; 2 " in text
    assert "--traceback" in text
    assert "..." not in text.replace("[ARGS]...", "")
