"""`[matrix]`, on decoded TOML."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from guestsim.scenario.matrix import Case, cases
from guestsim.scenario.problem import Problem

TEXT = """
[matrix]
"daemon.model" = ["xenstored", "oxenstored"]
"ring.req_index" = [0, 0xfffffff0]
"""


ONE = "[matrix]\n'a.b' = [1]\n"


def of(text: str, **options: Any) -> list[Case]:
    return list(cases(tomllib.loads(text), **options))


def test_there_is_a_case_for_each_combination() -> None:
    assert [case.name for case in of(TEXT)] == [
        *("xenstored-req_index=0", "xenstored-req_index=0xfffffff0"),
        *("oxenstored-req_index=0", "oxenstored-req_index=0xfffffff0"),
    ]
    assert of(TEXT)[1].changes == {
        "daemon": {"model": "xenstored"},
        "ring": {"req_index": 0xFFFFFFF0},
    }


def test_dots_may_be_outside_the_quotes() -> None:
    assert of("[matrix.daemon]\nmodel = ['xenstored']") == of(
        "[matrix]\n'daemon.model' = ['xenstored']"
    )


def test_cases_can_be_excluded() -> None:
    text = f'{TEXT}exclude = [{{ "daemon.model" = "oxenstored", "ring.req_index" = 0 }}]'
    assert [case.name for case in of(text)] == [
        *("xenstored-req_index=0", "xenstored-req_index=0xfffffff0"),
        "oxenstored-req_index=0xfffffff0",
    ]


def test_expectations_can_differ() -> None:
    text = f"""{TEXT}
    [[matrix.expect]]
    when = {{ "ring.req_index" = 0xfffffff0 }}
    hung = "sometimes"
    rules.all = "kept"
    """
    first, second, *_ = of(text)
    assert "expect" not in first.changes
    assert second.changes["expect"] == {"hung": "sometimes", "rules": {"all": "kept"}}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('"boot.chain" = [["a", "frontend"]]', "a+frontend"),
        ('"boot.chain" = [[{ image = "a" }, "frontend"]]', "a+frontend"),
        ('"boot.skip_without_image" = [true]', "skip_without_image=true"),
        ('"search.bound" = [3]', "bound=3"),
        ('store."data/a.b" = ["v"]', "v"),
        ('store."data/a" = ["two words"]', "a=1"),
    ],
)
def test_names_say_what_is_different(text: str, name: str) -> None:
    assert [case.name for case in of(f"[matrix]\n{text}")] == [name]


def test_a_path_of_the_store_may_have_dots() -> None:
    (case,) = of('[matrix]\nstore."data/a.b" = ["v"]')
    assert case.changes == {"store": {"data/a.b": "v"}}


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("matrix = 3", ("matrix",), "expected a table"),
        ("[matrix]\nexclude = []", ("matrix",), "no key with values"),
        ("[matrix]\n'a.b' = 3", ("matrix", "a.b"), "expected a list of values"),
        ("[matrix]\n'a.b' = []", ("matrix", "a.b"), "expected a list of values"),
        ("[matrix]\n'a.b' = [1, 1]", ("matrix", "a.b", 1), "twice"),
        ("[matrix]\n'a.b' = [1]\na.b = [2]", ("matrix", "a", "b"), "twice"),
        (ONE + "exclude = [{ 'a.c' = 1 }]", ("matrix", "exclude", 0, "a.c"), "a.b"),
        (ONE + "exclude = [{ 'a.b' = 2 }]", ("matrix", "exclude", 0, "a.b"), "not"),
        ("[matrix]\n'a.b' = [1]\nexclude = [{ 'a.b' = 1 }]", ("matrix", "exclude"), "no case"),
        ("[matrix]\n'a.b' = [1]\nexclude = [{}]", ("matrix", "exclude", 0), "expected a table"),
        ("[matrix]\n'a.b' = [1]\nexpect = 3", ("matrix", "expect"), "[[matrix.expect]]"),
        (ONE + "[[matrix.expect]]\nhung = 'never'", ("matrix", "expect", 0), "when"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told(text: str, key: tuple[str | int, ...], said: str) -> None:
    with pytest.raises(Problem) as found:
        of(text)
    assert found.value.key == key
    assert said in found.value.message


def test_many_cases_have_to_be_asked_for() -> None:
    text = "[matrix]\n" + "\n".join(f"'a.k{n}' = [1, 2, 3, 4]" for n in range(5))
    with pytest.raises(Problem, match=r"1,024 cases; more than 1,000 need --max-cases 1024"):
        of(text)
    assert len(of(text, most=1024)) == 1024
