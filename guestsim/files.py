"""Files of the user's: read whole and bounded, written whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from guestsim.errors import InputError, MissingFileError
from guestsim.trace.text import escaped

__all__ = ["MIB", "check_writable", "is_special", "read_file", "read_text", "write_file"]

MIB: Final = 1 << 20

_OPEN: Final = ("/dev/", "/proc/")

_KINDS: Final = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def read_file(path: Path, most: int, what: str = "") -> bytes:
    """The content of a regular file of at most `most` bytes.

    Kind and size are looked at before anything is read: nobody waits for a pipe, and a device has
    no end. InputError, one line with the path and `what` it was to be; MissingFileError where
    there is none.
    """
    here = f"{escaped(str(path))}: {what}{': ' if what else ''}"
    try:
        # Not to wait for somebody who writes to a pipe; not to get a terminal.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise MissingFileError(f"{here}no such file") from None
    except ValueError:
        raise InputError(f"{here}not a possible file name") from None
    except OSError as error:
        raise InputError(f"{here}{_why(path, error)}") from None
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise InputError(f"{here}is {_kind(found.st_mode)}, not a regular file")
        if found.st_size > most:
            raise InputError(f"{here}has {found.st_size:,} bytes; more than {most:,} are not read")
        with os.fdopen(os.dup(file), "rb") as stream:
            content = stream.read(most + 1)
    except OSError as error:
        raise InputError(f"{here}cannot be read: {error.strerror}") from None
    finally:
        os.close(file)
    if len(content) > most:
        raise InputError(f"{here}grows while it is read; more than {most:,} bytes are not read")
    return content


def read_text(path: Path, most: int, what: str = "") -> str:
    """The same as text; InputError, with the line, where it is not UTF-8."""
    content = read_file(path, most, what)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        here = f"{escaped(str(path))}: {what}{': ' if what else ''}"
        raise InputError(f"{here}line {line}: not UTF-8 (byte {byte:#04x})") from None


def check_writable(path: Path) -> None:
    """InputError where `path` cannot be written: to be told before something long begins."""
    target = path if is_special(path) else Path(os.path.realpath(path))
    why = ""
    if target.is_dir():
        why = "it is a folder"
    elif not is_special(path) and not target.parent.is_dir():
        why = "there is no such folder"
    elif not os.access(target if target.exists() else target.parent, os.W_OK):
        why = "Permission denied"
    if why:
        raise InputError(f"{escaped(str(path))}: cannot be written: {why}")


def write_file(path: Path, content: bytes) -> None:
    """Write a file, all of it or none: beside it first, then in its place. What is no regular file
    (a terminal, a pipe) is written as it is. InputError where that cannot be."""
    try:
        if is_special(path):
            path.write_bytes(content)
        else:
            _replace(Path(os.path.realpath(path)), content)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a possible file name"
        raise InputError(f"{escaped(str(path))}: cannot be written: {why}") from None


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name[:200]}.{os.getpid()}")
    try:
        with beside.open("xb") as stream:
            if path.exists():
                os.fchmod(stream.fileno(), stat.S_IMODE(path.stat().st_mode))
            stream.write(content)
        beside.replace(path)
    except BaseException:  # an interrupt, too: nothing stays behind
        beside.unlink(missing_ok=True)
        raise


def is_special(path: Path) -> bool:
    """There, and neither a regular file nor a folder; or one of the names of what a process has
    open (`/dev/stdout`), which is written to and not replaced, whatever it is."""
    if str(path).startswith(_OPEN):
        return True
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False  # who writes it will be told
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _kind(mode: int) -> str:
    return _KINDS.get(stat.S_IFMT(mode), "something else")


def _why(path: Path, error: OSError) -> str:
    """`open` has no better word for a socket than "No such device or address"."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return f"cannot be read: {error.strerror}"
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return f"is {_kind(mode)}, not a regular file"
    return f"cannot be read: {error.strerror}"
