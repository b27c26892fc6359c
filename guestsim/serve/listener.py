"""The socket that clients connect to: a path that is ours alone while we serve."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from guestsim.errors import InputError
from guestsim.serve.limits import BACKLOG

__all__ = ["Listener", "listen"]

_LONGEST = 107
"""Bytes of a path that fit into `sun_path`, with its nul (unix(7))."""


class Listener(NamedTuple):
    """A socket that listens, and where."""

    socket: socket.socket
    path: Path
    took_over: bool
    """A socket was there that nobody listened on; it is replaced."""


@contextmanager
def listen(path: Path) -> Iterator[Listener]:
    """Listen at `path`, for our own user only (mode 0600); afterwards, the socket is gone.

    A socket at `path` on which nobody listens is what a server leaves behind that was killed: it
    is replaced. Anything else at `path` stays, and is an `InputError`, like a path that cannot be.
    """
    if len(os.fsencode(path)) > _LONGEST:
        raise InputError(f"{path}: a socket's path has at most {_LONGEST} bytes")
    took_over = _make_way(path)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        ours = _bind(server, path)
        try:
            server.listen(BACKLOG)
            server.setblocking(False)
            yield Listener(server, path, took_over)
        finally:
            _remove(path, ours)
    finally:
        server.close()


def _make_way(path: Path) -> bool:
    """Remove a socket that nobody listens on; whether there was one."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    except OSError as error:
        raise InputError(f"{path}: cannot make a socket there: {error.strerror}") from None
    except ValueError:
        raise InputError(f"{str(path)!r}: not a possible file name") from None
    if not stat.S_ISSOCK(mode):
        raise InputError(f"{path}: exists, and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return True
        except FileNotFoundError:
            return False
        except OSError as error:
            raise InputError(f"{path}: exists, and cannot be tried: {error.strerror}") from None
    raise InputError(f"{path}: somebody is listening there already")


def _bind(server: socket.socket, path: Path) -> tuple[int, int]:
    """Make the socket, and say which file it is."""
    mask = os.umask(0o177)
    try:
        server.bind(str(path))
    except OSError as error:
        raise InputError(f"{path}: cannot make a socket there: {error.strerror}") from None
    finally:
        os.umask(mask)
    return _identity(path)


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino


def _remove(path: Path, ours: tuple[int, int]) -> None:
    """Remove the socket, unless somebody has put something else in its place."""
    try:
        if _identity(path) == ours:
            path.unlink()
    except FileNotFoundError:
        pass
