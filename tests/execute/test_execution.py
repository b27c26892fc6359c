"""Single steps, the end, the budget, and what an observer sees."""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest
from small_actors import (
    GUEST_PENDING,
    MEMORY,
    REQ_PROD,
    Line,
    Program,
    Talker,
    choose,
    fence,
    halt,
    load,
    locked,
    rmw,
    send,
    store,
    wait,
)

from guestsim.errors import InternalError
from guestsim.execute.execution import Execution, Motion
from guestsim.execute.strategies import execute, fair
from guestsim.execute.tso import TsoExecution
from guestsim.trace import Burst, Event, Flag, Kind, Op, Outcome, Violation
from guestsim.trace.shared import SERVER
from guestsim.trace.shared import load as read


def started(*actors: Program | Talker, **options: int) -> Execution:
    execution = Execution(actors, MEMORY, **options)  # type: ignore[arg-type]
    execution.start()
    return execution


def increment(name: str, times: int) -> Talker:
    def body() -> Generator[Op, int, None]:
        for _ in range(times):
            value = yield rmw(REQ_PROD)
            yield locked(REQ_PROD, value + 1)
        yield wait()

    return Talker(name, body)


def test_a_load_sees_what_another_stored() -> None:
    execution = started(
        Program("guest", [store(0, 7), halt()]), Program("daemon", [load(0), load(0), halt()])
    )
    assert execution.step(1).value == 0
    assert execution.step(0).value == 7
    assert execution.step(1) == Event("daemon", execution.events[-1].op, 7)
    assert [event.actor for event in execution.events] == ["daemon", "guest", "daemon"]


def test_a_read_modify_write_is_one_step_and_two_events() -> None:
    execution = started(increment("guest", 2), increment("daemon", 2))
    for actor in (0, 1, 1, 0):
        execution.step(actor)
    # Nobody came between the halves, whatever the order: no increment is lost.
    assert read(execution.memory, REQ_PROD, 4) == 4
    assert execution.steps == 4
    assert execution.performed == len(execution.events) == 8
    kinds = [(event.actor, event.op.kind) for event in execution.events[:4]]
    assert kinds == [
        ("guest", Kind.RMW),
        ("guest", Kind.STORE),
        ("daemon", Kind.RMW),
        ("daemon", Kind.STORE),
    ]
    assert execution.result().steps == (("guest", 1), ("daemon", 2), ("guest", 1))


def test_the_first_halt_ends_the_execution() -> None:
    execution = started(
        Program("guest", [halt(Outcome.CORRUPTED, "wrong reply")]), Program("daemon", [halt()])
    )
    execution.step(0)
    run = execution.result()
    assert (run.outcome, run.actor, run.end.message) == (
        Outcome.CORRUPTED,
        "guest",
        "wrong reply",
    )
    assert execution.motion(1) is Motion.BLOCKED
    with pytest.raises(InternalError, match="daemon is moved after the end"):
        execution.step(1)


def test_a_wait_blocks_until_its_event_and_then_gives_one() -> None:
    execution = started(
        Program("guest", [send(), load(0), halt()]),
        Program("daemon", [wait(Flag.CONSUME), load(0), halt()]),
    )
    assert execution.motion(1) is Motion.BLOCKED
    assert not execution.enabled(1)
    with pytest.raises(InternalError, match="daemon is moved while it waits"):
        execution.step(1)
    execution.step(0)
    assert execution.motion(1) is Motion.FREE
    assert execution.step(1).value == 1
    assert read(execution.memory, SERVER, 4) == 0


def test_a_spurious_wait_ends_with_zero_and_with_one_when_its_event_is_there() -> None:
    sleeper: list[Line | Op] = [Line(wait(Flag.SPURIOUS | Flag.CONSUME), {0: 0}), halt()]
    execution = started(Program("guest", [load(0), send(), halt()]), Program("daemon", sleeper))
    assert execution.motion(1) is Motion.SPURIOUS
    assert execution.enabled(1)
    assert execution.step(1).value == 0
    execution.step(0)
    execution.step(0)
    assert execution.motion(1) is Motion.FREE
    assert execution.step(1).value == 1


def test_an_event_at_the_guest_raises_its_upcall() -> None:
    execution = started(
        Program("guest", [wait(address=GUEST_PENDING, bits=2), halt()]),
        Program("daemon", [send(2, GUEST_PENDING), load(0), halt()]),
    )
    execution.step(1)
    assert execution.memory[0x1000] == 1, "evtchn_upcall_pending"
    assert execution.enabled(0)


def test_starting_again_gives_the_same_trace() -> None:
    execution = Execution((increment("guest", 3), Program("daemon", [load(4), halt()])), MEMORY)
    traces = []
    for _ in range(2):
        execution.start()
        fair(execution)
        traces.append(execution.result())
    assert traces[0] == traces[1]
    assert traces[0].outcome is Outcome.CONNECTED


