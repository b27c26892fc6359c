"""Which reply a guest took for which of its requests, followed on the wire from outside.

The guest's own ops tell all of it. What it stores into `req` and publishes by `req_prod` are its
requests; what it loads from `rsp` and gives back by `rsp_cons` are the messages that it took. A
reply belongs to a request if it has its type, or is an ERROR, and has its req_id and tx_id
(docs/misc/xenstore.txt). The last stage of a boot chain is followed: a value of `Answers` begins
with it, is a part of the guest's state, and knows no history. So it grows and shrinks with what is
under way, and states merge as they did without it. The stages before it are followed where somebody
asks what they learn (`guestsim.machine.learnt`), with whole payloads and what they have changed.

**What is recognised.** A message is *stray* if it belongs to no request that waits while one does.
A guest may drop a stray: if it next takes the reply to the last request that it had sent by then,
it went on waiting, and if in the end all its requests are answered, no harm was done. But where a
request still has no answer at the end (a well-ended stage, or a reset of the ring by the guest
itself), and a stray came in its time, the guest took that message for an answer and went on. That
holds too where it took the right replies afterwards, each for the request after its own: one is
left over. The stray that is named is the first, and the request the oldest that waited then.

Others may do what they like with their time: events of watches come anywhere, several requests may
wait at once, replies may come in any order, and what was left over in the ring before the stage
asked for anything is nobody's answer. The event of a watch is a stray only for a stage that has
set no watch. A request without an answer and without a stray is one that the guest never waited
for: the end names it (`unanswered`), and it is no corruption.

**What is not.** A wrong payload under the right header: the daemon's, or a stale reply with the
same type and ids, as all are of clients that give each request the same id. A stray that was taken
for an answer, where the guest at last takes every right reply all the same, say in a loop that
drains the ring. An event taken for an answer by a stage that did set a watch. A reply whose header
the guest gave back without looking at it.

**Bytes.** Accesses of any size and alignment count byte by byte. Bytes that were given back and
never loaded are unknown: in a payload that does not matter; in a header it means that the guest
dropped all that it gave back there, and the next message begins after it. An index that is stored
in parts counts when the guest does something else. A guest that stores an index which it never
loaded published, or took, the bytes in hand just before it. The stream begins again where an index
jumps, where somebody else has moved one, and where the guest stores the server's indices or
`connection`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from guestsim.abi.xs_wire import Interface, XsdSockmsgType
from guestsim.machine.learnt import Note, learn
from guestsim.machine.messages import Half, Message, Said, Stray, belongs, eat, message_of
from guestsim.machine.ring_bytes import NONE, Held, back_from, cut, put
from guestsim.trace.ops import Flag, Kind, Op
from guestsim.trace.wire import HEADER_SIZE, RING_SIZE

__all__ = ["BEGIN", "Answers", "Verdict", "follow", "verdict"]

_RSP, _CONNECTION = int(Interface.RSP), int(Interface.CONNECTION)
_REQ_CONS, _REQ_PROD = int(Interface.REQ_CONS), int(Interface.REQ_PROD)
_RSP_CONS, _RSP_PROD = int(Interface.RSP_CONS), int(Interface.RSP_PROD)
_END = _CONNECTION + 4
_WATCH, _WATCH_EVENT = int(XsdSockmsgType.XS_WATCH), int(XsdSockmsgType.XS_WATCH_EVENT)
_EVERY_BIT = 0xFFFFFFFF


class _Index(NamedTuple):
    """An index word of the guest's own."""

    word: int = 0
    """As it stands; bits that are not known are 0."""
    known: int = 0
    """Which bits are."""
    at: int | None = None
    """Up to where the stream was followed; None where that is not known yet."""

    @property
    def moved(self) -> bool:
        """Whether the stream has not been followed to where the word stands."""
        return self.known != 0 and self.at != self.word


