"""The search: hangs, spins, bounds, budgets, rules, and what it refuses to believe."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pytest
from brute_force import first, programs, step
from hypothesis import event, given, settings
from hypothesis import strategies as st
from searching import every_explorer, every_model, searched, witnessed
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

from guestsim.errors import InternalError
from guestsim.rules import ALL, Monitor, as_judged
from guestsim.search import (
    ExplorerName,
    Limits,
    Problem,
    RuleSet,
    Search,
    explore,
    witness_of,
)
from guestsim.search.validate import validate
from guestsim.trace import Burst, End, Event, Flag, Kind, Op, Outcome, Violation
from guestsim.trace.memory_model import MemoryModel
from guestsim.trace.shared import SERVER


def complete(
    *actors: Program,
    model: MemoryModel = MemoryModel.SC,
    explorer: ExplorerName = ExplorerName.COMPILED,
) -> Search:
    search = witnessed(searched(actors, model, explorer, store_buffer=4))
    assert search.complete
    return search


# --- for ever --------------------------------------------------------------------------------


@every_model
@every_explorer
def test_a_deadlock_is_hung(model: MemoryModel, explorer: ExplorerName) -> None:
    actors = (
        Program("guest", [store(REQ_CONS, 1), wait(bits=2, address=GUEST_PENDING), halt()]),
        Program("daemon", [load(REQ_CONS), wait(), halt()]),
    )
    search = complete(*actors, model=model, explorer=explorer)
    assert set(search.outcomes) == {Outcome.HUNG}
    witness = witness_of(search, search.outcomes[Outcome.HUNG], outcome=Outcome.HUNG)
    assert witness.run.outcome is Outcome.HUNG
    assert "which nobody will set" in witness.run.end.message


@every_model
@every_explorer
def test_to_wait_for_what_will_come_is_no_hang(model: MemoryModel, explorer: ExplorerName) -> None:
    guest = Program("guest", [Line(load(REQ_PROD), {0: 0}), wait(), halt()])
    daemon = Program("daemon", [store(REQ_PROD, 1), send(), wait(bits=2), halt()])
    assert set(complete(guest, daemon, model=model, explorer=explorer).outcomes) == {
        Outcome.CONNECTED
    }


@every_model
@every_explorer
def test_a_livelock_that_changes_memory_for_ever_is_hung(
    model: MemoryModel, explorer: ExplorerName
) -> None:
    guest = Program("guest", [store(REQ_PROD, 1), Line(load(REQ_CONS), {0: 0}), halt()])
    daemon = Program("daemon", [store(REQ_PROD, 2), Line(load(REQ_CONS), {0: 0}), halt()])
    assert set(complete(guest, daemon, model=model, explorer=explorer).outcomes) == {Outcome.HUNG}


@every_model
@every_explorer
def test_a_sleeper_that_wakes_for_nothing_is_part_of_a_hang(
    model: MemoryModel, explorer: ExplorerName
) -> None:
    sleeper: list[Line | Op] = [
        wait(Flag.SPURIOUS | Flag.CONSUME),
        Line(load(REQ_PROD), {0: 0}),
        halt(Outcome.REFUSED),
    ]
    silent = Program("guest", [wait(bits=2, address=GUEST_PENDING), halt()])
    talker = Program("guest", [store(REQ_PROD, 1), wait(bits=2, address=GUEST_PENDING), halt()])
    daemon = Program("daemon", sleeper)
    assert set(complete(silent, daemon, model=model, explorer=explorer).outcomes) == {Outcome.HUNG}
    assert set(complete(talker, daemon, model=model, explorer=explorer).outcomes) == {
        Outcome.REFUSED
    }


@every_model
@every_explorer
@pytest.mark.parametrize(("flags", "ends"), [(Flag.CONSUME, False), (Flag.NONE, True)])
def test_an_event_is_there_until_a_wait_consumes_it(
    model: MemoryModel, explorer: ExplorerName, flags: Flag, ends: bool
) -> None:
    guest = Program("guest", [send(), wait(bits=2), halt()])
    daemon = Program("daemon", [wait(flags), wait(flags), halt()])
    outcomes = complete(guest, daemon, model=model, explorer=explorer).outcomes
    assert set(outcomes) == {Outcome.CONNECTED if ends else Outcome.HUNG}


# --- cost ------------------------------------------------------------------------------------


@every_explorer
def test_to_leave_a_spin_or_a_sleep_is_no_preemption(explorer: ExplorerName) -> None:
    guest = Program(
        "guest", [Line(load(REQ_PROD), {0: 0}), store(REQ_CONS, 1), send(), wait(bits=2)]
    )
    guest = Program("guest", [*guest.lines, halt()])
    lines: list[Line | Op] = [store(REQ_PROD, 1), wait(), Line(load(REQ_CONS), {1: 4}), halt()]
    daemon = Program("daemon", [*lines, halt(Outcome.REFUSED)])
    seen = complete(guest, daemon, explorer=explorer).outcomes[Outcome.REFUSED]
    assert seen.preemptions == 0
    assert seen.switches == 2, "the daemon begins"


@every_explorer
def test_who_sleeps_may_go_on_sleeping_for_nothing(explorer: ExplorerName) -> None:
    # It is left asleep and wakes later, spuriously. Waking it first and leaving it then would be
    # the same execution with a preemption more.
    guest = Program(
        "guest", [Line(load(REQ_PROD), {0: 0}), store(REQ_CONS, 1), wait(bits=2), halt()]
    )
    lines: list[Line | Op] = [
        store(REQ_PROD, 1),
        wait(Flag.SPURIOUS),
        Line(load(REQ_CONS), {0: 4}),
        halt(Outcome.REFUSED),
        halt(),
    ]
    seen = complete(guest, Program("daemon", lines), explorer=explorer).outcomes
    assert seen[Outcome.REFUSED].preemptions == 0
    assert seen[Outcome.CONNECTED].preemptions == 0


@every_explorer
def test_to_leave_who_yields_is_no_preemption(explorer: ExplorerName) -> None:
    guest = Program("guest", [store(REQ_PROD, 1), yields(), store(REQ_PROD, 2), halt()])
    busy: list[Line | Op] = [Line(load(REQ_PROD), {1: 2}), halt(), halt(Outcome.REFUSED)]
    seen = complete(guest, Program("daemon", busy), explorer=explorer).outcomes
    assert seen[Outcome.REFUSED].preemptions == 0
    assert seen[Outcome.REFUSED].switches == 1
    # And where there is no yield, it is one.
    guest = Program("guest", [store(REQ_PROD, 1), store(REQ_PROD, 2), halt()])
    seen = complete(guest, Program("daemon", busy), explorer=explorer).outcomes
    assert seen[Outcome.REFUSED].preemptions == 1


@every_explorer
@every_model
def test_a_search_says_who_yields_for_ever(explorer: ExplorerName, model: MemoryModel) -> None:
    # The daemon has to be quick, or the guest has gone past the word.
    guest = Program("guest", [store(REQ_PROD, 1), yields(), Line(load(REQ_CONS), {0: 1}), halt()])
    daemon = Program("daemon", [Line(load(REQ_PROD), {0: 2}), store(REQ_CONS, 1), wait(), halt()])
    search = complete(guest, daemon, explorer=explorer, model=model)
    assert set(search.outcomes) == {Outcome.CONNECTED, Outcome.HUNG}
    sighting = search.outcomes[Outcome.HUNG]
    witness = witness_of(search, sighting, outcome=Outcome.HUNG)
    assert "guest yields for ever with req_cons = 0" in witness.run.end.message


@every_explorer
def test_a_torn_pair_costs_one_preemption(explorer: ExplorerName) -> None:
    guest = Program("guest", [store(REQ_PROD, 0), store(REQ_CONS, 0), wait(), halt()])
    daemon: list[Line | Op] = [
        Line(load(REQ_PROD), {0: 1, 5: 2}),
        Line(load(REQ_CONS), {5: 4, 0: 3}),
        Line(load(REQ_CONS), {0: 4, 5: 3}),
        halt(),
        halt(Outcome.REFUSED),
    ]
    memory = bytearray(MEMORY)
    memory[REQ_PROD] = memory[REQ_CONS] = 5
    actors = guest, Program("daemon", daemon)
    search = searched(actors, explorer=explorer, memory=bytes(memory))
    assert search.outcomes[Outcome.REFUSED].preemptions == 1
    assert search.outcomes[Outcome.CONNECTED].preemptions == 0


# --- limits ----------------------------------------------------------------------------------


class Counter:
    """Stores 1, 2, 3… for ever, and never comes back to the same state."""

    def __init__(self, name: str, place: int) -> None:
        self.name = name
        self.place = place

    def start(self) -> Burst:
        return self.resume(0, 0)

    def resume(self, point: Any, value: int) -> Burst:
        del value
        return Burst((store(self.place, point + 1), load(REQ_PROD)), point + 1)

    def key(self, point: Any) -> Hashable:
        return int(point)


def endless() -> tuple[Counter, Counter]:
    return Counter("guest", REQ_PROD), Counter("daemon", REQ_CONS)


@every_explorer
def test_a_budget_of_states_ends_it_incomplete(explorer: ExplorerName) -> None:
    search = searched(endless(), explorer=explorer, limits=Limits(states=3000))
    assert not search.complete
    assert search.why_incomplete == "the budget of 3000 states is used up"
    assert 3000 <= search.explorer.states <= 3003
    assert search.outcomes == {}, "nothing is known of what was not explored: no hang"


@every_explorer
def test_it_can_be_stopped_and_reports_progress(explorer: ExplorerName) -> None:
    seen: list[int] = []
    search = Search(
        Problem(actors=endless(), memory=MEMORY),
        explorer=explorer,
        should_stop=lambda: len(seen) == 3,
        progress=lambda *report: seen.append(report[0]),
    )
    search.run()
    assert search.why_incomplete == "stopped: the time is used up"
    assert len(seen) == 3
    assert seen == sorted(seen)


@every_explorer
def test_an_interrupt_keeps_what_is_known(explorer: ExplorerName) -> None:
    def interrupt() -> bool:
        raise KeyboardInterrupt

    problem = Problem(actors=endless(), memory=MEMORY)
    search = Search(problem, explorer=explorer, should_stop=interrupt)
    search.run()
    assert search.why_incomplete == "interrupted"
    assert search.explorer.states > 1


@every_explorer
def test_a_bound_that_cuts_nothing_off_is_complete(explorer: ExplorerName) -> None:
    # The guest's halt is seen only by who leaves the daemon before its own.
    guest = Program("guest", [store(REQ_PROD, 1), halt()])
    actors = guest, Program("daemon", [load(REQ_PROD), halt()])
    for bound, complete in ((0, False), (1, True)):
        search = searched(actors, explorer=explorer, limits=Limits(preemptions=bound))
        assert search.complete == complete
        assert (search.why_incomplete == "only up to 0 preemptions") != complete


@every_explorer
def test_what_a_bound_cuts_off_is_not_taken_for_a_hang(explorer: ExplorerName) -> None:
    # Only who leaves the guest between its stores lets it end, and that it can do in every round.
    guest: list[Line | Op] = [
        wait(Flag.SPURIOUS),
        store(REQ_PROD, 1),
        store(REQ_PROD, 0),
        Line(load(REQ_CONS), {0: 0}),
        halt(),
    ]
    daemon: list[Line | Op] = [
        Line(load(REQ_PROD), {0: 0}),
        store(REQ_CONS, 1),
        wait(bits=2),
        halt(),
    ]
    actors = Program("guest", guest), Program("daemon", daemon)
    for bound in (0, 1):
        limits = Limits(preemptions=bound)
        search = searched(actors, explorer=explorer, limits=limits)
        assert set(search.outcomes) == ({Outcome.CONNECTED} if bound else set())
    assert set(complete(*actors, explorer=explorer).outcomes) == {Outcome.CONNECTED}


@every_explorer
def test_an_execution_without_an_outcome_leaves_the_search_incomplete(
    explorer: ExplorerName,
) -> None:
    runaway = Op(Kind.HALT, end=End(None, "used up its budget"))
    guest = Program("guest", [Line(load(REQ_PROD), {0: 2}), runaway, halt()])
    daemon = Program("daemon", [store(REQ_PROD, 1), wait(), halt()])
    search = searched((guest, daemon), explorer=explorer)
    assert set(search.outcomes) == {Outcome.CONNECTED}
    assert search.why_incomplete == "an execution was cut short: used up its budget"


# --- rules -----------------------------------------------------------------------------------


def _judge(history: Any, memory: bytes | bytearray, what: Event) -> tuple[Any, list[Violation]]:
    """Toy rules. The history is what each actor has stored last into REQ_CONS."""
    op = what.op
    found = []
    mine = dict(history)
    if op.kind is Kind.STORE and op.address < 1024 and memory[REQ_CONS] == 1:
        found.append(Violation("quiet", "", "stored data while req_cons is 1"))
    if op.kind is Kind.LOAD and op.address < 1024 and mine.get(what.actor) == 2:
        found.append(Violation("memory", "", "loaded data after storing 2"))
    if op.kind is Kind.HALT and memory[REQ_PROD] == 1:
        found.append(Violation("end", "", "halted while req_prod is 1"))
    if op.kind is Kind.WAIT and memory[REQ_CONS] == 2:
        found.append(Violation("sleep", "", "waited while req_cons is 2"))
    if op.kind is Kind.STORE and op.address == REQ_CONS:
        mine[what.actor] = op.value & 3
    return tuple(sorted(mine.items())), found


RULES = RuleSet(
    initial=(),
    step=_judge,
    concerned=lambda what: what.op.kind is not Kind.FENCE,
    looks=lambda _what: frozenset({"req_cons", "req_prod"}),
    seen=lambda op: op,
)


def broken_by_hand(actors: tuple[Program, ...]) -> set[str]:
    """Every rule that some execution breaks, by plain enumeration under sc."""
    start = (first(actors), RULES.initial)
    todo, seen, found = [start], {start}, set[str]()
    while todo:
        state, history = todo.pop()
        for actor in range(len(actors)):
            made = step(actors, state, actor, tso=False)
            if made is None:
                continue
            memory = bytearray(MEMORY)
            memory[8] = state.memory[0]
            memory[REQ_CONS : REQ_CONS + 8] = state.memory[1:9]
            memory[SERVER] = state.memory[9]
            line = state.lines[actor]
            ops = [actors[actor].lines[line].op]
            if ops[0].kind is Kind.RMW:
                ops.append(actors[actor].lines[line + 1].op)
            then = history
            for op in ops:
                then, violations = _judge(then, memory, Event(actors[actor].name, op, op.value))
                found |= {violation.rule for violation in violations}
            if made.after is not None and (made.after, then) not in seen:
                seen.add((made.after, then))
                todo.append((made.after, then))
    return found


@every_explorer
@settings(max_examples=300, deadline=None)
@given(actors=st.tuples(programs("guest"), programs("daemon")))
def test_rules_are_found_broken(explorer: ExplorerName, actors: tuple[Program, ...]) -> None:
    expected = broken_by_hand(actors)
    event(", ".join(sorted(expected)) or "kept")
    search = witnessed(searched(actors, explorer=explorer, rules=[RULES]))
    # A wait that never ends is shown where nothing will ever change again.
    assert expected <= set(search.violations) <= expected | {"sleep"}


# --- self-checks -----------------------------------------------------------------------------


class Moody(Program):
    """Forgets in its key what its future depends on."""

    def resume(self, point: Any, value: int) -> Burst:
        line, secret = point if isinstance(point, tuple) else (point, 0)
        burst = super().resume(line, value)
        secret = value if line == 0 else secret
        if line == 1:
            burst = super().resume(1 + secret, 9)
        return Burst(burst.ops, burst.point and (burst.point, secret))

    def key(self, point: Any) -> Hashable:
        return int(point[0] if isinstance(point, tuple) else point)


def test_a_key_that_misses_some_state_is_found_by_validation() -> None:
    lines: list[Line | Op] = [
        load(REQ_PROD), load(REQ_CONS), store(0, 1, 1), load(1, 1), halt(), halt()
    ]  # fmt: skip
    guest = Moody("guest", lines)
    daemon = Program("daemon", [store(REQ_PROD, 1), wait(), halt()])
    search = searched((guest, daemon))
    with pytest.raises(InternalError, match="the record differs from a live execution"):
        validate(search, range(40))


def test_an_actor_that_is_not_deterministic_is_found_by_running_twice() -> None:
    class Fickle(Program):
        runs = 0

        def resume(self, point: Any, value: int) -> Burst:
            self.runs += 1
            return super().resume(point, value) if self.runs % 2 else super().resume(0, 0)

    lines: list[Line | Op] = [load(REQ_PROD), load(REQ_CONS), store(0, 1, 1), halt()]
    actors = Fickle("guest", lines), Program("daemon", [halt()])
    searched(actors)
    with pytest.raises(InternalError, match="guest is not deterministic"):
        searched((Fickle("guest", lines), actors[1]), twice=True)


def test_a_witness_that_does_not_replay_is_our_mistake() -> None:
    class Turncoat(Program):
        """Another program from the second start on."""

        starts = 0

        def start(self) -> Burst:
            self.starts += 1
            return Burst((store(REQ_PROD, self.starts), wait()), 1)

    actors = (
        Turncoat("guest", [store(REQ_PROD, 1), wait(), halt()]),
        Program("daemon", [Line(load(REQ_PROD), {0: 0}), halt(Outcome.REFUSED)]),
    )
    search = searched(actors)
    with pytest.raises(InternalError, match="the record differs from a live execution"):
        witness_of(search, search.outcomes[Outcome.REFUSED], outcome=Outcome.REFUSED)


# --- the whole -------------------------------------------------------------------------------


@every_model
@every_explorer
def test_everything_at_once(explorer: ExplorerName, model: MemoryModel) -> None:
    actors = (
        Program("guest", [store(0, 1, 1), store(REQ_CONS, 1), store(1, 1, 1), wait(), halt()]),
        Program("daemon", [Line(load(REQ_CONS), {0: 0}), fence(), halt()]),
    )
    problem = Problem(actors=actors, memory=MEMORY, model=model, rules=[RULES], twice=True)
    found = explore(problem, explorer=explorer, validate_seeds=range(5))
    assert set(found.outcomes) == {Outcome.CONNECTED}
    assert found.outcomes[Outcome.CONNECTED].run.outcome is Outcome.CONNECTED
    assert set(found.violations) == {"quiet"}
    broken = found.violations["quiet"]
    assert broken.run.events[-1].op.address == 1
    certificate = found.certificate
    assert certificate.complete
    assert (certificate.store_buffer is None) == (model is MemoryModel.SC)
    assert found.states > 1
    assert certificate.memory_images > 1
    assert certificate.compared_events > 0
    assert certificate.live_runs >= 2, "each run is made twice"


@pytest.mark.parametrize(
    "lines",
    [
        [load(SERVER), halt()],
        [Line(wait(Flag.SPURIOUS), {0: 1, 1: 2}), halt(), halt(Outcome.REFUSED)],
    ],
    ids=["load", "wait"],
)
@every_explorer
def test_who_heeds_an_event_that_nobody_was_to_heed_is_caught(
    explorer: ExplorerName, lines: list[Line | Op]
) -> None:
    actors = [Program("guest", [send(), halt()]), Program("daemon", lines)]
    with pytest.raises(InternalError, match="heeds server_pending"):
        searched(actors, explorer=explorer, unheeded=frozenset({"server_pending"}))


@every_explorer
def test_states_that_differ_in_an_unheeded_event_are_one(explorer: ExplorerName) -> None:
    sends = Program("guest", [send(), store(REQ_PROD, 1), halt()])
    turns = Program("daemon", [Line(wait(Flag.SPURIOUS | Flag.CONSUME), {0: 1, 1: 1}), halt()])
    sizes = []
    for unheeded in (frozenset[str](), frozenset({"server_pending"})):
        found = searched((sends, turns), explorer=explorer, unheeded=unheeded)
        assert set(found.outcomes) == {Outcome.CONNECTED}
        sizes.append(found.explorer.memories)
    assert sizes == [4, 2], "memories: the event and the index, or the index alone"


# --- the ring's own rules ---------------------------------------------------------------------


def ring_rule(name: str) -> RuleSet:
    monitor = Monitor([rule for rule in ALL if rule.name == name])
    return RuleSet(monitor.initial, monitor.step, monitor.concerned, monitor.looks, as_judged)


@every_model
@every_explorer
def test_to_wait_for_ever_is_to_go_idle(explorer: ExplorerName, model: MemoryModel) -> None:
    # The guest moves req_prod and owes a signal; nobody will ever wake it.
    guest = Program("guest", [store(REQ_PROD, 1), wait(bits=2, address=GUEST_PENDING), halt()])
    daemon = Program("daemon", [wait(), halt()])
    search = searched((guest, daemon), model, explorer, rules=[ring_rule("signal")])
    assert set(search.outcomes) == {Outcome.HUNG}
    assert search.complete
    witness = witness_of(search, search.violations["signal"][1], rule="signal")
    assert witness.violation is not None
    assert "waits without a signal since it moved req_prod" in witness.violation.message
    assert witness.run.outcome is Outcome.HUNG


@every_model
@every_explorer
@pytest.mark.parametrize("atomic", [True, False])
def test_the_store_half_of_an_atomic_access_is_a_store(
    explorer: ExplorerName, model: MemoryModel, atomic: bool
) -> None:
    # A byte of a request behind the daemon's back: req_cons is past req_prod.
    stores: list[Line | Op] = [rmw(8, 1), locked(8, 0x41, 1)] if atomic else [store(8, 0x41, 1)]
    guest = Program("guest", [*stores, halt()])
    daemon = Program("daemon", [store(REQ_CONS, 1), wait(), halt()])
    search = searched((guest, daemon), model, explorer, rules=[ring_rule("publish-order")])
    assert search.complete
    assert set(search.violations) == {"publish-order"}
    witness_of(search, search.violations["publish-order"][1], rule="publish-order")