def test_starting_again_after_a_hang_gives_the_same_hang() -> None:
    spin = Program("guest", [store(0, 1), fence(), store(0, 2), Line(load(4), {0: 3}), halt()])
    execution = Execution((spin,), MEMORY)
    runs = []
    for _ in range(2):
        execution.start()
        assert execution.changed == 0
        fair(execution)
        assert execution.changed == 3
        runs.append(execution.result())
    assert runs[0].outcome is Outcome.HUNG
    assert runs[0] == runs[1]


def test_the_initial_memory_is_not_touched() -> None:
    memory = bytearray(MEMORY)
    run = execute(fair, (Program("guest", [store(0, 9), halt()]),), bytes(memory))
    assert run.initial == MEMORY


@pytest.mark.parametrize("ops", [3, 4])
def test_the_budget_ends_an_execution_without_an_outcome(ops: int) -> None:
    actors = (Program("guest", [*[store(0, n) for n in range(1, 9)], halt()]),)
    run = execute(fair, actors, MEMORY, max_ops=ops)
    assert run.outcome is None
    assert run.actor == ""
    assert len(run.events) == ops
    assert run.end.message == (
        f"the budget of {ops} ops is used up: guest is about to store req[0..3]"
    )


def test_a_halt_within_the_budget_wins_over_it() -> None:
    actors = (Program("guest", [store(0, 1), halt()]),)
    assert execute(fair, actors, MEMORY, max_ops=2).outcome is Outcome.CONNECTED


def test_run_steps_counts_steps_and_stops_where_the_actor_cannot_move() -> None:
    lines = [store(0, 1), rmw(4), locked(4, 2), fence(), store(8, 3), wait(), halt()]
    for record in (True, False):
        execution = Execution(
            (Program("guest", lines), Program("daemon", [load(0), halt()])), MEMORY, record=record
        )
        execution.start()
        assert execution.run_steps(0, 2) == 2
        assert execution.peek(0).kind is Kind.FENCE
        assert execution.run_steps(0, 99) == 2
        assert execution.peek(0).kind is Kind.WAIT
        assert execution.run_steps(0, 1) == 0
        assert execution.run_steps(1, 99) == 2
        assert execution.steps == 6
        assert execution.performed == 7
        assert len(execution.events) == (7 if record else 0)
        assert execution.result().steps == (("guest", 4), ("daemon", 2))


def test_run_steps_makes_spurious_ends_and_run_busy_does_not() -> None:
    sleeper = Program("daemon", [Line(wait(Flag.SPURIOUS), {0: 0}), halt()])
    guest = Program("guest", [load(0), halt()])
    execution = started(guest, sleeper)
    assert execution.run_busy(1, 5) == 0
    assert execution.run_steps(1, 5) == 5


def test_an_observer_sees_memory_before_each_event_and_its_value() -> None:
    seen: list[tuple[Kind, int, int]] = []

    def observe(memory: bytearray, event: Event) -> None:
        seen.append((event.op.kind, event.value, read(memory, REQ_PROD, 4)))

    lines = [store(REQ_PROD, 5), rmw(REQ_PROD), locked(REQ_PROD, 6), load(REQ_PROD), halt()]
    execute(fair, (Program("guest", lines),), MEMORY, observe)
    assert seen == [
        (Kind.STORE, 5, 0),
        (Kind.RMW, 5, 5),
        (Kind.STORE, 6, 5),
        (Kind.LOAD, 6, 6),
        (Kind.HALT, 0, 6),
    ]


def test_the_first_violation_of_each_rule_is_kept_with_its_step() -> None:
    def observe(memory: bytearray, event: Event) -> tuple[Violation, ...]:
        if event.op.kind is Kind.STORE:
            return (
                Violation("stores", "§1", f"stored {event.value}"),
                *([Violation("odd", "§2", f"{event.value} is odd")] if event.value % 2 else []),
            )
        return ()

    lines = [load(0), store(0, 2), rmw(4), locked(4, 3), store(0, 5), halt()]
    run = execute(fair, (Program("guest", lines),), MEMORY, observe)
    assert run.violations == (
        Violation("stores", "§1", "stored 2", 1),
        Violation("odd", "§2", "3 is odd", 3),
    )
    for violation in run.violations:
        assert run.events[violation.step].op.kind is Kind.STORE


class Broken:
    """An actor that gives the burst that it is told to give."""

    name = "guest"

    def __init__(self, *bursts: Burst) -> None:
        self.bursts = bursts

    def start(self) -> Burst:
        return self.bursts[0]

    def resume(self, point: int, value: int) -> Burst:
        assert value >= 0
        return self.bursts[point]

    def key(self, point: int) -> int:
        return point


@pytest.mark.parametrize(
    ("bursts", "message"),
    [
        pytest.param([Burst((), None)], "a burst ends with", id="empty"),
        pytest.param([Burst((store(0, 1),), 1)], "a burst ends with", id="no-answer-needed"),
        pytest.param(
            [Burst((rmw(0),), 1), Burst((store(0, 1), halt()), None)],
            "an RMW without its store half",
            id="rmw-unfinished",
        ),
        pytest.param([Burst((Op(Kind.HALT),), None)], "a HALT without an end", id="no-end"),
        pytest.param(
            [Burst((store(MEMORY.__len__(), 1), halt()), None)], "not shared memory", id="outside"
        ),
    ],
)
def test_an_actor_that_breaks_the_contract_is_our_fault(bursts: list[Burst], message: str) -> None:
    with pytest.raises(InternalError, match=message):
        execute(fair, (Broken(*bursts),), MEMORY)


