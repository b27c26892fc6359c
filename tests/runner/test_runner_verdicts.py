"""Verdicts of earlier runs: only for exactly the same, and only what was found out to its end."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from guestsim.errors import MissingImageError
from guestsim.machine.images import builtin_images
from guestsim.runner import Options, check, replay_once, verdicts
from guestsim.runner.once import scenario_of
from guestsim.runner.verdicts import default_folder, key_of
from guestsim.scenario import Scenario, load_one
from guestsim.trace.results import Result, Verdict

TEXT = """title = "a frontend"
[boot]
chain = [{ image = "./mine.elf", requests = ["read data!ENOENT"] }, "frontend"]
[expect]
connected = "sometimes"
corrupted = "sometimes"
"""
EMPTY = 'title = "a frontend"\n[boot]\nchain = ["frontend"]\n[expect]\nconnected = "always"\n'


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return Options(cache=tmp_path / "cache")


def scenario(folder: Path, text: str = EMPTY) -> Scenario:
    (folder / "s.toml").write_text(text)
    return load_one(folder / "s.toml")


def without_time(result: Result) -> bytes:
    """All that must be the same."""
    assert result.search is not None
    search = msgspec.structs.replace(result.search, seconds=0, certificate=None)
    return msgspec.json.encode(msgspec.structs.replace(result, search=search, cached=False))


def test_the_second_time_it_is_known(tmp_path: Path, options: Options) -> None:
    first = check(scenario(tmp_path), options)
    again = check(scenario(tmp_path, "# a comment\n" + EMPTY), options)
    assert (first.cached, again.cached) == (False, True)
    assert without_time(again) == without_time(first)
    assert again.search is not None
    assert first.search is not None
    assert again.search.certificate == first.search.certificate


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"a frontend"', '"another"'),
        ('["frontend"]', '[{ image = "frontend", requests = [] }]'),
        ('["frontend"]', '[{ image = "frontend", stop = { requests = 9 } }]'),
        ("[expect]", '[store]\n"data/x" = "y"\n[expect]'),
        ("[expect]", "[ring]\nreq_index = 1\n[expect]"),
        ("[expect]", '[daemon]\nmodel = "oxenstored"\n[expect]'),
        ("[expect]", '[search]\nmemory_model = "tso"\n[expect]'),
        ("[expect]", '[platform]\nmemory = "32 MiB"\n[expect]'),
        ('"always"', '"sometimes"'),
    ],
)
def test_what_means_something_else_is_not(
    tmp_path: Path, options: Options, old: str, new: str
) -> None:
    check(scenario(tmp_path), options)
    assert not check(scenario(tmp_path, EMPTY.replace(old, new)), options).cached


@pytest.mark.parametrize("change", [{"twice": True}, {"validate": 1}])
def test_nor_what_is_found_out_in_another_way(
    tmp_path: Path, options: Options, change: dict[str, int]
) -> None:
    check(scenario(tmp_path), options)
    assert not check(scenario(tmp_path), msgspec.structs.replace(options, **change)).cached


def test_nor_what_runs_another_image_or_another_guestsim(
    tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = builtin_images()
    shutil.copy(images["reset-zero"].path, tmp_path / "mine.elf")
    text = EMPTY.replace('["frontend"]', '["./mine.elf", "frontend"]').replace(
        "always", "sometimes"
    )
    check(scenario(tmp_path, text), options)
    assert check(scenario(tmp_path, text), options).cached
    shutil.copy(images["reset-poison"].path, tmp_path / "mine.elf")
    assert not check(scenario(tmp_path, text), options).cached
    given = msgspec.structs.replace(options, images={"mine": images["reset-zero"].path})
    assert check(scenario(tmp_path, text), given).cached
    monkeypatch.setattr(verdicts, "program_digest", lambda: "another")
    assert not check(scenario(tmp_path, text), options).cached


def test_what_was_cut_short_is_not_kept(tmp_path: Path, options: Options) -> None:
    short = msgspec.structs.replace(options, states=20)
    assert check(scenario(tmp_path), short).verdict is Verdict.INCONCLUSIVE
    assert not check(scenario(tmp_path), options).cached
    # But a budget changes nothing about what was found out before.
    assert check(scenario(tmp_path), short).cached


def entry(options: Options) -> Path:
    assert options.cache is not None
    (path,) = options.cache.rglob("*.json")
    return path


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "other", "nothing of the kind"])
def test_what_is_no_entry_is_none(tmp_path: Path, options: Options, damage: str) -> None:
    first = check(scenario(tmp_path), options)
    path = entry(options)
    content = path.read_bytes()
    if damage == "other":
        check(scenario(tmp_path, EMPTY.replace("frontend", "another", 1)), options)
        assert options.cache is not None
        (other,) = set(options.cache.rglob("*.json")) - {path}
        path.write_bytes(other.read_bytes())
    else:
        path.write_bytes(
            {
                "cut": content[:-20],
                "changed": content.replace(b'"pass"', b'"fail"'),
                "empty": b"",
                "nothing of the kind": b"\xff\n{}",
            }[damage]
        )
    again = check(scenario(tmp_path), options)
    assert not again.cached
    assert without_time(again) == without_time(first)
    assert check(scenario(tmp_path), options).cached


def test_witnesses_are_kept_where_they_were_wanted(tmp_path: Path, options: Options) -> None:
    first = msgspec.structs.replace(options, witnesses=tmp_path / "first")
    second = msgspec.structs.replace(options, witnesses=tmp_path / "second")
    check(scenario(tmp_path), options)
    assert not check(scenario(tmp_path), first).cached
    again = check(scenario(tmp_path), second)
    assert again.cached
    witness = again.outcomes["connected"].witness
    assert witness is not None
    assert witness.startswith(str(tmp_path / "second"))
    schedule, _, setup = scenario_of(Path(witness), {})
    assert str(replay_once(schedule, setup, max_ops=100_000).outcome) == "connected"
    assert check(scenario(tmp_path), options).outcomes["connected"].witness is None


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    options = Options(cache=tmp_path / "file" / "cache")
    assert check(scenario(tmp_path), options).verdict is Verdict.PASS


def test_a_missing_image_is_told_as_ever(tmp_path: Path, options: Options) -> None:
    one = scenario(tmp_path, TEXT)
    assert key_of(one, options) is None
    with pytest.raises(MissingImageError):
        check(one, options)


def test_where_verdicts_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GUESTSIM_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "guestsim" / "verdicts"
    monkeypatch.setenv("GUESTSIM_CACHE", "mine")
    assert default_folder() == Path("mine")
    monkeypatch.setenv("GUESTSIM_CACHE", "")
    assert default_folder() is None
