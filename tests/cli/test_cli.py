"""End to end, through the command line: exit statuses, one line for bad input, files written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCENARIOS = Path(__file__).parents[2] / "scenarios"
TORN = SCENARIOS / "torn-reset.toml"


def guestsim(*arguments: object, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "guestsim", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
        # Not every environment has it installed: some run it from the checkout.
        env={**os.environ, "PYTHONPATH": str(SCENARIOS.parent)},
        check=False,
    )


def scenario(folder: Path, text: str, name: str = "s.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


SCRIPTED = """
title = "one execution"
[boot]
chain = ["reset-poison", "frontend"]
[search]
strategy = "script"
script = [{ run = "guest", until = "halt" }]
"""


def test_run_shows_the_tear() -> None:
    done = guestsim("run", f"{TORN}#legacy")
    assert done.returncode == 0, done.stderr
    assert "the tear begins: xenstored holds req_cons = 31" in done.stdout
    assert "the tear: req_prod = 0 is from after the guest's reset" in done.stdout
    assert (
        "xenstored held req_cons = 31 from before the guest's reset and compared it with "
        "req_prod = 0 from after it" in " ".join(done.stdout.split())
    )
    assert max(map(len, done.stdout.splitlines())) <= 120


def test_check_passes_and_writes_json(tmp_path: Path) -> None:
    path = scenario(tmp_path, SCRIPTED + '[expect]\nconnected = "always"\n')
    done = guestsim("check", path, "--json", tmp_path / "out.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "1 passed, 0 failed, 0 skipped, 0 inconclusive"
    result = json.loads((tmp_path / "out.json").read_text())
    assert list(result) == ["version", "guestsim", "results"]
    (one,) = result["results"]
    assert one["verdict"] == "pass"
    connected = one["outcomes"]["connected"]
    assert (connected["expected"], connected["found"]) == ("always", True)
    witness = Path(connected["witness"])
    assert witness.parent == tmp_path / "out-witnesses", "beside the report"
    assert guestsim("replay", witness).returncode == 0
    assert one["search"]["complete"] is False, "one script is no proof"


def test_a_failed_expectation_is_status_1(tmp_path: Path) -> None:
    done = guestsim("check", scenario(tmp_path, SCRIPTED + '[expect]\nrefused = "always"\n'))
    assert done.returncode == 1
    assert "refused was expected always, but found: connected" in done.stdout


def test_a_budget_that_ends_it_is_inconclusive(tmp_path: Path) -> None:
    text = SCRIPTED.replace('strategy = "script"', 'strategy = "random"\nruns = 2\nmax_ops = 50')
    text = text.replace('script = [{ run = "guest", until = "halt" }]', "")
    path = scenario(tmp_path, text + '[expect]\nconnected = "always"\n')
    done = guestsim("check", path)
    assert done.returncode == 3, done.stdout
    assert "2 of 2 executions were cut short" in done.stdout


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("title = ", "not valid TOML"),
        ('titel = "x"', 'did you mean "title"?'),
        (SCRIPTED.replace("poison", "posion") + '[expect]\nhung = "never"', '"reset-poison"?'),
        (SCRIPTED.replace("reset-poison", "./gone.elf") + '[expect]\nhung = "never"', "no such"),
        (SCRIPTED.replace('"script"', '"exaustive"'), 'did you mean "exhaustive"?'),
    ],
)
def test_bad_input_is_one_line_and_status_2(tmp_path: Path, text: str, line: str) -> None:
    path = scenario(tmp_path, text)
    done = guestsim("check", path)
    assert done.returncode == 2
    assert line in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert str(path) in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "nowhere.toml"),
        ("check",),
        ("check", TORN, "--imgae", "x=y"),
        ("check", TORN, "--image", "x"),
        ("check", TORN, "--image", "hvmloader=x"),
        ("chekc", TORN),
        ("run", f"{TORN}#legaci"),
        ("run", TORN, "--seed", "3"),
        ("run", TORN, "--width", "wide"),
        ("replay", "nowhere.schedule.json"),
        ("mutants", "nowhere"),
        ("mutants", TORN),
    ],
    ids=lambda arguments: " ".join(Path(str(part)).name for part in arguments),
)
def test_a_bad_command_line_is_one_line_and_status_2(arguments: tuple[object, ...]) -> None:
    done = guestsim(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "right"),
    [
        (("run", TORN, "--outcome", "hungg"), "hung"),
        (("debug", TORN, "--outcome", "conected"), "connected"),
        (("check", TORN, "--explorer", "refrence"), "reference"),
        (("lint", TORN, "--format", "gihub"), "github"),
        (("serve", "--socket", "s", "--model", "oxenstore"), "oxenstored"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_word_that_is_not_one_of_an_option_is_told_with_the_nearest(
    arguments: tuple[object, ...], right: str
) -> None:
    done = guestsim(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    wrong, option = arguments[-1], arguments[-2]
    assert done.stderr.startswith(f"guestsim: Invalid value for '{option}': \"{wrong}\" is not one")
    assert f'did you mean "{right}"?' in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_one_bad_scenario_does_not_hide_the_others(tmp_path: Path) -> None:
    scenario(tmp_path, SCRIPTED + '[expect]\nconnected = "always"\n', "good.toml")
    scenario(tmp_path, "title = 1", "bad.toml")
    done = guestsim("check", tmp_path)
    assert done.returncode == 2
    assert done.stdout.splitlines()[-1].startswith("1 passed, 0 failed")


def test_a_missing_image_may_be_skipped_and_is_not_passed(tmp_path: Path) -> None:
    text = SCRIPTED.replace('"reset-poison"', '"./gone.elf"').replace(
        "[search]", "skip_without_image = true\n[search]"
    )
    path = scenario(tmp_path, text + '[expect]\nconnected = "always"\n')
    done = guestsim("check", path)
    assert done.returncode == 0
    assert "no such file" in " ".join(done.stdout.split())
    assert done.stdout.splitlines()[-1] == "0 passed, 0 failed, 1 skipped, 0 inconclusive"


def test_a_saved_schedule_replays_exactly(tmp_path: Path) -> None:
    saved = tmp_path / "torn.schedule.json"
    first = guestsim("run", f"{TORN}#legacy", "--save", saved)
    again = guestsim("replay", saved)
    assert again.returncode == 0, again.stderr
    # The header differs: `run` names the other variants of the file.
    assert again.stdout.splitlines()[-1] == first.stdout.splitlines()[-1]
    assert again.stdout.count("the tear") == first.stdout.count("the tear")


def test_a_schedule_for_other_images_is_refused(tmp_path: Path) -> None:
    saved = tmp_path / "torn.schedule.json"
    guestsim("run", f"{TORN}#legacy", "--save", saved)
    schedule = json.loads(saved.read_text())
    schedule["images"][0]["sha256"] = "0" * 64
    saved.write_text(json.dumps(schedule))
    done = guestsim("replay", saved)
    assert done.returncode == 2
    assert "image reset-poison has changed" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_witnesses_are_written_and_replay(tmp_path: Path) -> None:
    done = guestsim("check", TORN, "--witnesses", tmp_path / "w")
    assert done.returncode == 0, done.stdout
    (witness,) = (tmp_path / "w").glob("*legacy-refused.schedule.json")
    assert guestsim("replay", witness).returncode == 0


def test_every_mutant_is_caught() -> None:
    done = guestsim("mutants", SCENARIOS / "mutants")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "9 of 9 caught"
    assert "missed" not in done.stdout


def test_a_mutant_that_is_not_caught_lowers_the_score(tmp_path: Path) -> None:
    # The same nine, but one of them has lost its mistake.
    shutil.copytree(SCENARIOS / "mutants", tmp_path / "mutants")
    shutil.copy(SCENARIOS / "closing-protocol.toml", tmp_path)
    path = tmp_path / "mutants" / "never-clears.toml"
    path.write_text(path.read_text().replace('mistake = "never-clears"\n', ""))
    done = guestsim("mutants", tmp_path / "mutants")
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "8 of 9 caught"
    (missed,) = (line for line in done.stdout.splitlines() if " missed " in line)
    assert missed.startswith("never-clears")
    assert "hung was expected" in missed


def test_a_mutant_that_cannot_run_is_status_2(tmp_path: Path) -> None:
    text = SCRIPTED.replace('"reset-poison"', '"./gone.elf"')
    done = guestsim("mutants", scenario(tmp_path, text + '[expect]\nhung = "always"\n'))
    assert done.returncode == 2
    assert done.stdout.splitlines()[-1] == "0 of 1 caught"
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_mutants_are_those_that_guestsim_comes_with_wherever_one_is(tmp_path: Path) -> None:
    done = guestsim("mutants", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "9 of 9 caught" in done.stdout


def test_images_are_listed() -> None:
    done = guestsim("images")
    assert done.returncode == 0
    assert {line.split()[0] for line in done.stdout.splitlines() if line[0] != " "} >= {
        "frontend", "reconnect", "reset-poison", "reset-zero", "close-flag", "atomic-reset",
        "close-no-wait", "close-and-zero", "quiet", "mute",
    }  # fmt: skip


def test_version_and_schema() -> None:
    assert guestsim("--version").stdout.startswith("guestsim ")
    assert "properties" in guestsim("schema").stdout


@pytest.mark.heavy
def test_string_stores_in_any_order(tmp_path: Path) -> None:
    """The variant that shows them, and a schedule that needs another order than the guest's."""
    answer, witnesses = tmp_path / "a.json", tmp_path / "w"
    name = SCENARIOS / "empty-value.toml#any-order"
    done = guestsim("check", name, "--json", answer, "--witnesses", witnesses)
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = json.loads(answer.read_text())["results"]
    assert result["search"]["string_stores"] == "any-order"
    assert result["search"]["complete"]
    assert all(finding["found"] for finding in result["outcomes"].values())

    hung = Path(result["outcomes"]["hung"]["witness"])
    again = guestsim("replay", hung)
    assert again.returncode == 0, again.stderr
    text = " ".join(again.stdout.split())
    assert "string stores: " in text
    assert "hung: Nobody gets anywhere" in text

    document = json.loads(hung.read_text())
    assert any(document["choices"])
    del document["choices"]
    hung.write_text(json.dumps(document))
    refused = guestsim("replay", hung)
    assert refused.returncode == 2
    assert "the trace is not the recorded one" in refused.stderr

    # In the guest's own order there is no such end.
    in_order = scenario(
        tmp_path,
        "".join(
            line
            for line in (SCENARIOS / "empty-value.toml").read_text().splitlines(keepends=True)
            if not line.startswith("string_stores")
        ),
    )
    done = guestsim("check", f"{in_order}#any-order")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "hung was expected sometimes, but not found" in done.stdout


