"""The engine: which rule sees which event, runs of stores, and the two ways to ask."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rule_steps import Step, daemon, flat, guest, perform_all, ring

from guestsim.rules import ALL, BY_NAME, Monitor, Watch, check_trace
from guestsim.rules.monitor import perform
from guestsim.trace import Event, Kind, Op, Rule, Site, Violation

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
]


def test_the_catalogue_has_the_thirteen_rules_in_order() -> None:
    assert [rule.name for rule in ALL] == NAMES
    assert list(BY_NAME) == NAMES
    for rule in ALL:
        assert rule.text.endswith("."), rule.name
        assert rule.section.startswith(("xenstore-ring.txt: ", "xenstore.txt: ")), rule.name
        hash(rule.initial)


def spy(*places: str) -> Rule:
    """A rule whose history is all that it has seen, as (actor, kind, address, size, value)."""

    def check(history, memory, event):  # type: ignore[no-untyped-def]
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
        perform(memory, event)
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
    "place", ["", "guest", "req_pord", "STORE server_pending", "SEND x", "store"]
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
    fence = Event("guest", Op(Kind.FENCE))
    assert monitor.step(first, memory, fence)[0] is first


def violations_of(monitor: Monitor, initial: bytes, events: list[Event]) -> list[Violation]:
    """The first violation of each rule, by the pure engine, one event at a time."""
    memory = bytearray(initial)
    histories = monitor.initial
    found: dict[str, Violation] = {}
    for number, event in enumerate(events):
        histories, violations = monitor.step(histories, memory, event, number)
        for violation in violations:
            found.setdefault(violation.rule, violation)
        perform(memory, event)
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
    assert list(check_trace(initial, events)) == violations_of(Monitor(), initial, events)


def watched(monitor: Monitor, initial: bytes, events: list[Event]) -> Watch:
    watch = Watch(monitor)
    memory = bytearray(initial)
    for event in events:
        watch.see(memory, event)
        perform(memory, event)
    return watch


def test_the_live_engine_shows_a_run_as_one_store() -> None:
    # Without this, a reset's 2,048 byte stores would cost as much as 2,048 asked rules each.
    spied: list[tuple[int, int]] = []

    def check(history, memory, event):  # type: ignore[no-untyped-def]
        spied.append((event.op.address, event.op.size))
        return history, None

    rule = Rule("spy", "none", "Sees.", frozenset({"STORE"}), None, check)
    steps: list[Step] = [guest.store("req", 0xFF, at=at, size=1) for at in range(2048)]
    steps.append(guest.store("req_prod", 0))
    watched(Monitor([rule]), ring(), perform_all(ring(), steps))
    shown = [pair for pair in spied if pair not in {(2, 1022), (1026, 1022)}]
    assert len(spied) < 12, spied
    assert shown[-1] == (2052, 4), spied
    assert {(2, 1022), (1026, 1022)} <= set(spied), spied


def test_the_live_engine_numbers_the_step_in_the_middle_of_a_run() -> None:
    initial = ring(0, req_prod=500, req_cons=100)
    steps: list[Step] = [
        guest.load("req_prod"),
        *(guest.store("req", 0xFF, at=at, size=1) for at in range(200)),
    ]
    found = check_trace(initial, perform_all(initial, steps), [BY_NAME["data-owner"]])
    assert [(violation.step, violation.message[:19]) for violation in found] == [
        (101, "guest stored req[10")
    ]


def test_a_run_ends_where_another_actor_or_stage_goes_on() -> None:
    run = [guest.store("req", 0, at=at, size=1) for at in range(4)]
    steps = [
        guest.load("req_prod"),
        *run,
        guest.at("kernel").store("req", 0, at=4, size=1),
        *(guest.at("kernel").store("req", 0, at=at, size=1) for at in range(5, 8)),
        daemon.at("kernel").store("req", 0, at=8, size=1),
    ]
    found = check_trace(ring(), perform_all(ring(), steps))
    assert [(violation.rule, violation.step) for violation in found] == [
        ("start-state", 5),
        ("data-owner", 9),
    ], found


def test_see_gives_each_broken_rule_once() -> None:
    watch = Watch(Monitor())
    memory = bytearray(ring(22))
    store = Event("guest", Op(Kind.STORE, 2048, 4, 0, Site("x")), 0)
    assert [violation.rule for violation in watch.see(memory, store)] == ["index-owner"]
    assert list(watch.see(memory, store)) == []
    assert [violation.step for violation in watch.violations] == [0]


def test_finish_judges_who_waits_for_ever() -> None:
    watch = Watch(Monitor())
    memory = bytearray(ring())
    load, move, wait = (
        Event(actor, op, op.value)
        for actor, op in (guest.load("rsp_cons"), guest.store("rsp_cons", 0), guest.wait())
    )
    moved = Event("guest", msgspec.structs.replace(move.op, value=4), 4)
    memory[2060] = 4
    for event in (load, moved):
        assert list(watch.see(memory, event)) == []
        perform(memory, event)
    found = watch.finish(memory, [("guest", wait.op)])
    assert [violation.rule for violation in found] == ["signal"], found
