"""Nearest spellings: a typing error leads back to what was meant, garbage leads nowhere."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guestsim.scenario import expectations, models
from guestsim.scenario.grammar import VERBS
from guestsim.scenario.problem import Problem
from guestsim.scenario.shape import check_shape
from guestsim.trace import daemons
from guestsim.trace.events import KINDS, places
from guestsim.trace.memory_model import MemoryModel
from guestsim.trace.spelling import distance, hint, nearest

TABLES: dict[str, type[msgspec.Struct]] = {
    "ScenarioFile": models.ScenarioFile,
    "Boot": models.Boot,
    "Stage": models.Stage,
    "Ring": models.Ring,
    "Daemon": models.Daemon,
    "Search": models.Search,
    "Step": models.Step,
    "Expect": expectations.Expect,
    "Rules": expectations.Rules,
    "Variant": models.Variant,
}

CHOICES: tuple[type[enum.StrEnum], ...] = (
    daemons.DaemonModel,
    models.Feature,
    daemons.Wakes,
    daemons.Mistake,
    models.Strategy,
    MemoryModel,
    models.StringOrder,
    expectations.Frequency,
    expectations.Judgement,
)

VOCABULARIES = {
    **{
        name: tuple(field.encode_name for field in msgspec.structs.fields(table))
        for name, table in TABLES.items()
    },
    **{choice.__name__: tuple(str(member.value) for member in choice) for choice in CHOICES},
    "verbs": VERBS,
    "kinds": KINDS,
    "places": places(),
}


def typing_errors(word: str, typed: str) -> Iterator[str]:
    """Every word that is one typing error off, with `typed` as the only wrong character."""
    for i in range(len(word) + 1):
        yield word[:i] + typed + word[i:]
        if i < len(word):
            yield word[:i] + word[i + 1 :]
            yield word[:i] + typed + word[i + 1 :]
        if 0 < i < len(word):
            yield word[: i - 1] + word[i] + word[i - 1] + word[i + 1 :]


@pytest.mark.parametrize("name", VOCABULARIES)
def test_one_typing_error_leads_back(name: str) -> None:
    """In every place where a word is looked up: the word that was meant is suggested."""
    words = VOCABULARIES[name]
    checked = 0
    for word in words:
        for character in "xe_":
            for typed in typing_errors(word, character):
                if typed not in words:
                    assert word in nearest(typed, words), f"{typed} should lead to {word}"
                    checked += 1
    assert checked >= len(words)


@settings(deadline=None)
@given(
    st.sampled_from([(name, word) for name in TABLES for word in VOCABULARIES[name]]),
    st.characters(exclude_categories=["Cs"]),
    st.data(),
)
def test_a_mistyped_key_is_named_with_its_right_spelling(
    where: tuple[str, str], character: str, data: st.DataObject
) -> None:
    """From the file's side: one wrong character in any key of any table, any character."""
    table, key = where
    typed = data.draw(st.sampled_from(sorted(set(typing_errors(key, character)))))
    if typed in VOCABULARIES[table]:
        return
    places: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        "ScenarioFile": lambda inner: inner,
        "Boot": lambda inner: {"boot": inner},
        "Stage": lambda inner: {"boot": {"chain": [inner]}},
        "Ring": lambda inner: {"ring": inner},
        "Daemon": lambda inner: {"daemon": inner},
        "Search": lambda inner: {"search": inner},
        "Step": lambda inner: {"search": {"script": [inner]}},
        "Expect": lambda inner: {"expect": inner},
        "Rules": lambda inner: {"expect": {"rules": inner}},
        "Variant": lambda inner: {"variant": [inner]},
    }
    with pytest.raises(Problem) as caught:
        check_shape(places[table]({typed: 0}))
    assert caught.value.key[-1] == typed
    assert caught.value.message.startswith("unknown key; did you mean ")
    assert f'"{key}"' in caught.value.message


@pytest.mark.parametrize(
    ("left", "right", "errors"),
    [
        ("", "", 0),
        ("abc", "abc", 0),
        ("abc", "", 3),
        ("abc", "ac", 1),
        ("abc", "axbc", 1),
        ("abc", "abx", 1),
        ("abc", "acb", 1),
        ("abcd", "badc", 2),
        ("kitten", "sitting", 3),
    ],
)
def test_distance(left: str, right: str, errors: int) -> None:
    """Known answers, the same both ways."""
    assert distance(left, right) == distance(right, left) == errors


@given(st.text(max_size=6), st.text(max_size=6), st.text(max_size=6))
def test_distance_is_bounded_and_symmetric(left: str, right: str, tail: str) -> None:
    """A common end costs nothing more, and two words never differ by more than the longer one."""
    errors = distance(left, right)
    assert errors == distance(right, left)
    assert abs(len(left) - len(right)) <= errors <= max(len(left), len(right))
    assert distance(left + tail, right + tail) <= errors


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("STRATEGY", ("strategy",)),
        ("strat", ("strategy",)),
        ("memory", ("memory_model",)),
        ("zzz", ()),
        ("", ()),
        ("x" * 100_000, ()),
    ],
)
def test_nearest(word: str, expected: tuple[str, ...]) -> None:
    """Case does not count, a good piece of a word is enough, and garbage suggests nothing."""
    assert nearest(word, VOCABULARIES["Search"]) == expected


def test_a_hint_is_the_end_of_a_sentence() -> None:
    """Nothing where nothing is near; all that are equally near."""
    assert hint("zzz", ("req", "rsp")) == ""
    assert hint("rq", ("req", "rsp")) == '; did you mean "req"?'
    assert hint("rqe", ("req", "rsp")) == '; did you mean "req"?'
    assert hint("rp", ("rep", "rsp")) == '; did you mean "rep" or "rsp"?'
