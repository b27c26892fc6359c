"""What a reader of a page waits for: the solver, a step, a step back. In Chromium."""

from __future__ import annotations

import pytest
from browsing import Open, html
from pytest_benchmark.fixture import BenchmarkFixture
from shipped import BINARIES

pytestmark = pytest.mark.heavy
"""With a browser for each: `pytest -m heavy tests/benchmarks --benchmark-enable -n 0`."""

SOLVE = "new guestsim.solver.constructor(guestsim.program, Infinity).slice(Infinity)"
NAMES = [
    "torn-reset.toml#every-sc",
    pytest.param(
        "real/torn-reset.toml#every-sc",
        marks=pytest.mark.skipif(
            "hvmloader" not in BINARIES, reason="GUESTSIM_HVMLOADER names no hvmloader"
        ),
    ),
]


@pytest.mark.parametrize("name", NAMES)
def test_solve(name: str, opened: Open, benchmark: BenchmarkFixture) -> None:
    page = opened(html(name))
    page.solved()
    states = page.js("guestsim.solver.states")
    benchmark.extra_info["states"] = states
    benchmark.pedantic(  # type: ignore[no-untyped-call]
        lambda: page.js(SOLVE), rounds=3
    )


@pytest.mark.parametrize("command", ["step", "undo"])
@pytest.mark.parametrize("name", NAMES)
def test_command(name: str, command: str, opened: Open, benchmark: BenchmarkFixture) -> None:
    """At the end of a whole boot; what is on the screen is brought up to date, too."""
    page = opened(html(name))
    page.solved()
    page.js("(guestsim.way(0), guestsim.seek(guestsim.play.steps.length - 40), guestsim.show())")
    other = "undo" if command == "step" else "redo"
    made = "redo" if command == "step" else "undo"
    times = page.js(
        f"""(() => {{
            const times = [];
            for (let round = 0; round < 30; round += 1) {{
                const before = performance.now();
                guestsim.command("{made}");
                document.body.getBoundingClientRect();
                times.push(performance.now() - before);
                guestsim.command("{other}");
            }}
            return times.sort((one, other) => one - other);
        }})()"""
    )
    benchmark.extra_info["milliseconds"] = {"median": times[15], "most": times[-1]}
    benchmark.pedantic(lambda: page.js("1"), rounds=1)  # type: ignore[no-untyped-call]
