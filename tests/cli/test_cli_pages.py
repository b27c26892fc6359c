"""`guestsim page`: what it prints, and how it ends."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from command_line import ENVIRONMENT, GUESTSIM, ROOT


def page(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*GUESTSIM, "page", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=200,
        env=ENVIRONMENT,
        cwd=cwd,
        check=False,
    )


@pytest.mark.parametrize("model", ["sc", "tso"])
def test_a_page_is_one_file(model: str, tmp_path: Path) -> None:
    done = page(f"scenarios/dom0less.toml#oxenstored-{model}", "--to", tmp_path / "site")
    assert (done.returncode, done.stderr) == (0, "")
    file = tmp_path / "site" / f"dom0less-oxenstored-{model}.html"
    assert done.stdout.replace("\n", "").startswith(f"{file}: ")
    assert [each.name for each in (tmp_path / "site").iterdir()] == [file.name]
    assert file.stat().st_size < 300_000


def test_more_than_one_have_an_index(tmp_path: Path) -> None:
    done = page("scenarios/dom0less.toml", "--to", tmp_path)
    assert done.returncode == 0
    assert done.stdout.endswith(f"{tmp_path / 'index.html'}: 4 pages\n")


def test_lessons_become_a_site(tmp_path: Path) -> None:
    lessons = tmp_path / "lessons"
    lessons.mkdir()
    text = (ROOT / "docs" / "lessons" / "03-torn-reset.md").read_text()
    (lessons / "01-torn.md").write_text(text.replace("](../", "](https://example.org/"))
    done = page(lessons, "--to", tmp_path / "site")
    assert done.returncode == 0, done.stderr
    assert {each.name for each in (tmp_path / "site").iterdir()} >= {"01-torn.html", "index.html"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no.toml", "--to", "TMP"], "no.toml: no such file"),
        (["scenarios/dom0less.toml", "--to", "README.md"], "README.md: no folder for pages"),
        (["scenarios/dom0less.toml", "--to", "TMP/a/b"], "no folder for pages: No such file"),
        (["scenarios/dom0less.toml#nobody", "--to", "TMP"], 'no variant is called "nobody"'),
        (["scenarios/dom0less.toml"], "--to"),
        (
            ["scenarios/dom0less.toml", "--to", "TMP", "--image", "nobody=x"],
            "--image nobody: no scenario has a stage of that name",
        ),
        (["scenarios/dom0less.toml", "--to", "TMP", "--budget", "x"], "--budget x: write seconds"),
    ],
)
def test_wrong_input_is_a_line_and_status_2(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    done = page(*(each.replace("TMP", str(tmp_path)) for each in arguments))
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_page_is_not_written_over(tmp_path: Path) -> None:
    mine = tmp_path / "dom0less-oxenstored-sc.html"
    mine.write_text("mine")
    done = page("scenarios/dom0less.toml#oxenstored-sc", "--to", tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "is there already, and no page of guestsim: not written" in done.stderr
    assert mine.read_text() == "mine"


def test_a_page_of_a_search_cut_short_is_status_3(tmp_path: Path) -> None:
    done = page("scenarios/torn-reset.toml#every-sc", "--to", tmp_path, "--budget", "30000")
    assert done.returncode == 3
    assert "only the ways that were found" in done.stdout.replace("\n", "")


def test_pages_do_not_depend_on_hashes(tmp_path: Path) -> None:
    texts = set()
    for seed in ("1", "2"):
        folder = tmp_path / seed
        subprocess.run(
            [*GUESTSIM, "page", "scenarios/torn-reset.toml#every-tso", "--to", folder],
            env={**ENVIRONMENT, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            check=True,
            timeout=100,
            capture_output=True,
        )
        texts.add((folder / "torn-reset-every-tso.html").read_bytes())
    assert len(texts) == 1
