"""Records in files: the same when read, and only by who they belong to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_actors import (
    MEMORY,
    REQ_PROD,
    Line,
    Program,
    choose,
    halt,
    load,
    locked,
    rmw,
    store,
    wait,
)

from guestsim.errors import InputError, InternalError
from guestsim.record import load_recording, save_recording
from guestsim.search import Problem, Search
from guestsim.search.compiled import CompiledExplorer
from guestsim.trace import Outcome

IMAGES = {"reset": "aa", "frontend": "bb"}


def searched() -> Search:
    actors = (
        Program(
            "guest",
            [store(8, (1 << 512) - 1, 64), rmw(REQ_PROD), locked(REQ_PROD, 1), wait(), halt()],
        ),
        Program(
            "daemon",
            [Line(load(REQ_PROD), {0: 0}), Line(choose(), {1: 3}), halt(), halt(Outcome.REFUSED)],
        ),
    )
    search = Search(Problem(actors=actors, memory=MEMORY))
    search.run()
    return search


def saved(folder: Path) -> tuple[Search, Path]:
    search, path = searched(), folder / "records.json"
    save_recording(path, search.records, MEMORY, IMAGES)
    return search, path


def test_what_is_read_is_what_was_written_and_searches_alike(tmp_path: Path) -> None:
    search, path = saved(tmp_path)
    recording = load_recording(path, IMAGES)
    assert recording.images == IMAGES
    assert recording.memory == MEMORY
    assert recording.records == search.records
    again = CompiledExplorer(search.problem, recording.records, None)
    assert again.run(lambda _states, _waiting: False) is None
    assert again.outcomes == search.outcomes
    assert again.states == search.explorer.states
    assert [file.name for file in tmp_path.iterdir()] == [path.name], "nothing is left beside it"


def test_a_record_without_its_actor_says_what_it_does_not_know(tmp_path: Path) -> None:
    _, path = saved(tmp_path)
    _, daemon = load_recording(path, IMAGES).records
    with pytest.raises(InternalError, match="record of daemon does not say what follows 77"):
        daemon.after(daemon.first, 77)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ({"reset": "aa", "frontend": "cc"}, "image frontend has changed"),
        ({"reset": "aa"}, "recorded with the images reset, frontend; here they are reset"),
        ({"frontend": "bb", "reset": "aa"}, "here they are frontend, reset"),
    ],
)
def test_it_belongs_to_its_images(tmp_path: Path, images: dict[str, str], message: str) -> None:
    _, path = saved(tmp_path)
    with pytest.raises(InputError, match=message):
        load_recording(path, images)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 9}, "version: this guestsim reads 1, not 9"),
        ({"memory": "zz"}, "not a recording"),
        ({"actors": [{"name": "guest", "first": 3, "nodes": []}]}, "a node that is not there"),
        ({"more": 1}, "not a recording"),
    ],
)
def test_another_file_is_refused_in_one_line(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    _, path = saved(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=message) as error:
        load_recording(path, IMAGES)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_cut_off_or_not_there_is_refused(tmp_path: Path) -> None:
    _, path = saved(tmp_path)
    path.write_bytes(path.read_bytes()[:100])
    for each in (path, tmp_path / "none.json"):
        with pytest.raises(InputError, match=each.name):
            load_recording(each, IMAGES)
