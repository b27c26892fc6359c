"""Rows: nothing of a trace is lost by folding, and the indices beside a row are the true ones."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_traces import (
    KEY,
    LAST_KEY,
    NAMES,
    SCENES,
    Guest,
    Tape,
    exchange,
    parties,
    torn_reset,
)
from small_actors import Program, halt, load, store

from guestsim.execute.tso import TsoExecution
from guestsim.report.ring_history import Indices, ring_history
from guestsim.report.rows import Row, RowKind, rows
from guestsim.report.tear import find_resets
from guestsim.trace import MEANING, Flag, Kind, Op, Outcome, Violation, shared
from guestsim.trace.ops import End, Site
from guestsim.trace.results import Run
from guestsim.trace.wire import INDICES


def states(run: Run) -> list[Indices]:
    """The indices after each event, by a replay that shares nothing with the report's."""
    memory = bytearray(run.initial)
    found = []
    for event in run.events:
        if event.op.kind is Kind.STORE:
            end = event.op.address + event.op.size
            memory[event.op.address : end] = event.value.to_bytes(event.op.size, "little")
        words = (memory[at : at + 4] for at in INDICES.values())
        found.append(Indices(*(int.from_bytes(word, "little") for word in words)))
    return found


def check(run: Run, found: tuple[Row, ...]) -> None:
    after = states(run)
    step = 0
    for row in found:
        assert row.first == step, f"row {row} begins at {row.first}, expected {step}"
        step += row.events
        if row.kind in (RowKind.STAGE, RowKind.SWITCH):
            assert row.events == 0
            continue
        assert row.events > 0
        assert row.indices == after[step - 1], f"after step {step - 1}: {row}"
        actors = {event.actor for event in run.events[row.first : step]}
        assert row.actor == (actors.pop() if len(actors) == 1 else "")
        for mark in row.marks:
            assert row.first <= mark.step < step
    assert step == len(run.events), f"{step} of {len(run.events)} events have a row"
    marked = [mark.step for row in found for mark in row.marks]
    for violation in run.violations:
        assert (violation.step in marked) == (0 <= violation.step < len(run.events))


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_every_event_is_in_one_row(scene: Callable[[], Run], full: bool) -> None:
    run = scene()
    check(run, rows(run, NAMES, full=full))


_FIELDS = (0, 5, 22, 1016, 1020, 1024, 1100, *INDICES.values(), 2064, 2068, 2072, 2080)
_ADDRESSES = (*_FIELDS, shared.pending_place(2)[0], shared.SERVER)
_SITES = st.sampled_from([Site("a", 1, "f"), Site("a", 2, "g"), Site("b", 3, "f")])


@st.composite
def traces(draw: st.DrawFn) -> Run:
    """Anything that two parties may do to the page, sane or not."""
    tape = Tape(indices=draw(st.sampled_from([0, 1020, 0xFFFFFFF0])))
    guest, daemon = parties(tape)
    for _ in range(draw(st.integers(0, 30))):
        what = draw(st.integers(0, 9))
        if what == 0:
            exchange(tape, guest, daemon, draw(st.sampled_from([KEY, LAST_KEY, "none\0"])))
            continue
        if what == 1:
            Guest(tape, draw(st.sampled_from(["a", "b"]))).ask(KEY)
            continue
        if what == 2:
            guest.wipe(16)
            for name in draw(st.permutations(list(INDICES))):
                guest.zero(name)
            continue
        tape.at(draw(st.sampled_from(["guest", "daemon"])), draw(_SITES))
        kind = draw(st.sampled_from(list(Kind)))
        size = 4 if what > 4 else draw(st.sampled_from([1, 4, 8, 16]))
        address = draw(st.sampled_from(_ADDRESSES))
        if address == shared.SERVER:
            size = 4
        if kind is Kind.RMW:
            tape.rmw(address, lambda value: value + 22)
        elif kind is Kind.HALT:
            tape.halt(End(Outcome.CRASHED, "stops"))
        else:
            flags = draw(st.sampled_from([Flag.NONE, Flag.CHECK]))
            value = draw(st.sampled_from([0, 1, 22, 255]))
            if kind in (Kind.SEND, Kind.WAIT, Kind.UNMASK):
                address, size, value = draw(
                    st.sampled_from([shared.pending_place(2), shared.server_pending_place()])
                )
            if kind is Kind.UNMASK:
                address, size, value = shared.pending_place(2)
            tape.perform(Op(kind, address, size, value, tape.site, flags))
    for step in draw(st.sets(st.integers(-1, len(tape.events)), max_size=4)):
        tape.violations.append(Violation("some-rule", "section", "is broken", step))
    return tape.run(None, End(Outcome.HUNG, "budget"), "")


