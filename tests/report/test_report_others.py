"""Those who ask the daemon have lanes of their own."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from report_traces import Tape
from rich.console import Console

from guestsim.report.explain import sentence
from guestsim.report.figures.mermaid import sequence_diagram
from guestsim.report.figures.perfetto import trace_events
from guestsim.report.figures.svg import picture
from guestsim.report.figures.vcd import value_change_dump
from guestsim.report.rows import RowKind, rows
from guestsim.report.timeline import render
from guestsim.trace import MEANING, NOBODY, Flag, Kind, Op, Outcome, asks
from guestsim.trace.ops import End, Site
from guestsim.trace.results import Run
from guestsim.trace.shared import server_pending_place, suspended_place

NAMES = {"guest": "guest", "daemon": "xenstored", "toolstack": "toolstack", "backend": "backend"}

MAIN = Site(stage="xenstored", function="main")
NOTE = MEANING.join([NOBODY, asks("toolstack"), asks("backend")])
SLEEP = Op(Kind.WAIT, *server_pending_place(), site=MAIN, flags=Flag.SPURIOUS | Flag.CONSUME)
WRITE = "write data/x=2"


def asked(tape: Tape, answer: int, *acts: Op) -> None:
    """The daemon wakes, and serves whom the answer means."""
    tape.at("daemon", MAIN)
    tape.perform(SLEEP)
    tape.at("daemon", Site())
    tape.perform(Op(Kind.CHOOSE, value=3, note=NOTE), answer)
    for op in acts:
        tape.at("daemon", op.site)
        tape.perform(op)


def act(who: str, what: str) -> Op:
    return Op(Kind.ACT, site=Site(stage=who), note=what)


def connected() -> Run:
    tape = Tape()
    asked(tape, 2, act("backend", WRITE))
    asked(tape, 0)
    resume = Op(Kind.STORE, *suspended_place(still=False), Site(stage="toolstack"))
    asked(tape, 1, act("toolstack", "resume"), resume)
    tape.at("guest", Site(stage="frontend"))
    end = End(Outcome.CONNECTED, "frontend ended well", Site(stage="frontend"))
    tape.halt(end)
    return tape.run(Outcome.CONNECTED, end, "guest")


def crashed(outcome: Outcome = Outcome.CRASHED) -> Run:
    """An answer that is not the one that its line says."""
    tape = Tape()
    asked(tape, 2, act("backend", "read data/x=1"))
    site = Site(stage="backend")
    end = End(outcome, "backend: read data/x=1: was answered 2, not 1", site)
    tape.at("daemon", site)
    tape.halt(end)
    return tape.run(outcome, end, "daemon")


@pytest.mark.parametrize("full", [False, True])
def test_what_others_ask_stands_in_their_lane(full: bool) -> None:
    """With the choice that leads to it, which says the same; what it makes the daemon do, too."""
    found = {row.text: row for row in rows(connected(), NAMES, full=full)}
    row = found[WRITE]
    assert (row.actor, row.first, row.events) == ("backend", 1, 2)
    assert found["resume"].actor == found["resume guest"].actor == "toolstack"
    assert "backend asks" not in found


def test_nobody_is_an_answer_of_the_daemons() -> None:
    found = {row.text: row for row in rows(connected(), NAMES, full=True)}
    assert found[NOBODY].actor == "daemon"


def test_what_is_done_around_it_is_folded() -> None:
    """Others ask while the daemon moves; what it does before and after teaches nothing."""
    tape = Tape()
    for _ in range(9):
        asked(tape, 0)
    asked(tape, 2, act("backend", WRITE))
    for _ in range(9):
        asked(tape, 0)
    found = rows(tape.run(None, End(None, "cut short"), ""), NAMES)
    at = next(at for at, row in enumerate(found) if row.text == WRITE)
    assert found[at - 1].kind is found[at + 1].kind is RowKind.FOLD


def test_names_of_nobody_are_no_lanes() -> None:
    """An act of whom the names do not know stands with the actor who performed it."""
    names = {"guest": "guest", "daemon": "xenstored"}
    assert {row.actor for row in rows(connected(), names) if row.text == WRITE} == {"daemon"}
    json.loads(trace_events(connected(), names))


def test_who_cannot_go_on_says_so() -> None:
    """Not the daemon, though it is the daemon's op that ends the execution."""
    run = crashed()
    assert sentence(run, NAMES) == "backend cannot go on: read data/x=1: was answered 2, not 1."
    assert rows(run, NAMES)[-1].actor == "backend"


def test_a_daemon_that_dies_of_a_request_has_not_given_the_ring_up() -> None:
    run = crashed(Outcome.REFUSED)
    assert sentence(run, NAMES).startswith("backend cannot go on: read data/x=1")
    assert rows(run, NAMES)[-1].text.startswith("ends refused: backend: read")


@pytest.mark.parametrize("width", [80, 120])
def test_each_has_a_column(width: int) -> None:
    out = StringIO()
    render(connected(), NAMES, Console(file=out, width=width, legacy_windows=False))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    legend = " ".join(lines[:4])
    assert "from guest to xenstored" in legend
    head = next(line for line in lines if line.startswith("step"))
    cells = [cell.strip() for cell in head.split("│")]
    assert cells[1:5] == ["guest", "xenstored", "toolstack", "backend"]
    written = next(line for line in lines if "write" in line)
    assert written.split("│")[4].strip().startswith("write")


def test_a_picture_has_their_lanes() -> None:
    text = picture(connected(), NAMES)
    assert '<text class="name mid a3"' in text
    assert "f-a3" in text


def test_a_sequence_diagram_has_an_arrow_to_the_daemon() -> None:
    lines = [line.strip() for line in sequence_diagram(connected(), NAMES).splitlines()]
    assert "participant a3 as backend" in lines
    assert f"a3->>a1: {WRITE}" in lines


def test_a_trace_has_a_track_for_each() -> None:
    events = json.loads(trace_events(connected(), NAMES))["traceEvents"]
    tracks = {each["args"]["name"]: each["tid"] for each in events if each["name"] == "thread_name"}
    (written,) = (each for each in events if each["name"] == WRITE)
    assert (written["tid"], written["ts"], written["dur"]) == (tracks["backend"], 1, 2)


def test_waveforms_say_who_asks_what() -> None:
    """Only where somebody does."""
    text = value_change_dump(connected(), NAMES)
    assert "asks" in text
    assert "backend:\\x20write\\x20data/x=2" in text
    tape = Tape()
    asked(tape, 0)
    assert "asks $end" not in value_change_dump(tape.run(None, End(None, "cut short"), ""), NAMES)
