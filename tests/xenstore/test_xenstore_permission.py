"""Permission entries: how they are read, and what they grant."""

from __future__ import annotations

import pytest

from guestsim.xenstore.permission import (
    Access,
    Permission,
    access_of,
    format_permission,
    parse_permission,
)

ALL = Access.READ | Access.WRITE | Access.OWNER


@pytest.mark.parametrize("text", ["n0", "r1", "w32751", "b7"])
def test_text_there_and_back(text: str) -> None:
    entry = parse_permission(text)
    assert entry is not None
    assert format_permission(entry) == text
    assert entry.access < Access.IGNORED


@pytest.mark.parametrize(
    ("text", "number"), [("r 1", 1), ("r+1", 1), ("r010", 8), ("r0x1f", 31), ("r00", 0)]
)
def test_numbers_as_strtol_reads_them(text: str, number: int) -> None:
    assert parse_permission(text) == Permission(number, Access.READ)


@pytest.mark.parametrize("text", ["r-1", "r32752", "r123456"])
def test_a_number_that_no_domain_has_grants_nothing_and_is_told(text: str) -> None:
    entry = parse_permission(text)
    assert entry is not None
    assert entry.access == Access.READ | Access.IGNORED
    assert format_permission(entry) == text


@pytest.mark.parametrize("text", ["", "n", "x1", "r1 ", "1r", "r08", "r0x", "r--1", "rr1", "r1\n"])
def test_not_a_permission(text: str) -> None:
    assert parse_permission(text) is None


@pytest.mark.parametrize(
    ("domid", "target", "granted"),
    [
        (1, None, ALL),  # the owner
        (2, None, Access.READ),  # its own entry
        (3, None, Access.WRITE),  # the default of those who have none
        (4, None, Access.WRITE),  # its entry is ignored
        (3, 1, ALL),  # the target is the owner
        (3, 2, Access.READ),  # the target's entry
        (2, 5, Access.READ),  # the first entry that fits
        (5, 2, Access.READ),
    ],
)
def test_who_may_do_what(domid: int, target: int | None, granted: int) -> None:
    permissions = (
        Permission(1, Access.WRITE),
        Permission(4, Access.READ | Access.IGNORED),
        Permission(2, Access.READ),
        Permission(5, Access.NONE),
    )
    assert access_of(domid, False, permissions, target) == granted
    assert access_of(domid, True, permissions, target) == ALL
