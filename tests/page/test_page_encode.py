"""A page's content as JSON: what a reader without large integers can take."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import zlib
from typing import Any

import msgspec
from small_actors import MEMORY, REQ_PROD, Line, Program, choose, halt, load, store

from guestsim.page.content import Begun, Content, Way
from guestsim.page.encode import deflated, to_json
from guestsim.record import Recorder
from guestsim.trace import Event, Outcome
from guestsim.trace.shared import SHARED_SIZE


def content() -> Content:
    first = store(8, (1 << 64) - 1, 8)
    guest = Recorder(Program("guest", [first, store(16, 5), halt()]), SHARED_SIZE)
    daemon = Recorder(
        Program("daemon", [Line(load(REQ_PROD), {0: 0, 1: 1}), choose(), halt(Outcome.REFUSED)]),
        SHARED_SIZE,
    )
    daemon.after(daemon.first, 1 << 60)
    daemon.after(daemon.first, 3)
    return Content(
        name="x#y",
        title="</script>",
        story="",
        scenario="x.toml#y",
        images={"reset": "00"},
        labels={"guest": "guest", "daemon": "xenstored"},
        memory_model="sc",
        store_buffer=64,
        memory=MEMORY,
        unheeded=frozenset({"server_pending"}),
        records=(guest, daemon),
        whole=True,
        begun=Begun((("guest", 1),), (), (Event("guest", guest.ops[guest.first], first.value),)),
        ways=(Way("a way", Outcome.REFUSED, (("guest", 2),), (1,), "so it was"),),
        standings={"daemon": {daemon.first: "watch x", 1: ""}},
    )


def decoded() -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(to_json(content()))
    return found


def test_large_integers_are_strings_and_small_ones_numbers() -> None:
    page = decoded()
    largest = "0xffffffffffffffff"
    assert largest in page["ops"]["value"]
    (answers,) = [each for each in page["actors"][1]["answers"] if len(each) == 5]
    assert answers[1::2] == ["0x1000000000000000", 3]
    assert page["begun"]["events"] == [[0, page["ops"]["value"].index(largest), largest]]


def test_columns_are_as_long_as_each_other_and_name_what_is_there() -> None:
    page = decoded()
    columns = page["ops"]
    assert len({len(column) for column in columns.values()}) == 1
    assert max(columns["site"]) < len(page["sites"])
    assert max(columns["note"]) < len(page["notes"])
    assert max(columns["end"]) < len(page["ends"])
    for actor in page["actors"]:
        assert len(actor["op"]) == len(actor["next"])
        assert max(actor["op"]) < len(columns["kind"])
        assert max(actor["next"]) < len(actor["op"])


def test_texts_of_nothing_are_left_out() -> None:
    daemon = decoded()["actors"][1]
    assert [daemon["standings"][text] for _, text in daemon["standing"]] == ["watch x"]


def test_what_is_in_a_script_element_cannot_end_it() -> None:
    text = deflated(to_json(content()))
    assert "<" not in text
    assert zlib.decompress(base64.b64decode(text)) == to_json(content())


def test_the_same_content_is_the_same_page_whatever_the_hashes() -> None:
    program = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from test_page_encode import content\n"
        "from guestsim.page.html import player_html\n"
        "print(player_html(content()))"
    )
    pages = {
        subprocess.run(
            [sys.executable, "-c", program, *sys.path],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=100,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(pages) == 1
