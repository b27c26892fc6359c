"""Where a stage is over that neither shuts down nor hands over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from code86 import (
    DATA,
    HAND_OVER,
    HLT,
    PORT,
    RING,
    SET_UP,
    SPIN,
    UD2,
    guest,
    hypercall,
    load,
    out,
    poke,
    shutdown,
)

from guestsim.machine.guest import Guest
from guestsim.machine.hypervisor import CONSOLE_PFN
from guestsim.machine.stops import NEVER, Awaited, StopAt
from guestsim.trace.ops import Kind, Outcome

REQ_CONS, REQ_PROD = RING + 2048, RING + 2052
CONSOLE = CONSOLE_PFN << 12
PROMPT = StopAt(console=b"ab> ")
AT_HLT = StopAt(hlt=True)


def says(text: bytes) -> bytes:
    return b"".join(out(0xE9, byte) for byte in text)


def stopping(folder: Path, *stages: tuple[bytes, StopAt]) -> Guest:
    """A guest whose stages are (code, what ends it)."""
    machine = guest(folder, *(code for code, _ in stages))
    chain = [replace(stage, stop=stages[at][1]) for at, stage in enumerate(machine.chain)]
    return Guest(chain, PORT, budget=100_000)


def ending(machine: Guest, *answers: int) -> tuple[Outcome | None, str]:
    burst = machine.start()
    for answer in answers:
        assert burst.point is not None
        burst = machine.resume(burst.point, answer)
    end = burst.ops[-1].end
    assert end is not None
    return end.outcome, end.message


def in_ring(text: bytes) -> bytes:
    """`text`, of 4 bytes, through the console's ring."""
    word = int.from_bytes(text, "little")
    event = poke(DATA, PORT + 1) + hypercall(32, 4, DATA)
    return SET_UP + poke(CONSOLE + 1024, word) + poke(CONSOLE + 3084, len(text)) + event


PRINTERS = {
    "port 0xe9": says(b"zab> "),
    "console_io": SET_UP
    + poke(DATA + 64, int.from_bytes(b"ab> ", "little"))
    + hypercall(18, 0, 4, DATA + 64),
    "the console's ring": in_ring(b"ab> "),
    "one after another": says(b"a") + in_ring(b"b> ."),
}


@pytest.mark.parametrize("code", PRINTERS.values(), ids=PRINTERS)
def test_a_text_ends_a_stage_well(tmp_path: Path, code: bytes) -> None:
    machine = stopping(tmp_path, (code + SPIN, PROMPT))
    for _ in range(2):
        assert ending(machine) == (Outcome.CONNECTED, 'printed "ab> "')
    assert ending(stopping(tmp_path, (code + SPIN, NEVER)))[0] is Outcome.HUNG


def test_nothing_is_done_behind_the_text(tmp_path: Path) -> None:
    code = poke(REQ_PROD, 1) + says(b"ab> ") + poke(REQ_PROD, 2) + SPIN
    ops = stopping(tmp_path, (code, PROMPT)).start().ops
    assert [op.value for op in ops if op.kind is Kind.STORE] == [1]


def test_hlt_ends_a_stage_well(tmp_path: Path) -> None:
    assert ending(stopping(tmp_path, (HLT, AT_HLT))) == (Outcome.CONNECTED, "executed HLT")
    assert ending(stopping(tmp_path, (HLT, NEVER)))[0] is Outcome.HUNG
    assert ending(stopping(tmp_path, (HLT, PROMPT)))[0] is Outcome.HUNG


@pytest.mark.parametrize("stop", [PROMPT, AT_HLT, StopAt(requests=1)])
def test_another_end_is_what_it_is(tmp_path: Path, stop: StopAt) -> None:
    assert ending(stopping(tmp_path, (UD2, stop)))[0] is Outcome.CRASHED
    assert ending(stopping(tmp_path, (SPIN, stop)))[0] is Outcome.HUNG
    crash = SET_UP + shutdown(3)
    assert ending(stopping(tmp_path, (crash, stop)))[0] is Outcome.CRASHED


@pytest.mark.parametrize(("code", "stop"), [(says(b"ab> "), PROMPT), (HLT, AT_HLT)])
@pytest.mark.parametrize("keep_states", [False, True])
def test_the_next_image_is_loaded_after_an_earlier_stage(
    tmp_path: Path, code: bytes, stop: StopAt, keep_states: bool
) -> None:
    next_one = poke(REQ_PROD, 9) + load(REQ_CONS) + code
    machine = stopping(tmp_path, (code + SPIN, stop), (next_one + SPIN, stop))
    machine.keep_states = keep_states
    for _ in range(2):
        burst = machine.start()
        assert [(op.kind, op.site.stage) for op in burst.ops] == [
            (Kind.STORE, "stage1"),
            (Kind.LOAD, "stage1"),
        ]
        assert burst.point is not None
        end = machine.resume(burst.point, 0).ops[-1].end
        assert end is not None
        assert end.outcome is Outcome.CONNECTED


def test_a_stage_begins_with_nothing_printed(tmp_path: Path) -> None:
    first = (says(b"ab") + HAND_OVER, PROMPT)
    machine = stopping(tmp_path, first, (says(b"> ") + SPIN, PROMPT))
    assert ending(machine)[0] is Outcome.HUNG


def test_going_back_takes_back_what_was_printed(tmp_path: Path) -> None:
    """With the answer 0 the guest prints the text's first half before it asks again."""
    half = says(b"ab")
    maybe = load(REQ_CONS) + b"\x85\xc0\x75" + bytes([len(half)]) + half  # test eax, eax; jne
    machine = stopping(tmp_path, (maybe + load(REQ_CONS) + says(b"> ") + SPIN, PROMPT))
    machine.keep_states = True
    first = machine.start().point
    assert first is not None
    printed, silent = machine.resume(first, 0).point, machine.resume(first, 1).point
    assert printed is not None
    assert silent is not None
    assert machine.key(printed) != machine.key(silent)
    for point, outcome in ((printed, Outcome.CONNECTED), (silent, Outcome.HUNG)) * 2:
        end = machine.resume(point, 0).ops[-1].end
        assert end is not None
        assert end.outcome is outcome


def test_going_back_to_an_earlier_stage_waits_for_its_text(tmp_path: Path) -> None:
    first_one = (load(REQ_CONS) + says(b"ab> ") + SPIN, PROMPT)
    machine = stopping(tmp_path, first_one, (load(REQ_CONS) + SPIN, NEVER))
    machine.keep_states = True
    first = machine.start().point
    assert first is not None
    for _ in range(2):
        assert machine.resume(first, 0).ops[-1].site.stage == "stage1"


@pytest.mark.parametrize(
    ("text", "parts", "there"),
    [
        ("aab", ["a", "a", "a", "b"], True),
        ("aab", ["ab", "aab"], True),
        ("abab", ["aba", "a", "bab"], True),
        ("abab", ["abab"], True),
        ("abab", ["ab", "b", "ab"], False),
        ("ab", ["xx", "xaxb"], False),
        ("", ["ab"], False),
    ],
)
def test_a_text_may_come_in_parts(text: str, parts: list[str], there: bool) -> None:
    awaited = Awaited()
    awaited.begin(text.encode())
    heard = [awaited.hear(part.encode()) for part in parts]
    assert heard[-1] is there
    assert not any(heard[:-1])
    assert there or len(awaited.seen) < max(1, len(text))
