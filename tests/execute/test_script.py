"""Scripts: who moves, up to where, and what is said when that cannot be."""

from __future__ import annotations

import msgspec
import pytest
from small_actors import (
    GUEST_PENDING,
    MEMORY,
    REQ_CONS,
    REQ_PROD,
    Line,
    Program,
    fence,
    halt,
    load,
    locked,
    rmw,
    send,
    store,
    wait,
    yields,
)

from guestsim.errors import InputError, InternalError
from guestsim.execute.script import ScriptStep, script
from guestsim.execute.strategies import execute
from guestsim.trace import Event, Flag, Kind, Outcome, Site
from guestsim.trace.results import Run

SERVER_WAIT = wait(Flag.SPURIOUS | Flag.CONSUME)

GUEST = Program(
    "guest",
    [
        store(REQ_PROD, 22),
        send(),
        wait(bits=2, address=GUEST_PENDING),
        store(REQ_PROD, 0),
        store(REQ_CONS, 0),
        halt(),
    ],
)
DAEMON = Program(
    "daemon",
    [
        SERVER_WAIT,
        load(REQ_CONS),
        Line(load(REQ_PROD), {0: 0}),
        rmw(REQ_CONS),
        locked(REQ_CONS, 22),
        send(2, GUEST_PENDING),
        Line(load(REQ_CONS), {22: 0, 0: 0}),
        halt(Outcome.REFUSED),
    ],
)


def follow(*steps: ScriptStep, actors: tuple[Program, ...] = (GUEST, DAEMON)) -> Run:
    return execute(script(steps), actors, MEMORY)


def words(event: Event) -> str:
    return f"{event.actor[0]} {event.op.kind.name.lower()} {event.value}"


def test_a_line_ends_with_the_event_that_it_names() -> None:
    run = follow(
        ScriptStep("guest", until="store req_prod"),
        ScriptStep("daemon", until="load req_cons"),
        ScriptStep("guest", until="send"),
    )
    assert [words(event) for event in run.events[:4]] == [
        "g store 22",
        "d wait 0",
        "d load 0",
        "g send 1",
    ]
    assert run.steps[:3] == (("guest", 1), ("daemon", 2), ("guest", 1))
    assert run.reasons[:4] == (
        "script step 1: until store req_prod",
        "script step 2: until load req_cons",
        "script step 3: until send",
        # The guest, whose turn it would be, waits.
        "the script is done",
    )
    assert run.outcome is Outcome.CONNECTED


def test_the_others_move_while_the_named_actor_waits_for_an_event() -> None:
    # The guest cannot pass its wait before the daemon has answered; nothing more of the daemon.
    run = follow(ScriptStep("guest", until="store req_cons"))
    assert [words(event) for event in run.events] == [
        "g store 22",
        "g send 1",
        "d wait 1",
        "d load 0",
        "d load 22",
        "d rmw 0",
        "d store 22",
        "d send 1",
        "g wait 1",
        "g store 0",
        "g store 0",
        "g halt 0",
    ]
    assert run.reasons == (
        "script step 1: until store req_cons",
        "guest waits for an event",
        "script step 1: until store req_cons",
    )


def test_the_store_half_of_a_read_modify_write_ends_a_line() -> None:
    guest = Program("guest", [load(REQ_CONS), halt()])
    daemon = Program("daemon", [rmw(REQ_CONS), locked(REQ_CONS, 22), store(REQ_CONS, 0), wait()])
    for until in ("store req_cons", "rmw req_cons"):
        run = follow(ScriptStep("daemon", until=until), actors=(guest, daemon))
        assert [words(event) for event in run.events] == [
            "d rmw 0",
            "d store 22",
            "g load 22",
            "g halt 0",
        ]


def test_events_are_counted_from_the_start_of_the_line() -> None:
    guest = Program("guest", [*[store(REQ_PROD, n) for n in range(1, 8)], halt()])
    daemon = Program("daemon", [*[load(REQ_PROD) for _ in range(3)], wait(), halt()])
    run = follow(
        ScriptStep("guest", until="store req_prod"),
        ScriptStep("daemon", until="load req_prod"),
        ScriptStep("guest", until="store req_prod", nth=3),
        ScriptStep("daemon", until="load req_prod"),
        actors=(guest, daemon),
    )
    loads = [event.value for event in run.events if event.op.kind is Kind.LOAD]
    assert loads == [1, 4]