@pytest.mark.parametrize("strategy", [pytest.param("random", marks=pytest.mark.heavy), "pct"])
def test_samples_draw_the_order_of_string_stores(tmp_path: Path, strategy: str) -> None:
    path = scenario(
        tmp_path,
        f"""
title = "samples"
[boot]
chain = ["reset-zero", "frontend"]
[search]
strategy = "{strategy}"
runs = 3
string_stores = "any-order"
[expect]
hung = "never"
""",
    )
    answer, witnesses = tmp_path / "a.json", tmp_path / "w"
    done = guestsim("check", path, "--json", answer, "--witnesses", witnesses)
    assert done.returncode == 0, done.stdout + done.stderr
    files = sorted(witnesses.iterdir())
    assert any(any(json.loads(file.read_text()).get("choices", ())) for file in files)
    for file in files:
        assert guestsim("replay", file).returncode == 0


@pytest.mark.parametrize("budget", ["\u0663s", "\u0661\u0666", "3m", "-1", "0", "s"])
def test_a_budget_is_written_in_ascii_digits(budget: str) -> None:
    done = guestsim("check", "--budget", budget, "scenarios")
    assert done.returncode == 2
    assert "write seconds (30s) or states (100000)" in done.stderr


def test_a_write_that_is_refused_says_where_a_guest_may_write(tmp_path: Path) -> None:
    path = scenario(
        tmp_path,
        'title = "t"\n[boot]\nchain = [{ image = "frontend", requests = ["write a=é"] }]\n'
        '[expect]\nconnected = "always"\n',
    )
    done = guestsim("run", path)
    said = " ".join(done.stdout.split())
    assert 'got error "EACCES" (a guest may write in its own places only: below attr' in said
