"""Scenario files as tests, in a project of somebody else's."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from guestsim.cli import commands
from guestsim.cli.ending import Wishes, ended

pytest_plugins = ["pytester"]

GOOD = """title = "a frontend alone"
[boot]
chain = ["frontend"]
[expect]
connected = "always"
"""
VARIANTS = """title = "two sides"
[boot]
chain = ["frontend"]
[expect]
connected = "always"
[[variant]]
name = "one"
[[variant]]
name = "other"
title = "the other side"
search.memory_model = "tso"
"""
BAD = """title = "wrong on purpose"
[boot]
chain = ["reset-poison", "frontend"]
[expect]
connected = "always"
"""
LONG = """title = "forty requests in flight: half a minute"
[boot]
chain = [{ image = "frontend", requests = [SENDS] }]
[expect]
connected = "always"
""".replace("SENDS", ", ".join(['"send data/x"'] * 40))
NO_IMAGE = """title = "an image that is not there"
[boot]
chain = ["./nowhere.elf"]
skip_without_image = true
[expect]
connected = "always"
"""

Files = Callable[..., pytest.Pytester]


@pytest.fixture
def project(pytester: pytest.Pytester) -> Files:
    def make(**files: str) -> pytest.Pytester:
        folder = pytester.mkdir("firmware-tests")
        for name, text in files.items():
            (folder / f"{name}.toml").write_text(text)
        return pytester

    return make


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-n", "0", *arguments)


def test_nothing_is_collected_unless_it_is_asked_for(project: Files) -> None:
    result = run(project(good=GOOD))
    result.assert_outcomes()
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_the_ini_option_says_which_files_are_tests(project: Files) -> None:
    pytester = project(good=GOOD, other=BAD)
    pytester.makeini("[pytest]\nguestsim_scenarios =\n    firmware-tests/go*.toml\n")
    result = run(pytester, "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["firmware-tests/good.toml::good PASSED*"])


def test_the_option_runs_the_files_of_a_folder_and_nothing_else(project: Files) -> None:
    pytester = project(good=GOOD, variants=VARIANTS)
    pytester.makepyfile("def test_other(): pass")
    run(pytester, "--guestsim", "firmware-tests").assert_outcomes(passed=3)
    run(pytester, "--guestsim", "firmware-tests", ".").assert_outcomes(passed=4)


def test_variants_are_items_that_can_be_chosen(project: Files) -> None:
    pytester = project(variants=VARIANTS)
    chosen = run(pytester, "--guestsim", "firmware-tests", "-v", "-k", "other")
    chosen.assert_outcomes(passed=1, deselected=1)
    chosen.stdout.fnmatch_lines(["*variants.toml::other PASSED*"])


def test_tags_are_marks(project: Files) -> None:
    pytester = project(good='tags = ["quick"]\n' + GOOD, variants=VARIANTS)
    chosen = run(pytester, "--guestsim", "firmware-tests", "-m", "quick", "--strict-markers")
    chosen.assert_outcomes(passed=1, deselected=2)


def test_a_failure_shows_the_expectation_the_timeline_and_the_way_back(project: Files) -> None:
    pytester = project(bad=BAD)
    result = pytester.runpytest_inprocess("-n", "0", "--guestsim", "firmware-tests")
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert "connected was expected always, but found: connected, refused" in text, text
    assert "an execution that ends refused" in text, text
    assert "guestsim: READ hvmloader/bios" in text or "READ hvmloader/bios" in text, text
    assert "refused: xenstored held req_cons" in text, text
    assert "Traceback" not in text, text
    (command,) = [line for line in text.splitlines() if line.startswith("again: guestsim replay ")]
    schedule = Path(command.removeprefix("again: guestsim replay "))
    assert json.loads(schedule.read_text())["outcome"] == "refused"


def test_what_was_cut_short_is_an_error_and_no_failure(project: Files, tmp_path: Path) -> None:
    pytester = project(good=GOOD)
    out = tmp_path / "out.xml"
    result = run(
        pytester, "--guestsim", "firmware-tests", "--guestsim-budget", "20", f"--junitxml={out}"
    )
    result.assert_outcomes(errors=1)
    suite = ET.parse(out).getroot()[0]  # noqa: S314
    assert (suite.get("errors"), suite.get("failures")) == ("1", "0")
    assert "the budget of 20 states is used up" in result.stdout.str()


def test_a_skip_says_what_is_missing(project: Files) -> None:
    result = run(project(missing=NO_IMAGE), "--guestsim", "firmware-tests", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*nowhere.elf*no such file*"])


def test_a_wrong_file_is_one_line(project: Files) -> None:
    pytester = project(good=GOOD, wrong=GOOD.replace("always", "allways"))
    result = run(pytester, "--guestsim", "firmware-tests")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["guestsim: *wrong.toml: expect.connected: *always*"])
    assert "Traceback" not in result.stdout.str()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--guestsim", "nowhere"], "--guestsim nowhere: no such file or folder"),
        (["--guestsim-budget", "5m"], "--budget 5m"),
        (["--guestsim-image", "x"], "--image x"),
    ],
)
def test_a_wrong_option_is_a_usage_error(project: Files, arguments: list[str], said: str) -> None:
    result = run(project(good=GOOD), "--guestsim", "firmware-tests", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR, result.stdout.str()
    assert said in result.stderr.str(), result.stderr.str()


def test_the_fixture_checks_a_scenario_made_on_the_fly(project: Files) -> None:
    pytester = project()
    pytester.makepyfile(
        f"""
        import pytest
        from guestsim.errors import InputError

        def test_good(guestsim):
            result = guestsim.check({GOOD!r})
            assert result.verdict == "pass"
            assert result.search.complete
            assert guestsim.check({GOOD!r}, states=20).verdict == "inconclusive"

        def test_wrong(guestsim):
            with pytest.raises(InputError, match="unknown key"):
                guestsim.check("titel = 'x'")
        """
    )
    run(pytester).assert_outcomes(passed=2)


def test_several_processes_find_the_same(project: Files) -> None:
    pytester = project(good=GOOD, variants=VARIANTS, bad=BAD)
    result = pytester.runpytest_subprocess("--guestsim", "firmware-tests", "-n", "2")
    result.assert_outcomes(passed=3, failed=1)


def test_pytest_and_check_agree_case_by_case(project: Files, tmp_path: Path) -> None:
    matrix = GOOD.replace("[expect]", '[matrix]\n"ring.req_index" = [0, 0xfffffff0]\n[expect]')
    pytester = project(good=GOOD, variants=VARIANTS, bad=BAD, missing=NO_IMAGE, matrix=matrix)
    (pytester.path / "pyproject.toml").write_text("")
    out, results = tmp_path / "out.xml", tmp_path / "out.json"
    run(pytester, "--guestsim", "firmware-tests", f"--junitxml={out}")
    wishes = Wishes()
    words = ["check", "firmware-tests", f"--json={results}", "-j1"]
    ended(lambda: commands.app(words, obj=wishes, standalone_mode=False), wishes)
    judged = {}
    for result in json.loads(results.read_text())["results"]:
        file, _, variant = result["scenario"].rpartition("/")[2].partition(".toml")
        judged[file + variant] = result["verdict"]
    found = {}
    for case in ET.parse(out).getroot().iter("testcase"):  # noqa: S314
        file = case.get("classname", "").removeprefix("firmware-tests.").removesuffix(".toml")
        name, _, rest = case.get("name", "").partition("[")
        side = "" if name == file else name
        variant = "-".join(filter(None, (side, rest.removesuffix("]"))))
        kinds = {"failure": "fail", "error": "error", "skipped": "skip"}
        verdict = next((kinds[child.tag] for child in case if child.tag in kinds), "pass")
        found[f"{file}#{variant}" if variant else file] = verdict
    assert found == judged
    assert set(judged.values()) == {"pass", "fail", "skip"}


def test_ctrl_c_ends_the_run(project: Files) -> None:
    pytester = project(a=GOOD, long=LONG)
    pytester.makeconftest(
        """
        import os, signal, threading

        def pytest_runtest_setup(item):
            if "long" in item.nodeid:
                threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
        """
    )
    result = pytester.runpytest_subprocess(
        "-n", "0", "--guestsim", "firmware-tests", "--guestsim-no-cache", timeout=60
    )
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "KeyboardInterrupt" in result.stdout.str()
