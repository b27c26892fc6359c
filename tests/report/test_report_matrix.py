"""The tables of matrices."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from guestsim.report.console import make_console
from guestsim.report.matrix import Matrices
from guestsim.scenario import load
from guestsim.trace.results import Result, Verdict

TEXT = """title = "t"
[boot]
chain = ["frontend"]
[matrix]
"boot.chain" = [["reset-poison", "frontend"], ["reset-zero", "frontend"]]
"daemon.model" = ["xenstored", "oxenstored"]
exclude = [{ "boot.chain" = ["reset-zero", "frontend"], "daemon.model" = "oxenstored" }]
[expect]
connected = "sometimes"
"""
WIDE = """s.toml
                          xenstored  oxenstored
reset-poison + frontend   pass       fail
reset-zero + frontend     skip
"""
NARROW = """s.toml
             reset-poison +       reset-zero +
             frontend             frontend
xenstored    pass                 skip
oxenstored   fail
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def shown(text: str, width: int) -> str:
    path = Path("s.toml")
    path.write_text(text)
    verdicts = [Verdict.PASS, Verdict.FAIL, Verdict.SKIP, Verdict.PASS]
    judged = [
        (scenario, Result(scenario.name, "t", verdict, None, {}, {}, None))
        for scenario, verdict in zip(load(path), verdicts, strict=False)
    ]
    out = io.StringIO()
    make_console(out, width=width).print(Matrices(judged))
    return out.getvalue()


@pytest.mark.parametrize(("width", "expected"), [(80, WIDE), (45, NARROW)])
def test_a_row_for_each_chain_a_column_for_each_case(width: int, expected: str) -> None:
    found = shown(TEXT, width)
    assert found.split() == expected.split(), found


def test_memory_models_alone_make_no_table() -> None:
    text = TEXT.partition("[matrix]")[0] + (
        '[matrix]\n"search.memory_model" = ["sc", "tso"]\n[expect]\nconnected = "always"\n'
    )
    assert shown(text, 80) == ""
