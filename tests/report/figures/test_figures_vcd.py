"""Value change dumps, read back by a reader that knows no more than the format."""

from __future__ import annotations

import re

import pytest
from figure_runs import ALL, TITLE, buffered, names_of, run_of
from report_traces import NAMES

from guestsim.report.figures.vcd import value_change_dump
from guestsim.trace import shared
from guestsim.trace.effects import apply
from guestsim.trace.results import Run
from guestsim.trace.text import escaped

Values = dict[str, int | str]
FIELDS = {name: (first, end - first) for name, first, end in shared.fields()}
RING = ("req_cons", "req_prod", "rsp_cons", "rsp_prod", "server_features", "connection", "error")


def read(text: str) -> tuple[dict[str, str], list[tuple[int, Values]]]:
    """The sections of the header, and the values that changed at each time."""
    header, body = text.split("$enddefinitions $end\n")
    names: dict[str, str] = {}
    scope = ""
    sections = {}
    for keyword, content in re.findall(r"\$(\w+)\s(.*?)\s?\$end\n", header, re.DOTALL):
        words = content.split()
        if keyword == "scope":
            scope = words[1]
        elif keyword == "var":
            names[words[2]] = f"{scope}.{words[3]}"
        else:
            sections[keyword] = content
    changes: list[tuple[int, Values]] = []
    for line in body.splitlines():
        if line.startswith("#"):
            changes.append((int(line[1:]), {}))
        elif line.startswith("b"):
            value, name = line[1:].split(" ")
            changes[-1][1][names[name]] = int(value, 2)
        elif line.startswith("s"):
            value, name = line[1:].split(" ")
            changes[-1][1][names[name]] = value
        elif line not in ("$dumpvars", "$end"):
            changes[-1][1][names[line[1:]]] = int(line[0])
    return sections, changes


def expected(memory: bytes | bytearray) -> Values:
    values: Values = {f"ring.{name}": shared.load(memory, *FIELDS[name]) for name in RING}
    for name, field in (("guest", "evtchn_pending"), ("server", "server_pending")):
        values[f"events.{name}_pending"] = int(shared.load(memory, *FIELDS[field]) != 0)
    return values


def dump(name: str) -> tuple[Run, list[tuple[int, Values]]]:
    run, names = run_of(name), names_of(name)
    text = value_change_dump(run, names, TITLE)
    assert text == value_change_dump(run, names, TITLE)
    assert text.isascii()
    return run, read(text)[1]


@pytest.mark.parametrize("name", ALL)
def test_at_each_time_stand_the_values_that_the_event_leaves(name: str) -> None:
    run, changes = dump(name)
    times = [time for time, _ in changes]
    assert times == sorted(set(times))
    assert times[-1] == len(run.events)
    at = dict(changes)
    memory = bytearray(run.initial)
    values: Values = {}
    for step, event in enumerate(run.events):
        apply(memory, event.op)
        values |= at.get(step, {})
        now = expected(memory)
        assert {key: values[key] for key in now} == now, f"at {step}"
    values |= at[len(run.events)]
    assert {key: values[key] for key in expected(memory)} == expected(memory)
    assert (values["events.moves"], values["events.broken"]) == ("-", "-")


@pytest.mark.parametrize("name", ALL)
def test_a_broken_rule_stands_at_its_event_only(name: str) -> None:
    run, changes = dump(name)
    at = dict(changes)
    values: Values = {}
    for step in range(len(run.events)):
        values |= at.get(step, {})
        rules = [escaped(v.rule).replace("\\", "\\\\") for v in run.violations if v.step == step]
        assert values["events.broken"] == ("+".join(rules) or "-")


@pytest.mark.parametrize("name", ["torn-reset", "torn-reset.toml#every-tso"])
def test_it_says_who_moves(name: str) -> None:
    run, changes = dump(name)
    at = dict(changes)
    values: Values = {}
    drained = False
    for step, event in enumerate(run.events):
        values |= at.get(step, {})
        mover = str(values["events.moves"])
        drained |= mover.endswith(":drain")
        assert mover.removesuffix(":drain") == NAMES[event.actor]
    assert drained == name.endswith("tso")


def test_a_store_that_leaves_a_buffer_is_moved_by_the_buffer() -> None:
    moves = [
        (time, values["events.moves"])
        for time, values in read(value_change_dump(buffered(), NAMES))[1]
        if "events.moves" in values
    ]
    assert moves == [(0, "guest"), (1, "xenstored"), (2, "guest:drain"), (3, "xenstored"), (5, "-")]


def test_the_header_has_no_clock_and_cannot_be_left() -> None:
    text = value_change_dump(buffered(), NAMES, "a $end $var wire 1 ! x $end\nb")
    sections, _ = read(text)
    assert sections["date"] == "none, time is the number of the event"
    assert sections["comment"] == r"a \x24end \x24var wire 1 ! x \x24end\nb"
    assert text.count("$var ") == len(RING) + 4
    assert re.search(r"\b20\d\d\b|\d:\d\d", text) is None
