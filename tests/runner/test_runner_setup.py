"""A scenario made ready: the page at the start, default requests, images."""

from __future__ import annotations

from pathlib import Path

import pytest

from guestsim.daemon.standing import standing
from guestsim.errors import InputError, MissingImageError
from guestsim.rules import ALL
from guestsim.runner import run_once
from guestsim.runner.handovers import SAME_HANDOVER
from guestsim.runner.setup import (
    initial_memory,
    set_up,
)
from guestsim.scenario import RULES, Daemon, Ring, Scenario, load_one
from guestsim.trace import Flag, Kind, Outcome, shared
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


def test_the_event_at_the_start() -> None:
    daemon = Daemon(model=DaemonModel.XENSTORED)

    def bits(ring: Ring) -> list[int]:
        memory = initial_memory(ring, daemon)
        word = ring.port // 32 * 4
        places = (shared.PENDING + word, shared.MASK + word, shared.SELECTOR)
        return [shared.load(memory, place, 4) for place in places] + [memory[shared.UPCALL_PENDING]]

    bit = 1 << 40 % 32
    assert bits(Ring(port=40)) == [0, 0, 0, 0]
    # As Xen sets one: the word that it is in, and that there is one at all.
    assert bits(Ring(port=40, pending=True)) == [bit, 0, 2, 1]
    assert bits(Ring(port=40, masked=True)) == [0, bit, 0, 0]
    assert bits(Ring(port=40, masked=True, pending=True)) == [bit, bit, 0, 0]


@pytest.mark.parametrize("model", DaemonModel)
def test_without_a_xenstore_the_daemon_sleeps_for_ever(model: DaemonModel, tmp_path: Path) -> None:
    chain = '[boot]\nchain = ["frontend"]\n[ring]\nxenstore = false\n[daemon]\n'
    made = set_up(scenario(tmp_path, f'{chain}model = "{model}"'))
    (op,) = made.daemon.start().ops
    assert op.kind is Kind.WAIT
    assert not op.flags & Flag.SPURIOUS
    assert standing(made.daemon.start().point.state) == ""


def test_without_a_xenstore_the_hypervisor_knows_of_none(tmp_path: Path) -> None:
    """The parameters are 0, so the guest's ring is at page 0; a signal to port 0 is an error."""
    made = scenario(tmp_path, '[boot]\nchain = ["frontend"]\n[ring]\nxenstore = false')
    run, _ = run_once(made, set_up(made))
    assert run.outcome is Outcome.CRASHED
    assert "EVTCHNOP_send, &send) == 0' failed" in " ".join(" ".join(run.hints).split())
    assert not any(event.op.kind in (Kind.LOAD, Kind.STORE) for event in run.events)


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
    assert (*(rule.name for rule in ALL), SAME_HANDOVER) == RULES