def test_actors_need_names_of_their_own() -> None:
    with pytest.raises(InternalError, match="different names"):
        Execution((Program("guest", [halt()]), Program("guest", [halt()])), MEMORY)


def test_an_observer_sees_the_waits_that_never_end() -> None:
    seen = []

    def observe(memory: bytearray, event: Event) -> tuple[Violation, ...]:
        seen.append((event.actor, event.op.kind))
        if event.op.kind is Kind.WAIT:
            return (Violation("sleeps", "section", f"{event.actor} sleeps"),)
        return ()

    lines = [store(0, 7), wait()]
    run = execute(fair, (Program("guest", lines),), MEMORY, observe)
    assert run.outcome is Outcome.HUNG
    assert [event.op.kind for event in run.events] == [Kind.STORE], "it is no event of the trace"
    assert seen == [("guest", Kind.STORE), ("guest", Kind.WAIT)]
    assert [(violation.rule, violation.step) for violation in run.violations] == [("sleeps", -1)]


def by_steps(execution: Execution, actor: int) -> int:
    first = execution.steps
    while execution.enabled(actor):
        execution.step(actor)
    return execution.steps - first


def in_one_go(execution: Execution, actor: int) -> int:
    return execution.run_steps(actor, 99)


def while_of_use(execution: Execution, actor: int) -> int:
    return execution.run_busy(actor, 99)


@pytest.mark.parametrize("move", [by_steps, in_one_go, while_of_use])
@pytest.mark.parametrize("engine", [Execution, TsoExecution])
def test_an_observer_sees_every_event_and_at_a_hang_each_blocked_wait_once(
    engine: type[Execution], move: Callable[[Execution, int], int]
) -> None:
    """A FENCE, both halves of an RMW, a CHOOSE, stores in a row, whoever moves the actors how."""
    seen: list[Event] = []

    def observe(memory: bytearray, event: Event) -> None:
        assert memory
        seen.append(event)

    lines = [
        *(store(at, 1, 1) for at in range(4)),
        fence(),
        rmw(REQ_PROD),
        locked(REQ_PROD, 5),
        choose(),
        send(),
        store(REQ_PROD, 6),
        wait(address=GUEST_PENDING),
        halt(),
    ]
    daemon = [wait(Flag.CONSUME), load(REQ_PROD), wait(Flag.CONSUME), halt()]
    execution = engine((Program("guest", lines), Program("daemon", daemon)), MEMORY, observe)
    execution.start()
    movers = range(len(execution.names))
    while execution.end is None:
        assert sum(move(execution, mover) for mover in movers), "nobody moves, and no hang"
    assert execution.outcome is Outcome.HUNG
    assert seen[:-2] == execution.events
    own = [event.op.kind for event in seen if event.actor == "guest"]
    assert own == [*(line.kind for line in lines[:-1])]
    assert [(event.actor, event.op.kind, event.value) for event in seen[-2:]] == [
        ("guest", Kind.WAIT, 0),
        ("daemon", Kind.WAIT, 0),
    ]


def test_a_choice_takes_the_first_answer_unless_somebody_chooses() -> None:
    actor = Program("guest", [Line(choose(3), {2: 2}), store(0, 1), halt()])
    execution = started(actor)
    assert execution.step(0) == Event("guest", actor.lines[0].op, 0)
    assert execution.peek(0).kind is Kind.STORE
    execution = started(actor)
    execution.choose = lambda op: op.value - 1
    execution.step(0)
    assert execution.peek(0).kind is Kind.HALT
    assert execution.choices == [2]
    assert execution.memory == bytearray(MEMORY)
    execution.start()
    assert execution.choices == []


def test_an_answer_that_there_is_not_is_our_fault() -> None:
    execution = started(Program("guest", [choose(2), halt()]))
    execution.choose = lambda op: op.value
    with pytest.raises(InternalError, match="2 is no answer"):
        execution.step(0)


def test_who_goes_round_by_way_of_a_choice_does_not_hang() -> None:
    """Another answer leads out, so nothing is known from having been here before."""
    spins = Program("guest", [load(0), Line(choose(), {0: 0}), halt()])
    execution = started(spins, max_ops=200)
    turns = [0] * 60 + [1]
    execution.choose = lambda op: turns.pop(0) % op.value
    execution.run_steps(0, 1000)
    assert execution.outcome is Outcome.CONNECTED


def test_a_choice_does_not_wait_for_the_store_buffer() -> None:
    execution = TsoExecution((Program("guest", [store(0, 1), choose(), halt()]),), MEMORY)
    execution.start()
    execution.step(0)
    assert execution.buffered(0)
    assert execution.enabled(0)
    assert execution.step(0).value == 0
    assert execution.buffered(0)
    assert not execution.enabled(0), "a halt does"
