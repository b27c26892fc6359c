"""Rules against whole runs: none fires on a pair that keeps them, each on a named bug."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ring_play import Hung, Way, initial_memory, play
from ring_ways import BUGS, NO_SHRINKING, STARTS, WAYS, wrong_way

from guestsim.rules import ALL, Monitor, Watch
from guestsim.trace import Event, Kind, Outcome
from guestsim.trace.effects import apply
from guestsim.trace.shared import load

MONITOR = Monitor()


def said(watch: Watch) -> str:
    return "\n".join(f"{found.step}: {found.rule}: {found.message}" for found in watch.violations)


@given(WAYS, st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None, phases=NO_SHRINKING)
def test_no_rule_fires_on_a_pair_that_keeps_them(way: Way, seed: int) -> None:
    watch = Watch(MONITOR)
    play(way, seed, watch.see)
    assert not watch.violations, f"{way}, seed {seed}:\n{said(watch)}"


@given(WAYS, st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None, phases=NO_SHRINKING)
def test_no_rule_fires_where_stores_reach_memory_late(way: Way, seed: int) -> None:
    watch = Watch(MONITOR)
    play(way, seed, watch.see, buffered=True)
    assert not watch.violations, f"{way}, seed {seed}:\n{said(watch)}"


@pytest.mark.parametrize("start", STARTS)
def test_no_rule_fires_from_any_start_of_the_ring(start: int) -> None:
    for seed in range(3):
        watch = Watch(MONITOR)
        play(Way(start=start, reset_to=start, in_flight=seed == 1), seed, watch.see)
        assert not watch.violations, f"start {start:#x}, seed {seed}:\n{said(watch)}"


def test_the_pure_engine_says_the_same_on_a_whole_run() -> None:
    way = Way(in_flight=True, cons_first=True)
    memory = bytearray(initial_memory(way))
    histories = MONITOR.initial
    for number, event in enumerate(play(way, 4)):
        histories, violations = MONITOR.step(histories, memory, event, number)
        assert not violations
        hash(histories)
        apply(memory, event.op)


@pytest.mark.parametrize("bug", BUGS)
def test_a_named_bug_breaks_its_rule(bug: str) -> None:
    way = wrong_way(bug)
    broken: set[str] = set()
    for seed in range(10):
        watch = Watch(MONITOR)
        # A wrong pair may well hang, or notice; that is not the question here.
        with contextlib.suppress(Hung, AssertionError):
            play(way, seed, watch.see, limit=8_000)
        broken |= {found.rule for found in watch.violations}
        if BUGS[bug] in broken:
            return
    pytest.fail(f"{bug} broke only {broken or 'nothing'}")


def test_a_legacy_reset_breaks_the_rules_that_it_breaks_by_itself() -> None:
    watch = Watch(MONITOR)
    play(Way(guest_bug="legacy-reset"), 0, watch.see)
    assert {found.rule for found in watch.violations} == {
        "index-owner",
        "data-owner",
        "publish-order",
    }, said(watch)


def test_every_bug_names_a_rule_and_every_rule_but_two_has_a_bug() -> None:
    # A torn pair needs one exact interleaving: see test_rules_indices. Here is one stage, which
    # hands nothing over: see test_rules_handover.
    others = {"index-bound", "clean-handover"}
    assert set(BUGS.values()) == {rule.name for rule in ALL} - others


def test_a_play_fills_both_rings_and_ends_well() -> None:
    # Otherwise the properties above would never see a full ring.
    fullest = {"req": 0, "rsp": 0}
    ends = []

    def look(memory: bytearray, event: Event) -> None:
        if event.op.kind is Kind.HALT:
            ends.append(event.op.end)
        words = [int.from_bytes(memory[at : at + 4], "little") for at in range(2048, 2064, 4)]
        fullest["req"] = max(fullest["req"], words[1] - words[0] & 0xFFFFFFFF)
        fullest["rsp"] = max(fullest["rsp"], words[3] - words[2] & 0xFFFFFFFF)

    events = play(Way(start=2**32 - 22), 1, look)
    assert fullest == {"req": 1024, "rsp": 1024}
    assert [end.outcome for end in ends if end] == [Outcome.CONNECTED]
    assert {event.actor for event in events} == {"guest", "daemon"}


def test_a_buffered_play_lets_loads_pass_stores_of_the_same_actor() -> None:
    # A load that returns what memory does not hold yet: the buffer is real.
    early = []

    def look(memory: bytearray, event: Event) -> None:
        op = event.op
        if op.kind is Kind.LOAD and event.value != load(memory, op.address, op.size):
            early.append(event)

    play(Way(signal_late=True), 3, look)
    assert not early
    play(Way(signal_late=True), 3, look, buffered=True)
    assert early


def test_a_play_with_a_seed_is_always_the_same() -> None:
    assert play(Way(in_flight=True), 9) == play(Way(in_flight=True), 9)
    assert play(Way(), 9) != play(Way(), 10)


def test_a_play_that_cannot_end_says_so() -> None:
    with pytest.raises(Hung, match="no end after 500 events"):
        play(Way(daemon_bug="silent-reset"), 0, limit=500)
