"""What a last stage's good end is worth: judged by the replies that it took, from outside."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from code86 import BASE, HAND_OVER, RING, SET_UP, elf, guest, load, poke, shutdown, u32

from guestsim.machine.answers import BEGIN
from guestsim.machine.guest import Guest
from guestsim.machine.handovers import Handovers
from guestsim.runner import run_once, set_up
from guestsim.scenario import load_one
from guestsim.trace import Kind, Outcome, shared
from guestsim.trace.actor import Burst
from guestsim.trace.ops import End

RSP = RING + 1024
REQ_PROD, RSP_CONS, RSP_PROD = RING + 2052, RING + 2056, RING + 2060


def words(address: int, data: bytes) -> bytes:
    """Store `data` and zeroes up to a whole word."""
    data += bytes(-len(data) % 4)
    return b"".join(
        poke(address + at, struct.unpack_from("<I", data, at)[0]) for at in range(0, len(data), 4)
    )


def ask(path: bytes) -> bytes:
    """READ `path` with the id 1."""
    data = struct.pack("<IIII", 2, 1, 0, len(path)) + path
    return words(RING, data) + poke(REQ_PROD, len(data))


def take(place: int, count: int, left: int = 0) -> bytes:
    """Look at `count` bytes of `rsp`, the header's req_id last, and give them back, and `left`."""
    places = sorted(range(place, place + count, 4), key=lambda at: at == place + 4)
    return b"".join(load(RSP + at) for at in places) + poke(RSP_CONS, place + count + left)


END = SET_UP + shutdown(0)
NAIVE = ask(b"k\0") + take(0, 16) + END
_SECOND = take(16, 16)
# cmp eax, 1; je over the second
CAREFUL = ask(b"k\0") + take(0, 16) + b"\x3d" + u32(1) + b"\x74" + bytes([len(_SECOND)])
CAREFUL += _SECOND + END

RIGHT = struct.pack("<IIII", 2, 1, 0, 0)
STRAY = struct.pack("<IIII", 2, 7, 0, 0)


def run(machine: Guest, burst: Burst, rsp: bytes) -> End:
    """Go on to the end, where `rsp` is what lies in the buffer of replies."""
    memory = bytearray(shared.SHARED_SIZE)
    memory[1024 : 1024 + len(rsp)] = rsp
    while burst.point is not None:
        op = burst.ops[-1]
        burst = machine.resume(burst.point, shared.load(memory, op.address, op.size))
    end = burst.ops[-1].end
    assert end is not None
    return end


@pytest.mark.parametrize(
    ("code", "rsp", "outcome", "message"),
    [
        (NAIVE, RIGHT, Outcome.CONNECTED, "stage0 ended well"),
        (
            NAIVE,
            STRAY + RIGHT,
            Outcome.CORRUPTED,
            "stage0 took the reply READ (id 7) for the answer to READ k (id 1)",
        ),
        (CAREFUL, RIGHT, Outcome.CONNECTED, "stage0 ended well"),
        (CAREFUL, STRAY + RIGHT, Outcome.CONNECTED, "stage0 ended well"),
    ],
    ids=["naive", "naive with a stray", "careful", "careful with a stray"],
)
def test_a_stray_is_taken_or_dropped(
    tmp_path: Path, code: bytes, rsp: bytes, outcome: Outcome, message: str
) -> None:
    machine = guest(tmp_path, code)
    end = run(machine, machine.start(), rsp)
    assert (end.outcome, end.message, end.unanswered) == (outcome, message, ())


def test_a_hand_over_is_judged_as_well(tmp_path: Path) -> None:
    machine = guest(tmp_path, ask(b"k\0") + take(0, 16) + HAND_OVER)
    assert run(machine, machine.start(), RIGHT).outcome is Outcome.CONNECTED
    assert run(machine, machine.start(), STRAY).outcome is Outcome.CORRUPTED


def test_a_request_that_nobody_waited_for_is_named(tmp_path: Path) -> None:
    machine = guest(tmp_path, ask(b"k\0") + END)
    end = run(machine, machine.start(), b"")
    assert (end.outcome, end.unanswered) == (Outcome.CONNECTED, ("READ k (id 1)",))


