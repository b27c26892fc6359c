"""What GDB asks, and what it is answered; without GDB."""

from __future__ import annotations

import re
import struct

import pytest
from stub import LEGACY, TSO, Debugged

from guestsim.debug.description import REGISTERS


@pytest.fixture
def debugged() -> Debugged:
    return Debugged(LEGACY)


def monitor(debugged: Debugged, line: str) -> str:
    *output, done = debugged.ask("qRcmd," + line.encode().hex())
    assert done == "OK"
    return "".join(output)


def eip(debugged: Debugged) -> int:
    (value,) = debugged.ask("p8")
    return int(struct.unpack("<I", bytes.fromhex(value))[0])


def test_it_can_go_back_and_says_so(debugged: Debugged) -> None:
    (features,) = debugged.ask("qSupported:multiprocess+;swbreak+")
    assert {"ReverseStep+", "ReverseContinue+", "swbreak+"} <= set(features.split(";"))
    assert debugged.ask("vMustReplyEmpty") == [""]
    assert debugged.ask("vNobodyKnows") == [""]
    assert debugged.ask("?") == ["T05thread:1;"]


def test_the_registers_are_described_and_given(debugged: Debugged) -> None:
    text, first = "", 0
    while True:
        (part,) = debugged.ask(f"qXfer:features:read:target.xml:{first:x},100")
        text, first = text + part[1:], first + len(part) - 1
        if part[0] == "l":
            break
    named = re.findall(r'<reg name="(\w+)" bitsize="(\d+)"', text)
    assert {name: int(bits) // 8 for name, bits in named} == REGISTERS
    (values,) = debugged.ask("g")
    assert len(values) == 2 * sum(REGISTERS.values())
    assert eip(debugged) == debugged.setup.images[0].entry
    assert values[8 * 8 : 9 * 8] == eip(debugged).to_bytes(4, "little").hex()
    assert debugged.ask("p10") == ["x" * 20], "st0 is not available"
    assert debugged.ask("pff") == debugged.ask("pz") == ["E16"]


def test_memory_is_read_where_there_is_some(debugged: Debugged) -> None:
    image = debugged.setup.images[0]
    segment = image.segments[0]
    (content,) = debugged.ask(f"m{segment.address:x},10")
    assert bytes.fromhex(content) == segment.data[:16]
    assert debugged.ask("mfeffc800,10") == ["00" * 16], "the ring page"
    assert debugged.ask("md0000000,4") == ["E14"]
    assert debugged.ask("mfeffcffe,4") == ["E14"], "there is nothing behind it"
    assert debugged.ask("m1000") == ["E16"]


@pytest.mark.parametrize("packet", ["G00", "P8=00000000", "M100000,1:90", "X100000,1:x"])
def test_the_guest_is_not_changed(debugged: Debugged, packet: str) -> None:
    assert debugged.ask(packet) == ["E01"]


def test_it_steps_breaks_and_goes_back(debugged: Debugged) -> None:
    entry, target = eip(debugged), debugged.function("ring_write")
    assert debugged.ask("vCont;s:1;c") == ["T05thread:1;"]
    assert eip(debugged) != entry
    assert debugged.ask(f"Z0,{target:x},1") == ["OK"]
    assert debugged.ask("vCont;c") == ["T05swbreak:;thread:1;"]
    assert eip(debugged) == target
    assert debugged.ask("?") == ["T05swbreak:;thread:1;"]
    assert debugged.ask(f"m{target:x},1") != ["cc"], "nothing is written into the guest"
    assert debugged.ask("bs") == ["T05thread:1;"]
    assert debugged.ask(f"z0,{target:x},1") == ["OK"]
    assert debugged.ask(f"Z1,{target:x},1") == ["OK"]
    assert debugged.ask("c") == ["T05hwbreak:;thread:1;"]
    assert debugged.ask("bc") == ["T05replaylog:begin;thread:1;"]
    assert eip(debugged) == entry


def test_a_range_is_stepped_through_at_once(debugged: Debugged) -> None:
    target = debugged.function("ring_write")
    debugged.ask(f"Z0,{target:x},1")
    debugged.ask("c")
    assert debugged.ask(f"vCont;r{target:x},{target + 12:x}:1") == ["T05thread:1;"]
    assert eip(debugged) >= target + 12


def test_a_watch_says_where(debugged: Debugged) -> None:
    assert debugged.ask("Z2,feffc804,4") == ["OK"]
    assert debugged.ask("c") == ["T05watch:feffc804;thread:1;"]
    assert "req_prod = 16" in monitor(debugged, "ring")
    assert debugged.ask("z2,feffc804,4") == ["OK"]
    assert debugged.ask("Z3,feffc808,4") == debugged.ask("Z4,feffc80c,4") == ["OK"]
    stops = {debugged.ask("c")[-1] for _ in range(4)}
    assert stops == {"T05awatch:feffc80c;thread:1;", "T05rwatch:feffc808;thread:1;"}
    assert debugged.ask("Z2,100000,4") == ["E01"], "only what is shared"
    assert debugged.ask("Z5,100000,4") == [""]
    assert debugged.ask("Z0,zz") == ["E16"]


def test_the_end_is_told(debugged: Debugged) -> None:
    told, stop = debugged.ask("c")
    assert told.startswith("refused (xenstored): found req_prod - req_cons = -31")
    assert stop == "T05replaylog:end;thread:1;"
    assert debugged.ask("s")[-1] == "T05replaylog:end;thread:1;"
    assert "gave the connection up" in monitor(debugged, "schedule")
    assert '/local/domain/1/hvmloader/bios = "seabios"' in monitor(debugged, "store")


def test_the_next_stage_is_told_both_ways(debugged: Debugged) -> None:
    assert "goes round, and nothing" in monitor(debugged, "daemon until store rsp_prod")
    debugged.ask(f"Z0,{debugged.function('ring_write'):x},1")
    debugged.ask("c")
    monitor(debugged, "daemon")
    debugged.ask(f"z0,{debugged.function('ring_write'):x},1")
    told, stop = debugged.ask("c")
    assert told == "stage frontend now; its symbols: symbol-file frontend.elf\n"
    assert stop == "T05thread:1;"
    assert eip(debugged) == debugged.setup.images[1].entry
    assert "* frontend: symbol-file frontend.elf" in monitor(debugged, "stages")
    told, _ = debugged.ask("bs")
    assert told == "stage reset-poison now; its symbols: symbol-file reset-poison.elf\n"


def test_gdb_leaves(debugged: Debugged) -> None:
    for packet in ("D", "k", "vKill;1"):
        debugged.session.ended = False
        assert debugged.ask(packet) == ["OK"]
        assert debugged.session.ended


def test_monitor_shows_and_moves(debugged: Debugged) -> None:
    debugged.ask(f"Z0,{debugged.function('ring_write'):x},1")
    debugged.ask("c")
    debugged.ask("c")
    assert "req_cons = 0, req_prod = 16: 16 bytes: \\x02" in monitor(debugged, "ring")
    told = monitor(debugged, "schedule")
    assert told.startswith("step 9 of the 2170 of the witness\n")
    assert "next of xenstored: load req_prod (domain_can_read)" in told
    assert "next of guest: load req_cons (xenbus.c:80 ring_write)" in told
    told = monitor(debugged, "daemon 2")
    assert told.startswith("xenstored: load req_prod = 16 (domain_can_read)\n")
    assert "this is not the witness any more, from step 9 on" in told
    told = monitor(debugged, "daemon until store req_cons = 16")
    assert told.endswith("xenstored: store req_cons = 16 (readchn)\n")
    assert "req_cons = 16, req_prod = 16: 0 bytes" in monitor(debugged, "ring")
    assert monitor(debugged, "schedule").startswith("step 20; the witness was left at step 9\n")
    assert monitor(debugged, "witness") == "the witness again\n"
    assert "req_cons = 0, req_prod = 16" in monitor(debugged, "ring")
    assert monitor(debugged, "witness") == "this is the witness\n"


def test_monitor_says_when_gdb_has_to_look_again(debugged: Debugged) -> None:
    monitor(debugged, "daemon")
    debugged.ask("s")
    assert "maintenance flush register-cache" in monitor(debugged, "witness")
    assert eip(debugged) == debugged.setup.images[0].entry


def test_monitor_shows_a_store_buffer() -> None:
    debugged = Debugged(TSO)
    debugged.ask(f"Z0,{debugged.function('ring_write'):x},1")
    debugged.ask("c")
    while "store buffer of guest: store req" not in monitor(debugged, "ring"):
        debugged.ask("s")
    before = monitor(debugged, "ring")
    assert debugged.timeline.course.execution.memory[:4] == bytes(4), "not there yet"
    assert debugged.ask("mfeffc000,4") == ["02000000"], "but the guest would load it"
    assert monitor(debugged, "drain").startswith("guest: store req[0..3] = 2")
    assert monitor(debugged, "ring") != before
    assert "cannot move now" in monitor(debugged, "drain 100")


def test_monitor_explains_itself(debugged: Debugged) -> None:
    for command in ("help", ""):
        assert "monitor daemon until EVENT" in monitor(debugged, command)
    assert 'did you mean "daemon"' in monitor(debugged, "deamon")
    assert "no such command; monitor help" in monitor(debugged, "ring of fire")
    assert "a number of steps" in monitor(debugged, "daemon many")
    assert "no store buffers" in monitor(debugged, "drain")
    assert "no such node" in monitor(debugged, "store /nowhere")
    assert "an event begins with its kind" in monitor(debugged, "daemon until")
    assert debugged.ask("qRcmd,zz") == ["E16"]
