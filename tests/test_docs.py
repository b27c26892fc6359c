"""The documentation says what the code says: commands, timelines and rules in it are real."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from guestsim.rules import ALL, Rule

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def plain(text: str) -> str:
    """Without line breaks and quote marks."""
    return " ".join(text.replace("\n> ", " ").split())


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_every_rule_is_in_the_docs_in_its_own_words(rule: Rule) -> None:
    text = plain((ROOT / "docs" / "rules.md").read_text())
    assert f"`{rule.name}`" in text
    assert rule.text in text
    assert f"Section: {rule.section}." in text


def test_the_readme_shows_two_commands_that_install() -> None:
    assert re.findall(r"^\$ (pip install .*&& .*)$", README, re.MULTILINE) == [
        "pip install -e . && guestsim check scenarios/",
        "pip install -e '.[test]' && pytest",
    ]


def test_the_timeline_in_the_readme_is_what_is_printed() -> None:
    shown = re.search(r"^\$ guestsim (run [^\n]*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert shown is not None
    done = subprocess.run(
        [sys.executable, "-m", "guestsim", *shown[1].split()],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=True,
    )
    assert shown[2] == done.stdout, "copy what the command prints now into README.md"


def test_every_scenario_is_in_the_readme_and_teaches_something() -> None:
    museum = ROOT / "scenarios" / "museum"  # has a page of its own
    for path in sorted((ROOT / "scenarios").rglob("*.toml")):
        if path.is_relative_to(museum):
            continue
        name = path.relative_to(ROOT / "scenarios").with_suffix("")
        assert f"| `{name}` |" in README, f"README.md does not list {name}"
        assert path.read_text().startswith("# "), f"{name} does not open with what it teaches"


def timelines(page: str, files: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Each `run` of one of these files on the page, as shown and as printed now. `files`: patterns
    of the names on the page, and where that is."""
    text = (ROOT / "docs" / page).read_text()
    for command, shown in re.findall(
        r"^\$ guestsim (run [^\n|]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL
    ):
        real = command
        for name, there in files.items():
            real = re.sub(name, there, real)
        if real == command:
            continue
        done = subprocess.run(
            [sys.executable, "-m", "guestsim", *real.split()],
            capture_output=True,
            text=True,
            timeout=100,
            cwd=ROOT,
            check=True,
        )
        yield shown, done.stdout


def test_the_timelines_of_grub_are_what_is_printed() -> None:
    """Those without source lines: Debian 12 has none for its GRUB."""
    halt = os.environ.get("GUESTSIM_GRUB_HALT")
    if halt is None:
        pytest.skip("GUESTSIM_GRUB_HALT names no grub-halt")
    count = 0
    for shown, printed in timelines("real-grub.md", {r"\bgrub/\S+/grub-halt\.elf": halt}):
        assert shown == printed, "copy what is printed now into real-grub.md"
        count += 1
    assert count == 2


def test_the_timelines_of_the_real_hvmloader_are_what_is_printed() -> None:
    unpacked = os.environ.get("GUESTSIM_XENSTORE_TOOLS")
    if unpacked is None or not (Path(unpacked) / "usr/lib/debug").is_dir():
        pytest.skip("GUESTSIM_XENSTORE_TOOLS names no folder with Debian's hvmloader unpacked")
    count = 0
    for shown, printed in timelines("real-hvmloader.md", {r"\bxen/": f"{unpacked}/"}):
        assert shown == printed, "copy what is printed now into real-hvmloader.md"
        count += 1
    assert count == 3


def test_the_script_about_unicorn_prints_what_is_shown(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "unicorn.md").read_text()
    shown = re.search(
        r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL
    )
    assert shown is not None
    script = tmp_path / "silenced.py"
    script.write_text(shown[1])
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == shown[2], "another Unicorn: read docs/unicorn.md again"


def test_the_figures_are_as_they_are_shown(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "figures.md").read_text()
    shown = re.findall(r"^```console\n\$ ([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (run, _), *looks = shown
    (tmp_path / "scenarios").symlink_to(ROOT / "scenarios")
    subprocess.run(
        [sys.executable, "-m", "guestsim", *run.removeprefix("guestsim ").split()],
        capture_output=True,
        timeout=60,
        cwd=tmp_path,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert len(looks) == 2
    for command, printed in looks:
        done = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path, check=True
        )
        assert printed == done.stdout, f"copy what {command} prints now into figures.md"
