"""Xen's own programs, unmodified, cannot tell `guestsim serve` from a xenstored.

They are Debian's packages xenstore-utils, libxenstore4, libxentoolcore1 and xen-utils-4.17:
installed, or unpacked into the folder that GUESTSIM_XENSTORE_TOOLS names (docs/serve.md says how).
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
from pathlib import Path

import pytest
from serving import hub, serving
from tool_session import environment, play

RECORDED = Path(__file__).parent / "recorded"
TEST_XENSTORE = "usr/lib/xen-4.17/bin/test-xenstore"

THE_TESTS = (
    "read 1", "read 2000", "write 1", "write 2000", "dir", "rm node", "rm dir", "ta empty",
    "ta empty x", "ta rmw", "ta rmw x", "ta err",
)  # fmt: skip
"""What `test-xenstore -l` lists in 4.17."""


@pytest.fixture(scope="module")
def tools() -> Path:
    folder = os.environ.get("GUESTSIM_XENSTORE_TOOLS")
    path = Path(folder or "/")
    wanted = ("usr/bin/xenstore-ls", TEST_XENSTORE)
    missing = [name for name in wanted if not (path / name).exists()]
    if missing and not folder:
        pytest.skip("Xen's tools are not installed, and GUESTSIM_XENSTORE_TOOLS names no folder")
    assert not missing, f"GUESTSIM_XENSTORE_TOOLS={folder}: no {missing[0]} in it"
    return path


def test_the_tools_print_what_they_print_with_the_real_daemon(tmp_path: Path, tools: Path) -> None:
    real = (RECORDED / "tools.txt").read_text()
    with serving(hub(), tmp_path / "s"):
        ours = play(tmp_path / "s", tools, real)
    lines = difflib.unified_diff(
        real.splitlines(), ours.splitlines(), "C xenstored", "guestsim serve", lineterm="", n=4
    )
    assert ours == real, "\n".join(lines)


def test_the_session_uses_all_eight_tools() -> None:
    text = (RECORDED / "tools.txt").read_text()
    used = set(re.findall(r"^\$ xenstore-(\w+)", text, re.MULTILINE))
    assert used == {"chmod", "exists", "list", "ls", "read", "rm", "watch", "write"}


def run_test_xenstore(socket: Path, tools: Path, *arguments: str) -> str:
    done = subprocess.run(
        [tools / TEST_XENSTORE, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment(tools, socket),
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def test_xen_s_own_test_program_passes(tmp_path: Path, tools: Path) -> None:
    with serving(hub(), tmp_path / "s") as said:
        out = run_test_xenstore(tmp_path / "s", tools, "-i", "5")
    assert tuple(line.partition(":")[0].strip() for line in out.splitlines()) == THE_TESTS
    assert "failed" not in out
    assert said == []


def test_several_of_them_at_once(tmp_path: Path, tools: Path) -> None:
    with serving(hub(), tmp_path / "s"):
        programs = [
            subprocess.Popen(
                [tools / TEST_XENSTORE, "-r", "2"],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=environment(tools, tmp_path / "s"),
            )
            for _ in range(3)
        ]
        for program in programs:
            out, _ = program.communicate(timeout=120)
            assert program.returncode == 0, out
            assert "failed" not in out
