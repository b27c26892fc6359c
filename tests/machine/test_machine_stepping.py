"""A guest stopped before an instruction is the guest that runs through, at that instruction."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random

import pytest
from guest_programs import ANSWERS, KINDS, build
from hypothesis import given, settings
from hypothesis import strategies as st
from program_checks import guest_of
from shipped import SCENARIOS

from guestsim.errors import InputError, InternalError
from guestsim.execute import ENGINES, Execution, fair, trace_bytes
from guestsim.machine.stepping import Leg, Stepper
from guestsim.runner import set_up
from guestsim.runner.setup import Setup
from guestsim.scenario import load_one
from guestsim.trace.ops import Kind

LEGACY = SCENARIOS / "torn-reset.toml#legacy"
TSO = SCENARIOS / "torn-reset.toml#every-tso"
CLOSING = SCENARIOS / "torn-reset.toml#closing-sc"


def ran(path: Path) -> tuple[Setup, Stepper, Execution]:
    """An execution of the scenario, everybody in turn, whose guest can be stopped."""
    scenario = load_one(path)
    setup = set_up(scenario)
    stepper = Stepper(setup.guest)
    execution = ENGINES[scenario.search.memory_model]((stepper, setup.daemon), setup.memory)
    execution.start()
    fair(execution)
    return setup, stepper, execution


def legs_of(execution: Execution) -> list[Leg]:
    legs = []
    leg: Leg | None = execution.point(0)
    while leg is not None:
        legs.append(leg)
        leg = leg.before
    return legs[::-1]


def traced(stepper: Stepper, leg: Leg) -> dict[int, int]:
    """The addresses of a leg's instructions, by their positions."""
    executed: dict[int, int] = {}
    machine = stepper.guest.machine
    with ExitStack() as listening:
        for number in range(leg.stage + 1):
            engine = machine.engine_of(number)
            listening.enter_context(engine.told_of_all(lambda pc, at: executed.update({at: pc})))
        if leg.before is None:
            stepper.guest.start()
        else:
            assert leg.before.point is not None
            stepper.guest.resume(leg.before.point, leg.value)
    return executed


@pytest.mark.parametrize("path", [LEGACY, TSO, CLOSING], ids=lambda path: path.name)
def test_a_debugger_changes_nothing(path: Path) -> None:
    _, stepper, execution = ran(path)
    draw = Random(1)
    for leg in legs_of(execution):
        stepper.stand(leg, draw.randint(0, leg.length))
        stepper.hits(leg, [leg.ops[-1].site.pc])
    again = ENGINES[execution.memory_model](execution.actors, execution.initial)
    again.start()
    fair(again)
    scenario = load_one(path)
    plain = set_up(scenario)
    without = ENGINES[execution.memory_model](plain.actors, plain.memory)
    without.start()
    fair(without)
    assert trace_bytes(execution.events) == trace_bytes(without.events)
    assert trace_bytes(again.events) == trace_bytes(without.events)
    assert execution.result() == again.result() == without.result()


@pytest.mark.parametrize("path", [LEGACY, TSO, CLOSING], ids=lambda path: path.name)
def test_the_last_place_of_a_leg_is_where_the_guest_waits(path: Path) -> None:
    setup, stepper, execution = ran(path)
    for leg in legs_of(execution):
        place = stepper.stand(leg, leg.length)
        assert place.done == len(leg.ops) - 1
        assert place.stage == leg.stage
        if leg.point is not None:
            assert stepper.pc == leg.point.pc
            assert leg.point.state is not None
            assert setup.guest.machine.engine.context()[0] == leg.point.state.cpu[0]


@pytest.mark.parametrize("path", [LEGACY, TSO], ids=lambda path: path.name)
def test_every_place_is_that_of_the_guest_that_runs_through(path: Path) -> None:
    """By a hook on every instruction, which knows nothing of the count that stops the CPU."""
    _, stepper, execution = ran(path)
    draw = Random(2)
    legs = legs_of(execution)
    for leg in [legs[0], *draw.sample(legs[1:], 40)]:
        executed = traced(stepper, leg)
        assert max(executed) in (leg.length, leg.length - 1)
        pc = executed[draw.choice([at for at in executed if at <= leg.length])]
        first = 0 if leg.before is None else 1
        reached = [at for at, each in executed.items() if each == pc]
        if leg.ops[-1].kind is Kind.WAIT:
            reached += [leg.length] if leg.point is not None and leg.point.pc == pc else []
        assert stepper.hits(leg, [pc]) == [at for at in reached if first <= at <= leg.length]
        for position in draw.sample(range(leg.length), min(leg.length, 4)):
            done = stepper.stand(leg, position).done
            assert stepper.pc == executed[position]
            assert done <= stepper.stand(leg, position + 1).done


