"""The sentence, and the search for the tear that it tells of."""

from __future__ import annotations

import msgspec
import pytest
from report_traces import KEY, NAMES, SCENES, Guest, Tape, exchange, parties, torn_reset

from guestsim.report.explain import MAY_WRITE, sentence
from guestsim.report.ring_history import ring_history
from guestsim.report.rows import rows
from guestsim.report.tear import find_resets, find_tear, find_tears
from guestsim.trace import Flag, Kind, Op, Outcome, Sample
from guestsim.trace.ops import End, Site
from guestsim.trace.results import Run
from guestsim.trace.wire import INDICES
from guestsim.xenstore.toolstack import GUEST_OWNED

SENTENCES = {
    "answers": "Cut short after 207 ops, so nothing is proved: budget.",
    "atomic-reset": (
        "xenstored held req_cons = 22 from before the guest's reset and compared it with "
        "req_prod = 0 from after it, so it gave the ring up."
    ),
    "closing": (
        "Every stage ended well, and each request of the last one got the reply that belongs to "
        "it: reset-poison, then frontend."
    ),
    "crashed": (
        "The guest crashed in reset-poison at ring.c:77 ring_read: assertion failed: len <= 4096."
    ),
    "cut-short": "Cut short after 26 ops, so nothing is proved: the guest may still move.",
    "hung": (
        "Nobody gets anywhere: the guest waits for an event, xenstored for other work; both rings "
        "are empty and `connection` is still 1, which only xenstored may clear."
    ),
    "put-back": (
        'The guest took a wrong reply for a right one: read bios: expected "seabios", got ""; '
        "before that, xenstored held rsp_prod = 16 from before the guest's reset and put it back, "
        "over the value from the reset."
    ),
    "torn-reset": (
        "xenstored held req_cons = 22 from before the guest's reset and compared it with "
        "req_prod = 0 from after it, so it gave the ring up; 2 rules were broken on the way: "
        "index-owner, index-bound."
    ),
}


@pytest.mark.parametrize("scene", SENTENCES)
def test_sentences(scene: str) -> None:
    assert sentence(SCENES[scene](), NAMES) == SENTENCES[scene]


def test_every_outcome_has_a_sentence_without_a_trace() -> None:
    for outcome in (*Outcome, None):
        run = Tape().run(outcome, End(outcome or Outcome.HUNG, "so it went"), "daemon")
        text = sentence(run, NAMES)
        assert text.endswith(".")
        assert outcome is Outcome.CONNECTED or "so it went" in text


def test_samples_without_a_trace_are_told_as_they_are() -> None:
    samples = (Sample("rsp_cons", 9), Sample("rsp_prod", 2000))
    run = Tape().run(Outcome.REFUSED, End(Outcome.REFUSED, "no", Site(), samples), "daemon")
    assert sentence(run, NAMES) == (
        "xenstored held rsp_cons = 9 and compared it with rsp_prod = 2000 "
        "(1991 bytes, of 1024 that fit), so it gave the ring up."
    )


def test_bad_indices_without_a_reset_are_no_tear() -> None:
    # The guest publishes rubbish and the daemon reads it at one moment.
    tape = Tape()
    guest, daemon = parties(tape)
    exchange(tape, guest, daemon, KEY)
    daemon.wake()
    tape.store(INDICES["rsp_cons"], 23)
    tape.at("guest", Site("reset-poison"))
    tape.store(INDICES["req_prod"], 900)
    cons, prod = daemon.hold(), daemon.compare()
    end = daemon.give_up(cons, prod)
    run = tape.run(Outcome.REFUSED, end, "daemon")
    assert find_tears(run, ring_history(run)) == ()


def test_the_tear_names_both_loads_and_the_reset() -> None:
    run = torn_reset()
    tear = find_tear(run, ring_history(run))
    assert tear is not None
    loads = [run.events[held.step].op.address for held in (tear.held, tear.other)]
    assert loads == [INDICES["req_cons"], INDICES["req_prod"]]
    assert (tear.held.value, tear.held.after) == (22, False)
    assert (tear.other.value, tear.other.after) == (0, True)
    assert [name for _, name in tear.reset.stores] == [
        *("req_prod", "req_cons", "rsp_cons", "rsp_prod")
    ]


