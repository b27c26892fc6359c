"""From outside: somebody else's project, with the wheel in an environment that has nothing else.

No checkout, no compiler: its own image, its own scenarios, its own pytest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = Path(__file__).with_name("project")


def run(*command: object, folder: Path, status: int = 0) -> str:
    clean = {name: os.environ[name] for name in ("HOME", "TMPDIR", "LANG") if name in os.environ}
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env={**clean, **pip, "PATH": "/nowhere", "GUESTSIM_CACHE": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == status, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source distribution, built from the files of the checkout."""
    folder = tmp_path_factory.mktemp("built")
    source = folder / "source"
    shutil.copytree(
        ROOT, source, ignore=shutil.ignore_patterns(".git", ".*_cache", "__pycache__", "out-*")
    )
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def scripts(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the programs of a new environment are that has the wheel."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(folder, with_pip=True)
    (wheel,) = built.glob("*.whl")
    run(folder / "bin" / "pip", "install", "-q", wheel, folder=folder)
    return folder / "bin"


@pytest.fixture
def project(tmp_path: Path, scripts: Path) -> Path:
    shutil.copytree(PROJECT, tmp_path / "project")
    folder = tmp_path / "project"
    run(scripts / "python", "make_firmware.py", "firmware-tests/firmware.elf", folder=folder)
    return folder


def test_their_scenarios_are_tests_beside_their_own(project: Path, scripts: Path) -> None:
    said = run(scripts / "python", "-m", "pytest", "-v", folder=project)
    assert "hand-over.toml::hand-over[oxenstored-tso] PASSED" in said, said
    assert "5 passed" in said, said
    assert "4 passed, 1 deselected" in run(
        scripts / "python", "-m", "pytest", "-m", "quick", folder=project
    )


def test_their_ci_fails_where_it_should(project: Path, scripts: Path) -> None:
    scenario = project / "firmware-tests" / "hand-over.toml"
    scenario.write_text(scenario.read_text().replace('connected = "always"', 'hung = "always"'))
    said = run(scripts / "guestsim", "check", "firmware-tests", folder=project, status=1)
    assert "hung was expected always, but found: connected" in said, said
    said = run(scripts / "python", "-m", "pytest", "-q", folder=project, status=1)
    assert "again: guestsim replay" in said, said


def test_what_guestsim_comes_with_is_in_the_wheel(project: Path, scripts: Path) -> None:
    assert "9 of 9 caught" in run(scripts / "guestsim", "mutants", folder=project)
    assert "frontend" in run(scripts / "guestsim", "images", folder=project)
    assert '"$schema"' in run(scripts / "guestsim", "schema", folder=project)
    run(scripts / "guestsim", "new", "mine", folder=project)
    run(scripts / "guestsim", "lint", ".", folder=project)


def test_the_wheel_has_what_runs_and_the_sdist_all_sources(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for name in (
        *("search/explorer.so", "images/frontend.elf", "pytest_plugin/items.py"),
        *("scenarios/torn-reset.toml", "scenarios/mutants/never-clears.toml"),
        "scenario/scenario.schema.json",
    ):
        assert f"guestsim/{name}" in names, name
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    for name in (
        *("firmware/build.py", "firmware/images/frontend/main.c", "guestsim/search/explorer.c"),
        *(
            "scenarios/torn-reset.toml",
            "tests/consumer/test_consumer.py",
            "docs/ci.md",
            "LICENSE",
            ".ci/run",
        ),
    ):
        assert name in inside, name
    assert not any(name.endswith((".elf", ".so")) for name in inside)
