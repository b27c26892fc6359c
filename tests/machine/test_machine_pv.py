"""Grant table, channels, console ring and memory map of a guest: GRUB asks for all of them."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest
from code86 import (
    BASE,
    DATA,
    HAND_OVER,
    PORT,
    RING,
    SET_UP,
    elf,
    guest,
    hypercall,
    load,
    mov_eax,
    poke,
    store,
)

from guestsim.machine.guest import Guest, Stage
from guestsim.machine.hypervisor import CONSOLE_PFN
from guestsim.machine.image import load_image
from guestsim.trace.ops import Kind

REQ_CONS, REQ_PROD = RING + 2048, RING + 2052
ARGUMENT, BUFFER = DATA + 64, DATA + 256
GRANTS = 0x1000000  # just behind RAM, where GRUB has them
CONSOLE = CONSOLE_PFN << 12
OUT, OUT_CONS, OUT_PROD = CONSOLE + 1024, CONSOLE + 3080, CONSOLE + 3084
SHOW = store(REQ_PROD)
END = load(REQ_CONS)
INVALID, NO_SUCH, NOT_THERE = -22, -3, -38


def words(*values: int) -> bytes:
    """Put 32-bit words at ARGUMENT."""
    return b"".join(poke(ARGUMENT + 4 * at, value) for at, value in enumerate(values))


def shown(machine: Guest) -> list[int]:
    """What it stores to req_prod, as signed numbers."""
    stores = [op.value for op in machine.start().ops if op.kind is Kind.STORE]
    return list(struct.unpack(f"<{len(stores)}i", struct.pack(f"<{len(stores)}I", *stores)))


def said(machine: Guest) -> list[str]:
    return [f"{notice.what}: {notice.answer}" for notice in machine.notices]


def add_to_physmap(page: int, space: int = 1, index: int = 0) -> bytes:
    return words(0x7FF0, space, index, page) + hypercall(12, 7, ARGUMENT)


def allocate(domain: int = 0x7FF0) -> bytes:
    """EVTCHNOP_alloc_unbound for domain 0: the port, or the error, is shown."""
    return words(domain, 0) + hypercall(32, 6, ARGUMENT)


PORT_SHOWN = load(ARGUMENT + 4) + SHOW


def close(port: int) -> bytes:
    return words(port) + hypercall(32, 3, ARGUMENT)


def grants(command: int, count: int = 1) -> bytes:
    return hypercall(20, command, ARGUMENT, count)


# -- event channels -------------------------------------------------------------------------------


def test_a_new_channel_has_the_lowest_port_that_is_free(tmp_path: Path) -> None:
    take = allocate() + PORT_SHOWN
    code = SET_UP + take * 4 + close(2) + SHOW + take + take + END
    # PORT is the store's, PORT + 1 the console's.
    assert shown(guest(tmp_path, code)) == [1, 2, 3, PORT + 2, 0, 2, PORT + 3]


def test_what_is_wrong_with_a_channel(tmp_path: Path) -> None:
    send = words(1) + hypercall(32, 4, ARGUMENT) + SHOW
    code = SET_UP + close(1) + SHOW + allocate(5) + SHOW + send + allocate() + send + END
    assert shown(guest(tmp_path, code)) == [INVALID, NO_SUCH, INVALID, 0]


def test_what_is_known_of_a_channel(tmp_path: Path) -> None:
    look = words(0x7FF0, 1) + hypercall(32, 5, ARGUMENT) + load(ARGUMENT + 8) + SHOW
    code = SET_UP + look + allocate() + look + close(1) + look + END
    assert shown(guest(tmp_path, code)) == [0, 1, 0]


def test_ports_run_out(tmp_path: Path) -> None:
    loop = mov_eax(0) + allocate() + b"\x85\xc0"  # test eax, eax
    back = len(SET_UP) + len(loop) + 6
    code = SET_UP + loop + b"\x0f\x84" + struct.pack("<i", len(SET_UP) - back) + SHOW + END
    assert shown(guest(tmp_path, code)) == [-28]


def test_the_toolstacks_channels_cannot_be_closed(tmp_path: Path) -> None:
    machine = guest(tmp_path, SET_UP + close(PORT) + SHOW + END)
    assert shown(machine) == [NOT_THERE]
    assert said(machine) == [
        f"EVTCHNOP_close of port {PORT}, which the toolstack has bound: ENOSYS"
    ]


@pytest.mark.parametrize("closed", [False, True])
def test_a_channel_is_a_state_until_it_is_closed(tmp_path: Path, closed: bool) -> None:
    """Else a search of a guest that takes and closes channels in a loop never ends."""
    code = SET_UP + END + allocate() + (close(1) if closed else b"") + END
    machine = guest(tmp_path, code)
    machine.keep_states = True
    first = machine.start().point
    assert first is not None
    second = machine.resume(first, 0).point
    assert second is not None
    assert first.state is not None
    assert second.state is not None
    assert (first.state.hypervisor == second.state.hypervisor) == closed


def test_going_back_gives_a_channel_back(tmp_path: Path) -> None:
    machine = guest(tmp_path, SET_UP + END + allocate() + PORT_SHOWN + END)
    machine.keep_states = True
    first = machine.start()
    assert first.point is not None
    for _ in range(3):
        assert machine.resume(first.point, 0).ops[0].value == 1


# -- grant table ----------------------------------------------------------------------------------


def test_the_table_is_plain_memory_where_the_guest_wants_it(tmp_path: Path) -> None:
    look = load(GRANTS) + SHOW
    code = SET_UP + add_to_physmap(GRANTS >> 12) + SHOW + look + poke(GRANTS, 77) + look
    machine = guest(tmp_path, code + END)
    assert shown(machine) == [0, 0, 77]
    assert shown(machine) == [0, 0, 77]


def test_the_table_moves_with_what_it_holds(tmp_path: Path) -> None:
    low = 0x300000
    code = (
        SET_UP
        + poke(low, 5)
        + add_to_physmap(GRANTS >> 12)
        + poke(GRANTS, 77)
        + add_to_physmap(low >> 12)
        + load(low)
        + SHOW
    )
    assert shown(guest(tmp_path, code + END)) == [77]


def test_the_table_has_one_place(tmp_path: Path) -> None:
    machine = guest(
        tmp_path,
        SET_UP
        + add_to_physmap(RING >> 12)
        + SHOW
        + add_to_physmap(1 << 20)
        + SHOW
        + add_to_physmap(GRANTS >> 12, index=1)
        + SHOW
        + END,
    )
    assert shown(machine) == [INVALID, INVALID, NOT_THERE]
    assert said(machine) == ["XENMEM_add_to_physmap of space 1, index 1: ENOSYS"]


def test_going_back_takes_the_table_away(tmp_path: Path) -> None:
    frames = words(0x7FF0, 1, 0, BUFFER) + grants(2) + load(BUFFER) + SHOW
    machine = guest(tmp_path, SET_UP + END + frames + add_to_physmap(GRANTS >> 12) + frames + END)
    machine.keep_states = True
    first = machine.start()
    assert first.point is not None
    for _ in range(3):
        ops = machine.resume(first.point, 0).ops
        assert [op.value for op in ops if op.kind is Kind.STORE] == [0xFFFFFFFF, GRANTS >> 12]


CALLS = {
    "set_version 1": (words(1) + grants(8), 0, []),
    "set_version 2": (words(2) + grants(8), NOT_THERE, ["version 2 of the grant table: ENOSYS"]),
    "set_version 3": (words(3) + grants(8), INVALID, []),
    "dump_table, as Xen answers an HVM guest": (words(0x7FF0) + grants(3), NOT_THERE, []),
    "copy": (grants(5), NOT_THERE, ["grant_table_op 5: ENOSYS"]),
    "two elements": (grants(8, 2), NOT_THERE, ["grant_table_op 8 of 2 elements: ENOSYS"]),
    "setup_table of another": (
        words(5, 1, 9, BUFFER) + grants(2),
        NOT_THERE,
        ["the grant table of domain 5: ENOSYS"],
    ),
    "setup_table": (words(0x7FF0, 1, 9, BUFFER) + grants(2) + load(ARGUMENT + 8), 0, []),
    "setup_table of too many": (
        words(0x7FF0, 65, 0, BUFFER) + grants(2) + load(ARGUMENT + 8),
        0xFFFF,
        [],
    ),
}


@pytest.mark.parametrize(("code", "answer", "notices"), CALLS.values(), ids=CALLS)
def test_a_call_of_the_grant_table(
    tmp_path: Path, code: bytes, answer: int, notices: list[str]
) -> None:
    machine = guest(tmp_path, SET_UP + code + SHOW + END)
    assert shown(machine) == [answer]
    assert said(machine) == notices


UNPROVIDED = {
    **{f"event_channel_op {op}": hypercall(32, op, ARGUMENT) for op in (0, 1, 2, 7, 8, 10, 11)},
    **{f"grant_table_op {op}": grants(op) for op in (0, 1, 4, 5, 6, 7, 9, 10, 11, 12)},
    "console_io 1": hypercall(18, 1, 4, BUFFER),
}


@pytest.mark.parametrize("what", UNPROVIDED)
def test_what_is_not_provided_is_told_and_changes_nothing(tmp_path: Path, what: str) -> None:
    machine = guest(tmp_path, SET_UP + END + UNPROVIDED[what] + SHOW + END)
    machine.keep_states = True
    first = machine.start().point
    assert first is not None
    burst = machine.resume(first, 0)
    assert [op.value for op in burst.ops if op.kind is Kind.STORE] == [0xFFFFFFFF + 1 + NOT_THERE]
    assert said(machine) == [f"{what}: ENOSYS"]
    assert first.state is not None
    assert burst.point is not None
    assert burst.point.state is not None
    assert burst.point.state.hypervisor == first.state.hypervisor


# -- console --------------------------------------------------------------------------------------

EVENT = words(PORT + 1) + hypercall(32, 4, ARGUMENT)


def test_what_is_in_the_ring_at_an_event_is_printed(tmp_path: Path) -> None:
    code = SET_UP + poke(OUT, 0x43324241) + poke(OUT_PROD, 3) + EVENT + load(OUT_CONS) + SHOW
    machine = guest(tmp_path, code + EVENT + poke(OUT_PROD, 4) + END)
    assert shown(machine) == [3]
    assert machine.console == "AB2", "and no byte twice, nor any before its event"


def test_the_ring_goes_over_its_end(tmp_path: Path) -> None:
    ahead = 0xFFFFFFFE
    code = SET_UP + poke(OUT_CONS, ahead) + poke(OUT_PROD, 2)
    code += poke(OUT, 0x44434443) + poke(OUT + 2044, 0x42410000) + EVENT
    machine = guest(tmp_path, code + END)
    machine.start()
    assert machine.console == "ABCD"


def test_a_ring_that_makes_no_sense_is_left_alone(tmp_path: Path) -> None:
    machine = guest(tmp_path, SET_UP + poke(OUT_PROD, 2049) + EVENT + load(OUT_CONS) + SHOW + END)
    assert shown(machine) == [0]
    assert machine.console == ""


# -- memory map -----------------------------------------------------------------------------------


def map_of(machine: Guest) -> list[tuple[int, int, int]]:
    machine.start()
    (count,) = struct.unpack("<I", machine.machine.memory.read(ARGUMENT, 4))
    packed = machine.machine.memory.read(BUFFER, 20 * count)
    return [struct.unpack_from("<QQI", packed, 20 * at) for at in range(count)]


ASK = words(8, BUFFER) + hypercall(12, 9, ARGUMENT)


@pytest.mark.parametrize("pvh", [False, True])
def test_the_map_is_that_of_how_the_image_boots(tmp_path: Path, pvh: bool) -> None:
    path = tmp_path / "image.elf"
    path.write_bytes(elf([(BASE, SET_UP + ASK + END)]))
    image = replace(load_image("image", path), pvh=pvh)
    assert map_of(Guest([Stage(image)], PORT)) == (
        [(0, 16 << 20, 1), (0xFEFF8000, 0x8000, 2)] if pvh else [(1 << 20, 15 << 20, 1)]
    )


def test_each_stage_has_its_own_map(tmp_path: Path) -> None:
    path = tmp_path / "image.elf"
    stages = []
    for code, pvh in ((HAND_OVER, True), (SET_UP + ASK + END, False)):
        path.write_bytes(elf([(BASE, code)]))
        stages.append(Stage(replace(load_image("image", path), pvh=pvh)))
    assert len(map_of(Guest(stages, PORT))) == 1


def test_a_map_that_the_guest_has_set_is_told_from_then_on(tmp_path: Path) -> None:
    entry = b"".join(poke(BUFFER + 4 * at, word) for at, word in enumerate((0, 0, 4096, 0, 2)))
    replaced = entry + words(0x7FF0, 1, BUFFER) + hypercall(12, 13, ARGUMENT)
    machine = guest(tmp_path, SET_UP + replaced + poke(BUFFER, 7) + ASK + END)
    assert map_of(machine) == [(0, 4096, 2)]
    machine = guest(tmp_path, SET_UP + END + ASK + load(BUFFER + 8) + SHOW + replaced + END)
    machine.keep_states = True
    first = machine.start()
    assert first.point is not None
    for _ in range(2):
        assert machine.resume(first.point, 0).ops[0].value == 15 << 20


def test_a_map_of_too_many_entries(tmp_path: Path) -> None:
    code = words(0x7FF0, 1025, BUFFER) + hypercall(12, 13, ARGUMENT) + SHOW
    assert shown(guest(tmp_path, SET_UP + code + END)) == [INVALID]
