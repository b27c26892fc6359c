"""What `check` prints, and its JSON."""

from __future__ import annotations

import io
import json
from itertools import pairwise

import pytest
from rich.cells import cell_len

from guestsim.report.as_json import check_json
from guestsim.report.console import make_console
from guestsim.report.summary import Page, closing_line
from guestsim.trace.results import Certificate, Finding, Result, RuleFinding, SearchStats, Verdict

STATS = SearchStats("random", "sc", True, None, None, 200, 1.25)


def result(name: str, verdict: Verdict, **more: object) -> Result:
    fields: dict[str, object] = {
        "scenario": name,
        "title": "hvmloader wipes the ring while xenstored looks at it",
        "verdict": verdict,
        "search": STATS,
        "outcomes": {
            "refused": Finding("sometimes", True, None),
            "connected": Finding("sometimes", True, "w.schedule.json"),
            "hung": Finding("never", False, None),
        },
        "rules": {},
        "error": None,
    }
    return Result(**{**fields, **more})  # type: ignore[arg-type]


RESULTS = (
    result("scenarios/torn-reset.toml", Verdict.PASS),
    result(
        "scenarios/closing.toml",
        Verdict.FAIL,
        failures=("`hung` is expected never, but was found", "rule `signal` is broken"),
        rules={
            "signal": RuleFinding("kept", False, None, "no signal after req_prod"),
            "hands-off": RuleFinding(None, False, None, "the guest touched rsp_cons"),
            "wire-sane": RuleFinding(None, True, None),
        },
    ),
    result(
        "scenarios/real/torn-reset.toml",
        Verdict.SKIP,
        search=None,
        outcomes={},
        error="hvmloader is not installed",
    ),
    result("scenarios/wrap.toml", Verdict.INCONCLUSIVE, outcomes={}),
)


