"""What a stage learns from its answers: to compare it with what it learns in other executions.

An answer is compared with others to the same request, in the same place: after the same changes of
the store by the stage itself, each told once, in the order of their last times. A whole history
would tell places apart as well, but has no end where a client asks again and again; of this there
are only so many, and a client that changes nothing has one.

Ids are names: those of messages do not count, nor which id a new transaction got.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from guestsim.abi.xs_wire import XsdSockmsgType
from guestsim.machine.messages import Message, Said
from guestsim.trace.wire import type_name

__all__ = ["Lesson", "Note", "learn", "lesson", "two_texts"]

_READS = frozenset(
    {
        XsdSockmsgType.XS_READ,
        XsdSockmsgType.XS_DIRECTORY,
        XsdSockmsgType.XS_DIRECTORY_PART,
        XsdSockmsgType.XS_GET_PERMS,
        XsdSockmsgType.XS_GET_DOMAIN_PATH,
        XsdSockmsgType.XS_IS_DOMAIN_INTRODUCED,
    }
)
_START = XsdSockmsgType.XS_TRANSACTION_START

_SHOWN, _AROUND = 48, 16
"""Bytes of a text that are shown, and of those how many before the first that differs."""


class Lesson(NamedTuple):
    """A request of a stage, and the message that it took for the answer."""

    before: tuple[Said, ...]
    """What the stage had changed by then."""
    request: Said
    answer: Said


Note = Callable[[Lesson], None]


def learn(
    before: tuple[Said, ...], requests: Sequence[Message], answer: Message, note: Note | None
) -> tuple[Said, ...]:
    """The last of `requests` is answered; the others still wait, and were asked before it, after
    the changes `before`. `note` is told. Returns what has been changed now."""
    *earlier, request = requests
    if note is not None:
        note(lesson(_changed_by(before, earlier), request, answer))
    return _changed_by(before, (request,))


def lesson(before: tuple[Said, ...], request: Message, answer: Message) -> Lesson:
    """That `request`, after the changes `before`, was answered by `answer`."""
    said = _said(answer)
    if said.type == _START:
        said = said._replace(text=b"")
    return Lesson(before, _said(request), said)


def _said(message: Message) -> Said:
    return Said(message.type, message.tx_id != 0, message.text)


def _changed_by(before: tuple[Said, ...], requests: Iterable[Message]) -> tuple[Said, ...]:
    for request in requests:
        if request.type not in _READS:
            said = _said(request)
            before = (*(each for each in before if each != said), said)
    return before


def two_texts(one: Lesson, other: Lesson) -> str:
    """How two answers to one request differ."""
    first, second = one.answer.text, other.answer.text
    pairs = enumerate(zip(first, second, strict=False))
    place = next((at for at, (a, b) in pairs if a != b), min(len(first), len(second)))
    start = 0 if place < _SHOWN else place - _AROUND
    path = _text(one.request.text.partition(b"\0")[0], 0)
    answers = " or ".join(_answer(each, start) for each in (one, other))
    return f"{type_name(one.request.type)} {path}".rstrip() + f" was answered {answers}"


def _answer(lesson: Lesson, start: int) -> str:
    kind, _, text = lesson.answer
    if kind == XsdSockmsgType.XS_ERROR:
        return _text(text.partition(b"\0")[0], 0)
    quoted = f'"{_text(text, start)}"'
    return quoted if kind == lesson.request.type else f"{type_name(kind)} {quoted}"


def _text(data: bytes, start: int) -> str:
    part = data[start : start + _SHOWN].decode("latin-1")
    shown = "".join(char if char.isprintable() else "." for char in part)
    return ("…" if start else "") + shown + ("…" if len(data) > start + _SHOWN else "")
