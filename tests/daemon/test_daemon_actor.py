"""A point can be resumed again and again, from anywhere, and nothing of one future shows in
another. The search stands on that."""

from __future__ import annotations

import pytest
from daemon_link import PORT, Guest, Link
from hypothesis import given, settings
from hypothesis import strategies as st

from guestsim.abi.xs_wire import XsdSockmsgType as T
from guestsim.daemon import MODELS, DaemonConfig, make
from guestsim.trace import Actor, Burst, Kind
from guestsim.trace.ops import ANSWERED
from guestsim.xenstore import build_store

STORE = build_store({"hvmloader/bios": "seabios"})
CONFIG = DaemonConfig(port=PORT, features=None)


def actor(model: str) -> Actor:
    return make(model, CONFIG, STORE)


def drive(which: Actor, values: list[int]) -> list[Burst]:
    """Feed `values` in order, straight on, each cut to what its op can give."""
    bursts = [which.start()]
    for value in values:
        if bursts[-1].point is None:
            break
        bursts.append(which.resume(bursts[-1].point, fit(bursts[-1], value)))
    return bursts


def fit(burst: Burst, value: int) -> int:
    op = burst.ops[-1]
    return value & 1 if op.kind is Kind.WAIT else value % (1 << 8 * op.size)


def recorded(model: str) -> list[tuple[Burst, int]]:
    """A real conversation: each burst with the value that answered it."""
    link = Link(actor(model))
    guest = Guest(link)
    guest.ask(T.XS_READ, b"hvmloader/bios\0")
    guest.ask(T.XS_WATCH, b"data\0t\0")
    guest.ask(T.XS_WRITE, b"data/x\0" + b"v" * 50)
    values = [event.value for event in link.events if event.op.kind in ANSWERED]
    bursts = drive(actor(model), values)
    return list(zip(bursts, values, strict=False))


@pytest.mark.parametrize("model", sorted(MODELS))
def test_bursts_end_where_an_answer_is_needed(model: str) -> None:
    for burst, _ in recorded(model):
        assert burst.ops
        assert burst.ops[-1].kind in ANSWERED
        assert not [op for op in burst.ops[:-1] if op.kind in ANSWERED or op.kind is Kind.HALT]


@pytest.mark.parametrize("model", sorted(MODELS))
def test_any_earlier_point_goes_on_as_the_first_time(model: str) -> None:
    conversation = recorded(model)
    which = actor(model)
    bursts = drive(which, [value for _, value in conversation])
    # Backwards, so that the kept generator is never the right one.
    for (burst, value), after in reversed(list(zip(conversation, bursts[1:], strict=False))):
        assert which.resume(burst.point, value) == after


@pytest.mark.parametrize("model", sorted(MODELS))
def test_a_point_is_not_used_up(model: str) -> None:
    burst, value = recorded(model)[12]
    which = actor(model)
    which.start()
    first = which.resume(burst.point, value)
    other = which.resume(burst.point, value ^ 0x10)
    assert which.resume(burst.point, value) == first
    assert which.resume(burst.point, value ^ 0x10) == other


@pytest.mark.parametrize("model", sorted(MODELS))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_another_value_is_a_fresh_run(model: str, data: st.DataObject) -> None:
    # Whatever is loaded, also what no guest would write: going on from an earlier point gives
    # what an actor gives that was driven there from its start.
    values = data.draw(
        st.lists(st.sampled_from([0, 1, 16, 22, 1024, 0xFFFFFFFF]) | st.integers(0, 2**32 - 1))
    )
    which = actor(model)
    bursts = drive(which, values)
    points = [b for b in bursts if b.point is not None]
    at = data.draw(st.integers(0, len(points) - 1))
    value = data.draw(st.integers(0, 2**32 - 1))
    branched = which.resume(points[at].point, fit(points[at], value))
    fresh = drive(actor(model), [*values[:at], value])
    assert fresh[at + 1] == branched
    assert drive(which, values) == bursts, "branching off changes nothing for the others"


@pytest.mark.parametrize("model", sorted(MODELS))
def test_equal_points_have_equal_keys_and_checkpoints_repeat(model: str) -> None:
    which = actor(model)
    link = Link(which)
    guest = Guest(link)
    guest.receive()
    keys = []
    for _ in range(3):
        guest.ask(T.XS_READ, b"hvmloader/bios\0")
        keys.append(which.key(link.point))
    assert keys[0] == keys[1] == keys[2], "asking again and again leads to the same state"
    assert len({hash(key) for key in keys}) == 1


@pytest.mark.parametrize("model", sorted(MODELS))
def test_two_runs_are_the_same(model: str) -> None:
    assert recorded(model) == recorded(model)


def test_the_turns_are_short() -> None:
    # A search replays a turn's loads for each value that it has not seen; the checkpoints keep
    # that small. 10 = two indices, the last index, and the pieces of a path of 15 bytes.
    for model in sorted(MODELS):
        longest = max(len(burst.point.fed) for burst, _ in recorded(model))
        assert longest <= 12, f"{model}: {longest} values since a checkpoint"