def test_a_stage_limits_what_counts() -> None:
    program = Program("guest", [store(REQ_PROD, 1), store(REQ_PROD, 2), halt()])
    ops = [
        Line(msgspec.structs.replace(line.op, site=Site(stage)))
        for line, stage in zip(program.lines, ("first", "second", "second"), strict=True)
    ]

    class Staged(Program):
        def __init__(self) -> None:
            super().__init__("guest", ops)
            self.lines = tuple(ops)

    daemon = Program("daemon", [load(REQ_PROD), wait(), halt()])
    run = follow(
        ScriptStep("guest", until="store req_prod", stage="second"),
        ScriptStep("daemon", until="load req_prod"),
        actors=(Staged(), daemon),
    )
    assert [event.value for event in run.events if event.actor == "daemon"] == [2]


def test_a_line_without_until_runs_until_the_actor_waits() -> None:
    run = follow(ScriptStep("guest"), ScriptStep("daemon"), ScriptStep("guest"))
    assert run.steps == (("guest", 2), ("daemon", 6), ("guest", 4))
    assert run.reasons == ("script step 1", "script step 2", "script step 3")


def test_a_named_sleeper_wakes_spuriously_and_goes_round_once() -> None:
    run = follow(ScriptStep("daemon"), ScriptStep("guest", until="store req_prod"))
    assert [words(event) for event in run.events[:4]] == [
        "d wait 0",
        "d load 0",
        "d load 0",
        "g store 22",
    ]


def test_a_real_event_is_taken_before_a_spurious_end() -> None:
    run = follow(ScriptStep("guest", until="send"), ScriptStep("daemon", until="wait"))
    assert words(run.events[2]) == "d wait 1"


def test_a_sleeper_that_is_not_named_sleeps_on() -> None:
    # Two who could let the guest go on: the one that moves freely does.
    guest = Program("guest", [wait(bits=2, address=GUEST_PENDING), halt()])
    other = Program("other", [fence(), send(2, GUEST_PENDING), wait(bits=4), halt()])
    run = follow(ScriptStep("guest", until="wait"), actors=(guest, DAEMON, other))
    assert {event.actor for event in run.events} == {"guest", "other"}


def test_a_sleeper_is_woken_where_nobody_else_can_move() -> None:
    guest = Program("guest", [store(REQ_PROD, 22), wait(bits=2, address=GUEST_PENDING), halt()])
    run = follow(ScriptStep("guest", until="halt"), actors=(guest, DAEMON))
    assert words(run.events[1]) == "d wait 0"
    assert run.reasons[1] == "woken spuriously: guest waits for an event"
    assert run.outcome is Outcome.CONNECTED


def test_a_named_sleeper_that_finds_nothing_lets_the_others_bring_it_something() -> None:
    # The daemon's third line needs a request; the guest has yet to make it.
    run = follow(ScriptStep("daemon", until="rmw req_cons"))
    before = [event for event in run.events if event.actor == "guest"][:2]
    assert [words(event) for event in before] == ["g store 22", "g send 1"]
    # Not woken once more between the two, though the store is news.
    assert run.steps[1] == ("guest", 2)
    assert run.reasons[1] == "daemon waits for an event"
    assert run.steps[0] == ("daemon", 3)
    assert run.outcome is Outcome.CONNECTED


def test_rounds_of_a_named_sleeper_count_as_long_as_the_event_comes() -> None:
    run = follow(ScriptStep("daemon", until="wait server_pending = 0", nth=5))
    assert run.steps[0] == ("daemon", 4 * 3 + 1)


def test_a_spinner_counts_as_waiting() -> None:
    guest = Program("guest", [Line(load(REQ_PROD), {0: 0}), halt()])
    daemon = Program("daemon", [store(REQ_PROD, 1), wait(), halt()])
    run = follow(ScriptStep("guest"), ScriptStep("daemon", until="store req_prod"),
                 actors=(guest, daemon))  # fmt: skip
    assert run.outcome is Outcome.CONNECTED
    assert run.steps[0][0] == "guest"
    assert run.steps[1] == ("daemon", 1)


