"""Random guest programs: the machine surfaces every op that they have, and no other."""

from __future__ import annotations

import os

import pytest
from guest_programs import KINDS, build
from hypothesis import given, settings
from hypothesis import strategies as st
from program_checks import check, check_restoring

Plan = list[tuple[str, int]]

_PRIVATE = ("private", "private", "string", "stack", "flags", "ring-load", "ring-store")
_CODE = ("written-code", "written-code", "patch", "private", "flags", "ring-load", "loop")
_RING = tuple(kind for kind in KINDS if kind not in ("written-code", "patch", "stack", "string"))
SETS = {"private": _PRIVATE, "code": _CODE, "ring": _RING, "all": KINDS}

HEAVY = int(os.environ.get("GUESTSIM_PROGRAMS", "100000"))
"""Programs that the heavy set runs."""


def plans(kinds: tuple[str, ...], blocks: int = 14) -> st.SearchStrategy[Plan]:
    block = st.tuples(st.sampled_from(kinds), st.integers(0, 1 << 20))
    return st.lists(block, min_size=1, max_size=blocks)


seeds = st.integers(0, 1 << 20)


def profile(count: int) -> settings:
    return settings(max_examples=count, derandomize=True, deadline=None, database=None)


@profile(400)
@given(plan=plans(_PRIVATE), seed=seeds)
def test_accesses_to_private_memory_hide_no_op(plan: Plan, seed: int) -> None:
    check(build(plan), seed)


@profile(400)
@given(plan=plans(_CODE), seed=seeds)
def test_code_written_while_the_guest_runs_hides_no_op(plan: Plan, seed: int) -> None:
    check(build(plan), seed)


@profile(400)
@given(plan=plans(_RING), seed=seeds)
def test_every_way_to_touch_the_ring_is_its_ops(plan: Plan, seed: int) -> None:
    check(build(plan), seed)


@profile(300)
@given(plan=plans(KINDS), seed=seeds)
def test_all_of_it_together(plan: Plan, seed: int) -> None:
    check(build(plan), seed)


@profile(200)
@given(plan=plans(KINDS), seed=seeds)
def test_with_fences_under_tso(plan: Plan, seed: int) -> None:
    check(build(plan, fences=True), seed, fences=True)


@profile(150)
@given(plan=plans(_CODE), seed=seeds)
def test_points_resumed_in_any_order_where_code_is_written(plan: Plan, seed: int) -> None:
    check_restoring(build(plan), seed, turns=30)


@profile(150)
@given(plan=plans(KINDS), seed=seeds)
def test_points_resumed_in_any_order(plan: Plan, seed: int) -> None:
    check_restoring(build(plan), seed, turns=30)


@pytest.mark.heavy
@pytest.mark.parametrize("kinds", SETS.values(), ids=SETS)
def test_a_great_many(kinds: tuple[str, ...]) -> None:
    @profile(HEAVY // (2 * len(SETS)))
    @given(plan=plans(kinds, 20), seed=seeds, fences=st.booleans())
    def run(plan: Plan, seed: int, fences: bool) -> None:
        check(build(plan, fences=fences), seed, fences=fences)
        check_restoring(build(plan, fences=fences), seed, turns=20, fences=fences)

    run()
