"""The socket's path: what may stand there already, and what is left of it afterwards."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from guestsim.errors import InputError
from guestsim.serve import listen


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # The temporary folder's own path may be too long for a socket.
    monkeypatch.chdir(tmp_path)
    return Path("s")


def test_the_socket_is_for_its_owner_and_goes_away(path: Path) -> None:
    mask = os.umask(0)
    try:
        with listen(path) as listener:
            mode = path.stat().st_mode
            assert stat.S_ISSOCK(mode)
            assert stat.S_IMODE(mode) == 0o600
            assert not listener.took_over
            assert os.umask(0) == 0, "the process's own mask is as it was"
    finally:
        os.umask(mask)
    assert not path.exists()


def test_a_socket_that_nobody_listens_on_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    assert path.exists()
    with listen(path) as listener:
        assert listener.took_over
    assert not path.exists()


def test_a_socket_that_somebody_listens_on_stays(path: Path) -> None:
    with listen(path):
        with pytest.raises(InputError, match=r"^s: somebody is listening there already$"):
            listen(path).__enter__()
        assert path.exists()


@pytest.mark.parametrize("kind", ["file", "folder", "link", "fifo"])
def test_what_is_no_socket_stays(path: Path, kind: str) -> None:
    if kind == "file":
        path.write_text("precious")
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to("nowhere")
    else:
        os.mkfifo(path)
    before = path.lstat()
    with pytest.raises(InputError, match=r"^s: exists, and is not a socket$"):
        listen(path).__enter__()
    assert path.lstat() == before


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("none/s", "none/s: cannot make a socket there: No such file or directory"),
        ("file/s", "file/s: cannot make a socket there: Not a directory"),
        ("x" * 108, f"{'x' * 108}: a socket's path has at most 107 bytes"),
        ("é" * 54, f"{'é' * 54}: a socket's path has at most 107 bytes"),
        ("a\0b", r"'a\x00b': not a possible file name"),
    ],
)
def test_a_path_that_cannot_be_is_one_line(path: Path, name: str, error: str) -> None:
    Path("file").write_text("")
    with pytest.raises(InputError) as caught:
        listen(Path(name)).__enter__()
    assert str(caught.value) == error


def test_what_somebody_else_has_put_there_meanwhile_stays(path: Path) -> None:
    with listen(path):
        path.unlink()
        path.write_text("somebody else's")
    assert path.read_text() == "somebody else's"


def test_it_may_have_gone_meanwhile(path: Path) -> None:
    with listen(path):
        path.unlink()
    assert not path.exists()
