"""Schedule files: stable text, round trips, and errors that name file and key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_actors import MEMORY, Program, halt, locked, rmw, store, wait

from guestsim.errors import InputError
from guestsim.execute.digest import digests, trace_bytes
from guestsim.execute.schedule import (
    Image,
    Schedule,
    Segment,
    format_schedule,
    load_schedule,
    parse_schedule,
    save_schedule,
    schedule_of,
)
from guestsim.execute.strategies import execute, fair
from guestsim.trace import Event, Outcome

IMAGES = (Image("reset-poison", "ab" * 32), Image("frontend", "cd" * 32))

SCHEDULE = Schedule(
    guestsim="0.1.0",
    title="a “torn” reset",
    scenario="scenarios/torn-reset.toml",
    images=IMAGES,
    strategy="script",
    outcome=Outcome.REFUSED,
    steps=(Segment("guest", 2051, "script step 1: until send"), Segment("daemon", 2)),
    digests=("0123456789ab", "ba9876543210"),
)

TEXT = """\
{
  "version": 1,
  "guestsim": "0.1.0",
  "title": "a “torn” reset",
  "scenario": "scenarios/torn-reset.toml",
  "images": [
    {"name": "reset-poison", "sha256": "AB"},
    {"name": "frontend", "sha256": "CD"}
  ],
  "memory_model": "sc",
  "strategy": "script",
  "seed": null,
  "outcome": "refused",
  "steps": [
    ["guest", 2051, "script step 1: until send"],
    ["daemon", 2]
  ],
  "digests": [
    "0123456789ab",
    "ba9876543210"
  ]
}
""".replace("AB", "ab" * 32).replace("CD", "cd" * 32)


def test_the_file_has_one_segment_per_line() -> None:
    assert format_schedule(SCHEDULE) == TEXT


def test_choices_stand_in_one_line_if_there_are_any() -> None:
    chosen = msgspec.structs.replace(SCHEDULE, choices=(2, 0, 1))
    line = '  "choices": [2, 0, 1],\n'
    assert format_schedule(chosen) == TEXT.replace('  "digests"', line + '  "digests"')


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "torn.schedule.json"
    save_schedule(SCHEDULE, path)
    assert load_schedule(path) == SCHEDULE


def test_a_schedule_by_hand_needs_little() -> None:
    schedule = parse_schedule('{"steps": [["guest", 3], ["daemon", 1]]}', "x")
    assert schedule == Schedule(steps=(Segment("guest", 3), Segment("daemon", 1)))


names = st.text(st.characters(codec="utf-8"), max_size=8)
hexadecimal = st.sampled_from("0123456789abcdef")


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    count = draw(st.integers(1, 5))
    return Schedule(
        guestsim=draw(names),
        title=draw(names),
        scenario=draw(names),
        images=tuple(
            Image(draw(names), draw(st.text(hexadecimal, min_size=64, max_size=64)))
            for _ in range(draw(st.integers(0, 2)))
        ),
        strategy=draw(names),
        seed=draw(st.none() | st.integers(0, 2**40)),
        outcome=draw(st.none() | st.sampled_from(Outcome)),
        steps=tuple(
            Segment(draw(names), draw(st.integers(1, 10**6)), draw(names)) for _ in range(count)
        ),
        choices=tuple(draw(st.lists(st.integers(0, 9), max_size=3))),
        digests=tuple(
            draw(st.text(hexadecimal, min_size=12, max_size=12))
            for _ in range(draw(st.sampled_from([0, count])))
        ),
    )


@given(schedules())
def test_every_schedule_survives_its_file(schedule: Schedule) -> None:
    text = format_schedule(schedule)
    assert parse_schedule(text, "x") == schedule
    assert format_schedule(parse_schedule(text, "x")) == text


def changed(**keys: Any) -> str:
    return json.dumps(json.loads(TEXT) | keys)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"steps": [', "f.json: line 1: not JSON: Expecting value"),
        ("[]", "f.json: not a schedule: expected an object"),
        ("[" * 100_000, "f.json: not a schedule: nested too deeply"),
        ("{}", "f.json: Object missing required field `steps`"),
        (changed(version=2), "f.json: version: this guestsim reads 1, not 2"),
        (changed(setps=[]), 'f.json: unknown key: "setps" is not one of version, '),
        (changed(steps=[]), "f.json: steps: at least one segment is needed"),
        (changed(steps=[["guest"]]), "f.json: steps[0]: expected `array` of at least length 2"),
        (changed(steps=[["guest", "3"]]), "f.json: steps[0][1]: expected `int`, got `str`"),
        (changed(steps=[["guest", 3], ["guest", 0]]), "f.json: steps[1][1]: expected `int` >= 1"),
        (changed(steps=[["guest", 3, "why", 4]]), "f.json: steps[0]: expected `array` of at most"),
        (changed(outcome="lost"), "f.json: outcome: invalid enum value 'lost'"),
        (changed(images=[{"name": "x", "sha256": "AB"}]), "f.json: images[0].sha256: expected"),
        (changed(images=[{"name": "x"}]), "f.json: images[0]: object missing required field"),
        (changed(digests=["x", "y"]), "f.json: digests[0]: expected `str` matching regex"),
        (
            changed(digests=["0123456789ab"]),
            "f.json: digests: 1 for 2 segments; delete the key to replay edited steps",
        ),
    ],
)
def test_a_mistake_names_file_and_key(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_schedule(text, "f.json")
    assert str(caught.value).startswith(message), caught.value
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json: schedule: no such file"):
        load_schedule(tmp_path / "none.json")
    with pytest.raises(InputError, match="is a folder, not a regular file"):
        load_schedule(tmp_path)
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        load_schedule(binary)


ACTORS = (
    Program("guest", [store(0, 1), rmw(4), locked(4, 2), wait(), halt()]),
    Program("daemon", [store(8, 1), store(0x2000, 1), wait(), halt()]),
)


def test_a_run_becomes_a_schedule_with_a_digest_for_each_segment() -> None:
    run = execute(fair, ACTORS, MEMORY)
    schedule = schedule_of(run, scenario="s", images=IMAGES, strategy="fair", guestsim="1")
    assert schedule.outcome is Outcome.CONNECTED
    assert [(segment.actor, segment.steps) for segment in schedule.steps] == list(run.steps)
    assert schedule.steps[0] == Segment("guest", 2, "first to move")
    assert len(set(schedule.digests)) == len(schedule.steps) == len(schedule.digests)
    unrecorded = execute(fair, ACTORS, MEMORY, record=False)
    assert schedule_of(unrecorded, scenario="s", images=IMAGES, strategy="fair") == (
        msgspec.structs.replace(schedule, digests=(), guestsim="")
    )


def test_digests_are_cumulative_and_stay_what_they_are() -> None:
    run = execute(fair, ACTORS, MEMORY)
    assert trace_bytes(run.events[:3]) == b"guest 1 0 4 1 1\nguest 2 4 4 0 0\nguest 1 4 4 2 2\n"
    found = digests(run)
    # Files of other versions hold these.
    assert found == DIGESTS
    first = msgspec.structs.replace(run, events=run.events[:3], began=run.began[:1])
    assert digests(first) == found[:1]


DIGESTS = ("ac182d42c2ce", "d5cbb8faef3b")


@pytest.mark.parametrize("field", ["actor", "kind", "address", "size", "bits", "value"])
def test_every_part_of_an_event_counts(field: str) -> None:
    event = execute(fair, ACTORS, MEMORY).events[0]
    if field == "actor":
        other = msgspec.structs.replace(event, actor="daemon")
    elif field == "value":
        other = msgspec.structs.replace(event, value=9)
    else:
        change = {"kind": rmw(0).kind, "address": 12, "size": 2, "bits": 9}[field]
        key = "value" if field == "bits" else field
        other = Event(event.actor, msgspec.structs.replace(event.op, **{key: change}), event.value)
    run = execute(fair, ACTORS, MEMORY)

    def digest(event: Event) -> tuple[str, ...]:
        return digests(msgspec.structs.replace(run, events=(event,), began=(0,)))

    assert trace_bytes([event]) != trace_bytes([other])
    if field != "kind":
        assert digest(event) != digest(other)
