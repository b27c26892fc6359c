"""docs/real-hvmloader.md: what its table says of each release is what guestsim finds.

GUESTSIM_RELEASES names folders with Debian's packages unpacked, as .ci/fetch-debian prints them,
with colons between. The first one of a release counts.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from guestsim.runner import Options, check
from guestsim.scenario import load_one
from guestsim.trace.results import Verdict

ROOT = Path(__file__).parent.parent
SECTION = (ROOT / "docs" / "real-hvmloader.md").read_text().partition("\n## Releases\n")[2]
HEAD, _, *ROWS = (
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in SECTION.partition("\n## ")[0].splitlines()
    if line.startswith("|")
)
RELEASES = HEAD[1:-1]
SAID = {row[0]: dict(zip(RELEASES, row[1:], strict=False)) for row in ROWS}
HOW_IT_ENDS = {row[0]: row[-1] for row in ROWS}
QUICK = ["every-sc"]
SEARCHES = [name.strip("`") for name in SAID if name.startswith("`")]


@cache
def hvmloader(release: str) -> Path:
    """The test is skipped where no folder is named with one, or none of this release."""
    folders = os.environ.get("GUESTSIM_RELEASES", "").split(os.pathsep)
    for folder in filter(None, folders):
        path = Path(folder) / f"usr/lib/xen-{release}/boot/hvmloader"
        if path.exists():
            return path
    pytest.skip(f"GUESTSIM_RELEASES names no folder with the hvmloader of Xen {release}")


def test_the_table_has_its_rows_and_releases() -> None:
    assert RELEASES == ["4.14", "4.17", "4.20"]
    assert list(SAID)[:2] == ["questions", "the last one"]
    assert set(QUICK) < set(SEARCHES)


@pytest.mark.parametrize("release", RELEASES)
def test_what_a_release_asks(release: str) -> None:
    command = re.search(r"^\$ guestsim (run .*) \| grep -o '(.*)'$", SECTION, re.MULTILINE)
    assert command is not None
    arguments = command[1].replace("PATH", str(hvmloader(release))).split()
    done = subprocess.run(
        [sys.executable, "-m", "guestsim", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
        check=True,
    )
    asked = [found.removeprefix("READ ") for found in re.findall(command[2], done.stdout)]
    assert SAID["questions"][release] == str(len(asked))
    assert SAID["the last one"][release].strip("`") == asked[-1]


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    "search",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.heavy) for name in SEARCHES],
)
def test_states_and_outcomes_of_a_release(search: str, release: str) -> None:
    images = {"hvmloader": hvmloader(release)}
    scenario = load_one(ROOT / f"scenarios/real/torn-reset.toml#{search}")
    result = check(scenario, Options(images=images))
    assert result.verdict is Verdict.PASS, result.failures
    assert result.search is not None
    assert result.search.complete
    assert SAID[f"`{search}`"][release] == f"{result.search.states:,}"
    found = [f"`{name}`" for name, finding in result.outcomes.items() if finding.found]
    assert HOW_IT_ENDS[f"`{search}`"] == ", ".join(sorted(found))