def test_the_stores_of_a_string_instruction_are_places_each() -> None:
    _, stepper, execution = ran(LEGACY)
    leg = max(legs_of(execution), key=lambda leg: len(leg.ops))
    stores = [number for number, op in enumerate(leg.ops) if op.kind is Kind.STORE]
    assert len(stores) > 2000
    first, last = (stepper.position_of(leg, stores[number]) for number in (0, 1000))
    assert stepper.done(leg, first) == stores[0]
    assert stepper.done(leg, first + 1) == stores[0] + 1
    assert stepper.done(leg, last) == stores[1000]


def test_a_stage_begins_at_its_entry() -> None:
    setup, stepper, execution = ran(LEGACY)
    found = [(leg, at) for leg in legs_of(execution) for at in stepper.beginnings(leg)]
    assert len(found) == 1
    leg, at = found[0]
    assert stepper.stand(leg, at).stage == 1
    assert stepper.pc == setup.images[1].entry
    assert stepper.stand(leg, at - 1).stage == 0


def test_a_range_is_left_where_the_guest_leaves_it() -> None:
    _, stepper, execution = ran(LEGACY)
    leg = legs_of(execution)[5]
    stepper.stand(leg, 1)
    here = stepper.pc
    left = stepper.leaving(leg, 1, range(here, here + 8))
    assert left is not None
    stepper.stand(leg, left)
    assert stepper.pc not in range(here, here + 8)
    stepper.stand(leg, left - 1)
    assert stepper.pc in range(here, here + 8)
    assert stepper.leaving(leg, 1, range(1 << 32)) is None


def test_a_guest_that_does_something_else_under_the_debugger_is_not_believed() -> None:
    _, stepper, execution = ran(LEGACY)
    leg = next(leg for leg in legs_of(execution) if len(leg.ops) > 3)
    leg.ops = (*leg.ops[1:3], *leg.ops[2:])
    with pytest.raises(InternalError, match="under a debugger"):
        stepper.stand(leg, leg.length)
    with pytest.raises(InternalError, match="at breakpoints"):
        stepper.hits(leg, [0])


@settings(
    max_examples=80,
    derandomize=True,
    deadline=None,
    database=None,
)
@given(
    plan=st.lists(
        st.tuples(st.sampled_from(KINDS), st.integers(0, 1 << 20)), min_size=1, max_size=14
    ),
    seed=st.integers(0, 1 << 20),
    fences=st.booleans(),
)
def test_any_program_can_be_stopped_anywhere(
    plan: list[tuple[str, int]], seed: int, fences: bool
) -> None:
    """Atomic accesses, code that changes itself, strings, several loads of one instruction."""
    draw = Random(seed)
    stepper = Stepper(guest_of(build(plan, fences=fences).code, fences=fences))
    with suppress(InputError):  # an instruction that is refused is refused here, too
        leg = stepper.start().point
        for _ in range(12):
            check_places(stepper, leg, draw)
            if leg.halts:
                break
            size = leg.ops[-1].size or 1
            leg = stepper.resume(leg, draw.choice(ANSWERS) & (1 << 8 * size) - 1).point


def check_places(stepper: Stepper, leg: Leg, draw: Random) -> None:
    executed = traced(stepper, leg)
    engine = stepper.guest.machine.engine
    for position in {*range(max(executed, default=0))} - executed.keys():
        stepper.stand(leg, position)
        assert engine.instruction(stepper.pc).text == "wrmsr", "which stops before it is told of"
        executed[position] = stepper.pc
    assert stepper.stand(leg, leg.length).done == len(leg.ops) - 1
    last = leg.first_done
    for position in sorted(draw.sample(range(leg.length), min(leg.length, 5))):
        done = stepper.stand(leg, position).done
        assert stepper.pc == executed[position]
        assert last <= done < len(leg.ops)
        last = done
    if leg.point is not None:
        stepper.stand(leg, leg.length)
        assert stepper.pc == leg.point.pc
