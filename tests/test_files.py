"""Files of the user's: what has no end is not begun, and what is written is written whole."""

from __future__ import annotations

import os
import resource
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from guestsim.errors import InputError, MissingFileError
from guestsim.execute.schedule import load_schedule
from guestsim.files import MIB, check_writable, read_file, read_text, write_file
from guestsim.machine.image import load_image
from guestsim.record import load_recording
from guestsim.scenario import load
from guestsim.serve.store_file import load_store

READERS: dict[str, Callable[[Path], object]] = {
    "scenario": load,
    "schedule": load_schedule,
    "image": lambda path: load_image("mine", path),
    "store": load_store,
    "recording": lambda path: load_recording(path, {}),
}


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(path))


def make_large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 << 30)


def make_loop(path: Path) -> None:
    path.symlink_to(path)


ENDLESS: dict[str, tuple[Callable[[Path], None], str]] = {
    "pipe": (make_pipe, "is a pipe, not a regular file"),
    "socket": (make_socket, "is a socket, not a regular file"),
    "folder": (Path.mkdir, "is a folder, not a regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "is a device, not a regular file"),
    "large": (make_large, "has 3,221,225,472 bytes; more than"),
    "loop": (make_loop, "cannot be read: Too many levels of symbolic links"),
}


@pytest.mark.parametrize("kind", ENDLESS)
@pytest.mark.parametrize("reader", READERS)
def test_what_has_no_end_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    make, said = ENDLESS[kind]
    make(tmp_path / "it")
    with pytest.raises(InputError) as found:
        READERS[reader](Path("it"))
    text = str(found.value)
    assert text.startswith("it: "), text
    assert said in text, text


@pytest.mark.parametrize("reader", READERS)
def test_what_is_not_there_or_not_possible(tmp_path: Path, reader: str) -> None:
    with pytest.raises(InputError, match="no such file"):
        READERS[reader](tmp_path / "it")
    with pytest.raises(InputError, match="not a possible file name"):
        READERS[reader](tmp_path / "i\0t")


def test_text_is_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(b"\xef\xbb\xbfone\n")
    assert read_text(path, MIB) == "one\n"
    path.write_bytes(b"one\ntw\xff")
    with pytest.raises(InputError, match=r"it: line 2: not UTF-8 \(byte 0xff\)"):
        read_text(path, MIB)


def test_a_file_may_be_as_large_as_that(tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(b"x" * 10)
    assert read_file(path, 10) == b"x" * 10
    with pytest.raises(InputError, match="has 10 bytes; more than 9 are not read"):
        read_file(path, 9)
    with pytest.raises(MissingFileError, match="it2: thing: no such file"):
        read_file(tmp_path / "it2", 9, "thing")


# -- writing --------------------------------------------------------------------------------------


def test_a_file_is_written_in_the_place_of_another(tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(b"old")
    path.chmod(0o640)
    (tmp_path / "link").symlink_to("it")
    write_file(tmp_path / "link", b"new")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o640)
    assert (tmp_path / "link").is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["it", "link"]


def test_a_new_file_has_the_mode_that_others_would_have(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_bytes(b"")
    write_file(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "theirs").stat().st_mode


FULL = """
import resource, signal, sys
from pathlib import Path
from guestsim.errors import InputError
from guestsim.files import write_file
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_file(Path(sys.argv[1]), b"x" * 5000)
except InputError as error:
    print(error)
"""


def test_what_was_there_stays_where_the_disk_is_full(tmp_path: Path) -> None:
    assert resource.RLIMIT_FSIZE  # a limit of the system stands for the disk
    path = tmp_path / "it"
    path.write_bytes(b"precious")
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)],
        capture_output=True, text=True, check=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    assert done.stdout == f"{path}: cannot be written: File too large\n", done.stderr
    assert path.read_bytes() == b"precious"
    assert os.listdir(tmp_path) == ["it"]


def test_what_was_there_stays_where_writing_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "it"
    path.write_bytes(b"precious")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_file(path, b"new")
    assert path.read_bytes() == b"precious"
    assert os.listdir(tmp_path) == ["it"]


def test_what_is_no_file_is_written_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        write_file(Path("/dev/full"), b"x" * 100_000)
    read, write = os.pipe()
    write_file(Path(f"/dev/fd/{write}"), b"through")
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        assert stream.read() == b"through"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("folder", "it is a folder"),
        ("nowhere/it", "there is no such folder"),
        ("folder/../nowhere/x/it", "there is no such folder"),
    ],
)
def test_what_cannot_be_written_is_known_before(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=why):
        check_writable(tmp_path / name)
    with pytest.raises(InputError, match="cannot be written"):
        write_file(tmp_path / name, b"")
    assert os.listdir(tmp_path) == ["folder"]
    check_writable(tmp_path / "it")
    check_writable(Path("/dev/null"))
