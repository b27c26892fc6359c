"""What a server begins with: a fresh store, or that of a file, or one line of what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from guestsim.errors import InputError
from guestsim.serve.store_file import fresh_store, load_store
from guestsim.xenstore import OXENSTORED


def test_a_fresh_store_is_that_of_xenstored() -> None:
    assert [path for path, _ in fresh_store().walk()] == ["/tool/xenstored", "/tool", "/"]


def test_a_fresh_store_of_oxenstored_has_its_special_names() -> None:
    paths = ["/tool/xenstored", "/tool", "/local", "/@releaseDomain", "/@introduceDomain", "/"]
    assert [path for path, _ in fresh_store(OXENSTORED).walk()] == paths


def test_so_has_that_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "store.toml"
    file.write_text('[store]\n"/@introduceDomain/x" = "1"\n')
    store = load_store(file, OXENSTORED)
    assert store.get("/@releaseDomain") is not None
    assert store.get("/@introduceDomain/x") is not None
    assert load_store(file).get("/@releaseDomain") is None


def test_paths_of_a_file_are_absolute_or_of_domain_1(tmp_path: Path) -> None:
    file = tmp_path / "store.toml"
    file.write_text('[store]\n"/vm/name" = "example"\n"hvmloader/bios" = "seabios"\n')
    store = load_store(file)
    assert store.get("/vm/name").value == b"example"  # type: ignore[union-attr]
    assert store.get("/local/domain/1/hvmloader/bios").value == b"seabios"  # type: ignore[union-attr]


def test_an_empty_file_is_a_domain_with_nothing_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "store.toml"
    file.write_text("")
    assert load_store(file).get("/local/domain/1") is not None


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('[stor]\n"a" = "b"\n', 'stor: unknown key; did you mean "store"?'),
        ('title = "x"\n', "title: unknown key; a store's file has one table, [store]"),
        ("store = 5\n", "store: expected a table, got the integer 5"),
        ('[store]\n"a b" = "c"\n', 'store."a b": " " may not stand in a path; '),
        ('[store]\n"a" = 5\n', "store.a: expected a string, got the integer 5"),
        ('[store]\na.b = "c"\n', 'store.a: expected a string, got a table; quote the key: "a" ='),
        ('[store]\n"/a/" = "c"\n', 'store."/a/": a path may not end in "/"'),
        ('[store]\n/a = "c"\n', 'line 2, column 1: not valid TOML: Invalid statement; a key with a '
         '"/" needs quotes'),
    ],
)  # fmt: skip
def test_a_wrong_file_is_one_line(tmp_path: Path, text: str, error: str) -> None:
    file = tmp_path / "store.toml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        load_store(file)
    line = str(caught.value)
    assert line.startswith(f"{file}: {error}"), line
    assert "\n" not in line


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml: no such file$"):
        load_store(tmp_path / "none.toml")