@settings(max_examples=150, deadline=None)
@given(traces(), st.booleans())
def test_no_event_is_lost_whatever_happens(run: Run, full: bool) -> None:
    check(run, rows(run, NAMES, full=full))


def test_the_torn_reset_is_short_by_default() -> None:
    # However many requests came before it.
    for requests in (1, 4, 28):
        found = [row for row in rows(torn_reset(requests), NAMES) if row.events]
        assert len(found) <= 22, [row.text for row in found]


def test_full_folds_no_exchange() -> None:
    found = rows(torn_reset(3), NAMES, full=True)
    assert not [row for row in found if row.kind is RowKind.FOLD]
    assert len(found) > 100


def test_an_exchange_with_a_violation_is_not_folded() -> None:
    # The violation is on the 30th event, inside the only exchange.
    tape = Tape()
    exchange(tape, *parties(tape), KEY)
    clean = tape.run(None, End(Outcome.HUNG, "budget"), "")
    assert [row.kind for row in rows(clean, NAMES)] == [RowKind.STAGE, RowKind.FOLD]
    tape.violations.append(Violation("some-rule", "section", "is broken", 30))
    broken = tape.run(None, End(Outcome.HUNG, "budget"), "")
    (shown,) = [row for row in rows(broken, NAMES) if row.marks]
    assert shown.kind is RowKind.OPS
    assert shown.marks[0].text == "some-rule: is broken"


def test_a_violation_at_half_an_atomic_after_an_exchange() -> None:
    # The fold must end before the atomic, not between its halves.
    tape = Tape()
    guest, daemon = parties(tape)
    exchange(tape, guest, daemon, KEY)
    guest.wait()
    tape.broken("some-rule", "is broken")
    run = tape.run(None, End(Outcome.HUNG, "budget"), "")
    found = rows(run, NAMES)
    check(run, found)
    assert found[-1].text == "take evtchn_pending (was 0)"


def test_an_exchange_begins_with_the_guest() -> None:
    # A store by the daemon into the guest's buffer is no part of a clean exchange.
    tape = Tape()
    guest, daemon = parties(tape)
    daemon.at("strange")
    tape.store(500, 7, 1)
    exchange(tape, guest, daemon, KEY)
    first, *_ = rows(tape.run(None, End(Outcome.HUNG, "budget"), ""), NAMES)
    assert (first.text, first.events) == ("store req[500] = 0x07", 1)


def test_requests_are_understood_after_a_reset_that_looks_like_progress() -> None:
    # From 0xfffffff0 to 0 is 16 bytes forward: taken for a message, it would spoil the rest.
    tape = Tape(indices=0xFFFFFFF0)
    guest, daemon = parties(tape)
    guest.wipe(16)
    for name in ("req_prod", "req_cons", "rsp_prod", "rsp_cons"):
        guest.zero(name)
    exchange(tape, guest, daemon, KEY)
    *_, last = rows(tape.run(None, End(Outcome.HUNG, "budget"), ""), NAMES)
    assert last.text.startswith('guest: READ bios → "seabios", ')


def test_an_exchange_names_request_and_reply() -> None:
    (first, missing) = [
        row.text for row in rows(SCENES["answers"](), NAMES) if row.kind is RowKind.FOLD
    ]
    assert first.startswith('guest: READ bios → "seabios", ')
    assert missing.startswith("guest: READ missing → ERROR ENOENT, ")


