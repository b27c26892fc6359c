"""Trace Event Format: what ui.perfetto.dev needs, and that it is the run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from figure_runs import ALL, TITLE, buffered, in_flight, names_of, run_of
from report_traces import NAMES, closing_protocol

from guestsim.report.explain import sentence
from guestsim.report.figures.perfetto import trace_events
from guestsim.report.ring_history import Indices, ring_history
from guestsim.report.units import name_of
from guestsim.trace.results import Run
from guestsim.trace.text import escaped


def read(run: Run, names: dict[str, str]) -> list[dict[str, Any]]:
    text = trace_events(run, names, TITLE)
    assert text == trace_events(run, names, TITLE)
    assert text.isascii()
    found: list[dict[str, Any]] = json.loads(text)["traceEvents"]
    return found


def tracks(events: list[dict[str, Any]]) -> dict[int, str]:
    return {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}


@pytest.mark.parametrize("name", ALL)
def test_each_event_is_in_one_slice_on_the_track_of_its_actor(name: str) -> None:
    run, names = run_of(name), names_of(name)
    events = read(run, names)
    at = tracks(events)
    covered: dict[int, str] = {}
    for each in events:
        if each["ph"] == "X" and not at[each["tid"]].startswith("requests"):
            assert each["dur"] > 0
            for step in range(each["ts"], each["ts"] + each["dur"]):
                assert step not in covered
                covered[step] = at[each["tid"]]
    assert covered == {step: name_of(event.actor, names) for step, event in enumerate(run.events)}


@pytest.mark.parametrize("name", ALL)
def test_the_counters_are_the_history_of_the_ring(name: str) -> None:
    run = run_of(name)
    events = read(run, names_of(name))
    now = ring_history(run)
    for index in Indices._fields:
        changes = {e["ts"]: e["args"]["value"] for e in events
                   if e["ph"] == "C" and e["name"] == index}  # fmt: skip
        value = None
        for step, after in enumerate(now.after):
            value = changes.pop(step, value)
            assert value == getattr(after, index), f"{index} at {step}"
        assert not changes


@pytest.mark.parametrize("name", ALL)
def test_broken_rules_and_the_end_are_instants(name: str) -> None:
    run, names = run_of(name), names_of(name)
    events = read(run, names)
    *broken, end = [each for each in events if each["ph"] == "i"]
    assert [(each["name"], each["ts"]) for each in broken] == [
        (f"broken: {violation.rule}", violation.step) for violation in run.violations
    ]
    assert (end["name"], end["ts"]) == (run.outcome or "inconclusive", len(run.events))
    assert sentence(run, names) in end["args"]["why"]


@pytest.mark.parametrize("name", ALL)
def test_everything_is_on_a_track_with_a_name(name: str) -> None:
    events = read(run_of(name), names_of(name))
    at = tracks(events)
    assert len(set(at.values())) == len(at)
    assert {each["tid"] for each in events if each["ph"] in "Xi"} <= set(at)
    assert [each["args"]["name"] for each in events if each["name"] == "process_name"] == [
        escaped(TITLE)
    ]
    assert all(isinstance(each["ts"], int) for each in events if each["ph"] != "M")


def test_a_request_lasts_from_its_last_byte_to_that_of_its_reply() -> None:
    run = closing_protocol()
    events = read(run, NAMES)
    at = tracks(events)
    found = [each for each in events if each["ph"] == "X" and at[each["tid"]] == "requests"]
    messages = ring_history(run).messages
    pairs = list(zip(messages[::2], messages[1::2], strict=True))
    assert [(e["name"], e["ts"], e["ts"] + e["dur"], e["args"]["reply"]) for e in found] == [
        (asked.title, asked.step, reply.step, reply.words) for asked, reply in pairs
    ]
    assert found[-1]["args"]["reply"] == "ERROR ENOENT"


def test_stores_that_wait_are_counted() -> None:
    counts = [(each["ts"], each["args"]) for each in read(buffered(), NAMES)
              if each["name"] == "guest's store buffer"]  # fmt: skip
    assert counts == [(0, {"stores": 2}), (2, {"stores": 1})]


def test_a_slice_says_where_it_is_and_why_it_moves() -> None:
    slices = [each for each in read(buffered(), NAMES) if each["ph"] == "X"]
    assert [each["args"].get("why it moves") for each in slices] == ["a", "b", None, "c"]
    assert slices[0]["args"]["stage"] == "stub"


def test_requests_that_are_in_flight_together_have_tracks_of_their_own() -> None:
    run = in_flight()
    events = read(run, NAMES)
    at = tracks(events)
    found = [(at[each["tid"]], each["args"]["req_id"], each["args"]["reply"])
             for each in events if at.get(each["tid"], "").startswith("requests")
             and each["ph"] == "X"]  # fmt: skip
    assert found == [("requests", 1, '"seabios"'), ("requests 2", 2, "none")]


@pytest.mark.parametrize("name", ALL)
def test_slices_of_a_track_do_not_overlap(name: str) -> None:
    ends: dict[int, int] = {}
    for each in read(run_of(name), names_of(name)):
        if each["ph"] == "X":
            assert each["ts"] >= ends.get(each["tid"], 0)
            ends[each["tid"]] = each["ts"] + each["dur"]
