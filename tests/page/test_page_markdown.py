"""Markdown as HTML: links between pages, and no markup but ours."""

from __future__ import annotations

import pytest

from guestsim.page.markdown import linked_files, title_of, to_html


@pytest.mark.parametrize(
    ("target", "becomes"),
    [
        ("../rules.md", "rules.html"),
        ("03-torn-reset.md#the-end", "03-torn-reset.html#the-end"),
        ("https://example.org/x.md", "https://example.org/x.md"),
        ("#here", "#here"),
        ("x.txt", "x.txt"),
    ],
)
def test_links_to_markdown_lead_to_its_page(target: str, becomes: str) -> None:
    assert f'href="{becomes}"' in to_html(f"See [this]({target}).")


def test_files_are_named_once_each() -> None:
    text = "[a](../a.md) [b](b.md#x) [a](../a.md#y) [c](https://x.org/c.md) [d](d.png)"
    assert linked_files(text) == ["../a.md", "b.md"]


def test_markup_in_the_text_stays_text() -> None:
    assert "&lt;script&gt;" in to_html("<script>alert(1)</script>")
    assert "javascript:" not in to_html("[x](javascript:alert(1))").partition("href")[2]


def test_tables_are_tables() -> None:
    assert "<td>1</td>" in to_html("| a | b |\n| --- | --- |\n| 1 | 2 |\n")


def test_the_title_is_the_first_heading() -> None:
    assert title_of("text\n\n# The rules\n\n# Another") == "The rules"
    assert title_of("no heading") == ""
