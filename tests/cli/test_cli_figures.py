"""`run` and `replay` with figures: which files there are, and which are refused before the run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
from command_line import ENVIRONMENT, TORN, guestsim

OPTIONS = ("--svg", "--perfetto", "--vcd", "--mermaid")
BEGINS = {
    "--svg": "<?xml",
    "--perfetto": "{",
    "--vcd": "$comment hvmloader wipes",
    "--mermaid": "sequenceDiagram\n",
}


def wanted(folder: Path) -> list[str]:
    folder.mkdir()
    return [word for option in OPTIONS for word in (option, str(folder / option[2:]))]


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def test_all_four_at_once_and_the_timeline_as_ever(tmp_path: Path) -> None:
    plain = guestsim("run", f"{TORN}#legacy")
    done = guestsim("run", f"{TORN}#legacy", *wanted(tmp_path / "out"))
    assert (done.returncode, done.stdout, done.stderr) == (0, plain.stdout, "")
    found = files(tmp_path / "out")
    assert set(found) == {option[2:] for option in OPTIONS}
    for option, begin in BEGINS.items():
        assert found[option[2:]].startswith(begin)
    json.loads(found["perfetto"])
    root = ElementTree.fromstring(found["svg"])  # noqa: S314
    assert "hvmloader wipes the ring" in (root[0].text or "")
    assert "xenbus.c:36 xenbus_ready" in found["svg"], "sites have names"


@pytest.mark.parametrize("variant", ["legacy", "every-tso"])
def test_the_same_run_gives_the_same_bytes(tmp_path: Path, variant: str) -> None:
    for seed in ("1", "2"):
        environment = {**ENVIRONMENT, "PYTHONHASHSEED": seed, "TZ": f"UTC-{seed}"}
        done = guestsim("run", f"{TORN}#{variant}", *wanted(tmp_path / seed), env=environment)
        assert done.returncode == 0, done.stderr
    assert files(tmp_path / "1") == files(tmp_path / "2")


def test_a_replay_has_figures_too(tmp_path: Path) -> None:
    saved = tmp_path / "torn.schedule.json"
    out = wanted(tmp_path / "run")
    assert guestsim("run", f"{TORN}#every-tso", "--save", saved, *out).returncode == 0
    assert guestsim("replay", saved, *wanted(tmp_path / "replay")).returncode == 0
    ran, replayed = files(tmp_path / "run"), files(tmp_path / "replay")
    assert set(ran) == set(replayed)
    assert replayed["vcd"].partition("$end")[2] == ran["vcd"].partition("$end")[2]


def test_the_picture_shows_every_op_if_the_timeline_does(tmp_path: Path) -> None:
    for more in ((), ("--all",)):
        out = tmp_path / f"{len(more)}.svg"
        assert guestsim("run", f"{TORN}#legacy", "--svg", out, *more).returncode == 0
    assert 'class="fold' in (tmp_path / "0.svg").read_text()
    assert 'class="fold' not in (tmp_path / "1.svg").read_text()


def refused(tmp_path: Path, *words: object) -> str:
    """What is said; nothing is run, and nothing written."""
    before = sorted(os.listdir(tmp_path))
    done = guestsim(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("guestsim: ")
    assert sorted(os.listdir(tmp_path)) == before
    return done.stderr


@pytest.mark.parametrize("command", ["run", "replay"])
@pytest.mark.parametrize("option", OPTIONS)
def test_what_cannot_be_written_is_said_before_the_run(
    tmp_path: Path, command: str, option: str
) -> None:
    # There is no such scenario: that the file is at fault is found out first.
    said = refused(tmp_path, command, "nothing.toml", option, "nowhere/x")
    assert said == "guestsim: nowhere/x: cannot be written: there is no such folder\n"
    said = refused(tmp_path, command, "nothing.toml", option, tmp_path)
    assert said.endswith("cannot be written: it is a folder\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--svg", "a", "--vcd", "a"), "--vcd a: is the file of --svg as well"),
        (("--mermaid", "./a", "--perfetto", "a"), "--mermaid a: is the file of --perfetto as well"),
        (("--svg", "link", "--mermaid", "a"), "--mermaid a: is the file of --svg as well"),
        (("--save", "a", "--svg", "a"), "--save a: is the file of --svg as well"),
    ],
)
def test_two_options_do_not_share_a_file(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    (tmp_path / "link").symlink_to("a")
    assert refused(tmp_path, "run", TORN, *words) == f"guestsim: {said}\n"


def test_a_figure_does_not_take_the_place_of_its_scenario(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(TORN.read_text())
    said = refused(tmp_path, "run", "mine.toml#legacy", "--svg", "./mine.toml")
    assert said == "guestsim: --svg mine.toml: is what is run\n"
    saved = tmp_path / "s.schedule.json"
    assert guestsim("run", "mine.toml#legacy", "--save", saved, cwd=tmp_path).returncode == 0
    for words in (("--vcd", "s.schedule.json"), ("--vcd", "mine.toml")):
        said = refused(tmp_path, "replay", "s.schedule.json", *words)
        assert said.endswith("is what is run\n")
    assert mine.read_text() == TORN.read_text()


def test_a_figure_that_fills_the_disk_is_an_error(tmp_path: Path) -> None:
    done = guestsim("run", f"{TORN}#legacy", "--svg", "/dev/full", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "guestsim: /dev/full: cannot be written: No space left on device\n"


def test_markup_in_a_store_stays_text(tmp_path: Path) -> None:
    markup = "<script>x</script>"
    (tmp_path / "x.toml").write_text(
        f"""title = "{markup}"
[boot]
chain = ["reset-poison", "frontend"]
[store]
"hvmloader/bios" = "{markup}"
[search]
strategy = "script"
script = [{{ run = "guest", until = "halt" }}]
[expect]
connected = "always"
"""
    )
    done = guestsim("run", "x.toml", "--svg", "x.svg", "--mermaid", "x.mmd", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    root = ElementTree.fromstring((tmp_path / "x.svg").read_text())  # noqa: S314
    assert root[0].text == markup
    assert not [each for each in root.iter() if each.tag.endswith("script")]
    assert any(f'READ hvmloader/bios → "{markup}"' in (each.text or "") for each in root.iter())
    assert "<script" not in (tmp_path / "x.mmd").read_text()