def test_switches_say_who_and_why() -> None:
    switches = [row for row in rows(torn_reset(), NAMES) if row.kind is RowKind.SWITCH]
    assert [(row.actor, row.text) for row in switches] == [
        ("guest", "→ guest moves: xenstored waits for an event"),
        ("daemon", "→ xenstored moves: script step 2"),
        ("guest", "→ guest moves: script step 3"),
        ("daemon", "→ xenstored moves: script step 4"),
    ]


def test_reasons_must_fit_the_steps() -> None:
    run = torn_reset()
    with pytest.raises(ValueError, match="zip"):
        rows(
            Run(
                run.outcome,
                run.end,
                run.actor,
                run.initial,
                run.events,
                run.steps,
                reasons=run.reasons[1:],
                began=run.began,
            ),
            NAMES,
        )


def test_under_tso_a_turn_and_a_buffer_that_drains_are_told_apart() -> None:
    guest = Program("guest", [store(0, 1), store(4, 2), load(8), halt()])
    daemon = Program("daemon", [load(0), load(4), halt()])
    execution = TsoExecution((guest, daemon), bytes(shared.SHARED_SIZE))
    execution.start()
    movers = ("guest", "guest:drain", "daemon", "guest", "daemon", "guest:drain", "daemon")
    for mover in movers:
        number = execution.index(mover)
        assert number is not None
        execution.step(number, "a reason")
    found = rows(execution.result(), NAMES, full=True)
    assert [(row.first, row.actor, row.text) for row in found if row.kind != "stage"] == [
        (0, "guest", "store req[0..3] ← 01 00 00 00"),
        (1, "daemon", "→ xenstored moves: a reason"),
        (1, "daemon", "load req[0..3] → 01 00 00 00"),
        (2, "guest", "→ guest moves, into its store buffer: a reason"),
        (2, "daemon", "→ xenstored moves: a reason"),
        (2, "daemon", "load req[4..7] → 0x00 ×4"),
        (3, "guest", "→ guest's store buffer drains"),
        (3, "guest", "store req[4..7] ← 02 00 00 00"),
        (4, "daemon", "→ xenstored moves: a reason"),
        (4, "daemon", "ends connected: done"),
    ]


def test_the_tear_is_marked_where_it_begins_and_where_it_closes() -> None:
    marked = {
        row.text: [mark.text for mark in row.marks if mark.kind == "tear"]
        for row in rows(torn_reset(), NAMES)
        if row.marks
    }
    assert marked == {
        "load req_cons → 22": [
            "the tear begins: xenstored holds req_cons = 22, from before the guest's reset"
        ],
        "store req_cons = 0": [
            "from here on, the req_cons = 22 that xenstored holds is out of date"
        ],
        "load req_prod → 0": [
            "the tear: req_prod = 0 is from after the guest's reset; "
            "req_prod - req_cons = -22, which cannot be"
        ],
    }


def test_a_value_that_was_compared_before_it_went_stale_is_not_called_out_of_date() -> None:
    # The daemon looks at a reset that is half done.
    tape = Tape()
    guest, daemon = parties(tape)
    exchange(tape, guest, daemon, KEY)
    guest.wipe(16)
    guest.zero("req_prod")
    daemon.hold()
    daemon.compare()
    guest.zero("req_cons")
    run = tape.run(None, End(Outcome.HUNG, "budget"), "")
    texts = [mark.text for row in rows(run, NAMES) for mark in row.marks]
    assert [text.split(":")[0] for text in texts] == ["the tear begins", "the tear"]