def text(results: tuple[Result, ...], width: int | None = None, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    console = make_console(file, width=width)
    page = Page([(each.scenario, each.title) for each in results])
    for each in results:
        console.print(page.entry(each))
    console.print(page.ending())
    file.flush()
    return raw.getvalue().decode(encoding)


def test_the_page() -> None:
    # The longest verdict makes the titles wrap; what failed stands under its scenario.
    page = text(RESULTS).split("\n")
    assert page[:2] == [
        "pass          torn-reset       hvmloader wipes the ring while xenstored looks  "
        "refused, connected (200 runs)      1.25 s",
        "                               at it",
    ]
    assert page[2].startswith("fail          closing          hvmloader")
    assert page[4:7] == [
        "              ✗ `hung` is expected never, but was found",
        "              ✗ rule `signal` is broken",
        "              · broken, but not judged: hands-off",
    ]
    assert page[7].startswith("skip          real/torn-reset  hvmloader")
    assert page[9].startswith("inconclusive  wrap             hvmloader")
    assert page[11:] == [
        "              · the search was cut short: it proves nothing",
        "· 1 skipped: hvmloader is not installed",
        "",
        "1 passed, 1 failed, 1 skipped, 1 inconclusive",
        "",
    ]


def test_a_passed_scenario_takes_one_line() -> None:
    one = result("scenarios/torn-reset.toml", Verdict.PASS, title="hvmloader wipes the ring")
    assert text((one,)) == (
        "pass          torn-reset  hvmloader wipes the ring  "
        "refused, connected (200 runs)                               1.25 s\n\n"
        "1 passed, 0 failed, 0 skipped, 0 inconclusive\n"
    )


def test_an_entry_looks_the_same_whatever_comes_after_it() -> None:
    def first(*results: Result) -> str:
        console = make_console(file := io.StringIO(), width=100)
        page = Page([(each.scenario, each.title) for each in RESULTS])
        for each in results:
            console.print(page.entry(each))
        return file.getvalue()

    pages = [first(*RESULTS[:count]) for count in range(1, len(RESULTS) + 1)]
    for shorter, longer in pairwise(pages):
        assert longer.startswith(shorter)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("width", [60, 80, 120, 160])
def test_no_line_is_too_long(width: int, encoding: str) -> None:
    for line in text(RESULTS, width, encoding).split("\n"):
        assert cell_len(line) <= width, line


def test_a_skipped_scenario_is_not_a_passed_one() -> None:
    assert closing_line(RESULTS[2:3]) == "0 passed, 0 failed, 1 skipped, 0 inconclusive"


def test_errors_are_counted_where_there_are_any() -> None:
    bad = result("a.toml", Verdict.ERROR, error="a.toml: no such image")
    assert closing_line((bad,)) == "0 passed, 0 failed, 0 skipped, 0 inconclusive, 1 error"
    assert "✗ a.toml: no such image" in text((bad,))


def test_the_same_name_in_two_folders_is_told_apart() -> None:
    lines = text(RESULTS)
    assert "  torn-reset  " in lines
    assert "  real/torn-reset  " in lines
    assert "  torn-reset  " in text(RESULTS[2:3])


def test_variants_are_named() -> None:
    results = [result(f"scenarios/torn.toml#{name}", Verdict.PASS) for name in ("a", "b")]
    lines = text(tuple(results)).split("\n")
    assert [line.split()[1] for line in lines[:2]] == ["torn#a", "torn#b"]


def test_json_has_the_documented_keys_in_order() -> None:
    document = check_json(RESULTS[1:2], "0.1")
    assert document.endswith(b"}\n")
    decoded = json.loads(document)
    assert list(decoded) == ["version", "guestsim", "results"]
    assert (decoded["version"], decoded["guestsim"]) == (1, "0.1")
    (entry,) = decoded["results"]
    assert list(entry)[:7] == [
        *("scenario", "title", "verdict", "search", "outcomes", "rules", "error")
    ]
    assert entry["verdict"] == "fail"
    assert list(entry["search"]) == [
        *("strategy", "memory_model", "complete", "states", "transitions", "executions"),
        *("seconds", "certificate", "string_stores", "bulk"),
    ]
    assert entry["search"]["string_stores"] == "in-order"
    assert entry["outcomes"]["connected"] == {
        "expected": "sometimes",
        "found": True,
        "witness": "w.schedule.json",
    }
    assert list(entry["rules"]["signal"])[:3] == ["expected", "kept", "witness"]


def test_json_does_not_depend_on_the_order_of_dicts() -> None:
    (entry,) = RESULTS[1:2]
    backwards = dict(reversed(entry.outcomes.items()))
    again = result(
        entry.scenario,
        Verdict.FAIL,
        outcomes=backwards,
        rules=dict(reversed(entry.rules.items())),
        failures=entry.failures,
    )
    assert check_json((again,), "0.1") == check_json((entry,), "0.1")


def test_nothing_checked() -> None:
    assert text(()) == "0 passed, 0 failed, 0 skipped, 0 inconclusive\n"
    assert json.loads(check_json((), "0.1"))["results"] == []


def test_one_reason_for_skipping_is_told_once() -> None:
    def skipped(name: str, why: str) -> Result:
        error = f"scenarios/{name}.toml: {why}"
        return result(f"scenarios/{name}.toml", Verdict.SKIP, search=None, outcomes={}, error=error)

    results = skipped("a", "no x"), skipped("b", "no y"), skipped("c", "no x")
    assert text(results).split("\n")[-5:] == [
        "· 2 skipped: no x",
        "· 1 skipped: no y",
        "",
        "0 passed, 0 failed, 3 skipped, 0 inconclusive",
        "",
    ]


def test_a_search_from_the_middle_says_so() -> None:
    def searched(begins: int) -> Result:
        stats = SearchStats("exhaustive", "sc", True, 3, 4, None, 0.0, certificate(begins))
        return result("scenarios/a.toml", Verdict.PASS, search=stats)

    assert "refused, connected (complete)" in text((searched(0),), 200)
    assert "refused, connected (complete from op 7 on)" in text((searched(7),), 200)


def certificate(begins: int) -> Certificate:
    return Certificate(
        complete=True, why_incomplete=None, begins_after=begins, memory_images=1, live_runs=1,
        compared_events=0, preemption_bound=None, store_buffer=None, store_buffer_full=False,
        images={}, search_bytes=0, peak_bytes=0,
    )  # fmt: skip


def test_what_is_to_be_said_of_guests_stands_below_once() -> None:
    results = (
        result("a.toml", Verdict.PASS, notices=("stage x touched neither ring nor console",)),
        result("b.toml", Verdict.PASS, notices=("hypercall 55 is not provided: ENOSYS",)),
        result("c.toml", Verdict.PASS, notices=("stage x touched neither ring nor console",)),
    )
    *_, first, second, empty, _ = text(results).splitlines()
    assert first == "· a and 1 more: stage x touched neither ring nor console"
    assert second == "· b: hypercall 55 is not provided: ENOSYS"
    assert not empty
    entry = json.loads(check_json(results, "1"))["results"][1]
    assert entry["notices"] == ["hypercall 55 is not provided: ENOSYS"]
