"""Whatever a file holds: it is a scenario, or one clear line; never another exception."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scenario_documents import GOOD, documents, toml

from guestsim.errors import InputError
from guestsim.scenario import Scenario, load

# The working folder is one for all examples of a test: each example overwrites its file.
in_one_folder = settings(
    max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


def load_or_line(path: Path) -> tuple[Scenario, ...] | str:
    """The scenarios, or the one line; the line is checked here."""
    try:
        scenarios = load(path)
    except InputError as error:
        line = str(error)
        assert line.startswith(f"{path}: "), line
        assert line.isprintable(), repr(line)
        assert len(line) < 600 + len(str(path)), line
        return line
    assert scenarios
    for scenario in scenarios:
        assert scenario.boot.stages
        assert scenario.expect.outcomes
        assert scenario.daemon.server_features >= 0
        assert all((step.event is None) is (step.until is None) for step in scenario.search.script)
        assert len({other.name for other in scenarios}) == len(scenarios)
    return scenarios


@pytest.mark.parametrize("document", GOOD, ids=lambda document: str(document["title"]))
def test_the_good_documents_are_good(tmp_path: Path, document: dict[str, Any]) -> None:
    """What the changes start from does load, and the writer writes what the parser reads."""
    path = tmp_path / "x.toml"
    path.write_text(toml(document), encoding="utf-8")
    assert tomllib.loads(toml(document)) == document
    assert not isinstance(load_or_line(path), str)


@in_one_folder
@given(document=documents())
def test_any_document(tmp_path: Path, document: dict[str, Any]) -> None:
    """Valid TOML, right or nearly right or nonsense."""
    path = tmp_path / "x.toml"
    path.write_text(toml(document), encoding="utf-8")
    load_or_line(path)


@in_one_folder
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode()))
@example(content=b"a = 1\r\nb")
@example(content=b"a = 0x" + b"f" * 9999)
@example(content=b"a = " + b"9" * 9999)
@example(content=b"a = " + b"[" * 9999)
@example(content=b"a" + b".a" * 9999 + b" = 1")
@example(content=b"[store]\na" + b".a" * 9999 + b" = 1")
@example(content=b"a = 1979-99-99")
@example(content=b"\xef\xbb\xbf")
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    """Mostly not TOML, often not UTF-8."""
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    assert isinstance(load_or_line(path), str)


@in_one_folder
@given(data=st.data())
def test_a_cut_or_scratched_file(tmp_path: Path, data: st.DataObject) -> None:
    """A good file with one character changed, or its end missing."""
    text = toml(data.draw(st.sampled_from(GOOD)))
    position = data.draw(st.integers(0, len(text) - 1))
    put = data.draw(st.sampled_from(["", "\n", '"', "=", "[", "x", "0", "\\", "#", "\u2028"]))
    end = data.draw(st.booleans())
    path = tmp_path / "x.toml"
    path.write_text(text[:position] + put + ("" if end else text[position + 1 :]), encoding="utf-8")
    load_or_line(path)


def test_loading_twice_gives_the_same(tmp_path: Path) -> None:
    """Scenarios are values."""
    path = tmp_path / "x.toml"
    for document in GOOD:
        path.write_text(toml(document), encoding="utf-8")
        assert load(path) == load(path)
