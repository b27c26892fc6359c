"""The engine: which rule sees which event, in which form, and the two ways to ask."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rule_steps import BY_NAME, Step, daemon, flat, guest, perform_all, ring
from small_actors import GUEST_PENDING, REQ_PROD, Program, fence, locked, rmw, wait

from guestsim.execute import Execution, TsoExecution, execute, fair
from guestsim.rules import ALL, Monitor, Rule, Watch, as_judged, check_trace
from guestsim.trace import End, Event, Flag, Kind, Op, Outcome, Sample, Site, Violation
from guestsim.trace.effects import apply

NAMES = [
    "index-bound",
    "index-owner",
    "data-owner",
    "publish-order",
    "signal",
    "start-state",
    "features-owner",
    "unknown-features",
    "connection-owner",
    "hands-off",
    "reset-complete",
    "error-final",
    "wire-sane",
    "clean-handover",
]


def test_the_catalogue_has_the_rules_in_order() -> None:
    assert [rule.name for rule in ALL] == NAMES
    for rule in ALL:
        assert rule.text.endswith("."), rule.name
        sources = ("xenstore-ring.txt: ", "xenstore.txt: ", "xen/common/event_2l.c: ")
        assert rule.section.startswith(sources), rule.name
        hash(rule.initial)


def spy(*places: str) -> Rule:
    """A rule whose history is all that it has seen, as (actor, kind, address, size, value)."""

    def check(history, view, event):  # type: ignore[no-untyped-def]
        op = event.op
        return (*history, (event.actor, op.kind.name, op.address, op.size, event.value)), None

    return Rule("spy", "none", "Sees.", frozenset(places), (), check)


def seen(places: tuple[str, ...], steps: list[Step]) -> object:
    monitor = Monitor([spy(*places)])
    histories = monitor.initial
    memory = bytearray(ring(7))
    for event in perform_all(bytes(memory), steps):
        concerned = monitor.concerned(event)
        after, _ = monitor.step(histories, memory, event)
        assert concerned == (after is not histories), event
        histories = after
        apply(memory, event.op)
    return histories[0]


EVERYTHING = flat(
    guest.load("req_prod"),
    guest.store("req_prod", 9),
    daemon.load("req_prod"),
    daemon.add("req_cons", 9),
    daemon.send(),
    guest.wait(),
    guest.load("rsp", size=8),
    guest.halt(),
    Step("guest", fence()),
)


@pytest.mark.parametrize(
    ("places", "wanted"),
    [
        (("req_prod",), [0, 1, 2]),
        (("STORE req_prod",), [1]),
        (("daemon LOAD req_prod",), [2]),
        (("LOAD req_cons",), [3]),
        (("RMW req_cons",), [3]),
        (("daemon req_cons",), [3, 4]),
        (("SEND",), [5]),
        (("guest SEND",), []),
        (("guest WAIT", "guest HALT"), [6, 8]),
        (("rsp",), [7]),
        (("STORE",), [1, 4]),
        (("FENCE",), [9]),
        (("daemon FENCE",), []),
    ],
)
def test_a_rule_sees_what_its_places_name(places: tuple[str, ...], wanted: list[int]) -> None:
    events = perform_all(ring(7), EVERYTHING)
    expected = tuple(
        (event.actor, event.op.kind.name, event.op.address, event.op.size, event.value)
        for event in (events[number] for number in wanted)
    )
    assert seen(places, EVERYTHING) == expected


@pytest.mark.parametrize(
    "place",
    [
        *("", "guest", "req_pord", "STORE server_pendin", "SEND x", "store"),
        # What is no load and no store is at no field; what nobody can know is no rule's business.
        *("FENCE req", "WAIT req_prod", "CHOOSE", "guest CHOOSE"),
    ],
)
def test_a_misspelt_place_is_refused(place: str) -> None:
    with pytest.raises(ValueError, match="spy names an unknown place"):
        Monitor([spy(place)])


def test_an_access_to_several_fields_is_shown_field_by_field() -> None:
    # 16 bytes from the last six of rsp on: req_cons, req_prod, and half of rsp_cons.
    value = int.from_bytes(bytes(range(16)), "little")
    wide = [guest.store("rsp", value, at=1018, size=16)]
    assert seen(("rsp", "req_cons", "req_prod", "rsp_cons"), wide) == (
        ("guest", "STORE", 2042, 6, 0x050403020100),
        ("guest", "STORE", 2048, 4, 0x09080706),
        ("guest", "STORE", 2052, 4, 0x0D0C0B0A),
        ("guest", "STORE", 2056, 2, 0x0F0E),
    )
    both = [guest.load("req_cons", size=8)]
    assert seen(("LOAD req_prod",), both) == (("guest", "LOAD", 2052, 4, 7),)


def test_an_actor_without_rules_of_its_own_is_judged_by_those_for_everyone() -> None:
    stranger = Event("helper", Op(Kind.STORE, 2048, 4, 1), 1)
    _, violations = Monitor().step(Monitor().initial, ring(), stranger, 5)
    names = [violation.rule for violation in violations]
    assert names == ["index-owner"], violations
    assert violations[0].step == 5


def test_step_is_pure_and_gives_back_the_same_histories_where_nothing_changed() -> None:
    monitor = Monitor()
    memory = ring()
    load = Event("guest", Op(Kind.LOAD, 2052, 4), 0)
    first, _ = monitor.step(monitor.initial, memory, load)
    assert first != monitor.initial
    assert monitor.step(monitor.initial, memory, load) == (first, ())
    assert monitor.step(first, memory, Event("guest", fence()))[0] is first


def violations_of(monitor: Monitor, initial: bytes, events: list[Event]) -> list[Violation]:
    """The first violation of each rule, by the pure engine, one event at a time."""
    memory = bytearray(initial)
    histories = monitor.initial
    found: dict[str, Violation] = {}
    for number, event in enumerate(events):
        histories, violations = monitor.step(histories, memory, event, number)
        for violation in violations:
            found.setdefault(violation.rule, violation)
        apply(memory, event.op)
    return list(found.values())


ACCESSES = st.one_of(
    # Runs of byte stores, as copies and fills make them.
    st.tuples(
        st.just("run"),
        st.sampled_from(["guest", "daemon"]),
        st.integers(0, 2047),
        st.integers(1, 60),
        st.sampled_from([1, 2, 4, 8]),
    ),
    st.tuples(
        st.sampled_from(["load", "store", "check"]),
        st.sampled_from(["guest", "daemon"]),
        st.sampled_from(range(2040, 2084)),
        st.integers(0, 50),
        st.sampled_from([1, 2, 4, 8, 16]),
    ),
    st.tuples(
        st.sampled_from(["send", "wait"]),
        st.sampled_from(["guest", "daemon"]),
        st.just(0),
        st.just(0),
        st.just(0),
    ),
)


def written_out(accesses: list[tuple[str, str, int, int, int]]) -> list[Step]:
    steps: list[Step] = []
    for what, actor, address, value, size in accesses:
        side = (guest if actor == "guest" else daemon).at("ab"[value % 2])
        if what == "run":
            ends = range(address, min(address + value * size, 2080 - size), size)
            steps += [side.store("req", value, at=at, size=size) for at in ends]
        elif what == "load":
            steps.append(side.load("req", at=address, size=size))
        elif what == "check":
            steps.append(side.check(("req_cons", "req_prod", "rsp_cons", "rsp_prod")[value % 4]))
        elif what == "store":
            steps.append(side.store("req", value, at=address, size=size))
        else:
            steps.append(side.send() if what == "send" else side.wait())
    return steps


@given(
    st.lists(ACCESSES, max_size=25),
    st.sampled_from([0, 1, 1000, 1023, 2**32 - 22]),
    st.integers(0, 1024),
    st.integers(0, 1),
)
def test_the_live_engine_agrees_with_the_pure_one(
    accesses: list[tuple[str, str, int, int, int]], start: int, used: int, connection: int
) -> None:
    initial = ring(
        start,
        req_prod=(start + used) % 2**32,
        rsp_prod=(start + used) % 2**32,
        connection=connection,
        server_features=1,
    )
    events = perform_all(initial, written_out(accesses))
    assert list(check_trace(initial, events, Monitor())) == violations_of(
        Monitor(), initial, events
    )


def test_the_live_engine_numbers_the_step_in_the_middle_of_a_copy() -> None:
    initial = ring(0, req_prod=500, req_cons=100)
    steps: list[Step] = [
        guest.load("req_prod"),
        *(guest.store("req", 0xFF, at=at, size=1) for at in range(200)),
    ]
    found = check_trace(initial, perform_all(initial, steps), Monitor([BY_NAME["data-owner"]]))
    assert [(violation.step, violation.message[:19]) for violation in found] == [
        (101, "guest stored req[10")
    ]


def test_see_gives_each_broken_rule_once() -> None:
    watch = Watch(Monitor())
    memory = bytearray(ring(22))
    store = Event("guest", Op(Kind.STORE, 2048, 4, 0, Site("x")), 0)
    assert [violation.rule for violation in watch.see(memory, store)] == ["index-owner"]
    assert list(watch.see(memory, store)) == []
    assert [violation.step for violation in watch.violations] == [0]


def test_a_broken_rule_is_not_asked_again_and_the_others_are() -> None:
    asked: list[str] = []

    def rule(name: str, sentence: str | None) -> Rule:
        def check(history, view, event):  # type: ignore[no-untyped-def]
            asked.append(name)
            return history, sentence

        return Rule(name, "none", "Asks.", frozenset({"STORE"}), None, check)

    steps = [guest.store("req", 0), guest.store("req", 1)]
    monitor = Monitor([rule("broken", "no"), rule("kept", None)])
    found = check_trace(ring(), perform_all(ring(), steps), monitor)
    assert [(violation.rule, violation.step) for violation in found] == [("broken", 0)]
    assert asked == ["broken", "kept", "kept"]


def test_a_rule_is_not_shown_what_it_must_not_depend_on() -> None:
    shown: list[Op] = []

    def check(history, view, event):  # type: ignore[no-untyped-def]
        shown.append(event.op)
        return history, None

    rule = Rule("spy", "none", "Sees.", frozenset({"STORE", "HALT"}), None, check)
    site = Site("kernel", 0x1234, "main", "main.c", 7)
    end = End(Outcome.REFUSED, "why", site, (Sample("req_prod", 1),), ("READ a (id 1)",))
    store = Op(Kind.STORE, 2052, 4, 5, site, Flag.LOCKED, "note")
    halt = Op(Kind.HALT, site=site, note="note", end=end)
    events = [Event("guest", store, 5), Event("guest", halt)]
    check_trace(ring(), events, Monitor([rule]))
    stage = Site("kernel")
    assert shown == [
        Op(Kind.STORE, 2052, 4, 5, stage, Flag.LOCKED),
        Op(Kind.HALT, site=stage, end=End(Outcome.REFUSED, "")),
    ]
    assert shown == [as_judged(event.op) for event in events]
    assert shown == [as_judged(op) for op in shown]


@pytest.mark.parametrize("model", [Execution, TsoExecution])
def test_an_execution_shows_fences_both_halves_and_a_wait_without_end(
    model: type[Execution],
) -> None:
    lines = [fence(), rmw(REQ_PROD), locked(REQ_PROD, 3), wait(address=GUEST_PENDING, bits=2)]
    seen: list[tuple[Kind, int]] = []

    def check(history, view, event):  # type: ignore[no-untyped-def]
        seen.append((event.op.kind, event.value))
        return history, None

    places = frozenset({"FENCE", "RMW", "STORE", "guest WAIT"})
    watch = Watch(Monitor([Rule("spy", "none", "Sees.", places, None, check)]))
    execution = model([Program("guest", lines)], ring(7), watch.see)
    execution.start()
    while execution.end is None:
        execution.step(0)
    assert execution.outcome is Outcome.HUNG
    assert seen == [(Kind.FENCE, 0), (Kind.RMW, 7), (Kind.STORE, 3), (Kind.WAIT, 0)]


def test_to_wait_for_ever_without_a_signal_breaks_signal() -> None:
    lines = [rmw(REQ_PROD), locked(REQ_PROD, 3), wait(address=GUEST_PENDING, bits=2)]
    watch = Watch(Monitor([BY_NAME["signal"]]))
    run = execute(fair, (Program("guest", lines),), ring(7), watch.see)
    assert run.outcome is Outcome.HUNG
    assert [(found.rule, found.message) for found in run.violations] == [
        ("signal", "guest waits without a signal since it moved req_prod")
    ]
