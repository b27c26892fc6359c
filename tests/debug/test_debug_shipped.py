"""Up and down the witnesses of the scenarios that ship, at random: the same moment looks the same
each time, and the end is that of the witness."""

from __future__ import annotations

from random import Random

import pytest
from shipped import BINARIES, SHIPPED, name_of, needs_binary, skip_without
from stub import never

from guestsim.debug import Timeline
from guestsim.debug.course import DAEMON
from guestsim.debug.timeline import Moment, Why
from guestsim.execute import trace_bytes
from guestsim.runner import run_once, set_up
from guestsim.runner.debugging import plan_of
from guestsim.scenario import Scenario, StringOrder

IN_CI = {
    "torn-reset.toml#closing-sc",
    "wire.toml#events-oxenstored-tso",
    "museum/xenstored/live-update.toml#forgets-xenstored-tso",
}
DEBUGGED = [each for each in SHIPPED if each.search.string_stores is not StringOrder.ANY_ORDER]
INDICES = 0xFEFFC800


class Walk:
    """A person who tries everything."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self._draw = Random(1)
        self._seen: dict[tuple[Moment, int], object] = {}
        self._places: set[int] = set()
        self._patience = 0

    def look(self) -> object:
        return self.timeline.registers(), bytes(self.timeline.course.execution.memory)

    def _interrupted(self) -> bool:
        self._patience -= 1
        return self._patience < 0

    def act(self) -> None:
        timeline, draw = self.timeline, self._draw
        self._patience = draw.randint(1, 60)
        match draw.randint(0, 8):
            case 0 | 1:
                for _ in range(draw.randint(1, 6)):
                    timeline.step()
            case 2:
                for _ in range(draw.randint(1, 6)):
                    timeline.step_back()
            case 3 | 4 | 5:
                self._places.add(timeline.registers()["eip"])
                places = sorted(self._places)
                timeline.breakpoints = set(
                    draw.sample(places, min(len(places), draw.randint(0, 2)))
                )
                timeline.forward(self._interrupted)
            case 6:
                timeline.backward(self._interrupted)
            case 7:
                pc = timeline.registers()["eip"]
                timeline.forward(never, range(pc, pc + 6))
            case 8:
                address = INDICES + 4 * draw.randint(0, 3)
                watch = timeline.watch(address, 4, loads=draw.random() < 0.3, stores=True)
                timeline.watches = {watch} if watch is not None and draw.random() < 0.5 else set()
        moment = timeline.moment, timeline.course.steps
        assert self._seen.setdefault(moment, self.look()) == self.look()

    def move_the_daemon(self) -> None:
        timeline = self.timeline
        timeline.breakpoints = {self._draw.choice(sorted(self._places))}
        timeline.forward(never)
        timeline.move(DAEMON)
        moment, steps, look = timeline.moment, timeline.course.steps, self.look()
        if timeline.step().why is Why.STEPPED:
            timeline.step_back()
            assert (timeline.moment, timeline.course.steps, self.look()) == (moment, steps, look)

    def to_the_end(self) -> None:
        self.timeline.breakpoints, self.timeline.watches = set(), set()
        while self.timeline.forward(never).why is not Why.END:
            pass


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(each, id=name, marks=() if name in IN_CI else pytest.mark.heavy)
        for each in DEBUGGED
        for name in [name_of(each)]
    ],
)
def test_up_and_down(scenario: Scenario) -> None:
    if needs_binary(scenario):
        skip_without(scenario)
    names = {stage.name for stage in scenario.boot.stages}
    images = {name: path for name, path in BINARIES.items() if name in names}
    run, schedule = run_once(scenario, set_up(scenario, images))
    setup = set_up(scenario, images)
    walk = Walk(Timeline(plan_of(scenario, setup, schedule)))
    for _ in range(40):
        walk.act()
    for move in (False, True):
        if move:
            walk.timeline.return_to(Moment(0, 0))
            for _ in range(10):
                walk.move_the_daemon()
            walk.timeline.rejoin()
        walk.to_the_end()
        result = walk.timeline.course.execution.result()
        assert result.outcome is run.outcome
        ours, theirs = trace_bytes(result.events), trace_bytes(run.events)
        # A hang is told as soon as it is known; the witness goes on until it shows.
        assert ours.startswith(theirs) or theirs.startswith(ours)


def test_those_that_stay_in_ci_are_there() -> None:
    assert {name_of(each) for each in DEBUGGED} >= IN_CI