def test_rings_that_hold_too_much_are_named() -> None:
    found = {row.text: row.impossible for row in rows(torn_reset(), NAMES) if row.events}
    assert found["store req_prod = 0"] == ("req",)
    assert found["store req_cons = 0"] == ()


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (Op(Kind.SEND, *shared.server_pending_place()), "signal xenstored"),
        (Op(Kind.SEND, *shared.pending_place(2)), "signal guest"),
        (
            Op(Kind.WAIT, *shared.pending_place(2), flags=Flag.SPURIOUS),
            "woken (no event: other domains' work)",
        ),
        (Op(Kind.UNMASK, *shared.pending_place(2)), "unmask the event channel"),
        (Op(Kind.FENCE), "fence"),
        (Op(Kind.STORE, 2072, 4, 2), "store error = 2 (ring index)"),
        (Op(Kind.STORE, 2068, 4, 1), "store connection = 1 (reconnect)"),
        (
            Op(Kind.STORE, 2064, 4, 0x21),
            "store server_features = 0x21 (reconnection, bit 5)",
        ),
        (Op(Kind.STORE, 2048, 16, 0), "store req_cons..rsp_prod = 0"),
        (Op(Kind.STORE, 2052, 8, 5 | 7 << 32), "store req_prod..rsp_cons = 5, 7"),
        (Op(Kind.STORE, 2054, 1, 3), "store req_prod byte 2 = 3"),
        (Op(Kind.LOAD, 2044, 8), "load req_cons → 0"),
        (Op(Kind.LOAD, 2056, 8), "load rsp_cons..rsp_prod → 0"),
        (Op(Kind.STORE, 1024, 4, 0x41424344), 'store rsp[0..3] ← "DCBA"'),
        (Op(Kind.LOAD, 1024, 1), "load rsp[0] → 0xa5"),
        (Op(Kind.STORE, 2048, 4, 7, note="repairs it"), "store req_cons = 7 · repairs it"),
    ],
)
def test_ops_in_words(op: Op, text: str) -> None:
    tape = Tape()
    tape.at("guest" if op.kind is not Kind.WAIT else "daemon", Site())
    tape.perform(op)
    (row,) = rows(tape.run(None, End(Outcome.HUNG, "budget"), ""), NAMES)
    assert row.text == text


def test_atomics_are_one_row() -> None:
    tape = Tape()
    tape.at("guest", Site())
    address, size, bits = shared.pending_place(2)
    tape.rmw(address, lambda value: value & ~bits)
    tape.perform(Op(Kind.SEND, address, size, bits))
    tape.rmw(address, lambda value: value & ~bits)
    tape.rmw(INDICES["rsp_cons"], lambda value: value + 16)
    tape.rmw(INDICES["rsp_cons"], lambda _: 3)
    found = rows(tape.run(None, End(Outcome.HUNG, "budget"), ""), NAMES, full=True)
    assert [row.text for row in found] == [
        "take evtchn_pending (was 0)",
        "signal guest",
        "take evtchn_pending (was 1)",
        "advance rsp_cons 0 → 16 (+16)",
        "exchange rsp_cons 16 → 3",
    ]


def test_an_index_stored_byte_by_byte_is_one_row() -> None:
    # As memset does; cut short where somebody else moves in the middle.
    tape = Tape()
    tape.at("guest", Site())
    for at in range(6):
        tape.store(INDICES["req_prod"] + at, at, 1)
    found = rows(tape.run(None, End(Outcome.HUNG, "budget"), ""), NAMES, full=True)
    assert [row.text for row in found] == [
        f"store req_prod = {0x03020100}, in 4 pieces",
        "store rsp_cons byte 0 = 4",
        "store rsp_cons byte 1 = 5",
    ]


def test_pieces_of_an_index_that_do_not_join_are_rows_of_their_own() -> None:
    # The same byte four times is no whole index; nor is one that a remark cuts in two.
    tape = Tape()
    tape.at("guest", Site())
    for _ in range(4):
        tape.store(INDICES["req_prod"], 0, 1)
    end = End(Outcome.HUNG, "budget")
    assert len(rows(tape.run(None, end, ""), NAMES, full=True)) == 4
    tape = Tape()
    tape.at("guest", Site())
    for at in range(4):
        tape.store(INDICES["req_prod"] + at, 0, 1)
    assert len(rows(tape.run(None, end, ""), NAMES, full=True)) == 1
    tape.violations.append(Violation("some-rule", "section", "is broken", 2))
    assert len(rows(tape.run(None, end, ""), NAMES, full=True)) == 4