class Answers(NamedTuple):
    """What is under way between a stage and its daemon."""

    prod: _Index
    cons: _Index
    stored: Held
    """Bytes of `req` that are not yet published."""
    loaded: Held
    """Bytes of `rsp` that are not yet given back."""
    asking: Half
    hearing: Half
    waiting: tuple[Message, ...]
    """Requests without an answer, the oldest first."""
    watches: bool
    """Whether the stage has asked for a watch: then events are its own."""
    stray: Stray | None
    wrong: Stray | None
    """One for which there is no way back: the ring was reset since."""
    changes: tuple[Said, ...] | None = None
    """What the stage has changed in the store. None where nobody asks what it learns."""
    sent: int | None = None
    """How many requests it has sent. None where nobody counts."""

    @property
    def in_parts(self) -> bool:
        """Whether an index is being stored in parts."""
        (prod, known, at), (cons, knows, back) = self[0], self[1]
        return (at != prod and known != 0) or (back != cons and knows != 0)


BEGIN = Answers(_Index(), _Index(), NONE, NONE, Half(), Half(), (), False, None, None)
"""A stage that has not done anything yet."""


class Verdict(NamedTuple):
    """What a stage's ending well is worth."""

    wrong: Stray | None
    """The message that the guest took in the place of an answer."""
    unanswered: tuple[Message, ...]
    """Requests whose answers the guest never took."""


def follow(
    answers: Answers, heard: tuple[Op, int] | None, ops: Sequence[Op], note: Note | None = None
) -> Answers:
    """Go on by what a burst brought: the op that was answered before it and its value, and the
    ops that need no answer. The same object where there was nothing to follow. `note` gets what
    the stage learns."""
    going = _Going(answers, note) if answers.in_parts else None
    if heard is not None:
        op, value = heard
        loads = op.kind is _LOAD or op.kind is _RMW
        if loads and op.address < _END and not _is_old(answers, op, value):
            if not ops and going is None and _RSP <= op.address <= _REQ_CONS - op.size:
                # By far the most frequent: one more byte or word of a message.
                data = value.to_bytes(op.size, "little")
                loaded = put(answers.loaded, op.address - _RSP, data)
                return Answers._make((*answers[:3], loaded, *answers[4:]))
            going = going or _Going(answers, note)
            going.load(op.address, op.size, value)
            if op.kind is _RMW and ops and ops[0].flags & Flag.LOCKED:
                going.swap(ops[0], value)
                ops = ops[1:]
        elif going is not None:
            going.settle()
    if not ops:
        return answers if going is None else going.answers()
    run, start = bytearray(), 0  # stores that continue each other: a request, or a wipe
    for op in ops:
        address, size = op.address, op.size
        if op.kind is not _STORE or address >= _END:
            if going is not None and going.in_parts:
                going.settle()
        elif _RSP <= address <= _REQ_CONS - size and (going is None or not going.in_parts):
            pass  # the server's bytes, which a reset wipes
        elif address <= _RSP - size and (going is None or not going.in_parts):
            if address != start + len(run):
                if run:
                    going = going or _Going(answers, note)
                    going.stored = put(going.stored, start, bytes(run))
                    run.clear()
                start = address
            run += op.value.to_bytes(size, "little")
        else:
            going = going or _Going(answers, note)
            if run:
                going.stored = put(going.stored, start, bytes(run))
                run.clear()
            going.store(address, size, op.value)
    if going is not None:
        if run:
            going.stored = put(going.stored, start, bytes(run))
        return going.answers()
    if run:
        stored = put(answers.stored, start, bytes(run))
        return Answers._make((*answers[:2], stored, *answers[3:]))
    return answers


def _is_old(answers: Answers, op: Op, value: int) -> bool:
    """Whether a load tells nothing, at a glance: it is of an index, and not even an atomic op's."""
    if op.kind is _RMW or op.size != 4:
        return False
    if op.address == _REQ_PROD:
        return answers.prod == (value, _EVERY_BIT, value)
    if op.address == _RSP_CONS:
        return answers.cons == (value, _EVERY_BIT, value)
    return op.address in _SERVERS


def verdict(answers: Answers) -> Verdict:
    """Where the stage ends well with `answers`."""
    going = _Going(answers)
    going.settle()
    going.hear_half()
    return Verdict(going.taken(), tuple(going.waiting))


