"""docs/ring.md, the rules and the scenarios say the same: each sentence, each claim, each table."""

from __future__ import annotations

import os
import re
import shutil
from functools import cache
from pathlib import Path

import pytest
from ring_sentences import ACTORS, Folder, problems, sentences

from guestsim.abi.xs_wire import Interface, RingError, ServerFeature, XsdSockmsgType
from guestsim.rules import ALL, Rule
from guestsim.rules.page import OWNER, SIZE
from guestsim.rules.wire import _REQUESTS
from guestsim.runner import Options, check
from guestsim.scenario import Feature, load
from guestsim.scenario.models import feature_bit
from guestsim.trace.results import Result, Verdict

ROOT = Path(__file__).parent.parent
SCENARIOS = ROOT / "scenarios"
FOLDER = Folder(SCENARIOS)
TEXT = (ROOT / "docs" / "ring.md").read_text(encoding="utf-8")
BROKEN = sorted(
    {
        (claim.scenario, claim.subject, claim.by)
        for sentence in sentences(TEXT)
        for claim in sentence.claims
        if claim.word == "broken"
    }
)


def test_sentences_rules_and_scenarios_are_in_step() -> None:
    found = problems(TEXT, FOLDER)
    assert not found, "\n".join(found)


def test_no_sentence_is_lost_on_the_way() -> None:
    """Each MUST and MAY is one sentence's own, so that none hides behind another's proof."""
    binding = re.findall(r"\b(?:MUST|MAY|SHOULD|SHALL)\b", TEXT)
    assert len(sentences(TEXT)) == len(binding) >= 50


# What the first test would say


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_a_rule_that_gets_another_name_is_missed(rule: Rule) -> None:
    name = rule.name
    found = problems(TEXT.replace(f"`{name}`", "`index-keeper`"), FOLDER)
    assert f"docs/ring.md: no sentence names {name}" in found
    assert any(line.endswith("there is no rule and no outcome index-keeper") for line in found)


@pytest.mark.parametrize(
    ("file", "before", "after", "told"),
    [
        (
            "mutants/no-signal.toml",
            'signal = "broken"',
            'signal = "kept"',
            "7.5: mutants/no-signal.toml expects signal kept, not broken",
        ),
        (
            "mutants/no-signal.toml",
            'hung = "sometimes"',
            'hung = "never"',
            "7.5: mutants/no-signal.toml expects hung never, not sometimes",
        ),
        (
            "dom0less.toml",
            'all = "kept"',
            'signal = "kept"',
            "1.7: dom0less.toml#oxenstored-tso says nothing of reset-complete: expected kept",
        ),
        (
            "ring-start.toml",
            'strategy = "exhaustive"',
            'strategy = "bounded"',
            "1.2: ring-start.toml#anywhere-xenstored-sc does not try all interleavings: "
            'it cannot prove "kept"',
        ),
        (
            "close-watches.toml",
            'name = "draft"',
            'name = "literal"',
            "8.1: close-watches.toml has no variant 'draft': it has by-hand, closing, ",
        ),
    ],
    ids=["flipped rule", "flipped outcome", "not judged", "not exhaustive", "renamed variant"],
)
def test_a_scenario_that_changes_is_told_with_its_sentence(
    tmp_path: Path, file: str, before: str, after: str, told: str
) -> None:
    copy = tmp_path / "scenarios"
    shutil.copytree(SCENARIOS, copy)
    text = (copy / file).read_text(encoding="utf-8")
    assert before in text
    (copy / file).write_text(text.replace(before, after), encoding="utf-8")
    found = problems(TEXT, Folder(copy))
    assert any(re.match(rf"docs/ring\.md:\d+: {re.escape(told)}", line) for line in found), found


def test_a_scenario_that_is_gone_is_told_with_its_sentence(tmp_path: Path) -> None:
    copy = tmp_path / "scenarios"
    shutil.copytree(SCENARIOS, copy)
    (copy / "atomic-reset.toml").rename(copy / "atomic.toml")
    found = problems(TEXT, Folder(copy))
    assert found
    assert {line.partition(": ")[2].partition(": ")[2] for line in found} == {
        "there is no scenario atomic-reset.toml"
    }