def scene(before: bool) -> Run:
    """A reset wholly before, or wholly after, both loads of the daemon's check."""
    tape = Tape()
    guest, daemon = parties(tape)
    exchange(tape, guest, daemon, KEY)
    if not before:
        daemon.hold(), daemon.compare()
    guest.wipe(16)
    for name in INDICES:
        guest.zero(name)
    if before:
        daemon.hold(), daemon.compare()
    return tape.run(None, End(Outcome.HUNG, "budget"), "")


@pytest.mark.parametrize("before", [False, True])
def test_a_whole_reset_is_no_tear(before: bool) -> None:
    run = scene(before)
    assert len(find_resets(run, ring_history(run))) == 1
    assert find_tears(run, ring_history(run)) == ()


def test_a_reset_that_changes_nothing_tears_nothing() -> None:
    # req_cons is 0 before and after: what the daemon holds is not out of date.
    tape = Tape()
    guest, daemon = parties(tape)
    tape.at("guest", Site())
    tape.store(INDICES["req_prod"], 0)
    daemon.hold()
    guest.wipe(16)
    for name in INDICES:
        guest.zero(name)
    daemon.compare()
    run = tape.run(None, End(Outcome.HUNG, "budget"), "")
    assert len(find_resets(run, ring_history(run))) == 1
    assert find_tears(run, ring_history(run)) == ()


def test_a_reset_by_atomics_is_a_reset() -> None:
    # cmpxchg8b of two indices: the four stores of the reset are two atomics.
    tape = Tape()
    guest, daemon = parties(tape)
    exchange(tape, guest, daemon, KEY)
    held = daemon.hold()
    guest.at("main.c", 1, "reset_atomic")
    for name in ("req_cons", "rsp_cons"):
        tape.perform(Op(Kind.RMW, INDICES[name], 8, 0, tape.site))
        tape.perform(Op(Kind.STORE, INDICES[name], 8, 0, tape.site, Flag.LOCKED))
    end = daemon.give_up(held, daemon.compare())
    run = tape.run(Outcome.REFUSED, end, "daemon")
    assert sentence(run, NAMES) == SENTENCES["atomic-reset"]


def test_its_own_reset_tears_nothing() -> None:
    tape = Tape()
    guest, daemon = parties(tape)
    exchange(tape, guest, daemon, KEY)
    daemon.hold()
    tape.store(INDICES["req_cons"], 0, 16)
    daemon.compare()
    run = tape.run(None, End(Outcome.HUNG, "budget"), "")
    assert [reset.actor for reset in find_resets(run, ring_history(run))] == ["daemon"]
    assert find_tears(run, ring_history(run)) == ()


def test_a_reset_begins_with_its_fill() -> None:
    run = torn_reset()
    (reset,) = find_resets(run, ring_history(run))
    first = run.events[reset.begin]
    assert (first.op.address, first.value) == (0, 0xFF)
    assert run.events[reset.begin - 1].op.kind is Kind.SEND


def test_a_move_right_before_the_reset_is_no_part_of_it() -> None:
    # A request and its index, and at once the fill: the first odd store belongs to the fill.
    tape = Tape()
    guest, _ = parties(tape)
    guest.at("lib/ring.c", 38, "ring_write")
    tape.store(0, 7, 1)
    tape.store(INDICES["req_prod"], 1)
    guest.wipe(16)
    for name in INDICES:
        guest.zero(name)
    run = tape.run(None, End(Outcome.HUNG, "budget"), "")
    (reset,) = find_resets(run, ring_history(run))
    assert reset.begin == 2
    assert [name for _, name in reset.stores] == list(INDICES)


def test_values_that_are_no_tear_are_marked_where_they_were_loaded() -> None:
    # The tear came first and moved req_cons; what the daemon compares in the end is of one moment.
    tape = Tape()
    guest, daemon = parties(tape)
    exchange(tape, guest, daemon, KEY)
    guest.zero("req_cons")
    daemon.hold()
    daemon.compare()
    daemon.at("read_chunk")
    tape.store(INDICES["req_cons"], 16)
    for name in ("req_prod", "rsp_cons", "rsp_prod"):
        guest.zero(name)
    end = daemon.give_up(daemon.hold(), daemon.compare())
    run = tape.run(Outcome.REFUSED, end, "daemon")
    assert [mark.text for row in rows(run, NAMES) for mark in row.marks] == [
        "the tear begins: xenstored holds req_cons = 0, from after the guest's reset",
        "the tear: req_prod = 22 is from before the guest's reset; "
        "req_prod - req_cons = 22, which looks right",
        "xenstored holds req_cons = 16",
        "xenstored compares it with req_prod = 0: req_prod - req_cons = -16, which cannot be",
    ]


