"""The grammar of `until`, and what it matches."""

from __future__ import annotations

import pytest
from small_actors import MEMORY, REQ_CONS, REQ_PROD, halt, load, locked, rmw, send, store, wait

from guestsim.errors import InputError
from guestsim.trace import Event, Flag, Kind, Op
from guestsim.trace.effects import apply
from guestsim.trace.events import Matcher, parse_event, parse_number, places
from guestsim.trace.shared import SHARED_SIZE, field


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("store req_prod", Matcher(Kind.STORE, "req_prod")),
        ("load req_cons = 22", Matcher(Kind.LOAD, "req_cons", 22)),
        ("  load   connection=0x1 ", Matcher(Kind.LOAD, "connection", 1)),
        ("rmw evtchn_pending", Matcher(Kind.RMW, "evtchn_pending")),
        ("send", Matcher(Kind.SEND)),
        ("send server_pending", Matcher(Kind.SEND, "server_pending")),
        ("wait evtchn_pending = 0", Matcher(Kind.WAIT, "evtchn_pending", 0)),
        ("unmask", Matcher(Kind.UNMASK)),
        ("fence", Matcher(Kind.FENCE)),
        ("halt", Matcher(Kind.HALT)),
    ],
)
def test_an_event_is_parsed_and_printed(text: str, expected: Matcher) -> None:
    assert parse_event(text) == expected
    assert parse_event(str(expected)) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "an event begins with its kind: load, store, rmw, fence, send, unmask, wait, halt"),
        ("= 5", "an event begins with its kind"),
        ("lod req", '"lod" is not one of load, store, rmw'),
        ("stor req_prod", 'did you mean "store"?'),
        ("LOAD req_prod", '"LOAD" is not one of load'),
        ("store", "store needs a place after it, for example store req_prod"),
        ("store = 5", "store needs a place after it"),
        ("store req_prd", 'did you mean "req_prod"?'),
        ("store req[5]", '"req[5]": a place is a whole field; write "req"'),
        ("store req_prod rsp_prod", "one place after store, not"),
        ("load req_prod 22", 'one place after load, not "req_prod 22"'),
        ("store req_prod =", '"" is not a value (decimal, or 0x…)'),
        ("store req_prod = many", '"many" is not a value'),
        ("store req_prod = 1 = 1", '"1 = 1" is not a value'),
        ("halt server_pending", "halt has no place, but here stands"),
        ("fence = 1", 'fence has no value, but here stands "= 1"'),
        ("unmask evtchn_pending = 1", "unmask has no value"),
        ("wait = 1", "a value needs a place, for example wait server_pending = 1"),
        ("send server_pending = 2", "the value of a send is 0 or 1, not 2"),
        ("store\nreq_prod", 'words with spaces in between, not "store\\nreq_prod"'),
        ("store\u00a0req_prod", "words with spaces in between"),
    ],
)
def test_a_mistake_gets_its_own_sentence(text: str, complaint: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_event(text)
    assert complaint in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("22", 22), ("0x1F", 31), ("0xa5", 165), ("9" * 38, int("9" * 38)), ("0x00", 0)],
)
def test_a_number(text: str, value: int) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "007", "-1", "+1", "1_0", "0b101", "0o7", "0X1", "0x", "0x1_0", "1.0", "1e3", " 1", "1 ",
     "1\n", "1\u0661", "\u0661\u0666", "\uff11", "\u00b2", "9" * 39, "9" * 5000],
)  # fmt: skip
def test_no_number(text: str) -> None:
    """Digits are ASCII's: Python's `int` would take those of every script."""
    with pytest.raises(InputError, match="is not a value"):
        parse_number(text)


def test_the_places_are_the_fields_of_shared_memory() -> None:
    assert set(places()) == {field(address) for address in range(SHARED_SIZE)}
    assert len(places()) == len(set(places()))


@pytest.mark.parametrize(
    ("text", "op", "value", "expected"),
    [
        pytest.param("store req_prod", store(REQ_PROD, 5), 5, True, id="same-field"),
        pytest.param("store req_prod", store(REQ_CONS, 5), 5, False, id="other-field"),
        pytest.param("store req_prod", load(REQ_PROD), 5, False, id="other-kind"),
        pytest.param("store req_prod", locked(REQ_PROD, 5), 5, True, id="store-half"),
        pytest.param("load req_prod", rmw(REQ_PROD), 5, False, id="load-half-is-rmw"),
        pytest.param("load req", load(1023, 4), 0, True, id="one-byte-inside"),
        pytest.param("load req_cons = 22", load(REQ_CONS), 22, True, id="value"),
        pytest.param("load req_cons = 22", load(REQ_CONS), 23, False, id="other-value"),
        pytest.param("wait server_pending = 0", wait(Flag.SPURIOUS), 0, True, id="spurious"),
        pytest.param("send evtchn_pending", send(), 1, False, id="other-end"),
        pytest.param("halt", halt(), 0, True, id="no-place"),
        # One 16-byte store covers all four indices; the field's own bytes are compared.
        pytest.param("store req_prod = 7", store(REQ_CONS, 7 << 32, 16), 7 << 32, True, id="wide"),
        pytest.param(
            "store req_prod = 7",
            store(REQ_CONS, 9 << 64 | 7 << 32, 16),
            9 << 64 | 7 << 32,
            True,
            id="wide-and-more",
        ),
        pytest.param("store rsp_cons = 7", store(REQ_CONS, 7 << 32, 16), 7 << 32, False, id="wide"),
    ],
)
def test_what_matches(text: str, op: Op, value: int, expected: bool) -> None:
    memory = bytearray(MEMORY)
    matcher = parse_event(text)
    apply(memory, op)
    assert matcher.matches(Event("guest", op, value), memory, matcher.word(MEMORY)) is expected


def test_a_word_stored_in_pieces_is_matched_when_it_is_whole() -> None:
    matcher = parse_event("store req_cons = 0x0200")
    memory = bytearray(MEMORY)
    matched = []
    for value in (0x01020304, 0x0200, 0x0200, 5):
        for at in range(4):
            op = store(REQ_CONS + at, value >> 8 * at & 0xFF, 1)
            before = matcher.word(memory)
            apply(memory, op)
            matched.append(matcher.matches(Event("guest", op, op.value), memory, before))
    # The third time it is there already, and no piece of it makes it so.
    assert [at for at, found in enumerate(matched) if found] == [7]
    one = store(REQ_CONS, 0x200)
    assert matcher.matches(Event("guest", one, 0x200), memory, 0x200), "a whole store always is"


def test_a_load_of_a_piece_is_judged_by_the_word() -> None:
    memory = bytearray(MEMORY)
    memory[REQ_CONS : REQ_CONS + 4] = (0x1205).to_bytes(4, "little")
    piece = Event("guest", load(REQ_CONS, 1), 5)
    assert not parse_event("load req_cons = 5").matches(piece, memory, 0)
    assert parse_event("load req_cons = 0x1205").matches(piece, memory, 0)
    # The load half of an RMW found what its store half has overwritten since.
    half = Event("guest", rmw(REQ_CONS, 1), 7)
    assert parse_event("rmw req_cons = 0x1207").matches(half, memory, 0)
    # Bytes of a buffer are bytes.
    byte = Event("guest", store(5, 0xFF, 1), 0xFF)
    assert parse_event("store req = 0xff").matches(byte, memory, 0)
