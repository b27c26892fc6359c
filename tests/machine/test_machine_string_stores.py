"""String stores in other orders: every order of the fields, and a graph of sets."""

from __future__ import annotations

from itertools import permutations

import pytest
from small_actors import (
    MEMORY,
    REQ_CONS,
    REQ_PROD,
    RSP_CONS,
    Program,
    choose,
    halt,
    load,
    store,
)

from guestsim.machine.string_stores import StringStores
from guestsim.record import END, Recorder
from guestsim.trace import MEANING, Burst, Flag, Kind, Op
from guestsim.trace.shared import SHARED_SIZE, place


def string(address: int, count: int, size: int = 1, step: int = 1, value: int = 0) -> list[Op]:
    """One instruction: `count` stores of `size` bytes from `address` on, up or down."""
    flags = [Flag.NONE] + [Flag.STRING] * (count - 1)
    return [
        store(address + number * size * step, value, size, flag)
        for number, flag in enumerate(flags)
    ]


def wrapped(*ops: Op, end: Op | None = None) -> StringStores:
    return StringStores(Program("guest", [*ops, end or halt()]))


Store = tuple[int, int, int]


def ways(actor: StringStores, burst: Burst, done: tuple[Store, ...] = ()) -> set[tuple[Store, ...]]:
    """Every sequence of stores (address, size, value) up to the first op that is answered from
    memory, or a HALT."""
    done += tuple((op.address, op.size, op.value) for op in burst.ops[:-1] if op.kind is Kind.STORE)
    last = burst.ops[-1]
    if last.kind is not Kind.CHOOSE:
        return {done}
    found: set[tuple[Store, ...]] = set()
    for answer in range(last.value):
        found |= ways(actor, actor.resume(burst.point, answer), done)
    return found


def fields(way: tuple[Store, ...]) -> tuple[str, ...]:
    """The fields in the order in which they were first stored to."""
    return tuple(dict.fromkeys(place(address, 4).partition("[")[0] for address, _, _ in way))


def test_every_order_of_the_fields_is_reached() -> None:
    actor = wrapped(*string(0, 2064))
    orders = {fields(way) for way in ways(actor, actor.start())}
    names = ("req", "rsp", "req_cons", "req_prod", "rsp_cons", "rsp_prod")
    assert orders == set(permutations(names))


def test_every_order_stores_the_same_bytes_once() -> None:
    actor = wrapped(*string(1000, 40, value=7), *string(2040, 16, value=9))
    for way in ways(actor, actor.start()):
        stored = [at for address, size, _ in way for at in range(address, address + size)]
        assert sorted(stored) == [*range(1000, 1040), *range(2040, 2056)]
        memory = bytearray(SHARED_SIZE)
        for address, size, value in way:
            memory[address : address + size] = value.to_bytes(size, "little")
        assert memory[1000:1040] == b"\7" * 40
        assert memory[2040:2056] == b"\x09" * 16


def test_the_first_answer_is_the_instruction_as_it_is() -> None:
    ops = string(0, 2064)
    actor = wrapped(*ops)
    burst = actor.start()
    assert [op.kind for op in burst.ops] == [Kind.CHOOSE]
    plain = actor.resume(burst.point, 0).ops[:-1]
    assert [(op.address, op.size) for op in plain] == [(op.address, op.size) for op in ops]


def test_what_is_left_is_a_set_and_not_a_history() -> None:
    """With four words there are 2**4 sets, and 1 + 4 * 3 * 2 ways to two words or less."""
    actor = wrapped(*string(REQ_CONS, 4, size=4), end=load(REQ_CONS))
    record = Recorder(actor, len(MEMORY))
    todo, seen = [record.first], set()
    while todo:
        node = todo.pop()
        if node in seen or node == END:
            continue
        seen.add(node)
        op = record.ops[node]
        if op.kind is Kind.CHOOSE:
            todo += [record.after(node, answer) for answer in range(op.value)]
        else:
            todo.append(record.following[node])
    choices = [node for node in seen if record.ops[node].kind is Kind.CHOOSE]
    # Sets of at least two words: with one there is nothing to choose.
    assert len(choices) == 2**4 - 4 - 1
    assert max(record.ops[node].value for node in choices) == 1 + 4