@pytest.mark.parametrize("first", [ask(b"k\0"), ask(b"k\0") + take(0, 16)])
def test_only_the_last_stage_is_followed(tmp_path: Path, first: bytes) -> None:
    # The first one's ops and the second's are in one burst.
    machine = guest(tmp_path, first + HAND_OVER, END)
    end = run(machine, machine.start(), STRAY)
    assert (end.outcome, end.unanswered) == (Outcome.CONNECTED, ())


@pytest.mark.parametrize("keep_states", [False, True])
def test_where_somebody_asks_what_an_earlier_stage_learns_is_noted(
    tmp_path: Path, keep_states: bool
) -> None:
    machine = guest(tmp_path, ask(b"k\0") + take(0, 16) + HAND_OVER, END)
    machine.keep_states = keep_states
    machine.handovers = Handovers()
    stray = struct.pack("<IIII", 4, 1, 0, 0)
    for rsp in (RIGHT, stray, RIGHT):
        # As ever, only the last stage's answers say how it ends.
        assert run(machine, machine.start(), rsp).outcome is Outcome.CONNECTED
    ((place, lessons),) = machine.handovers.learnt.items()
    assert (place.stage, place.request.text) == ("stage0", b"k\0")
    assert [(each.answer.type, each.answer.text) for each in lessons] == [(2, b""), (4, b"")]


def test_of_the_last_stage_nothing_is_noted(tmp_path: Path) -> None:
    machine = guest(tmp_path, NAIVE)
    machine.handovers = Handovers()
    run(machine, machine.start(), RIGHT)
    assert machine.handovers.learnt == {}


def test_the_stage_begins_with_nothing_under_way(tmp_path: Path) -> None:
    first = ask(b"k\0") + take(0, 16) + load(RSP) + HAND_OVER
    machine = guest(tmp_path, first, load(RSP))
    burst = machine.start()
    while burst.ops[-1].site.stage == "stage0":
        burst = machine.resume(burst.point, 0)
    assert machine.state()[1] == BEGIN


@pytest.mark.parametrize("keep_states", [False, True])
def test_a_point_remembers_what_was_under_way_there(tmp_path: Path, keep_states: bool) -> None:
    machine = guest(tmp_path, NAIVE)
    machine.keep_states = keep_states
    burst = machine.start()
    while burst.ops[-1].address != 1028:
        burst = machine.resume(burst.point, shared.load(RIGHT, burst.ops[-1].address - 1024, 4))
    found = []
    for req_id in (1, 7, 1):
        end = machine.resume(burst.point, req_id).ops[-1].end
        assert end is not None
        found.append(end.outcome)
    assert found == [Outcome.CONNECTED, Outcome.CORRUPTED, Outcome.CONNECTED]


SCENARIO = """
title = "a client that checks nothing takes a stranger's reply"
[boot]
chain = ["reset-poison", "./naive.elf"]
[search]
strategy = "script"
script = [
  { run = "guest", until = "store req = 0xff", stage = "reset-poison" },
  { run = "daemon" },
  { run = "guest", until = "store req_prod = 0", stage = "reset-poison" },
  { run = "daemon", until = "load req_cons", nth = 2 },
  { run = "guest", until = "store req_prod = 41" },
  { run = "daemon", until = "store rsp_prod", nth = 2 },
]
[expect]
corrupted = "always"
"""


def test_xenstored_answers_the_middle_of_a_request(tmp_path: Path) -> None:
    # It holds req_cons = 31 from before the reset; 10 bytes of the request look like a header.
    length = 16 + len(b"ENOSYS\0")
    wait = load(RSP_PROD) + b"\x3d" + u32(length)  # cmp eax, length
    wait += b"\x72" + bytes([256 - len(wait) - 2])  # jb back
    code = ask(b"device/vbd/51712/backend\0") + wait + take(0, 24, -1) + END
    (tmp_path / "naive.elf").write_bytes(elf([(BASE, code)]))
    path = tmp_path / "naive.toml"
    path.write_text(SCENARIO)
    scenario = load_one(path)
    done, _ = run_once(scenario, set_up(scenario))
    assert done.outcome is Outcome.CORRUPTED
    assert done.end.message.startswith("naive took the reply ERROR ENOSYS (id ")
    assert done.end.message.endswith(" for the answer to READ device/vbd/51712/backend (id 1)")
    assert done.events[-1].op.kind is Kind.HALT
