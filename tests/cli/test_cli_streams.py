"""Standard streams that are closed, full, or read by nobody: no traceback, and a status that is no
verdict."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import ONE, TORN, scenarios, shell

COMMANDS = [
    *("check s.toml", "run s.toml", "mutants m.toml", "images", "schema", "--version", "--help"),
    "check --help",
]
MUTANT = ONE.replace('connected = "always"', 'refused = "sometimes"')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    scenarios(tmp_path, s=ONE, m=MUTANT)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("where", "why"),
    [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")],
    ids=["full", "closed"],
)
def test_standard_output_that_cannot_be_written_is_status_2(
    folder: Path, command: str, where: str, why: str
) -> None:
    done = shell(f"guestsim {command} {where}", folder)
    assert done.returncode == 2
    assert done.stderr == f"guestsim: standard output: cannot be written: {why}\n"


@pytest.mark.parametrize("where", ["2>/dev/full", "2>&-"])
@pytest.mark.parametrize(
    ("command", "status"), [("check s.toml", 0), ("check nowhere", 2), ("chekc", 2), ("images", 0)]
)
def test_where_nobody_can_be_told_the_status_still_says_it(
    folder: Path, command: str, status: int, where: str
) -> None:
    plain = shell(f"guestsim {command}", folder)
    done = shell(f"guestsim {command} {where}", folder)
    assert (done.returncode, plain.returncode) == (status, status)
    assert len(done.stdout.splitlines()) == len(plain.stdout.splitlines())
    assert done.stderr == ""


def test_a_file_does_not_get_the_number_of_a_closed_stream(folder: Path) -> None:
    done = shell("guestsim check s.toml nowhere --json out.json <&- >&- 2>&-", folder)
    assert done.returncode == 2
    done = shell("guestsim check s.toml --json out.json <&- 2>&-", folder)
    assert done.returncode == 0
    assert (folder / "out.json").read_text().endswith("}\n")


@pytest.mark.parametrize("command", ["check s.toml", "check -j 2 s.toml m.toml", "schema"])
def test_a_reader_that_has_gone_ends_it_quietly(folder: Path, command: str) -> None:
    # The reader has gone before the first byte.
    done = shell(f"guestsim {command} | true; echo ${{PIPESTATUS[0]}}", folder)
    assert (done.stdout, done.stderr) == ("141\n", "")


def test_a_reader_that_has_read_enough(folder: Path) -> None:
    done = shell(f"guestsim run --all {TORN}#legacy | head -1; echo ${{PIPESTATUS[0]}}", folder)
    assert done.stdout.splitlines()[1:] == ["141"]
    assert done.stderr == ""


def test_enter_cannot_come_from_a_closed_stream(folder: Path) -> None:
    done = shell("guestsim run s.toml --socket x <&-", folder)
    assert done.returncode == 2
    assert done.stderr.startswith("guestsim: --socket: Enter is read from standard input")
    assert len(done.stderr.splitlines()) == 1
    assert not (folder / "x").exists()


def test_an_encoding_that_lacks_a_letter_is_no_reason_to_fail(folder: Path) -> None:
    scenarios(folder, s=ONE.replace("one execution", "une exécution"))
    done = shell("PYTHONIOENCODING=ascii guestsim run s.toml", folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