SAMPLE = "## 1. One\n\n**1.1** The guest MUST NOT sleep.\n*{}*\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            SAMPLE.format("`signal` kept in `wire.toml`"),
            "wire.toml has no variant '': it has events, ",
        ),
        (SAMPLE.format("`signal` never in `wire.toml#events`"), 'signal cannot be "never" here'),
        (SAMPLE.format("`hung` kept in `wire.toml#events`"), 'hung cannot be "kept" here'),
        (SAMPLE.format("`signal` broken in `mutants/no-signal.toml`"), "by whom?"),
        (
            SAMPLE.format("`signal` broken by the server in `mutants/no-signal.toml`"),
            "binds the guest, and signal is broken by the server",
        ),
        (
            SAMPLE.format("`hung` sometimes by the server in `mutants/no-signal.toml`"),
            '"sometimes" is by nobody',
        ),
        (
            SAMPLE.format("`connected` sometimes in `torn-reset.toml#every`"),
            'connected cannot be "sometimes" here',
        ),
        (SAMPLE.format("`refused` always in `torn-reset.toml#legacy`"), 'cannot prove "always"'),
        (SAMPLE.format("see the scenarios"), "1.1: cannot read the proof: see the scenarios"),
        ("**1.1** The guest MUST NOT sleep.\n", "not a number, a sentence and its proof"),
        ("The guest MUST NOT sleep.\n", "a sentence without a number"),
        (SAMPLE.format("`x` kept in `y`").replace("1.1", "2.1"), "2.1: stands in section 1"),
        (2 * (SAMPLE.format("`x` kept in `y`") + "\n"), "section 1 comes after section 1"),
        (2 * (SAMPLE.format("`x` kept in `y`") + "\n"), "1.1: comes after 1.1"),
        (
            SAMPLE.format("`x` kept in `y`").replace("The guest MUST NOT", "The guest does not"),
            "does not begin with who",
        ),
    ],
)
def test_what_the_page_gets_wrong_is_told(text: str, told: str) -> None:
    assert any(told in line for line in problems(text, FOLDER)), problems(text, FOLDER)


# By whom a rule is broken, found out by running it


@cache
def result_of(scenario: str) -> Result:
    hvmloader = os.environ.get("GUESTSIM_HVMLOADER")
    images = {} if hvmloader is None else {"hvmloader": Path(hvmloader)}
    return check(load(SCENARIOS / scenario)[0], Options(images=images))


@pytest.mark.parametrize(("scenario", "rule", "by"), BROKEN)
def test_the_side_that_is_named_breaks_the_rule(scenario: str, rule: str, by: str) -> None:
    result = result_of(scenario)
    if result.verdict is Verdict.SKIP:
        pytest.skip(str(result.error))
    message = result.rules[rule].message
    assert message is not None
    assert message.split(maxsplit=1)[0] == ACTORS[by], message


# Tables


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table of the section, without its head, and without code marks."""
    section = TEXT.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    table = [line for line in section.splitlines() if line.startswith("| ")][1:]
    cells = [[cell.strip(" `") for cell in row.strip("|").split("|")] for row in table]
    return [row for row in cells if not row[0].startswith("---")]


def test_the_page_is_the_one_that_the_rules_watch() -> None:
    table = rows("2. The page, and who writes what")
    assert [(int(row[0]), row[2]) for row in table] == [
        (member.value, member.name.lower()) for member in Interface
    ]
    assert [int(row[1]) for row in table] == [SIZE] * 2 + [4] * (len(Interface) - 2)
    writers = {int(row[0]): row[3].split(":")[0] for row in table}
    for address, owner in OWNER.items():
        assert ACTORS[writers[address]] == owner


def test_the_feature_bits_are_those_of_the_abi() -> None:
    table = rows("4. Feature bits")
    assert [(1 << int(row[0]), row[2]) for row in table] == [
        (feature_bit(feature), feature.value) for feature in Feature
    ]
    assert [int(row[1]) for row in table] == [bit.value for bit in ServerFeature]


def test_the_errors_are_those_of_the_abi() -> None:
    assert [int(row[0]) for row in rows("5. The error field")] == [
        error.value for error in RingError
    ]


def test_the_types_are_those_of_the_abi() -> None:
    told = {
        row[1]: {int(value): name for value, name in re.findall(r"(\d+) ([A-Z_]+)", row[0])}
        for row in rows("9. The wire")
    }
    assert {value: name for types in told.values() for value, name in types.items()} == {
        member.value: member.name.removeprefix("XS_") for member in XsdSockmsgType
    }
    assert set(told["both: the request, and its reply"]) == _REQUESTS


def test_each_scenario_that_a_table_names_is_there() -> None:
    for name in re.findall(r"`([^`\s]+\.toml[^`]*)`", TEXT):
        assert FOLDER.cases(name)


@pytest.mark.parametrize("page", ["README.md", "docs/rules.md"])
def test_it_is_linked(page: str) -> None:
    assert "ring.md" in (ROOT / page).read_text(encoding="utf-8")