def test_words_stay_whole_and_a_buffer_comes_in_pieces() -> None:
    actor = wrapped(*string(0, 1024 + 1024 + 4))
    burst = actor.start()
    texts = burst.ops[-1].note.split(MEANING)
    assert texts == [
        "string stores: in order",
        "string stores: req[0..1023] next",
        "string stores: rsp[0..1023] next",
        "string stores: req_cons next",
    ]
    word = actor.resume(burst.point, 3)
    assert [(op.address, op.size) for op in word.ops[:-1]] == [(2048 + at, 1) for at in range(4)]
    assert word.ops[-1].value == 2
    buffer = actor.resume(burst.point, 1).ops[:-1]
    sizes = [op.size for op in buffer]
    assert sizes == [4] * 16 + [64] * 15
    assert [op.address for op in buffer] == [sum(sizes[:at]) for at in range(len(sizes))]


def test_a_downward_instruction_stores_its_pieces_downward() -> None:
    actor = wrapped(*string(2051, 16, step=-1, value=0xAB))
    burst = actor.start()
    piece = actor.resume(burst.point, 2).ops[:-1]
    # rsp[1012..1023] lie in one piece behind the first 64 bytes, then req_cons, downward.
    assert [(op.address, op.size) for op in piece] == [
        (2036, 12),
        *[(2051 - at, 1) for at in range(4)],
    ]
    assert piece[0].value == int.from_bytes(b"\xab" * 12, "little")


def test_stores_of_different_instructions_keep_their_order() -> None:
    ops = [*string(REQ_CONS, 2, size=4), *string(RSP_CONS, 2, size=4), store(REQ_CONS, 5)]
    actor = wrapped(*ops)
    found = {tuple(address for address, _, _ in way) for way in ways(actor, actor.start())}
    first, second = (2048, 2052), (2056, 2060)
    assert found == {
        (*one, *other, 2048) for one in permutations(first) for other in permutations(second)
    }


@pytest.mark.parametrize(
    "ops",
    [
        string(0, 100),
        string(REQ_CONS, 4),
        [store(REQ_CONS, 0), store(REQ_PROD, 0)],
        [store(REQ_CONS, 0), load(REQ_PROD), *string(2100, 300)],
    ],
    ids=["one buffer", "one word", "no string instruction", "nobody's bytes"],
)
def test_where_nothing_can_be_told_apart_nothing_is_asked(ops: list[Op]) -> None:
    plain, actor = Program("guest", [*ops, halt()]), wrapped(*ops)
    burst, same = plain.start(), actor.start()
    while True:
        assert same.ops == burst.ops
        if burst.point is None:
            break
        burst, same = plain.resume(burst.point, 0), actor.resume(same.point, 0)
    assert same.point is None


def test_choices_of_the_actor_itself_pass_through() -> None:
    actor = wrapped(choose(3), *string(REQ_CONS, 2, size=4), choose(5))
    burst = actor.start()
    assert burst.ops[-1].value == 3
    burst = actor.resume(burst.point, 2)
    assert burst.ops[-1].value == 3
    burst = actor.resume(burst.point, 2)
    assert [op.kind for op in burst.ops] == [Kind.STORE, Kind.STORE, Kind.CHOOSE]
    assert burst.ops[-1].value == 5


def test_no_store_keeps_the_flag_once_its_order_is_open() -> None:
    actor = wrapped(*string(REQ_CONS, 2, size=4))
    burst = actor.start()
    for answer in range(3):
        assert not any(op.flags & Flag.STRING for op in actor.resume(burst.point, answer).ops)
