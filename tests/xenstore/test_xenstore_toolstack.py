"""The store as a domain finds it."""

from __future__ import annotations

import pytest

from guestsim.errors import InputError
from guestsim.xenstore import build_store
from guestsim.xenstore.permission import Access, Permission

READABLE = (Permission(0, Access.NONE), Permission(1, Access.READ))
OWN = (Permission(1, Access.NONE), Permission(0, Access.READ))


def test_relative_and_absolute_names_of_one_node() -> None:
    relative = build_store({"hvmloader/bios": "seabios"})
    absolute = build_store({"/local/domain/1/hvmloader/bios": b"seabios"})
    assert relative == absolute
    other = build_store({"x": "1"}, domid=7).get("/local/domain/7/x")
    assert other is not None
    assert other.value == b"1"


def test_later_entries_win_and_a_parent_can_follow_its_child() -> None:
    store = build_store({"a/b": "1", "a": "2", "/local/domain/1/a/b": "3"})
    assert [(p, n.value) for p, n in store.walk("/local/domain/1/a")] == [
        ("/local/domain/1/a/b", b"3"),
        ("/local/domain/1/a", b"2"),
    ]


@pytest.mark.parametrize(
    ("path", "permissions"),
    [
        ("/", (Permission(0, Access.NONE),)),
        ("/local/domain", (Permission(0, Access.NONE),)),
        ("/local/domain/1", READABLE),
        ("/local/domain/1/hvmloader/bios", READABLE),
        ("/local/domain/1/device/vbd", READABLE),
        ("/local/domain/1/device/vbd/51712", OWN),
        ("/local/domain/1/device/vbd/51712/state", OWN),
        ("/local/domain/1/control", READABLE),
        ("/local/domain/1/control/shutdown", OWN),
        ("/local/domain/1/data", OWN),
        ("/local/domain/0/backend/vbd/1/51712/state", READABLE),
    ],
)
def test_permissions(path: str, permissions: tuple[Permission, ...]) -> None:
    store = build_store(
        {
            "hvmloader/bios": "seabios",
            "device/vbd/51712/state": "1",
            "/local/domain/0/backend/vbd/1/51712/state": "2",
        }
    )
    node = store.get(path)
    assert node is not None, path
    assert node.permissions == permissions


@pytest.mark.parametrize("path", ["", "a/", "a//b", "sp ace", "@introduceDomain", "ümlaut"])
def test_a_wrong_path_is_the_users_error(path: str) -> None:
    with pytest.raises(InputError, match="not a xenstore path"):
        build_store({path: "x"})