_STORE = Kind.STORE
_LOAD, _RMW = Kind.LOAD, Kind.RMW
_SERVERS = frozenset({_REQ_CONS, _RSP_PROD, int(Interface.SERVER_FEATURES), _CONNECTION})


class _Going:
    """`Answers` while it is being changed."""

    def __init__(self, answers: Answers, note: Note | None = None) -> None:
        (
            self.prod, self.cons, self.stored, self.loaded, self.asking, self.hearing,
            waiting, self.watches, self.stray, self.wrong, self.changes, self.sent,
        ) = answers  # fmt: skip
        self.note, self.whole = note, self.changes is not None
        self.waiting = list(waiting)
        self.in_parts = answers.in_parts

    def answers(self) -> Answers:
        return Answers(
            self.prod, self.cons, self.stored, self.loaded, self.asking, self.hearing,
            tuple(self.waiting), self.watches, self.stray, self.wrong, self.changes, self.sent,
        )  # fmt: skip

    # -- accesses -------------------------------------------------------------------------------

    def load(self, address: int, size: int, value: int) -> None:
        """The guest loaded `value`."""
        data = value.to_bytes(size, "little")
        for first, part in _words(address, data):
            if first < _RSP:
                continue
            if first < _REQ_CONS:
                self.settle()
                self.loaded = put(self.loaded, first - _RSP, part)
            elif first & ~3 == _REQ_PROD:
                self.settle(but=_REQ_PROD)
                self.prod = self._seen(self.prod, first & 3, part)
            elif first & ~3 == _RSP_CONS:
                self.settle(but=_RSP_CONS)
                self.cons = self._seen(self.cons, first & 3, part)
            else:
                self.settle()

    def store(self, address: int, size: int, value: int) -> None:
        """The guest stored `value`."""
        if size == 4 and address == _REQ_PROD:
            self.settle(but=_REQ_PROD)
            self._move_prod(value, _EVERY_BIT)
        elif size == 4 and address == _RSP_CONS:
            self.settle(but=_RSP_CONS)
            self._move_cons(value, _EVERY_BIT)
        else:
            self._store(address, value.to_bytes(size, "little"))

    def swap(self, op: Op, before: int) -> None:
        """The store half of an atomic op that loaded `before`. A server's index that it does not
        change was not stored: one op may cover both indices of a ring."""
        old, new = (value.to_bytes(op.size, "little") for value in (before, op.value))
        for index in range(op.size):
            address = op.address + index
            if old[index] != new[index] or address & ~3 not in (_REQ_CONS, _RSP_PROD):
                self._store(address, new[index : index + 1])

    def _store(self, address: int, data: bytes) -> None:
        for first, part in _words(address, data):
            word = first & ~3
            if first < _REQ_CONS:
                self.settle()
                if first < _RSP:
                    self.stored = put(self.stored, first, part)
            elif word == _REQ_PROD:
                self.settle(but=word)
                self.prod = _changed(self.prod, first & 3, part)
                self.in_parts = True
            elif word == _RSP_CONS:
                self.settle(but=word)
                self.cons = _changed(self.cons, first & 3, part)
                self.in_parts = True
            elif word in (_REQ_CONS, _RSP_PROD):
                self.settle()
                self._begin_again()
            elif word == _CONNECTION:
                self.settle()
                self._begin_again()
                self.prod = self.cons = _Index()  # the server's to zero

    # -- indices --------------------------------------------------------------------------------

    def _seen(self, index: _Index, byte: int, part: bytes) -> _Index:
        """`index` where the guest has loaded `part` of it, from its byte number `byte` on."""
        value, mask = _bits(byte, part)
        both = mask & index.known
        if (value ^ index.word) & both:
            # Somebody else has moved it, then: the server, which closed the ring.
            self._begin_again()
            self.prod = self.cons = _Index()
            return _Index(value, mask, value)
        new = value & ~index.known
        return _Index(index.word | new, index.known | mask, (index.at or 0) | new)

    def settle(self, but: int = 0) -> None:
        """Follow the streams to where the indices stand, except for that of the word `but`."""
        if not self.in_parts:
            return
        if self.prod.moved and but != _REQ_PROD:
            self._move_prod(self.prod.word, self.prod.known)
        if self.cons.moved and but != _RSP_CONS:
            self._move_cons(self.cons.word, self.cons.known)
        self.in_parts = but != 0 and (self.prod.moved or self.cons.moved)

    def _move_prod(self, to: int, known: int) -> None:
        at = self.prod.at
        self.prod = _Index(to, known, to)
        count = back_from(self.stored, to) if at is None else to - at & _EVERY_BIT
        if count > RING_SIZE:
            self._begin_again()
        elif count:
            data, there, self.stored = cut(self.stored, (to - count) % RING_SIZE, count)
            self._publish(data, there)

    def _move_cons(self, to: int, known: int) -> None:
        at = self.cons.at
        self.cons = _Index(to, known, to)
        count = back_from(self.loaded, to) if at is None else to - at & _EVERY_BIT
        if count > RING_SIZE:
            self._begin_again()
        elif count:
            data, there, self.loaded = cut(self.loaded, (to - count) % RING_SIZE, count)
            self.hearing, messages = eat(self.hearing, data, there, whole=self.whole)
            for message in messages:
                self._hear(message)

    # -- messages -------------------------------------------------------------------------------

    def _publish(self, data: bytes, known: bytes | None) -> None:
        whole = not self.asking.head
        if whole and not self.waiting:
            self.hearing = Half()  # the rest of what was left over, and is dropped
        self.asking, messages = eat(self.asking, data, known, whole=self.whole)
        begun = len(messages) + bool(self.asking.head) - (not whole)
        if begun > 0 and self.stray is not None:
            self.stray = self.stray._replace(went_on=True)
        self.sent = None if self.sent is None else self.sent + len(messages)
        for message in messages:
            self.waiting.append(message)
            self.watches = self.watches or message.type == _WATCH

    def _hear(self, message: Message, *, whole: bool = True) -> None:
        waiting = self.waiting
        for place, request in enumerate(waiting):
            if belongs(message, request):
                if self.changes is not None:
                    note = self.note if whole else None
                    self.changes = learn(self.changes, waiting[: place + 1], message, note)
                del waiting[place]
                break
        else:
            event = message.type == _WATCH_EVENT
            if waiting and self.stray is None and not (event and self.watches):
                self.stray = Stray(message, waiting[0], before=self.changes or ())
            return
        last = place == len(waiting)
        if not waiting or (last and self.stray is not None and not self.stray.went_on):
            self.stray = None

    def hear_half(self) -> None:
        """No more comes: a header is enough to say whose message it was."""
        if len(self.hearing.head) >= HEADER_SIZE:
            self._hear(message_of(self.hearing.head, whole=self.whole), whole=False)
            self.hearing = Half()

    def taken(self) -> Stray | None:
        """The message that was taken in the place of an answer, if the guest waits no longer."""
        return self.wrong or (self.stray if self.waiting else None)

    def _begin_again(self) -> None:
        """The ring is reset; the guest waits for nothing any more."""
        self.hear_half()
        self.wrong = self.taken()
        self.stored = self.loaded = NONE
        self.asking = self.hearing = Half()
        self.waiting, self.watches, self.stray = [], False, None


def _words(address: int, data: bytes) -> Iterable[tuple[int, bytes]]:
    """`data` in parts, none of which crosses from one word to another."""
    if (address & 3) + len(data) <= 4:
        return ((address, data),)
    cuts = [0, *range(4 - (address & 3), len(data), 4), len(data)]
    return [(address + a, data[a:b]) for a, b in itertools.pairwise(cuts)]


def _bits(byte: int, part: bytes) -> tuple[int, int]:
    """(value, mask) of `part` in a word, from its byte number `byte` on."""
    shift = 8 * byte
    return int.from_bytes(part, "little") << shift, (1 << 8 * len(part)) - 1 << shift


def _changed(index: _Index, byte: int, part: bytes) -> _Index:
    value, mask = _bits(byte, part)
    return _Index(index.word & ~mask | value, index.known | mask, index.at)
