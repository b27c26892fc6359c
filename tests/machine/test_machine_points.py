"""Points of a guest: going back to them, and what their keys tell apart."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from code86 import (
    DATA,
    PORT,
    RDTSC,
    RING,
    SET_UP,
    guest,
    jump,
    load,
    out,
    store,
    u32,
)

from guestsim.machine.guest import Guest, Stage
from guestsim.machine.image import load_image
from guestsim.machine.images import find_image
from guestsim.trace import shared
from guestsim.trace.ops import Kind, Op

REQ_CONS, REQ_PROD = RING + 2048, RING + 2052


def test_starting_again_gives_the_same_burst(tmp_path: Path) -> None:
    machine = guest(tmp_path, SET_UP + RDTSC + store(REQ_PROD) + load(REQ_CONS))
    assert machine.start().ops == machine.start().ops


@pytest.mark.parametrize("keep_states", [False, True])
def test_an_earlier_point_can_be_resumed_with_another_value(
    tmp_path: Path, keep_states: bool
) -> None:
    code = (load(REQ_CONS) + b"\x01\x05" + u32(DATA) + load(DATA) + store(REQ_PROD)) * 3
    machine = guest(tmp_path, code + load(REQ_CONS))
    machine.keep_states = keep_states
    first = machine.start()
    second = machine.resume(first.point, 1)
    third = machine.resume(second.point, 10)
    key = machine.key(third.point)
    assert machine.resume(first.point, 5).ops[0].value == 5
    assert machine.resume(second.point, 20).ops[0].value == 21
    assert machine.key(third.point) == key
    assert machine.resume(third.point, 100).ops[0].value == 111


def test_a_spin_comes_back_to_the_same_key(tmp_path: Path) -> None:
    machine = guest(tmp_path, load(REQ_CONS) + b"\xeb\xf9")  # jmp to the load
    keys = []
    burst = machine.start()
    for _ in range(3):
        burst = machine.resume(burst.point, 0)
        keys.append(machine.key(burst.point))
    assert keys[0] == keys[1] == keys[2]


@pytest.mark.parametrize(
    "change",
    [b"\x41", b"\xff\x05" + u32(DATA), RDTSC, out(0x70, 5)],
    ids=["a register", "memory", "the clock", "a device"],
)
def test_a_key_tells_every_kind_of_state_apart(tmp_path: Path, change: bytes) -> None:
    code = load(REQ_CONS) + change + b"\x31\xc0\x31\xd2" + jump(0x100000)
    machine = guest(tmp_path, code)
    first = machine.start()
    before = machine.key(first.point)
    second = machine.resume(first.point, 0)
    assert second.ops[-1].site.pc == first.ops[-1].site.pc
    assert machine.key(second.point) != before


def images(*names: str) -> list[Stage]:
    lines = {"frontend": "read device/vbd/51712/state=1", "reconnect": "read hvmloader/bios"}
    return [Stage(load_image(name, find_image(name)), lines.get(name, "")) for name in names]


def answer(op: Op, memory: bytearray, random: Random) -> int:
    """Mostly what memory holds, sometimes anything: points that no honest run reaches, too."""
    if op.kind is Kind.WAIT:
        return 1
    if random.random() < 0.1:
        return random.choice([0, 1, 16, 0xFFFFFFFF])
    return shared.load(memory, op.address, op.size)


@pytest.mark.parametrize("seed", range(6))
def test_restored_states_and_executions_from_the_start_agree(seed: int) -> None:
    # A walk over points, forward from a random earlier one: the guest that restores states and
    # the one that runs anew must do the same, and give the same keys.
    random = Random(seed)
    restoring, running, anew = (Guest(images("reconnect", "frontend"), PORT) for _ in range(3))
    restoring.keep_states = anew.keep_states = True
    memory = bytearray(shared.SHARED_SIZE)
    memory[2064] = 1
    nowhere: tuple[int, ...] = ()
    pairs = [(restoring.start(), running.start(), nowhere)]
    for _ in range(60):
        here, there, way = random.choice(pairs[-6:])
        assert here.ops == there.ops
        if here.ops[-1].kind is Kind.HALT:
            pairs = pairs[:1]
            continue
        value = answer(here.ops[-1], memory, random)
        way = *way, value
        burst = restoring.resume(here.point, value)
        pairs.append((burst, running.resume(there.point, value), way))
        if burst.point is not None:
            # What a frame holds before anything is stored there: only this one clears it, too.
            again = anew.start()
            for each in way:
                again = anew.resume(again.point, each)
            assert restoring.key(burst.point) == anew.key(again.point)
