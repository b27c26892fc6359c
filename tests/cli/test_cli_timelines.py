"""Every timeline there is: each shipped scenario, each outcome, both memory models, two widths.

CI shows those of some scenarios (`shipped.some_in_ci`), the heavy set all.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
from shipped import SCENARIOS, SHIPPED, name_of, needs_binary, some_in_ci

from guestsim.cli import commands as cli
from guestsim.cli.ending import Wishes, ended
from guestsim.execute.schedule import Schedule, load_schedule
from guestsim.scenario import Scenario

OURS = [scenario for scenario in SHIPPED if not needs_binary(scenario)]
FIGURES = ("svg", "perfetto", "vcd", "mermaid")
HVMLOADER = os.environ.get("GUESTSIM_HVMLOADER", "")


def guestsim(*arguments: object) -> int:
    wishes = Wishes()
    words = [*map(str, arguments)]
    return ended(lambda: cli.app(words, obj=wishes, standalone_mode=False), wishes)


def turns(schedule: Schedule) -> list[str]:
    """Who has the turn, as it passes; a store buffer that drains has none."""
    found: list[str] = []
    for segment in schedule.steps:
        if not segment.actor.endswith(":drain") and found[-1:] != [segment.actor]:
            found.append(segment.actor)
    return found


def check_figures(folder: Path) -> None:
    """Those of the last replay are there, and are what they should be."""
    ElementTree.parse(folder / "svg")  # noqa: S314 (we wrote it)
    json.loads((folder / "perfetto").read_text())
    assert (folder / "vcd").read_text().startswith("$comment ")
    assert len((folder / "mermaid").read_text().splitlines()) < 300
    for kind in FIGURES:
        (folder / kind).unlink()


def render_all(
    capsys: pytest.CaptureFixture[str],
    folder: Path,
    *arguments: str,
    whole: bool = False,
) -> int:
    """Check a scenario, and replay all that it found; how many timelines there were. Unless
    `whole`, every op is shown of the first of them only."""
    out = folder / "out.json"
    guestsim("check", *arguments, "--json", out, "-j1")
    (result,) = json.loads(out.read_text())["results"]
    found = {name for name, outcome in result["outcomes"].items() if outcome["found"]}
    schedules = sorted((folder / "out-witnesses").iterdir())
    assert len(schedules) >= len(found) > 0, result
    images = [argument for argument in arguments if argument.startswith("--image")]
    capsys.readouterr()
    for number, path in enumerate(schedules):
        schedule = load_schedule(path)
        for width, more in ((80, ()), (120, ("--all",) if whole or not number else ())):
            if width > 80 and not more:
                continue
            # Of one execution: tests/report/figures draws more of them, and quicker.
            draws = bool(more) and not number
            drawn = [f"--{kind}={folder / kind}" for kind in FIGURES] if draws else []
            status = guestsim("replay", path, f"--width={width}", *more, *drawn, *images)
            said = capsys.readouterr()
            assert status == 0, f"{path.name}: {said.err}"
            wide = [line for line in said.out.splitlines() if len(line) > width]
            assert not wide, f"{path.name} is wider than {width}: {wide[:3]}"
            passed = said.out.count("→ guest moves") + said.out.count("→ xenstored moves")
            passed += said.out.count("→ oxenstored moves") + said.out.count("→ rfc-v2 moves")
            if draws:
                check_figures(folder)
            if more:
                # nothing is folded
                assert passed >= len(turns(schedule)) - 1, f"{path.name}: {turns(schedule)}"
    return len(schedules)


@pytest.mark.parametrize("scenario", some_in_ci(OURS))
def test_every_timeline_can_be_shown(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    scenario: Scenario,
) -> None:
    assert render_all(capsys, tmp_path, scenario.name)


@pytest.mark.heavy
@pytest.mark.parametrize("scenario", OURS, ids=name_of)
def test_every_op_of_every_timeline_can_be_shown(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    scenario: Scenario,
) -> None:
    assert render_all(capsys, tmp_path, scenario.name, whole=True)


@pytest.mark.parametrize("variant", ["every-tso", "closing-sc"])
def test_so_can_those_of_the_real_hvmloader(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    variant: str,
) -> None:
    if not HVMLOADER:
        pytest.skip("GUESTSIM_HVMLOADER names no hvmloader")
    name = f"{SCENARIOS / 'real/torn-reset.toml'}#{variant}"
    assert render_all(capsys, tmp_path, name, f"--image=hvmloader={HVMLOADER}")


@pytest.mark.parametrize("outcome", ["refused", "connected"])
def test_run_shows_the_same(capsys: pytest.CaptureFixture[str], outcome: str) -> None:
    name = f"{SCENARIOS / 'torn-reset.toml'}#every-tso"
    assert guestsim("run", name, "--outcome", outcome, "--width=80") == 0
    assert f"\n{outcome}: " in capsys.readouterr().out
