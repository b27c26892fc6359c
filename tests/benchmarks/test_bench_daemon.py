"""What a daemon costs: an op in a run straight on, and going on from an earlier point."""

from __future__ import annotations

from typing import Any

import pytest

from guestsim.abi.xs_wire import Interface
from guestsim.daemon import MODELS, DaemonConfig, make
from guestsim.trace import Actor, Burst, Flag, Kind
from guestsim.trace.ops import ANSWERED
from guestsim.trace.shared import SHARED_SIZE, load, store
from guestsim.xenstore import Message, build_store

STORE = build_store({"hvmloader/bios": "seabios"})
REQUEST = Message(2, 7, 0, b"hvmloader/bios\0").encode()


def straight_on(which: Actor, count: int) -> list[tuple[Burst, int]]:
    """`count` READs; every burst with the value that answered it."""
    memory = bytearray(SHARED_SIZE)
    done: list[tuple[Burst, int]] = []
    burst = which.start()
    while True:
        for op in burst.ops:
            if op.kind is Kind.STORE:
                store(memory, op.address, op.size, op.value)
        op = burst.ops[-1]
        if op.flags & Flag.POLL:
            value = 0
        elif op.kind is Kind.WAIT:
            if not count:
                return done
            count -= 1
            prod = load(memory, Interface.REQ_PROD, 4)
            for offset, byte in enumerate(REQUEST):
                memory[(prod + offset) % 1024] = byte
            store(memory, Interface.REQ_PROD, 4, prod + len(REQUEST))
            memory[Interface.RSP_CONS : Interface.RSP_PROD] = memory[
                Interface.RSP_PROD : Interface.SERVER_FEATURES
            ]
            value = 1
        else:
            assert op.kind in ANSWERED
            value = load(memory, op.address, op.size)
        done.append((burst, value))
        burst = which.resume(burst.point, value)


@pytest.mark.parametrize("model", sorted(MODELS))
def test_100_reads(benchmark: Any, model: str) -> None:
    def run() -> int:
        made = make(model, DaemonConfig(port=2), STORE)
        return sum(len(burst.ops) for burst, _ in straight_on(made, 100))

    assert benchmark(run) > 3000


@pytest.mark.parametrize("model", sorted(MODELS))
def test_going_on_from_every_point_backwards(benchmark: Any, model: str) -> None:
    made = make(model, DaemonConfig(port=2), STORE)
    points = straight_on(made, 10)[::-1]

    def run() -> int:
        return sum(len(made.resume(burst.point, value).ops) for burst, value in points)

    assert benchmark(run) > 300
