"""What is a path, and which node it names."""

from __future__ import annotations

import pytest

from guestsim.xenstore.path import canonical, is_below, names, parent

BASE = "/local/domain/1"


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/", "/"),
        (b"/a/b", "/a/b"),
        (b"a", "/local/domain/1/a"),
        (b"device/vbd/0", "/local/domain/1/device/vbd/0"),
        (b"/A-Z_0@9", "/A-Z_0@9"),
        (b"a" * 2048, BASE + "/" + "a" * 2048),
        (b"/" + b"a" * 3071, "/" + "a" * 3071),
        # Under a domain's own path only the rest counts.
        (b"/local/domain/77/" + b"a" * 2048, "/local/domain/77/" + "a" * 2048),
    ],
)
def test_valid(raw: bytes, path: str) -> None:
    assert canonical(raw, BASE) == path


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"a/",
        b"/a/",
        b"//",
        b"/a//b",
        b"a b",
        b"a.b",
        b"\xff" * 4,
        b"a\n",
        b"@introduceDomain",
        b"a" * 2049,
        b"/" + b"a" * 3072,
        b"/local/domain/77/" + b"a" * 2049,
    ],
)
def test_invalid(raw: bytes) -> None:
    assert canonical(raw, BASE) is None


def test_special_names_where_they_are_allowed() -> None:
    assert canonical(b"@releaseDomain", BASE, special=True) == "@releaseDomain"


def test_families() -> None:
    assert names("/") == [""]
    assert names("/a/b") == ["", "a", "b"]
    assert [parent("/a/b"), parent("/a"), parent("/"), parent("@x")] == ["/a", "/", "/", "/"]
    assert is_below("/a/b", "/a")
    assert is_below("/a", "/a")
    assert is_below("/a", "/")
    assert not is_below("/ab", "/a")
    assert not is_below("/a", "/a/b")
    assert not is_below("@x", "/")
