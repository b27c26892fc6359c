"""The picture: XML, all that the timeline says, nothing that runs, nothing that sticks out."""

from __future__ import annotations

import re
from collections import Counter
from xml.etree import ElementTree

import pytest
from figure_runs import ALL, HOSTILE, SCRIPT, TITLE, buffered, names_of, run_of
from report_traces import NAMES, torn_reset
from rich.cells import cell_len

from guestsim.report.explain import sentence
from guestsim.report.figures.svg import picture
from guestsim.report.rows import RowKind, rows
from guestsim.report.units import name_of
from guestsim.trace.text import escaped

SVG = "{http://www.w3.org/2000/svg}"
SIZES = {"title": 15, "verdict": 13, "where": 10, "why": 10, "store": 10}


def drawn(name: str, *, full: bool = False) -> ElementTree.Element:
    text = picture(run_of(name), names_of(name), TITLE, full=full)
    assert text == picture(run_of(name), names_of(name), TITLE, full=full)
    return ElementTree.fromstring(text)  # noqa: S314 (we wrote it)


def texts(root: ElementTree.Element, style: str = "") -> list[str]:
    return [each.text or "" for each in root.iter(f"{SVG}text")
            if not style or style in each.get("class", "").split()]  # fmt: skip


def classes(root: ElementTree.Element) -> Counter[str]:
    return Counter(style for each in root.iter() for style in each.get("class", "").split())


@pytest.mark.parametrize("full", [False, True], ids=["folded", "all"])
@pytest.mark.parametrize("name", ALL)
def test_it_says_what_the_timeline_says(name: str, full: bool) -> None:
    root = drawn(name, full=full)
    run, names = run_of(name), names_of(name)
    found = rows(run, names, full=full)
    joined = "".join("".join(texts(root)).split())
    for row in found:
        for said in (row.text.removeprefix("→ "), *row.warnings, *(m.text for m in row.marks)):
            assert "".join(said.split()) in joined, said
    kinds = Counter(row.kind for row in found)
    seen = classes(root)
    assert seen["box"] == kinds[RowKind.OPS]
    assert seen["fold"] == kinds[RowKind.FOLD]
    assert seen["boundary"] == kinds[RowKind.STAGE]
    assert seen["arrow"] == seen["head"] <= kinds[RowKind.SWITCH]
    assert seen["remark"] == sum(len(row.marks) + len(row.warnings) for row in found)
    end = f"{run.outcome or 'inconclusive'}: {sentence(run, names)}"
    assert root.findtext(f"{SVG}desc") == end
    assert "".join("".join(texts(root, "verdict")).split()) == "".join(end.split())


@pytest.mark.parametrize("name", ALL)
def test_only_shapes_and_text_are_in_it(name: str) -> None:
    root = drawn(name)
    tags = {each.tag.removeprefix(SVG) for each in root.iter()}
    assert tags <= {"svg", "title", "desc", "style", "rect", "line", "path", "text", "g"}
    names = {attribute for each in root.iter() for attribute in each.attrib}
    assert not {each for each in names if each.startswith("on") or "href" in each}
    style = root.findtext(f"{SVG}style") or ""
    assert "prefers-color-scheme: dark" in style
    assert not re.search(r"url|@import|@font-face|http", style)
    assert root.findtext(f"{SVG}title") == escaped(TITLE)


def test_markup_in_names_stores_and_guests_is_text() -> None:
    root = drawn(HOSTILE)
    said = "\n".join(texts(root))
    assert f"READ {SCRIPT[:10]}" in said
    assert escaped(names_of(HOSTILE)["daemon"]) in said
    assert "\x1b" not in said


@pytest.mark.parametrize("name", ALL)
def test_no_text_leaves_the_page_or_its_box(name: str) -> None:
    root = drawn(name)
    width, height = int(root.get("width", "")), int(root.get("height", ""))
    for each in root.iter(f"{SVG}text"):
        styles = each.get("class", "").split()
        size = next((SIZES[style] for style in styles if style in SIZES), 12)
        wide = cell_len(each.text or "") * size * 0.61
        x = int(each.get("x", ""))
        left = x - wide if "end" in styles else x - wide / 2 if "mid" in styles else x
        assert left >= 0, each.text
        assert left + wide <= width, each.text
        assert 0 < int(each.get("y", "")) < height
    for group in root.iter(f"{SVG}g"):
        box = group.find(f"{SVG}rect")
        assert box is not None
        right = int(box.get("x", "")) + int(box.get("width", ""))
        for each in group.iter(f"{SVG}text"):
            small = "where" in each.get("class", "")
            if not small:
                end = int(each.get("x", "")) + cell_len(each.text or "") * 12 * 0.61
                assert end <= right, each.text
            top = int(box.get("y", ""))
            assert top < int(each.get("y", "")) < top + int(box.get("height", ""))


def test_rows_do_not_overlap() -> None:
    root = drawn("torn-reset.toml#legacy")
    end = 0
    for rect in root.iter(f"{SVG}rect"):
        if {"box", "fold", "remark"} & set(rect.get("class", "").split()):
            assert int(rect.get("y", "")) >= end
            end = int(rect.get("y", "")) + int(rect.get("height", ""))


def test_the_indices_stand_at_the_right_as_each_row_leaves_them() -> None:
    root = ElementTree.fromstring(picture(torn_reset(), NAMES))  # noqa: S314
    lines: dict[str, list[str]] = {}
    for each in root.iter(f"{SVG}text"):
        lines.setdefault(each.get("y", ""), []).append(each.text or "")
    found = rows(torn_reset(), NAMES)
    for row in found:
        if row.indices is not None:
            values = [
                str(getattr(row.indices, name)) if name in row.shown else "·"
                for name in row.indices._fields
            ]
            (line,) = [
                each for each in lines.values() if str(row.first) in each and each[-4:] == values
            ]
            assert line


def test_a_store_buffer_has_a_lane_where_something_waited() -> None:
    root = ElementTree.fromstring(picture(buffered(), NAMES))  # noqa: S314
    assert texts(root, "store") == ["2 wait", "2 wait", "1 out, 1 waits", "1 waits"]
    assert not texts(drawn("torn-reset.toml#every-sc"), "store")
    assert texts(drawn("torn-reset.toml#every-tso"), "store")


def test_a_run_without_a_trace_is_a_picture_too() -> None:
    run = run_of("torn-reset.toml#legacy")
    empty = type(run)(run.outcome, run.end, run.actor, run.initial, (), ())
    root = ElementTree.fromstring(picture(empty, NAMES))  # noqa: S314
    assert "no trace was recorded" in texts(root)


@pytest.mark.parametrize("name", ["crashed", "put-back", HOSTILE])
def test_what_the_guest_said_stands_above_the_end_and_not_under_it(name: str) -> None:
    root = drawn(name)
    (said,) = [each for each in root.iter(f"{SVG}text") if " said: " in (each.text or "")]
    assert (said.text or "").startswith(name_of("guest", names_of(name)))
    (end,) = [each for each in root.iter() if each.get("class", "").startswith("end-")]
    assert int(said.get("y", "")) + 4 <= int(end.get("y", ""))
