"""Sequence diagrams: the grammar of what we write, its length, and what is in it."""

from __future__ import annotations

import re

import pytest
from figure_runs import ALL, HOSTILE, TITLE, names_of, run_of
from report_traces import CONNECTION, NAMES, Guest, Tape, exchange, parties

from guestsim.report.explain import sentence
from guestsim.report.figures.mermaid import MOST_LINES, sequence_diagram
from guestsim.trace import End, Outcome
from guestsim.trace.results import Run
from guestsim.trace.text import escaped

STATEMENT = re.compile(
    r"    (?:participant a\d+ as|Note over a\d+(?:,a\d+)?:|a\d+(?:->>|-->>)a\d+:) (.*)"
)
CODE = re.compile(r"#(\d+);")


def drawn(name: str) -> str:
    text = sequence_diagram(run_of(name), names_of(name), TITLE)
    assert text == sequence_diagram(run_of(name), names_of(name), TITLE)
    return text


def plain(text: str) -> str:
    """As a reader sees it, without spaces."""
    text = text.replace("<br/>", "")
    return "".join(CODE.sub(lambda code: chr(int(code[1])), text).split())


@pytest.mark.parametrize("name", ALL)
def test_each_line_is_a_statement_that_nothing_can_leave(name: str) -> None:
    head, *lines = drawn(name).splitlines()
    assert head == "sequenceDiagram"
    for line in lines:
        found = STATEMENT.fullmatch(line)
        assert found is not None, line
        text = CODE.sub("", found[1].replace("<br/>", ""))
        assert not set('<>;#&%"\\$`{}~^') & set(text), line


@pytest.mark.parametrize("name", ALL)
def test_the_title_is_first_and_the_outcome_last(name: str) -> None:
    run, names = run_of(name), names_of(name)
    lines = [line for line in drawn(name).splitlines() if "participant" not in line]
    assert plain(escaped(TITLE)) in plain(lines[1])
    assert plain(f"{run.outcome or 'inconclusive'}: {sentence(run, names)}") in plain(lines[-1])
    assert len(lines) < MOST_LINES


@pytest.mark.parametrize("name", ALL)
def test_broken_rules_are_in_it(name: str) -> None:
    text = plain(drawn(name))
    for violation in run_of(name).violations:
        assert plain(f"✗ {violation.rule}:") in text


def test_a_request_and_its_reply_are_arrows() -> None:
    lines = [line.strip() for line in drawn("closing").splitlines()]
    assert lines.count("a0->>a1: READ hvmloader/bios") == 1
    at = lines.index("a0->>a1: READ hvmloader/bios")
    assert lines[at + 1] == "a1-->>a0: #34;seabios#34;"
    assert "a1-->>a0: ERROR ENOENT" in lines


def test_ops_in_a_row_are_one_note_that_says_why_their_actor_moves() -> None:
    text = plain(drawn("torn-reset.toml#legacy"))
    assert plain("(xenstored moves: script step 6)2174: load req_prod → 0, fence") in text


def test_names_are_text() -> None:
    assert "    participant a0 as gu#60;b#62;est#59; #35;#37;#37;\n" in drawn(HOSTILE)


def long_run(broken: int, requests: int = 40) -> Run:
    """`requests` requests, and between each of them a rule that is broken."""
    tape = Tape()
    guest, daemon = parties(tape)
    for number in range(requests):
        exchange(tape, guest, daemon, f"key{number}\0")
        for each in range(broken):
            tape.because("random")
            Guest(tape).at("a.c", each, "f")
            tape.load(2064)
            tape.broken(f"rule-{number}-{each}", "x" * 30)
            daemon.at("g")
            tape.load(2064)
    end = End(Outcome.HUNG, "nobody moves")
    return tape.run(Outcome.HUNG, end, "")


@pytest.mark.parametrize(("broken", "requests"), [(1, 100), (2, 120), (9, 120)])
def test_what_is_too_long_is_folded_once_more_and_says_so(broken: int, requests: int) -> None:
    run = long_run(broken, requests)
    text = sequence_diagram(run, NAMES)
    assert len(text.splitlines()) < MOST_LINES
    assert len(text) < 50_000
    assert plain("were left out, to keep this short") in plain(text)
    assert plain(sentence(run, NAMES))[-200:] in plain(text)


def test_what_is_not_too_long_is_left_as_it_is() -> None:
    assert "left out" not in sequence_diagram(long_run(1, 10), NAMES)


def test_what_is_far_from_a_broken_rule_is_left_out_first() -> None:
    run = long_run(1, 100)
    text = sequence_diagram(run, NAMES)
    assert len(text.splitlines()) > MOST_LINES * 2 // 3, "no more than needed"
    text = plain(text)
    assert plain("left out, to keep") in text
    missing = [v.rule for v in run.violations if f"{v.rule}:" not in text]
    assert not missing


def test_what_is_near_a_broken_rule_stays() -> None:
    tape = Tape()
    guest, daemon = parties(tape)
    for number in range(400):
        guest.at("a.c", 1, "f")
        tape.store(CONNECTION, number)
        if number == 200:
            tape.broken("odd", "it is")
        daemon.at("g")
        tape.store(CONNECTION, number)
    lines = sequence_diagram(tape.run(None, End(None, "budget"), ""), NAMES).splitlines()
    (at,) = [number for number, line in enumerate(lines) if "✗ odd" in line]
    assert "were<br/>left" in lines[at - 17].replace("were left", "were<br/>left")
    assert all("connection = " in line for line in lines[at - 16 : at] + lines[at + 1 : at + 17])
    assert "were<br/>left" in lines[at + 17].replace("were left", "were<br/>left")
