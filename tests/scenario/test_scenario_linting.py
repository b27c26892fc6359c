"""Lint: every mistake with its place; then what hardly means what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from guestsim.errors import InputError
from guestsim.scenario import find, load
from guestsim.scenario.linting import lint
from guestsim.scenario.template import TEMPLATE

ROOT = Path(__file__).parents[2]

BAD = """\
title = "x"
tags = ["A", "b", "C"]
[boot]
chain = ["frontend", { image = "frontend", requests = ["reed a", "commit", "read b"] }]
[search]
strategey = "random"
memory_model = "tsoo"
[expect]
conected = "always"
hung = "nevr"
[expect.rules]
index_owner = "kept"
[[variant]]
name = "a"
daemon.model = "xenstord"
"""


def said(text: str, folder: Path) -> list[str]:
    path = folder / "x.toml"
    path.write_text(text)
    return [str(finding).removeprefix(f"{folder}/") for finding in lint(path)]


def test_every_mistake_has_its_place(tmp_path: Path) -> None:
    found = [line[: line.index(": ", 12)] for line in said(BAD, tmp_path)]
    assert found == [
        "x.toml:2:9: tags[0]",
        "x.toml:2:19: tags[2]",
        "x.toml:4:56: boot.chain[1].requests[0]",
        "x.toml:4:66: boot.chain[1].requests[1]",
        "x.toml:6:1: search.strategey",
        "x.toml:7:1: search.memory_model",
        "x.toml:9:1: expect.conected",
        "x.toml:10:1: expect.hung",
        "x.toml:12:1: expect.rules.index_owner",
        "x.toml:15:1: variant[0].daemon.model",
    ]


MATRIX = """\
[[variant]]
name = "{name}"
matrix."search.memory_model" = ["sc", "tso"]
[[variant.matrix.expect]]
when."search.memory_model" = "sc"
hung = "never"
[[variant.matrix.expect]]
when."search.memory_model" = "tso"
{key} = "{word}"
"""
TWO = 'title = "x"\n[boot]\nchain = ["frontend"]\n'


def test_what_is_expected_of_a_case_has_its_place_in_each_variant(tmp_path: Path) -> None:
    first = MATRIX.format(name="a", key="hungg", word="never") + 'connected = "always"\n'
    second = MATRIX.format(name="b", key="hung", word="nevr")
    assert said(TWO + first + second, tmp_path) == [
        'x.toml:12:1: variant[0].matrix.expect[1].hungg: unknown key; did you mean "hung"? '
        '(in case "tso")',
        'x.toml:22:1: variant[1].matrix.expect[1].hung: "nevr" is not one of always, sometimes, '
        'never; did you mean "never"? (in case "tso")',
    ]


def test_what_is_missing_without_a_mistaken_case_is_no_second_mistake(tmp_path: Path) -> None:
    text = TWO + MATRIX.format(name="a", key="hungg", word="never")
    (found,) = said(text, tmp_path)
    assert "hungg: unknown key" in found


def test_what_was_taken_out_is_not_missing(tmp_path: Path) -> None:
    assert said('title = "x"\n[boot]\nchain = [1, 2]\n[expect]\n', tmp_path) == [
        "x.toml:3:10: boot.chain[0]: expected a string or a table, got the integer 1",
        "x.toml:3:13: boot.chain[1]: expected a string or a table, got the integer 2",
    ]


def test_what_is_missing_stands_where_it_would(tmp_path: Path) -> None:
    text = '[boot]\nchain = ["frontend"]\n[expect]\n'
    assert said(text, tmp_path) == ["x.toml:1:1: title: missing; expected a string"]
    (found,) = said(f'title = "x"\n{text}', tmp_path)
    assert found.startswith("x.toml:4:2: expect: names no outcome")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("title = \n", "x.toml:1:9: not valid TOML"),
        ('title = "x\n', "x.toml:1:"),
        ("a = 1\na = 2\n", "x.toml:2:"),
    ],
)
def test_what_is_not_toml_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    (found,) = said(text, tmp_path)
    assert found.startswith(line), found


GOOD = """\
title = "x"
[boot]
chain = ["frontend"]
[search]
strategy = "random"
[expect]
hung = "never"
connected = "sometimes"
"""


def test_what_samples_do_not_prove_is_a_warning(tmp_path: Path) -> None:
    assert said(GOOD, tmp_path) == [
        'x.toml:7:1: warning: expect.hung: "never" is not proved by random, which tries 100 '
        "executions; exhaustive would"
    ]


def test_a_step_that_cannot_come_is_a_warning(tmp_path: Path) -> None:
    script = (
        'title = "x"\n[boot]\nchain = ["frontend"]\n[search]\nstrategy = "script"\n'
        'script = [\n  { run = "daemon", until = "store req_prod" },\n]\n'
        '[expect]\nconnected = "always"\n'
    )
    (found,) = said(script, tmp_path)
    assert found.startswith("x.toml:7:21: warning: search.script[0].until: xenstored never stores")
    assert said(script.replace("req_prod", "rsp_prod"), tmp_path) == []


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        lint(tmp_path / "x.toml")


def test_the_shipped_scenarios_and_the_template_are_clean(tmp_path: Path) -> None:
    for path in find([ROOT / "scenarios"]):
        assert [finding for finding in lint(path) if finding.is_error] == [], path
    assert said(TEMPLATE, tmp_path) == []
    assert len(load(tmp_path / "x.toml")) == 2
