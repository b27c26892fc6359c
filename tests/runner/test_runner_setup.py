"""A scenario made ready: the page at the start, default requests, images."""

from __future__ import annotations

from pathlib import Path

import pytest

from guestsim.errors import InputError, MissingImageError
from guestsim.rules import ALL
from guestsim.runner.setup import (
    initial_memory,
    set_up,
)
from guestsim.scenario import RULES, Daemon, Ring, Scenario, load_one
from guestsim.trace import shared
from guestsim.trace.daemons import DaemonModel


def scenario(folder: Path, text: str) -> Scenario:
    path = folder / "s.toml"
    path.write_text(f'title = "t"\n{text}\n[expect]\nconnected = "always"\n')
    return load_one(path)


def word(memory: bytes, offset: int) -> int:
    return shared.load(memory, offset, 4)


def test_the_page_is_as_the_scenario_says() -> None:
    ring = Ring(req_index=0xFFFFFFF0, rsp_index=7, fill=0xA5)
    memory = initial_memory(ring, Daemon(model=DaemonModel.XENSTORED))
    assert [word(memory, offset) for offset in range(2048, 2080, 4)] == [
        0xFFFFFFF0, 0xFFFFFFF0, 7, 7, 0, 0, 0, 0,
    ]  # fmt: skip
    assert set(memory[:2048]) == {0xA5}
    assert not any(memory[shared.SHARED_INFO :]), "no events before the guest runs"


def test_what_the_daemon_advertises_is_there_before_the_guest_runs() -> None:
    daemon = Daemon(model=DaemonModel.OXENSTORED)
    assert word(initial_memory(Ring(), daemon), 2064) == 1
    # A dom0less page waits for its introduction.
    assert word(initial_memory(Ring(connection=1), daemon), 2064) == 0


def test_an_unknown_image_gets_the_nearest_name(tmp_path: Path) -> None:
    made = scenario(tmp_path, '[boot]\nchain = ["reset-posion", "frontend"]')
    with pytest.raises(InputError) as caught:
        set_up(made)
    assert 'did you mean "reset-poison"?' in str(caught.value)


def test_a_missing_file_is_a_missing_image(tmp_path: Path) -> None:
    with pytest.raises(MissingImageError, match="no such file"):
        set_up(scenario(tmp_path, '[boot]\nchain = ["./gone.elf"]'))


def test_an_image_for_a_stage_that_is_not_there_is_refused(tmp_path: Path) -> None:
    made = scenario(tmp_path, '[boot]\nchain = ["frontend"]')
    with pytest.raises(InputError, match="no stage is called 'hvmloader'; there are: frontend"):
        set_up(made, {"hvmloader": Path("x")})


def test_scenarios_and_rules_know_the_same_names() -> None:
    assert tuple(rule.name for rule in ALL) == RULES
