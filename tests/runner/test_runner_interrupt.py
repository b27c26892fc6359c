"""Ctrl-C: the first is a request, and what is known is told; the second is an interrupt."""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from guestsim.runner import Options, check, check_all, interrupt
from guestsim.scenario import load_one
from guestsim.trace.results import Verdict

SCENARIOS = Path(__file__).parent.parent.parent / "scenarios"


@pytest.fixture
def note(monkeypatch: pytest.MonkeyPatch) -> Iterator[interrupt.Note]:
    monkeypatch.setattr(interrupt, "_note", None)
    monkeypatch.setattr(interrupt, "_by", None)
    made = interrupt.Note()
    with interrupt.listening(made):
        yield made


def test_the_first_leaves_a_note_and_the_second_interrupts(note: interrupt.Note) -> None:
    assert not interrupt.requested()
    os.kill(os.getpid(), signal.SIGINT)
    assert interrupt.requested()
    assert note.is_set()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_a_search_under_way_tells_what_it_knows(note: interrupt.Note) -> None:
    note.set()
    result = check(load_one(SCENARIOS / "torn-reset.toml#every-sc"))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "the search is incomplete: interrupted" in result.failures
    assert result.search is not None
    assert not result.search.complete


def test_samples_stop_between_two_executions(note: interrupt.Note, tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(
        'title = "t"\n[boot]\nchain = ["frontend"]\n[search]\nstrategy = "random"\n'
        '[expect]\nconnected = "always"\n'
    )
    note.set()
    result = check(load_one(path))
    assert result.verdict is Verdict.INCONCLUSIVE


def test_what_has_not_begun_does_not_begin(
    note: interrupt.Note, monkeypatch: pytest.MonkeyPatch
) -> None:
    note.set()
    module = importlib.import_module("guestsim.runner.check")
    monkeypatch.setattr(module, "listening", nullcontext)
    scenarios = [load_one(SCENARIOS / "torn-reset.toml#legacy")]
    (result,) = check_all(scenarios, Options(), 1, lambda *_: None)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.failures == ("interrupted before it began",)