def test_ordinary_traffic_has_no_reset() -> None:
    run = SCENES["answers"]()
    assert find_resets(run, ring_history(run)) == ()


def test_a_check_that_passes_on_torn_values_is_found() -> None:
    # The guest resets and asks again: the new req_prod is above the stale req_cons.
    tape = Tape()
    guest, daemon = parties(tape)
    exchange(tape, guest, daemon, "b\0")
    daemon.wake()
    held = daemon.hold()
    guest.wipe()
    for name in INDICES:
        guest.zero(name)
    Guest(tape, "frontend").ask(KEY)
    other = daemon.compare()
    assert (held, other) == (18, 22)
    run = tape.run(Outcome.HUNG, End(Outcome.HUNG, "the guest waits for an event"), "")
    assert sentence(run, NAMES) == (
        "Nobody gets anywhere: the guest waits for an event; 22 bytes of requests lie unread; "
        "before that, xenstored held req_cons = 18 from before the guest's reset and compared it "
        "with req_prod = 22 from after it (req_prod - req_cons = 4, which looks right)."
    )


def test_a_wrong_reply_is_traced_to_the_request_that_it_answers() -> None:
    tape = Tape()
    guest, daemon = parties(tape)
    guest.ask("bios\0", req_id=1)
    guest.ask("empty\0", req_id=2)
    daemon.wake()
    daemon.serve()
    guest.take()
    end = End(Outcome.CORRUPTED, "asked for a crash shutdown")
    hints = ('frontend: wrong reply: read empty: expected "", got "seabios"',)
    run = tape.run(Outcome.CORRUPTED, end, "guest", hints)
    assert sentence(run, NAMES) == (
        'The guest took a wrong reply for a right one: read empty: expected "", got "seabios"; '
        'what it got was "seabios" (req_id 1), the reply to the earlier READ bios.'
    )


@pytest.mark.parametrize("hints", [(), ("a wrong reply",)])
def test_a_wrong_reply_of_which_the_guest_says_no_more_is_told_with_what_it_got(
    hints: tuple[str, ...],
) -> None:
    tape = Tape()
    guest, daemon = parties(tape)
    guest.ask("bios\0", req_id=1)
    daemon.wake()
    daemon.serve()
    guest.take()
    site = Site("mine", 0x100000, "client", "mine.c", 26)
    end = End(Outcome.CORRUPTED, "mine took a wrong reply for a right one", site)
    run = tape.run(Outcome.CORRUPTED, end, "guest", hints)
    assert sentence(run, NAMES) == (
        "The guest took a wrong reply for a right one, as it says at mine.c:26 client; "
        'what it got was "seabios" (req_id 1), the reply to READ bios.'
    )


def test_a_wrong_reply_that_was_seen_from_outside_is_told_as_it_is() -> None:
    message = "frontend took the reply ERROR ENOSYS (id 41) for the answer to READ bios (id 1)"
    run = Tape().run(Outcome.CORRUPTED, End(Outcome.CORRUPTED, message), "guest")
    assert sentence(run, NAMES) == f"In the guest, {message}."


def test_requests_whose_answers_nobody_took_are_named() -> None:
    unanswered = ("WRITE data/colour (id 3)", "READ bios (id 4)")
    end = End(Outcome.CONNECTED, "frontend ended well", unanswered=unanswered)
    assert sentence(Tape().run(Outcome.CONNECTED, end, "guest"), NAMES) == (
        "Every stage ended well, though the last one took no answer to WRITE data/colour (id 3) "
        "and READ bios (id 4)."
    )


def test_names_are_used_everywhere() -> None:
    run = msgspec.structs.replace(torn_reset(), violations=())
    names = {"guest": "hvmloader", "daemon": "oxenstored"}
    assert sentence(run, names).startswith("oxenstored held req_cons = 22 from before")


def test_the_places_where_a_guest_may_write_are_those_of_the_toolstack() -> None:
    for owned in GUEST_OWNED:
        assert owned.split("/", maxsplit=1)[0] in MAY_WRITE, owned
