"""What `check` says of a search that was ended early: exact lines."""

from __future__ import annotations

from guestsim.report.bulk import bulk_lines
from guestsim.trace.results import Bulk, BulkPlace, SearchStats


def place(actor: str, op: str, states: int, runs: int = 0, where: str = "f") -> BulkPlace:
    return BulkPlace(actor, op, "stub" if actor == "guest" else "xenstored", where, 7, states, runs)


def lines(states: int, *places: BulkPlace, runs: int = 0, **buffered: int) -> list[str]:
    bulk = Bulk(places, buffered, runs)
    return list(
        bulk_lines(SearchStats("exhaustive", "tso", False, states, 0, None, 0.0, bulk=bulk))
    )


def test_each_actor_has_a_line_and_shares_are_rounded_down() -> None:
    assert lines(
        2_000,
        place("guest", "store rsp[0..1023]", 1_539, where="a.c:3 g"),
        place("guest", "load req_cons", 200, where=""),
        place("daemon", "wait server_pending", 2_000),
    ) == [
        "of 2,000 states so far, the guest stands in 76% at store rsp[0..1023] (stub, a.c:3 g), "
        "in 10% at load req_cons (stub)",
        "the daemon stands in 100% at wait server_pending (xenstored, f)",
    ]


def test_what_is_little_is_left_out() -> None:
    few = [place("guest", f"load rsp[{at}]", 99, 9) for at in range(10)]
    assert lines(1_000, *few, runs=100, guest=99) == []
    many = [place("guest", f"load rsp[{at}]", 250) for at in range(4)]
    assert lines(1_000, *many)[0].count(" at ") == 3


def test_an_actor_without_a_line_does_not_take_the_number_away() -> None:
    some = place("guest", "load rsp[1]", 99), place("daemon", "wait", 990)
    assert lines(1_000, *some) == [
        "of 1,000 states so far, the daemon stands in 99% at wait (xenstored, f)"
    ]


def test_buffers_and_runs() -> None:
    places = place("guest", "load rsp[1]", 5, 250), place("daemon", "load req[1]", 6, 700)
    assert lines(100, *places, runs=1_000, guest=93, daemon=9) == [
        "the guest's store buffer holds stores in 93%",
        "actors ran 1,000 times for values not seen before: 70% daemon at load req[1] "
        "(xenstored, f), 25% guest at load rsp[1] (stub, f)",
    ]


def test_nothing_was_stored() -> None:
    assert lines(0, place("guest", "halt", 0)) == []


def test_names_of_the_users_are_escaped() -> None:
    (line,) = lines(1, BulkPlace("guest", "halt", "a\x1b[2J", "b\n", 1, 1, 0))
    assert "\x1b" not in line
    assert "\n" not in line
