"""Pages in a folder: their names, what is not written over, what stands beside what."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from guestsim.errors import InputError
from guestsim.page.html import MARK
from guestsim.runner import Options
from guestsim.runner.lesson_pages import holds_lessons, site_of
from guestsim.runner.pages import Wanted, check_folder, names_of, write_around, write_pages
from guestsim.runner.player import content_of
from guestsim.scenario import Scenario, load, load_one
from guestsim.trace import Outcome
from guestsim.trace.results import Verdict

SCENARIOS = Path(__file__).parents[2] / "scenarios"


def silent(_number: int, _report: object) -> None:
    pass


def test_names_are_paths_below_what_all_have_in_common() -> None:
    scenarios = [
        *load(SCENARIOS / "dom0less.toml#oxenstored-sc"),
        *load(SCENARIOS / "mutants" / "no-wait.toml"),
    ]
    assert names_of(scenarios) == ["dom0less-oxenstored-sc.html", "mutants-no-wait.html"]
    assert names_of(scenarios[1:]) == ["no-wait.html"]
    assert names_of([]) == []


def test_two_pages_of_one_name_are_refused(tmp_path: Path) -> None:
    text = 'title = "x"\n[boot]\nchain = ["frontend"]\n[expect]\nconnected = "always"\n'
    for name in ("a/b-c.toml", "a-b/c.toml"):
        path = tmp_path / name
        path.parent.mkdir()
        path.write_text(text)
    scenarios = [load_one(tmp_path / "a/b-c.toml"), load_one(tmp_path / "a-b/c.toml")]
    with pytest.raises(InputError, match=r"^a-b-c\.html: two pages would have this name$"):
        names_of(scenarios)


def test_nothing_of_somebody_else_is_written_over(tmp_path: Path) -> None:
    mine = tmp_path / "index.html"
    mine.write_text("my own page")
    with pytest.raises(InputError, match=r"index\.html: is there already, and no page of guestsim"):
        check_folder(tmp_path, ["index.html"])
    check_folder(tmp_path, ["other.html"])
    mine.write_text(f"<!doctype html>\n{MARK} made by\n")
    check_folder(tmp_path, ["index.html"])


@pytest.mark.parametrize("kind", ["file", "parent"])
def test_a_folder_that_cannot_be_one(kind: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(InputError, match=r"no folder for pages: \w"):
        check_folder(tmp_path / "x" if kind == "file" else tmp_path / "y" / "z", [])


def test_each_scenario_has_a_page_and_sides_stand_beside_each_other(tmp_path: Path) -> None:
    scenarios = load(SCENARIOS / "dom0less.toml")
    names = names_of(scenarios)
    pages = list(write_pages(scenarios, names, Wanted(tmp_path, Options()), 2, silent))
    assert [page.file for page in pages] == names
    assert {page.verdict for page in pages} == {Verdict.PASS}
    write_around(tmp_path, "all", scenarios, pages)
    index = (tmp_path / "index.html").read_text()
    for name in (*names, "dom0less-xenstored-sc--dom0less-oxenstored-sc.html"):
        assert f'href="{name}"' in index
        assert (tmp_path / name).read_text().splitlines()[1].startswith(MARK)


def test_an_image_that_is_not_there_skips_or_fails_its_page_alone(tmp_path: Path) -> None:
    scenario = load_one(SCENARIOS / "mutants" / "no-wait.toml")
    missing = Options(images={"frontend": tmp_path / "nothing.elf"})
    skipping = msgspec.structs.replace(
        scenario, boot=msgspec.structs.replace(scenario.boot, skip_without_image=True)
    )
    wanted = Wanted(tmp_path, missing)
    pages = list(write_pages([scenario, skipping], ["a.html", "b.html"], wanted, 1, silent))
    assert [page.verdict for page in pages] == [Verdict.ERROR, Verdict.SKIP]
    assert not any(page.file for page in pages)


def test_a_search_that_was_cut_short_gives_the_ways_and_says_so(tmp_path: Path) -> None:
    scenario = load_one(SCENARIOS / "torn-reset.toml#every-sc")
    wanted = Wanted(tmp_path, Options(states=30_000))
    (page,) = write_pages([scenario], ["a.html"], wanted, 1, silent)
    assert page.verdict is Verdict.INCONCLUSIVE
    assert "only the ways that were found" in page.note
    assert "the budget of 30000 states is used up" in page.note


def test_a_script_is_one_of_the_ways() -> None:
    scenario: Scenario = load_one(SCENARIOS / "torn-reset.toml#legacy")
    found = content_of(scenario, Options(), beside=SCENARIOS)
    assert found.ways[0].title == "the scenario's own script"
    assert found.ways[0].outcome is Outcome.REFUSED
    assert found.whole
    assert set(found.found) == {Outcome.CONNECTED, Outcome.REFUSED, Outcome.CRASHED}


def test_lessons_are_a_site_with_what_they_link_to() -> None:
    folder = SCENARIOS.parent / "docs" / "lessons"
    assert holds_lessons(folder)
    assert not holds_lessons(SCENARIOS)
    site = site_of(folder)
    assert site.names[2] == "03-torn-reset.html"
    assert {"rules.html", "scenarios.html", "search.html"} <= set(site.docs)


def test_a_lesson_that_links_to_nothing_is_refused(tmp_path: Path) -> None:
    folder = SCENARIOS.parent / "docs" / "lessons"
    text = (folder / "03-torn-reset.md").read_text()
    (tmp_path / "01-x.md").write_text(f"{text}\n[gone](nowhere.md)\n")
    with pytest.raises(InputError, match=r"links to nowhere\.md, which is not there"):
        site_of(tmp_path)
