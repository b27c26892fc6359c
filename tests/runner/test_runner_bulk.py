"""What makes a search large that was ended early: counted in the search itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_actors import halt, load

from guestsim.record import Record
from guestsim.record.record import END
from guestsim.report.bulk import bulk_lines
from guestsim.runner import Options, check, set_up
from guestsim.runner.bulk import places_of
from guestsim.runner.searched import problem_of, search
from guestsim.runner.symbolize import Symbolizer
from guestsim.scenario import load_one
from guestsim.search import Crowd, explore
from guestsim.trace.results import SearchStats

TORN = Path(__file__).parent.parent.parent / "scenarios" / "torn-reset.toml"
STATES = 20_000


def stats(variant: str, options: Options) -> SearchStats:
    found = check(load_one(Path(f"{TORN}#{variant}")), options).search
    assert found is not None
    return found


def test_a_wipe_byte_by_byte_is_named() -> None:
    cut = stats("every-sc", Options(states=STATES))
    assert cut.bulk is not None
    assert not cut.bulk.buffered
    wipes = [place for place in cut.bulk.places if place.where.startswith("reset.c:")][:2]
    assert {(it.actor, it.op, it.stage, it.where, it.points) for it in wipes} == {
        ("guest", "store req[0..1023]", "reset-poison", "reset.c:9 reset_poison", 1024),
        ("guest", "store rsp[0..1023]", "reset-poison", "reset.c:10 reset_poison", 1024),
    }
    first, *_ = bulk_lines(cut)
    assert first.startswith("of 20,001 states so far, the guest stands in ")
    assert "% at store req[0..1023] (reset-poison, reset.c:9 reset_poison)" in first


def test_under_tso_the_buffers_are_counted() -> None:
    cut = stats("every-tso", Options(states=STATES))
    assert cut.bulk is not None
    assert set(cut.bulk.buffered) == {"guest", "daemon"}
    # In a wipe the guest's holds something nearly always; the daemon's is emptied by its signals.
    assert cut.bulk.buffered["guest"] > STATES // 2
    assert cut.bulk.buffered["daemon"] < STATES // 10
    assert any("the guest's store buffer holds stores in " in line for line in bulk_lines(cut))


@pytest.mark.parametrize("variant", ["every-sc", "every-tso"])
def test_each_state_and_each_run_is_somewhere(variant: str) -> None:
    scenario = load_one(Path(f"{TORN}#{variant}"))
    setup = set_up(scenario)
    found = search(scenario, setup, Options(states=STATES))
    symbols = Symbolizer(setup.images)
    runs = 0
    for record, crowd in zip(found.records, found.crowds, strict=True):
        places = places_of(record, crowd, symbols)
        assert sum(place.states for place in places) == found.states
        assert sum(place.points for place in places) == len(record.ops)
        runs += sum(place.runs for place in places) + 1  # the actor's start
    assert runs == found.certificate.live_runs


def test_it_is_the_same_each_time() -> None:
    one, other = (stats("every-sc", Options(states=5_000)).bulk for _ in range(2))
    assert one == other


def test_of_a_search_that_was_done_nothing_is_said() -> None:
    whole = stats("closing-sc", Options())
    assert whole.complete
    assert whole.bulk is None
    assert not list(bulk_lines(whole))


def test_a_bound_on_preemptions_is_no_budget(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(
        'title = "t"\n[boot]\nchain = ["reset-poison", "frontend"]\n'
        '[search]\nstrategy = "bounded"\nbound = 0\n[expect]\nconnected = "sometimes"\n'
    )
    found = check(load_one(path)).search
    assert found is not None
    assert not found.complete
    assert found.bulk is None


def test_a_place_spans_all_its_ops_in_whatever_order_they_come() -> None:
    record = Record("guest")
    record.ops = [*(load(1024 + at, 1) for at in (3, 1, 7)), halt()]
    record.following = [END] * 4
    record.answers = [{0: 1}, {0: 2}, {0: 3}, None]
    places = places_of(record, Crowd({0: 2, 1: 3, 2: 4}, 0), Symbolizer(()))
    assert [(it.op, it.points, it.states, it.runs) for it in places] == [
        ("load rsp[1..7]", 3, 9, 3),
        ("halt connected", 1, 0, 0),
    ]


@pytest.mark.parametrize("gives_up", [False, True])
def test_a_witness_that_could_not_be_replayed_in_time_is_an_early_end(gives_up: bool) -> None:
    scenario = load_one(Path(f"{TORN}#closing-sc"))
    found = explore(problem_of(scenario, set_up(scenario)), give_up=lambda: gives_up)
    assert found.certificate.complete is not gives_up
    assert bool(found.crowds) is gives_up
