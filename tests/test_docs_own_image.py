"""docs/own-image.md: its client is built by its own command lines, and does what the page says."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from guestsim.scenario import BUILD, CLIENT, IMAGE_TEMPLATE

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "own-image.md").read_text()
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
(SHOWN, TIDY), (SCENARIO, CHAIN), (SHELL,), (REFUSED_REPLY, PRINTED) = (
    [text for language, text in BLOCKS if language == wanted]
    for wanted in ("c", "toml", "sh", "text")
)
FLAGS, *BUILDS = SHELL.splitlines()
COMPILERS = {
    name: next(line for line in BUILDS if line.startswith(name))
    for name in ("gcc", "clang", "python -m ziglang")
}


@pytest.fixture(scope="session", autouse=True)
def zig_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What zig makes of its own sources for a target, once."""
    cache = str(tmp_path_factory.mktemp("zig"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZIG_LOCAL_CACHE_DIR", cache)
        patch.setenv("ZIG_GLOBAL_CACHE_DIR", cache)
        yield


def bash(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = command.replace("python ", f'"{sys.executable}" ', 1)
    return subprocess.run(
        ["bash", "-c", f"{FLAGS}\n{command}"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
        check=False,
    )


def build(
    name: str, folder: Path, source: str = SHOWN, more: str = "-Wall -Wextra -Werror"
) -> None:
    """The page's scenario and its client, by the page's own command.

    The test is skipped where there is no such compiler, but never in CI.
    """
    zig = name == "python -m ziglang"
    if (importlib.util.find_spec("ziglang") if zig else shutil.which(name)) is None:
        assert not os.environ.get("CI"), f"CI needs {name}"
        pytest.skip(f"{name} is not installed")
    (folder / "client.toml").write_text(SCENARIO)
    (folder / "client.c").write_text(source)
    done = bash(COMPILERS[name].replace("$FLAGS", f"$FLAGS {more}"), folder)
    assert done.returncode == 0, done.stderr


def guestsim(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "guestsim", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def in_chain(old: str, new: str) -> str:
    assert old in SCENARIO
    return SCENARIO.replace(old, new)


def test_new_image_writes_what_the_page_shows() -> None:
    assert CLIENT == SHOWN
    flags = FLAGS.removeprefix('FLAGS="').removesuffix('"')
    page = COMPILERS["gcc"].replace("$FLAGS", flags).split()
    assert sorted(page) == sorted(BUILD.format(elf="client.elf", source="client.c").split())
    bare = [line for line in IMAGE_TEMPLATE.splitlines() if not line.startswith("#")]
    shown = [line.replace("client", "NAME") for line in SCENARIO.splitlines()]
    title = shown.index('title = "my own NAME reads a key"')
    shown[title] = 'title = "NAME: my own client reads a key"'
    assert bare == shown


@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_client_is_connected_always(tmp_path: Path, compiler: str) -> None:
    build(compiler, tmp_path)
    told = guestsim(tmp_path, "image", "client.elf")
    assert told.returncode == 0
    assert "by the PVH convention" in told.stdout
    assert "functions and lines" in told.stdout
    assert "not known" not in told.stdout
    assert not re.search("^[!✗]", told.stdout, re.MULTILINE)
    done = guestsim(tmp_path, "check", "client.toml")
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_client_can_stand_before_another_stage(tmp_path: Path, compiler: str) -> None:
    build(compiler, tmp_path, more="-DEARLIER")
    chain = re.search("^chain = .*\n", SCENARIO, re.MULTILINE)
    assert chain is not None
    (tmp_path / "client.toml").write_text(in_chain(chain[0], CHAIN))
    done = guestsim(tmp_path, "check", "client.toml")
    assert done.returncode == 0, done.stdout


def test_an_end_in_the_wrong_place_is_told_with_the_right_one(tmp_path: Path) -> None:
    build("python -m ziglang", tmp_path)
    (tmp_path / "client.toml").write_text(in_chain("}]", '}, "frontend"]'))
    done = guestsim(tmp_path, "run", "client.toml")
    assert "a jump to F000:FFF0" in " ".join(done.stdout.split())


def test_a_wrong_reply_is_corrupted(tmp_path: Path) -> None:
    build("python -m ziglang", tmp_path)
    (tmp_path / "client.toml").write_text(in_chain("=seabios", "=ovmf"))
    done = guestsim(tmp_path, "run", "client.toml", "--console")
    assert "\ncorrupted: " in done.stdout
    assert " ".join(REFUSED_REPLY.split()) in " ".join(done.stdout.split())


def test_what_not_to_do_is_told_with_its_line(tmp_path: Path) -> None:
    end = "#ifdef EARLIER\n    clear_event();"
    assert SHOWN.count(end) == 1
    build("python -m ziglang", tmp_path, SHOWN.replace(end, TIDY + end))
    done = guestsim(tmp_path, "run", "client.toml")
    shown = " ".join(done.stdout.split())
    for line in PRINTED.splitlines():
        assert " ".join(line.split()) in shown, done.stdout
    assert "index-owner" in done.stdout


def test_ttext_leaves_the_note_elsewhere(tmp_path: Path) -> None:
    build("gcc", tmp_path)
    done = bash(COMPILERS["gcc"].replace("-Ttext-segment", "-Ttext"), tmp_path)
    assert done.returncode == 0, done.stderr
    told = guestsim(tmp_path, "image", "client.elf").stdout
    assert "! its last segment is at 0x8048" in told
    done = guestsim(tmp_path, "check", "client.toml")
    assert done.returncode == 2
    assert "outside the guest's 16 MiB" in " ".join(done.stdout.split())
