"""What a stage learns from its answers, and where two answers are to be one."""

from __future__ import annotations

import pytest
from answers_play import ANSWER, ASKED, CONNECTION, ENOSYS, ERROR, READ, WRITE, Play, ask, message

from guestsim.abi.xs_wire import XsdSockmsgType
from guestsim.machine.answers import BEGIN
from guestsim.machine.learnt import Lesson, two_texts
from guestsim.machine.messages import Said

START, END = XsdSockmsgType.XS_TRANSACTION_START, XsdSockmsgType.XS_TRANSACTION_END
A = Said(READ, False, b"a/b\0")


def play() -> Play:
    made = Play()
    made.answers = BEGIN._replace(changes=())
    return made


def asked(made: Play, request: bytes, reply: bytes) -> Lesson:
    """What is learnt when `request` is answered by `reply`."""
    before = len(made.lessons)
    ask(made, reply, request=request)
    made.receive()
    made.now()
    (lesson,) = made.lessons[before:]
    return lesson


def write(value: bytes, req_id: int = 1) -> tuple[bytes, bytes]:
    return message(WRITE, req_id, b"a/b\0" + value), message(WRITE, req_id, b"OK\0")


def read(value: bytes, req_id: int = 1) -> tuple[bytes, bytes]:
    return message(READ, req_id, b"a/b\0"), message(READ, req_id, value)


def test_the_whole_payload_counts() -> None:
    for length in (0, 5, 64, 700):
        lesson = asked(play(), *read(b"x" * length))
        assert lesson == Lesson((), A, Said(READ, False, b"x" * length))


def test_pieces_and_ids_do_not_count() -> None:
    value = bytes(range(256)) * 3
    whole = play()
    ask(whole, message(READ, 1, value))
    whole.receive()
    pieces = play()
    ask(pieces, message(READ, 9, value), request=message(READ, 9, b"a/b\0"))
    pieces.receive(part=7)
    whole.now(), pieces.now()
    assert whole.lessons == pieces.lessons != []


def test_an_error_is_an_answer() -> None:
    lesson = asked(play(), ASKED, message(ERROR, 1, b"ENOENT\0"))
    assert lesson.answer == Said(ERROR, False, b"ENOENT\0")


def test_which_id_a_transaction_got_does_not_count() -> None:
    start = message(START, 1, b"\0")
    lessons = {asked(play(), start, message(START, 1, number)) for number in (b"1\0", b"27\0")}
    assert len(lessons) == 1
    refused = asked(play(), start, message(ERROR, 1, b"EBUSY\0"))
    assert refused not in lessons
    inside = [
        asked(play(), message(READ, 1, b"a/b\0", tx_id=tx), message(READ, 1, b"v", tx_id=tx))
        for tx in (1, 27, 0)
    ]
    assert inside[0] == inside[1] != inside[2]


def test_a_place_is_told_apart_by_the_changes_before_it() -> None:
    made = play()
    places = []
    for value in (b"", b"red", b"blue", b"red"):
        if value:
            asked(made, *write(value))
        places.append(asked(made, *read(value)).before)
        assert asked(made, *read(value)).before == places[-1]
    red, blue = (Said(WRITE, False, b"a/b\0" + value) for value in (b"red", b"blue"))
    assert places == [(), (red,), (red, blue), (blue, red)]


def test_a_client_that_does_the_same_for_ever_has_few_states() -> None:
    made, seen = play(), set()
    for number in range(9):
        asked(made, *write(b"red", number))
        asked(made, *write(b"blue", number))
        seen.add(made.answers.changes)
    assert len(seen) == 1


@pytest.mark.parametrize("late", [False, True])
def test_a_place_is_where_the_stage_asked_not_where_the_answer_came(late: bool) -> None:
    made = play()
    question, answer = read(b"v", 1)
    change, done = write(b"red", 2)
    made.send(question)
    made.come(answer)
    if late:
        made.receive()
    made.send(change)
    if not late:
        made.receive()
    made.come(done)
    made.receive()
    made.now()
    assert asked(made, *read(b"red", 3)).before != ()
    assert [lesson.before for lesson in made.lessons[:2]] == [(), ()]
    made = play()
    made.send(change)
    made.send(question)
    made.come(answer)
    made.receive()
    made.now()
    (lesson,) = made.lessons
    assert lesson.before == (Said(WRITE, False, b"a/b\0red"),)


def test_half_a_reply_is_no_lesson() -> None:
    made = play()
    ask(made, ANSWER)
    made.take(18)
    made.store(CONNECTION, 4, 1)
    made.now()
    assert made.lessons == []
    assert made.end().unanswered == ()


def test_what_was_taken_for_an_answer_comes_with_its_place() -> None:
    made = play()
    asked(made, *write(b"red"))
    ask(made, ENOSYS)
    made.receive()
    asked(made, *write(b"blue", 2))
    wrong = made.end().wrong
    assert wrong is not None
    assert wrong.before == (Said(WRITE, False, b"a/b\0red"),)
    assert (wrong.request.type, wrong.message.type) == (READ, ERROR)


def test_nobody_asks() -> None:
    made = Play()
    ask(made, ANSWER)
    made.receive()
    made.now()
    assert made.lessons == []
    assert made.answers.changes is None


LONG = b"0123456789" * 30


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (Said(READ, False, b"red"), Said(READ, False, b""), '"red" or ""'),
        (Said(READ, False, b"red"), Said(ERROR, False, b"ENOENT\0"), '"red" or ENOENT'),
        (Said(READ, False, b"red"), Said(WRITE, False, b"OK\0"), '"red" or WRITE "OK."'),
        (
            Said(READ, False, LONG),
            Said(READ, False, LONG[:100] + b"!"),
            '"…456789012345678901234567890123456789012345678901…" or "…4567890123456789!"',
        ),
        (
            Said(READ, False, LONG),
            Said(READ, False, LONG[:40]),
            '"012345678901234567890123456789012345678901234567…" or '
            '"0123456789012345678901234567890123456789"',
        ),
    ],
)
def test_how_two_answers_differ(one: Said, other: Said, said: str) -> None:
    lessons = (Lesson((), A, answer) for answer in (one, other))
    assert two_texts(*lessons) == f"READ a/b was answered {said}"
