"""Scripts with those who ask an actor, and who is served where nothing else is to be done."""

from __future__ import annotations

import pytest
from small_actors import MEMORY, REQ_PROD, Line, Program, halt, load, store, wait

from guestsim.errors import InputError
from guestsim.execute.script import ScriptStep, script
from guestsim.execute.strategies import execute, fair
from guestsim.trace import MEANING, NOBODY, Flag, Kind, Op, Site, asks
from guestsim.trace.results import Run

LANES = {"a": "daemon", "b": "daemon"}
CHOOSE = Op(Kind.CHOOSE, value=3, note=MEANING.join([NOBODY, asks("a"), asks("b")]))


def act(who: str) -> Op:
    return Op(Kind.ACT, site=Site(stage=who), note="write data/x=1")


# Whoever is served stores 1 or 2, which ends the guest's wait.
DAEMON = Program(
    "daemon",
    [
        wait(Flag.SPURIOUS | Flag.CONSUME),
        Line(CHOOSE, {0: 0, 1: 2, 2: 5}),
        act("a"),
        store(REQ_PROD, 1),
        Line(load(REQ_PROD), {1: 0}),
        act("b"),
        store(REQ_PROD, 2),
        Line(load(REQ_PROD), {2: 0}),
    ],
)
GUEST = Program("guest", [Line(load(REQ_PROD), {0: 0}), halt()])


def served(run: Run) -> list[str]:
    return [event.op.site.stage for event in run.events if event.op.kind is Kind.ACT]


def follow(*steps: ScriptStep) -> Run:
    return execute(script(steps, lanes=LANES), (GUEST, DAEMON), MEMORY)


@pytest.mark.parametrize("who", ["a", "b"])
def test_a_line_serves_whom_it_runs(who: str) -> None:
    run = follow(ScriptStep(who))
    assert served(run) == [who]
    # The line ends right behind it.
    at = next(at for at, event in enumerate(run.events) if event.op.kind is Kind.ACT)
    assert not any("script step 1" in why for why in run.reasons[1:])
    assert run.events[at - 1].op.kind is Kind.CHOOSE


def test_a_line_of_the_daemon_serves_nobody() -> None:
    run = follow(ScriptStep("daemon"), ScriptStep("b"))
    assert run.choices[0] == 0
    assert served(run) == ["b"]


def test_until_counts_acts() -> None:
    assert served(follow(ScriptStep("a", until="act a"))) == ["a"]


def test_a_name_that_nobody_has_is_refused() -> None:
    with pytest.raises(InputError, match='"c" is not one of guest, daemon, a, b'):
        follow(ScriptStep("c"))


def test_who_asks_is_served_where_nothing_else_is_to_be_done() -> None:
    """Without a script: the first of them, when the daemon's sleep has ended without an event."""
    run = execute(fair, (GUEST, DAEMON), MEMORY)
    assert (served(run), run.choices) == (["a"], (1,))


def test_an_event_comes_before_those_who_ask() -> None:
    event = Op(Kind.SEND, *(wait().address, 4), 1)
    guest = Program("guest", [event, Line(load(REQ_PROD), {0: 1}), halt()])
    run = execute(fair, (guest, DAEMON), MEMORY)
    assert run.choices == (0, 1)
