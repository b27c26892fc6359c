"""What is a path, and which node it names."""

from __future__ import annotations

import pytest

from guestsim.xenstore.path import absolute, canonical, is_below, names, parent

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
        # The documentation allows 3072 here; both daemons hold every path to 2048.
        (b"/" + b"a" * 2047, "/" + "a" * 2047),
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
        b"/" + b"a" * 2048,
        b"/local/domain/77/" + b"a" * 2049,
    ],
)
def test_invalid(raw: bytes) -> None:
    assert canonical(raw, BASE) is None


def test_absolute_takes_anything() -> None:
    assert absolute(b"@releaseDomain", BASE) == "@releaseDomain"
    assert absolute(b"a b\xff", BASE) == BASE + "/a b\xff"
    assert absolute(b"", BASE) == BASE + "/"


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


@pytest.mark.parametrize(
    ("path", "ancestor", "depth", "below"),
    [
        ("/a", "/a", 0, True),
        ("/a/b", "/a", 0, False),
        ("/a/b", "/a", 1, True),
        ("/a/b/c", "/a", 1, False),
        ("/a/b/c", "/a", 2, True),
        ("/", "/", 0, True),
        ("/a", "/", 0, False),
        ("/a", "/", 1, True),
        ("/a/b", "/", 1, False),
    ],
)
def test_depth(path: str, ancestor: str, depth: int, below: bool) -> None:
    assert is_below(path, ancestor, depth) is below
