"""Debian's GDB on the stub, as people use it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from stub import LEGACY, ROOT, SCENARIOS, TSO, gdb

from guestsim.debug.monitor import HELP
from guestsim.runner import builtin_images, set_up
from guestsim.runner.symbolize import Symbolizer
from guestsim.scenario import load_one

HVMLOADER = os.environ.get("GUESTSIM_HVMLOADER", "")
BOTH = pytest.mark.parametrize("path", [LEGACY, TSO], ids=["sc", "tso"])
SC_IN_CI = pytest.mark.parametrize(
    "path", [LEGACY, pytest.param(TSO, marks=pytest.mark.heavy)], ids=["sc", "tso"]
)


def symbols(name: str = "reset-poison") -> Path:
    """The file of a stage of ours."""
    setup = set_up(load_one(LEGACY))
    return Symbolizer(setup.images).files[name].absolute()


def in_order(text: str, *wanted: str) -> None:
    """Each of these stands behind the one before it."""
    at = 0
    for each in wanted:
        found = text.find(each, at)
        assert found >= 0, f"{each!r} is not there, or too early:\n{text}"
        at = found + len(each)


@BOTH
def test_break_step_and_back_to_the_same_registers(path: Path) -> None:
    show = ("info registers", "x/4xw $esp")
    text = gdb(
        path,
        symbols(),
        *("break ring_write", "continue", "bt", "echo <one>\\n", *show, "echo <two>\\n"),
        *("step", "reverse-step", "echo <three>\\n", "reverse-stepi"),
        *("delete", "stepi 40", "info registers eip", "reverse-stepi 40", *show, "echo <four>\\n"),
    )
    in_order(text, "Breakpoint 1, ring_write", "xenbus.c:79", "xenbus_send", "image_main")
    one, _, rest = text.partition("<one>\n")[2].partition("<two>\n")
    step, _, back = rest.partition("<three>\n")
    assert re.search(r"^eip +0x10[0-9a-f]+ ", one, re.MULTILINE)
    in_order(step, "80\t", "79\t")
    assert back.partition("<four>\n")[0].endswith(one), "a step, and back"


@SC_IN_CI
def test_continue_to_the_end_and_back_to_the_beginning(path: Path) -> None:
    text = gdb(
        path,
        symbols(),
        *("break reset.c:18", "continue", "delete", "continue"),
        *("break ring_write", "reverse-continue", "reverse-continue", "bt 1"),
        *("delete", "reverse-continue", "info registers eip"),
    )
    in_order(
        text,
        *("Breakpoint 1", "reset.c:18"),
        *("refused (xenstored): found req_prod - req_cons = -31", "No more reverse-execution"),
        *("Breakpoint 2, ring_write", "Breakpoint 2, ring_write", "#0", "ring_write"),
        *("No more reverse-execution", "<_start>"),
    )


@BOTH
def test_monitor_shows_the_ring_and_moves_the_daemon(path: Path) -> None:
    text = gdb(
        path,
        symbols(),
        *("break ring_write", "monitor ring", "continue", "finish"),
        *("echo <one>\\n", "monitor ring", "print ring->req_prod", "print ring->req_cons"),
        *("monitor daemon until store req_cons", "monitor ring", "print ring->req_cons"),
        *("monitor schedule", "monitor witness", "print ring->req_cons"),
    )
    in_order(
        text,
        *("req_prod = 0: 0 bytes", "<one>"),
        *("req_cons = 0, req_prod = 16: 16 bytes", "$1 = 16", "$2 = 0"),
        *("xenstored: store req_cons = 16 (readchn)", "not the witness any more"),
        *("req_cons = 16, req_prod = 16: 0 bytes", "$3 = 16"),
        *("the witness was left at step", "the witness again", "$4 = 0"),
    )


@SC_IN_CI
def test_a_watchpoint_stops_at_the_daemon(path: Path) -> None:
    text = gdb(
        path,
        symbols(),
        *("break ring_write", "continue", "delete", "watch -l ring->rsp_prod"),
        *("continue", "monitor schedule", "reverse-continue", "print ring->rsp_prod"),
    )
    in_order(
        text,
        *("Hardware watchpoint 2: -location ring->rsp_prod", "Old value = 0", "New value = "),
        *("xenstored: store rsp_prod = ", "next of guest"),
        *("New value = 0", "$1 = 0"),
    )


def test_the_next_stage_has_symbols_of_its_own() -> None:
    path = SCENARIOS / "torn-reset.toml#closing-sc"
    first = builtin_images()["reconnect"].file
    text = gdb(
        path,
        symbols().with_name(first),
        *("continue", f"symbol-file {symbols().with_name('frontend.elf')}"),
        *("break image_main", "continue", "bt", "next"),
    )
    in_order(
        text,
        *("stage frontend now; its symbols: symbol-file /", "frontend.elf", "SIGTRAP"),
        *("Breakpoint 1, image_main", "firmware/images/frontend/main.c"),
    )


def test_the_guest_is_not_written_to() -> None:
    text = gdb(
        LEGACY,
        symbols(),
        *("set var $eax = 1", "set var *(int *)0x100000 = 1", "print $eip", "x/1xw 0x100000"),
    )
    in_order(text, "Could not write register", "Cannot access memory", "<_start>", "_start>:")


def test_the_real_hvmloader_at_its_reset() -> None:
    if not HVMLOADER:
        pytest.skip("GUESTSIM_HVMLOADER names no hvmloader")
    path = SCENARIOS / "real/torn-reset.toml#legacy"
    setup = set_up(load_one(path), {"hvmloader": Path(HVMLOADER)})
    separate = Symbolizer(setup.images).files["hvmloader"]
    text = gdb(
        path,
        separate,
        *("break xenbus.c:93", "continue", "bt", "monitor schedule", "step"),
        *("info registers eip", "reverse-step", "info registers eip", "continue"),
        *("reverse-continue", "monitor ring"),
        options=("--image", f"hvmloader={HVMLOADER}"),
    )
    in_order(
        text,
        *("Breakpoint 1, xenbus_shutdown", "xenbus.c:93", "main", "hvmloader.c:437"),
        *("next of guest: store req_prod (xenbus.c:93 xenbus_shutdown)", "xenbus_shutdown+"),
        *("Breakpoint 1, xenbus_shutdown", "xenbus_shutdown+"),
        *("refused (xenstored): found req_prod - req_cons = -1240", "No more reverse-execution"),
        *("Breakpoint 1, xenbus_shutdown", "req_cons = 1240, req_prod = 1240: 0 bytes"),
    )


def test_the_session_in_the_docs_is_what_gdb_prints() -> None:
    docs = (ROOT / "docs" / "debug.md").read_text()
    shown = re.search(r"^```text\n(.*?)^```$", docs, re.MULTILINE | re.DOTALL)
    assert shown is not None
    commands = re.findall(r"^\(gdb\) (.*)$", shown[1], re.MULTILINE)
    told = gdb(
        LEGACY,
        symbols(),
        *(part for each in commands for part in (f"echo (gdb) {each}\\n", each)),
    )
    told = told.partition("[Inferior 1")[0].replace(str(ROOT), "/home/you/guestsim")
    assert shown[1].rstrip() == told.rstrip(), "copy what GDB prints now into docs/debug.md"


def test_every_monitor_command_is_in_the_docs() -> None:
    docs = (ROOT / "docs" / "debug.md").read_text()
    for line in HELP.splitlines():
        assert f"`{line.partition('  ')[0]}`" in docs
