"""docs/scenarios.md is the reference: every key with its true default, every choice, examples
that load."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest
from scenario_files import LEAST, write

from guestsim.scenario import expectations, load, models, others, platform, schema
from guestsim.scenario.grammar import VERBS
from guestsim.trace import daemons
from guestsim.trace.events import KINDS, places
from guestsim.trace.memory_model import MemoryModel

TEXT = (Path(__file__).parents[2] / "docs/scenarios.md").read_text(encoding="utf-8")

TABLES: dict[str, type[msgspec.Struct]] = {
    "Top level": models.ScenarioFile,
    "boot": models.Boot,
    "Entries of chain": models.Stage,
    "platform": platform.Platform,
    "Entries of devices": platform.Device,
    "ring": models.Ring,
    "daemon": models.Daemon,
    "others": others.Other,
    "search": models.Search,
    "Steps of script": models.Step,
    "expect": expectations.Expect,
    "Rules": expectations.Rules,
    "variant": models.Variant,
}

EXAMPLES = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)


def section(heading: str) -> str:
    """The text between a heading and the next one of any level."""
    parts = re.split(r"^#+ (.*)$", TEXT, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[heading]


def rows(heading: str) -> dict[str, list[str]]:
    """The cells of a section's first table of keys, by key."""
    cells = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in re.split(r"\n\n\| (?:strategy|act) ", section(heading))[0].splitlines()
        if line.startswith("| `")
    ]
    return {row[0].strip("|` "): row for row in cells}


@pytest.mark.parametrize("heading", TABLES)
def test_every_key_is_documented(heading: str) -> None:
    """One row for each key of the type, and no other."""
    expected = {field.encode_name for field in msgspec.structs.fields(TABLES[heading])}
    assert set(rows(heading)) == expected


@pytest.mark.parametrize("heading", TABLES)
def test_every_default_is_true(heading: str) -> None:
    """Numbers, words and truth values as TOML writes them; what must be there is `required`."""
    for field in msgspec.structs.fields(TABLES[heading]):
        documented = rows(heading)[field.encode_name][2]
        if isinstance(field.default, bool):
            assert documented == f"`{str(field.default).lower()}`", field.name
        elif isinstance(field.default, str):
            assert documented == f'`"{field.default}"`', field.name
        elif isinstance(field.default, int):
            assert documented == f"`{field.default}`", field.name
        elif field.required:
            assert documented == "required", field.name
        else:
            assert "`" not in documented, field.name


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("Requests", VERBS),
        ("Steps of script", KINDS + places()),
        *(
            (heading, tuple(str(member.value) for member in choice))
            for heading, choice in (
                ("Names of devices", platform.DeviceName),
                ("daemon", daemons.DaemonModel),
                ("daemon", models.Feature),
                ("daemon", daemons.Wakes),
                ("Mistakes", daemons.Mistake),
                ("search", models.Strategy),
                ("search", MemoryModel),
                ("search", models.StringOrder),
                ("expect", expectations.Frequency),
                ("Rules", expectations.Judgement),
            )
        ),
    ],
)
def test_every_choice_is_documented(heading: str, words: tuple[str, ...]) -> None:
    """Each word stands in code marks in its section."""
    marked = set(re.findall(r"`([^`\s]+)", section(heading)))
    assert set(words) <= marked, set(words) - marked


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_example_loads(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands, or, where it shows one table, with the least that makes it a scenario."""
    monkeypatch.chdir(tmp_path)
    text = EXAMPLES[number]
    document = tomllib.loads(text)
    if "title" not in document:
        least = [line for line in LEAST.splitlines() if line.partition(".")[0] not in document]
        if "expect" in document:
            # The example's [expect] is a table of its own, and cannot be written in two places.
            text = text.replace("[expect.rules]", '[expect]\nconnected = "always"\n[expect.rules]')
        text = "\n".join([*least, text])
    assert load(write(text))


def test_there_are_examples() -> None:
    """The test above would pass without any."""
    assert len(EXAMPLES) >= 5


def test_the_error_that_is_shown_is_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Word for word."""
    monkeypatch.chdir(tmp_path)
    path = write(LEAST + "search.strategey = 1", "scenarios/x.toml")
    with pytest.raises(Exception, match="unknown key") as caught:
        load(path)
    assert f"    {caught.value}\n" in TEXT


def test_no_choice_is_left_out_of_these_tests() -> None:
    """A new enumeration must be added above."""
    definitions = schema()["$defs"]
    assert {name for name, definition in definitions.items() if "enum" in definition} == {
        *("DaemonModel", "Feature", "Wakes", "Strategy", "MemoryModel", "StringOrder"),
        "DeviceName",
        *("Frequency", "Judgement", "Mistake"),
    }
