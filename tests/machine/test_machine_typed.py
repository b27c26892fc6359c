"""What somebody has typed on a guest's console before a stage begins: the ring `in` of its page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from code86 import HAND_OVER, HLT, PORT, RING, SET_UP, SPIN, guest, load, poke, store

from guestsim.machine.guest import Guest
from guestsim.machine.hypervisor import CONSOLE_PFN
from guestsim.machine.stops import NEVER, StopAt
from guestsim.trace.ops import Kind

REQ_CONS, REQ_PROD = RING + 2048, RING + 2052
IN = CONSOLE_PFN << 12
IN_CONS, IN_PROD = IN + 3072, IN + 3076
SHOW = store(REQ_PROD)
END = load(REQ_CONS)
LOOK = load(IN_CONS) + SHOW + load(IN_PROD) + SHOW


def typing(folder: Path, *stages: tuple[bytes, bytes]) -> Guest:
    """A guest whose stages are (code, what is typed)."""
    machine = guest(folder, *(code for code, _ in stages))
    chain = [replace(stage, typed=stages[at][1]) for at, stage in enumerate(machine.chain)]
    return Guest(chain, PORT)


def shown(machine: Guest) -> list[int]:
    return [op.value for op in machine.start().ops if op.kind is Kind.STORE]


def word(text: bytes) -> int:
    return int.from_bytes(text, "little")


def test_it_is_there_from_the_beginning(tmp_path: Path) -> None:
    machine = typing(tmp_path, (SET_UP + LOOK + load(IN) + SHOW + END, b"halt"))
    for _ in range(2):
        assert shown(machine) == [0, 4, word(b"halt")]


def test_nothing_is_typed_by_itself(tmp_path: Path) -> None:
    assert shown(typing(tmp_path, (SET_UP + LOOK + END, b""))) == [0, 0]


def test_what_a_stage_has_not_read_is_read_by_the_next(tmp_path: Path) -> None:
    taken = SET_UP + poke(IN_CONS, 2) + HAND_OVER
    machine = typing(tmp_path, (taken, b"ab"), (SET_UP + LOOK + load(IN) + SHOW + END, b"cd"))
    assert shown(machine) == [2, 4, word(b"abcd")]


def test_it_goes_over_the_end_of_the_ring(tmp_path: Path) -> None:
    ahead = 0xFFFFFFFE
    moved = SET_UP + poke(IN_CONS, ahead) + poke(IN_PROD, ahead) + HAND_OVER
    look = LOOK + load(IN) + SHOW + load(IN + 1020) + SHOW
    machine = typing(tmp_path, (moved, b""), (SET_UP + look + END, b"abcd"))
    assert shown(machine) == [ahead, 2, word(b"cd\0\0"), word(b"\0\0ab")]


def test_going_back_gives_it_back(tmp_path: Path) -> None:
    """Else a search would find a prompt at which nobody has typed, or that somebody has twice."""
    take = LOOK + poke(IN_CONS, 4) + poke(IN, 0) + LOOK + load(IN) + SHOW
    machine = typing(tmp_path, (SET_UP + END + take + END, b"halt"))
    machine.keep_states = True
    first = machine.start().point
    assert first is not None
    keys = set()
    for _ in range(3):
        burst = machine.resume(first, 0)
        assert [op.value for op in burst.ops if op.kind is Kind.STORE] == [0, 4, 4, 4, 0]
        assert burst.point is not None
        keys |= {machine.key(first), machine.key(burst.point)}
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("code", "stop", "own"),
    [
        (SPIN, NEVER, "by a `stop` in boot.chain"),
        (HLT, NEVER, "by a `stop` in boot.chain"),
        (HLT, StopAt(console=b"ab> "), 'by printing "ab> "'),
        (SPIN, StopAt(hlt=True), "by HLT"),
        (SPIN, StopAt(requests=1), "by the answers to 1 request"),
        (SPIN, StopAt(requests=2), "by the answers to 2 requests"),
    ],
)
def test_a_stage_that_comes_to_nothing_says_how_it_could_end(
    tmp_path: Path, code: bytes, stop: StopAt, own: str
) -> None:
    machine = guest(tmp_path, code, code)
    first, second = machine.chain
    alone = Guest([replace(first, stop=stop)], PORT, budget=100_000)
    followed = Guest([replace(first, stop=stop), second], PORT, budget=100_000)
    for each, ways in ((alone, "SCHEDOP_shutdown, "), (followed, "")):
        end = each.start().ops[-1].end
        assert end is not None
        assert end.message.endswith(f"; it could end by {ways}a jump to F000:FFF0, or {own}")
