"""What stands around the pages is of ours, too: nothing of somebody else is written over."""

from __future__ import annotations

from pathlib import Path

import pytest

from guestsim.errors import InputError, StoppedError
from guestsim.page.html import Entry, beside_html, index_html
from guestsim.runner import Options, pages
from guestsim.runner.lesson_pages import site_of
from guestsim.runner.pages import Wanted, names_around, names_of, write_pages
from guestsim.scenario import load, load_one

ROOT = Path(__file__).parents[2]


def test_the_names_around_are_known_before_anything_is_written() -> None:
    scenarios = load(ROOT / "scenarios" / "torn-reset.toml")
    assert names_around(scenarios, names_of(scenarios)) == [
        "index.html",
        "torn-reset-every-sc--torn-reset-closing-sc.html",
        "torn-reset-every-tso--torn-reset-closing-tso.html",
    ]


def test_every_two_sides_may_stand_beside_each_other(tmp_path: Path) -> None:
    """The first may have no page in the end."""
    path = tmp_path / "x.toml"
    variants = "".join(f'[[variant]]\nname = "{name}"\n' for name in "abc")
    path.write_text(
        f'title = "x"\n[boot]\nchain = ["frontend"]\n[expect]\nconnected = "always"\n{variants}'
    )
    scenarios = load(path)
    assert names_around(scenarios, names_of(scenarios)) == [
        "index.html",
        "x-a--x-b.html",
        "x-a--x-c.html",
        "x-b--x-c.html",
    ]


def test_two_sides_and_a_page_of_one_name_are_refused(tmp_path: Path) -> None:
    text = 'title = "x"\n[boot]\nchain = ["frontend"]\n[expect]\nconnected = "always"\n'
    (tmp_path / "x.toml").write_text(
        text + '[[variant]]\nname = "a"\n[[variant]]\nname = "b"\n',
    )
    (tmp_path / "x-a--x-b.toml").write_text(text)
    scenarios = [*load(tmp_path / "x.toml"), *load(tmp_path / "x-a--x-b.toml")]
    with pytest.raises(InputError, match=r"^x-a--x-b\.html: two pages would have this name$"):
        names_around(scenarios, names_of(scenarios))


@pytest.mark.parametrize(
    ("links", "name"),
    [
        (["../index.md"], "index.html"),
        (["../01-torn.md"], "01-torn.html"),
        (["../a.md", "../other/a.md"], "a.html"),
    ],
)
def test_documentation_does_not_replace_other_pages(
    links: list[str], name: str, tmp_path: Path
) -> None:
    lessons = tmp_path / "lessons"
    lessons.mkdir()
    text = (ROOT / "docs" / "lessons" / "03-torn-reset.md").read_text()
    text = text.replace("](../", "](https://example.org/")
    (lessons / "01-torn.md").write_text(text + "".join(f"\n[x]({link})\n" for link in links))
    for link in links:
        path = lessons / link
        path.resolve().parent.mkdir(exist_ok=True)
        path.resolve().write_text("# x\n")
    with pytest.raises(InputError, match=rf"two pages would be called {name}$"):
        site_of(lessons)


def test_links_lead_to_files_whatever_they_are_called() -> None:
    entry = Entry("a b%20#?c.html", "x")
    quoted = '"a%20b%2520%23%3Fc.html"'
    assert f"href={quoted}" in index_html("x", [entry])
    assert f"href={quoted}" in index_html("x", [], pairs=[entry])
    assert beside_html("x", entry, entry).count(f"src={quoted}") == 2


def test_who_interrupts_is_not_told_that_time_is_used_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = iter([False, True])

    def stop(*_: object, **__: object) -> None:
        raise StoppedError

    monkeypatch.setattr(pages, "content_of", stop)
    monkeypatch.setattr(pages, "requested", lambda: next(asked, True))
    scenario = load_one(ROOT / "scenarios" / "dom0less.toml#xenstored-sc")
    wanted = Wanted(tmp_path, Options())
    (page,) = write_pages([scenario], ["x.html"], wanted, 1, lambda _number, _report: None)
    assert (page.note, page.file) == ("interrupted", "")