def test_a_halt_can_be_the_event_or_the_end_of_a_line() -> None:
    for step in (ScriptStep("guest", until="halt"), ScriptStep("guest", until=None)):
        guest = Program("guest", [store(0, 1), halt()])
        run = follow(step, actors=(guest, DAEMON))
        assert run.steps == (("guest", 2),)


def test_a_script_with_no_lines_is_the_fair_schedule() -> None:
    assert follow().reasons[0] == "first to move"


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        pytest.param(
            [ScriptStep("guest", until="halt"), ScriptStep("daemon", until="load req_prod")],
            "script step 2 (run daemon until load req_prod): the execution ended first "
            "(connected: done), after 11 steps",
            id="ended",
        ),
        pytest.param(
            [ScriptStep("guest", until="store req_prod", nth=3)],
            "script step 1 (run guest until store req_prod (3 times)): the execution ended first "
            "(connected: done), after 11 steps, 2 of 3 times done",
            id="too-many",
        ),
        pytest.param(
            [ScriptStep("guest", until="store req_prod", stage="frontend")],
            "script step 1 (run guest until store req_prod in frontend): the execution ended",
            id="other-stage",
        ),
        pytest.param(
            [ScriptStep("guest", until="halt"), ScriptStep("guest")],
            "script step 2 (run guest): the execution ended first",
            id="ended-without-until",
        ),
        pytest.param(
            [ScriptStep("gest")],
            'script step 1 (run gest): run: "gest" is not one of guest, daemon; '
            'did you mean "guest"?',
            id="actor",
        ),
        pytest.param(
            [ScriptStep("guest"), ScriptStep("guest", until="stor req_prod")],
            'script step 2 (run guest until stor req_prod): until: "stor" is not one of load, ',
            id="until",
        ),
        pytest.param([ScriptStep("guest", until="halt", nth=0)], "nth counts from 1", id="nth"),
        pytest.param([ScriptStep("guest", nth=2)], "belong to an event", id="nth-alone"),
        pytest.param([ScriptStep("guest", stage="x")], "belong to an event", id="stage-alone"),
    ],
)
def test_a_line_that_cannot_be_followed_is_named(steps: list[ScriptStep], message: str) -> None:
    with pytest.raises(InputError) as caught:
        follow(*steps)
    assert message in str(caught.value)


def test_a_line_in_which_everyone_is_stuck_says_who_waits() -> None:
    guest = Program("guest", [wait(bits=2, address=GUEST_PENDING), halt()])
    with pytest.raises(InputError) as caught:
        follow(ScriptStep("guest", until="halt"), actors=(guest, DAEMON))
    assert "(hung: guest waits for evtchn_pending, which nobody will set; daemon sleeps" in str(
        caught.value
    )


def test_a_script_needs_the_events() -> None:
    with pytest.raises(InternalError, match="records"):
        execute(script([]), (GUEST, DAEMON), MEMORY, record=False)


def test_a_yield_is_a_wait_without_a_place() -> None:
    guest = Program(
        "guest", [store(REQ_PROD, 1), yields(), store(REQ_PROD, 2), yields(), wait(), halt()]
    )
    daemon = Program("daemon", [load(REQ_PROD), load(REQ_PROD), halt()])
    first = ScriptStep("guest", until="wait"), ScriptStep("daemon", until="load req_prod")
    run = follow(*first, actors=(guest, daemon))
    assert [event.actor for event in run.events[:3]] == ["guest", "guest", "daemon"]
    # Without an event, a line ends where its actor yields; then the others move.
    run = follow(ScriptStep("guest"), actors=(guest, daemon))
    assert [event.actor for event in run.events[:2]] == ["guest", "daemon"]
    with pytest.raises(InputError, match="the execution ended first"):
        follow(ScriptStep("guest", until="wait evtchn_pending"), actors=(guest, daemon))


def test_an_index_stored_byte_by_byte_is_an_event() -> None:
    pieces = [store(REQ_CONS + at, 512 >> 8 * at & 0xFF, 1) for at in range(4)]
    guest = Program("guest", [*pieces, halt()])
    daemon = Program("daemon", [load(REQ_CONS), halt()])
    run = follow(
        ScriptStep("guest", until="store req_cons = 512"),
        ScriptStep("daemon", until="load req_cons = 512"),
        actors=(guest, daemon),
    )
    assert [event.actor for event in run.events[:3]] == ["guest", "guest", "daemon"]