def test_a_switch_has_the_first_reason_of_steps_in_a_row() -> None:
    run = torn_reset()
    (who, count), *rest = run.steps
    split = msgspec.structs.replace(
        run,
        steps=((who, count), (rest[0][0], 1), (rest[0][0], rest[0][1] - 1), *rest[1:]),
        reasons=(run.reasons[0], run.reasons[1], "more of it", *run.reasons[2:]),
        began=(run.began[0], run.began[1], run.began[1] + 1, *run.began[2:]),
    )
    assert rows(split, NAMES) == rows(run, NAMES)


def test_stages_are_not_mixed_in_one_fold() -> None:
    # Six exchanges in a row would be folded into three rows, but for the new stage.
    tape = Tape()
    _, daemon = parties(tape)
    for stage in ("first", "second"):
        for _ in range(3):
            exchange(tape, Guest(tape, stage), daemon, KEY)
    found = rows(tape.run(None, End(Outcome.HUNG, "budget"), ""), NAMES)
    kinds = [RowKind.STAGE, *3 * [RowKind.FOLD]]
    assert [row.kind for row in found] == kinds * 2
    assert [row.text for row in found[::4]] == ["stage first", "stage second"]


def test_data_runs_fold_over_the_wrap_and_over_overlaps() -> None:
    tape = Tape(indices=1020, fill=0)
    guest, daemon = parties(tape)
    guest.ask(KEY)
    daemon.at("read_chunk")
    data = [tape.load((1020 + at) % 1024, 1) for at in range(22)]
    assert bytes(data).endswith(b"bios\0\0")
    for at in (0, 8, 10):
        tape.load(at, 8)
    found = rows(tape.run(None, End(Outcome.HUNG, "budget"), ""), NAMES, full=True)
    texts = [(row.text, row.events) for row in found if "[" in row.text]
    assert texts[:2] == [
        ('store req[1020..17] ← READ "bios\\0\\0"', 22),
        ('load req[1020..17] → READ "bios\\0\\0"', 22 + 3),
    ]


def test_a_byte_that_changed_between_two_loads_breaks_the_fold() -> None:
    # One row would have to show one of the two values and hide the other.
    tape = Tape(fill=0)
    tape.at("daemon", Site())
    tape.load(0, 8)
    tape.at("guest", Site())
    tape.store(4, 9, 1)
    tape.at("daemon", Site())
    tape.load(0, 8)
    run = tape.run(None, End(Outcome.HUNG, "budget"), "")
    only = Run(
        None,
        run.end,
        "",
        run.initial,
        tuple(event for event in run.events if event.actor == "daemon"),
        (("daemon", 2),),
        reasons=("",),
        began=(0,),
    )
    assert [row.text for row in rows(only, NAMES)] == [
        "load req[0..7] → 0x00 ×8",
        "load req[0..7] → 00 00 00 00 09 00 00 00",
    ]


def test_a_choice_says_what_was_chosen() -> None:
    tape = Tape()
    tape.at("guest", Site("reset-zero", 0x100))
    meanings = MEANING.join(("stores: req_cons next", "stores: rsp[0..9] next"))
    tape.perform(Op(Kind.CHOOSE, value=2, site=tape.site, note=meanings), 1)
    tape.perform(Op(Kind.CHOOSE, value=3, site=tape.site), 2)
    tape.perform(Op(Kind.STORE, 2048, 4, 0, tape.site))
    run = tape.run(Outcome.HUNG, End(Outcome.HUNG, "x"), "")
    texts = [row.text for row in rows(run, NAMES, full=True) if row.kind is RowKind.OPS]
    assert texts == ["stores: rsp[0..9] next", "choice 2 of 0..2", "store req_cons = 0"]


def test_a_choice_does_not_cut_a_reset_in_two() -> None:
    tape = Tape(indices=22)
    tape.at("guest", Site("reset-zero", 0x100))
    for name in ("req_cons", "rsp_prod", "req_prod", "rsp_cons"):
        tape.perform(Op(Kind.CHOOSE, value=2, site=tape.site), 1)
        tape.perform(Op(Kind.STORE, INDICES[name], 4, 0, tape.site))
    run = tape.run(Outcome.HUNG, End(Outcome.HUNG, "x"), "")
    (reset,) = find_resets(run, ring_history(run))
    assert len(reset.stores) == 4
